//! A connection on its way to another shard.
use crate::broker::authority::policy::Peer;
use crate::time::Instant;
use alloc::vec::Vec;

/// A connection on its way to the shard its session lives on: what is known of it, and the bytes it had sent ahead.
#[derive(Debug)]
pub struct Passage {
    pub(crate) peer: Peer,
    /// When it was accepted.
    pub(crate) accepted: Instant,
    pub(crate) bytes: Vec<u8>,
}

impl Passage {
    /// Where the connection comes from.
    pub fn peer(&self) -> Peer {
        self.peer
    }
}
