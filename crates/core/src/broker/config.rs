//! What a shard is set up with.
use super::authority::policy::Policy;
use super::base::limits::Limits;
use crate::codec::Leniency;
use crate::id::ShardId;
use alloc::boxed::Box;
use core::fmt;

/// How a shard is set up. Begin with [`new`](Self::new) and change what matters.
///
/// ```
/// use tidewire_core::broker::policy::Open;
/// use tidewire_core::broker::{Config, Limit};
/// use tidewire_core::id::ShardId;
///
/// // One of two shards. Seed and placement are bytes that nobody can guess; the placement is the same on both.
/// let mut config = Config::new(Box::new(Open::new()), [7; 32]).one_of(2, ShardId(1), [42; 16]);
/// config.limits.set_number(Limit::queued_messages, 10_000)?;
/// # Ok::<(), tidewire_core::broker::LimitError>(())
/// ```
#[non_exhaustive]
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

impl Config {
    /// A complete broker, without a store, with the default limits.
    ///
    /// `seed` is secret and never the same twice: hash tables, and the names of clients that come without one, rest on
    /// it. Whoever restarts also counts [`incarnation`](Self::incarnation).
    pub fn new(policy: Box<dyn Policy + Send>, seed: [u8; 32]) -> Self {
        Self {
            shard: ShardId(0),
            shards: 1,
            placement: [0; 16],
            seed,
            incarnation: 0,
            durable: false,
            limits: Limits::default(),
            lenient: Leniency::NONE,
            policy,
        }
    }

    /// One shard of several, each with another number and another seed, all with the same placement.
    #[must_use]
    pub fn one_of(self, shards: u16, shard: ShardId, placement: [u8; 16]) -> Self {
        Self { shard, shards, placement, ..self }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("shard", &self.shard)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}
