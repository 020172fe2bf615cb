//! What all rooms stand on.
pub(crate) mod actions;
pub(crate) mod here;
pub mod limits;
pub(crate) mod rules;
pub(crate) mod table;
pub(crate) mod tickets;
pub(crate) mod timers;

/// "No session", "no grant" and the like, where an `Option` would cost.
pub(crate) const NONE: u32 = u32::MAX;

/// Payloads from this length on are shared, not copied, and come in chunks.
pub(crate) const LARGE: usize = 64 * 1024;
