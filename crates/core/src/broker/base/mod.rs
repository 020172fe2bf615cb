//! What all rooms stand on.
pub(crate) mod actions;
pub mod limits;
pub(crate) mod rules;
pub(crate) mod table;
pub(crate) mod timers;
