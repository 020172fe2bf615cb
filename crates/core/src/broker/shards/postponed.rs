//! Messages that wait for their place: one with RETAIN goes by way of its owner, and must not pass direct ones on
//! its topic that are still under way.
use super::note::Author;
use super::post::BUCKETS;
use crate::broker::messages::incoming::Incoming;
use crate::broker::messages::owned::{Owned, Undistributed};
use crate::id::{ConnectionId, MessageId, Ticket};
use crate::text::Text;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

/// A message that waits.
pub(crate) enum Postponed {
    /// From a socket, which is not read meanwhile.
    Incoming(ConnectionId, Box<Incoming>),
    /// From inside, where nobody can be told to wait.
    Inner(Box<Inner>),
    /// From the journal: it is mailed again after a restart.
    Again(MessageId, Box<Undistributed>),
}

/// A will, or what a local subscriber publishes.
pub(crate) struct Inner {
    pub(crate) author: Author,
    /// Of its session and packet, as the books want it.
    pub(crate) hash: u32,
    pub(crate) topic: Box<str>,
    pub(crate) message: Arc<Owned>,
    pub(crate) retain: bool,
    /// Of a local subscriber: a will has none.
    pub(crate) ticket: Option<Ticket>,
}

impl Postponed {
    pub(crate) fn topic(&self) -> Text<'_> {
        let topic = match self {
            Self::Incoming(_, incoming) => &incoming.topic,
            Self::Inner(inner) => &inner.topic,
            Self::Again(_, left) => &left.topic,
        };
        Text::known_str(topic)
    }

    pub(crate) fn retain(&self) -> bool {
        match self {
            Self::Incoming(_, incoming) => incoming.retain,
            Self::Inner(inner) => inner.retain,
            Self::Again(_, left) => left.retain,
        }
    }
}

/// Those that wait, in the order in which they came.
pub(crate) struct Queue {
    waiting: VecDeque<(usize, Postponed)>,
    /// How many wait in each bucket.
    taken: [u32; BUCKETS],
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), taken: [0; BUCKETS] }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Does anything wait in this bucket?
    pub(super) fn is_taken(&self, bucket: usize) -> bool {
        self.taken[bucket] > 0
    }

    /// The one at this place, and its bucket.
    pub(crate) fn get(&self, at: usize) -> Option<(usize, &Postponed)> {
        self.waiting.get(at).map(|(bucket, postponed)| (*bucket, postponed))
    }

    /// For `check`: the tickets of those that wait.
    pub(crate) fn tickets(&self) -> impl Iterator<Item = Ticket> {
        self.waiting.iter().filter_map(|(_, postponed)| match postponed {
            Postponed::Inner(inner) => inner.ticket,
            _ => None,
        })
    }

    pub(super) fn first(&self) -> Option<&Postponed> {
        self.waiting.front().map(|(_, postponed)| postponed)
    }

    pub(super) fn push(&mut self, bucket: usize, postponed: Postponed) {
        self.taken[bucket] += 1;
        self.waiting.push_back((bucket, postponed));
    }

    pub(crate) fn remove(&mut self, at: usize) -> Option<Postponed> {
        let (bucket, postponed) = self.waiting.remove(at)?;
        self.taken[bucket] -= 1;
        Some(postponed)
    }

    pub(super) fn check(&self) {
        for (bucket, taken) in self.taken.iter().enumerate() {
            let waiting = self.waiting.iter().filter(|(of, _)| *of == bucket).count();
            assert_eq!(waiting, *taken as usize, "those that wait in bucket {bucket} are counted");
        }
    }
}
