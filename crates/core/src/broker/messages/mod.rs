//! Messages while somebody needs them: kept once, queued by recipient, booked.
pub(crate) mod depot;
pub mod ledger;
pub(crate) mod queue;
pub(crate) mod store;
