//! Names that come once.
use crate::id::{MessageId, ShardId};
use crate::seed::Random;
use crate::time::Instant;
use alloc::format;
use alloc::string::String;

/// What this shard makes names of.
pub(crate) struct Here {
    shard: ShardId,
    random: Random,
    /// Counts the starts of this server.
    incarnation: u32,
    /// Messages that were given an id.
    published: u32,
}

impl Here {
    pub(crate) fn new(shard: ShardId, random: Random, incarnation: u32) -> Self {
        Self { shard, random, incarnation, published: 0 }
    }

    /// Which start of the server this is.
    pub(crate) fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Was it accepted before this start of the server?
    pub(crate) fn is_of_before(&self, id: MessageId) -> bool {
        id.incarnation() != self.incarnation
    }

    /// Ids grow with time and are unique over restarts. The journal takes one, too, for what it has to call by a name of its
    /// own.
    pub(crate) fn message_id(&mut self, now: Instant) -> MessageId {
        self.published = self.published.wrapping_add(1);
        MessageId::new(now.as_millis(), self.shard, self.incarnation, self.published)
    }

    /// A Client Identifier for somebody who brings none.
    /// A number that nobody can guess.
    pub(crate) fn random(&mut self) -> u64 {
        self.random.next()
    }

    pub(crate) fn client_id(&mut self) -> String {
        format!("tw-{:016x}{:016x}", self.random.next(), self.random.next())
    }
}
