//! Messages while somebody needs them: kept once, queued by recipient, booked.
pub(crate) mod accepted;
pub(crate) mod depot;
pub(crate) mod incoming;
pub(crate) mod kept;
pub mod ledger;
pub(crate) mod queue;
pub(crate) mod store;
pub(crate) mod tally;
pub(crate) mod wire;
