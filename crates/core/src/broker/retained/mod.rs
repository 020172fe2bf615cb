//! Retained Messages: by topic, and on their way to new subscriptions.
pub(crate) mod index;
pub(crate) mod replay;
mod steer;
#[cfg(test)]
mod tests;

use crate::broker::messages::owned::Owned;
use crate::slab::Slab;
use alloc::sync::Arc;
use index::Index;
use replay::Replay;

/// The Retained Messages of a shard, each shared by all shards, and the replays that stand in queues.
pub(crate) struct Retained {
    pub(crate) index: Index<Arc<Owned>>,
    /// Each stands in one queue.
    pub(crate) replays: Slab<Replay>,
}

impl Retained {
    pub(crate) fn new() -> Self {
        Self { index: Index::new(), replays: Slab::default() }
    }

    pub(crate) fn check(&self) {
        self.index.check();
        self.replays.check();
    }
}
