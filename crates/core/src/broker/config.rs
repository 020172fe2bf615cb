//! What a shard is set up with.
use super::authority::policy::Policy;
use super::base::limits::Limits;
use crate::codec::Leniency;
use crate::id::ShardId;
use alloc::boxed::Box;
use core::fmt;

/// How a shard is set up.
pub struct Config {
    /// Which one it is.
    pub shard: ShardId,
    /// How many there are; 1 makes a complete broker. There are at least as many as the number of this one says.
    pub shards: u16,
    /// Which shard a client is at home on. Secret, and the same on all shards.
    pub placement: [u8; 16],
    /// All other randomness. Different on each shard.
    pub seed: [u8; 32],
    /// Counts the starts of this server, so that no Message id comes twice.
    pub incarnation: u32,
    /// There is a store: what must not be lost is journaled, and nothing is promised before it is durable.
    pub durable: bool,
    /// What may be taken of this shard.
    pub limits: Limits,
    /// Which faults of clients are forgiven; by default none.
    pub lenient: Leniency,
    /// Who may do what.
    pub policy: Box<dyn Policy + Send>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("shard", &self.shard)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}
