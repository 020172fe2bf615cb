//! Output commit: no packet leaves that asserts what is not durable.
//!
//! The core writes its own journal as bytes; a store appends and syncs them and says how far they are durable.
//! Whatever depends on a record waits for the position at which the journal ended when it was made. Only what
//! outlives a connection is written: sessions that do not end with it, their subscriptions and queues, wills, and
//! Retained Messages.
mod pen;
pub(crate) mod record;
pub(crate) mod restoring;

use crate::broker::messages::owned::Undistributed;
use crate::broker::retained::index::Place as Topic;
use crate::id::{ConnectionId, MessageId, ShardId};
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
pub(crate) use pen::{Pen, message_record, options_byte, session_record};
pub(crate) use record::Place;
use record::Record;
#[cfg(feature = "_fuzz")]
pub(crate) use record::seal;
pub use restoring::RestoreError;

/// How far a snapshot has come.
#[derive(Default)]
pub(crate) struct Snapshot {
    /// The next group, and the next session.
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// The last topic whose Retained Message was taken.
    pub(crate) retained: Option<Topic>,
    pub(crate) begun: bool,
}

/// The journal as the broker knows it. Without a store everything is durable at once.
pub(crate) struct Journal {
    on: bool,
    failed: bool,
    /// Written, and not polled; nothing of a journal that has failed.
    out: Vec<u8>,
    end: u64,
    durable: u64,
    announced: bool,
    /// Connections whose output waits for a position, ascending.
    waiting: VecDeque<(u64, ConnectionId)>,
    /// Messages of publishers here that have not reached all shards durably: of QoS 2, and wills.
    undistributed: BTreeMap<MessageId, Undistributed>,
    /// Messages that came by mail and are in the journal, until their publishers' shards forget them.
    mailed_here: BTreeSet<MessageId>,
    pub(crate) snapshot: Option<Snapshot>,
}

impl Journal {
    pub(crate) fn new(on: bool, now: Instant) -> Self {
        let mut journal = Self {
            on,
            failed: false,
            out: Vec::new(),
            end: 0,
            durable: 0,
            announced: false,
            waiting: VecDeque::new(),
            undistributed: BTreeMap::new(),
            mailed_here: BTreeSet::new(),
            snapshot: None,
        };
        journal.begin(now);
        journal
    }

    /// What was written is not needed: everything begins here.
    pub(crate) fn begin(&mut self, now: Instant) {
        (self.out, self.end) = (Vec::new(), 0);
        self.write(&Record::Start { at: now });
    }

    /// There is one.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// It can take no more.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// What waits for it will wait for ever.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
        self.out = Vec::new();
    }

    /// Where it ends now.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Up to where it is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    fn write(&mut self, record: &Record<'_>) {
        if self.on {
            let before = self.out.len();
            record.encode(&mut self.out);
            self.end += (self.out.len() - before) as u64;
            if self.failed {
                // What waits for it waits for ever, and nobody will poll it.
                self.out.clear();
            }
        }
    }

    /// There is something to poll that was not announced.
    pub(crate) fn has_news(&mut self) -> bool {
        let has_news = !(self.out.is_empty() || self.announced || self.failed);
        self.announced |= has_news;
        has_news
    }

    /// Appends what was written; where it ends, if that is anything.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) -> Option<u64> {
        self.announced = false;
        if self.out.is_empty() {
            return None;
        }
        out.append(&mut self.out);
        Some(self.end)
    }

    /// Wakes a connection when the journal is durable up to there, if it is not yet.
    pub(crate) fn wake(&mut self, position: u64, id: ConnectionId) {
        if position > self.durable && self.waiting.back().is_none_or(|last| *last != (position, id)) {
            let at = self.waiting.partition_point(|(p, _)| *p <= position);
            self.waiting.insert(at, (position, id));
        }
    }

    /// For `check`: will this connection be woken when it is durable up to there?
    pub(crate) fn is_awaited(&self, position: u64, id: ConnectionId) -> bool {
        self.waiting.contains(&(position, id))
    }

    /// It is durable up to there.
    pub(crate) fn synced(&mut self, up_to: u64) {
        self.durable = self.durable.max(up_to).min(self.end);
    }

    /// The next connection that need not wait any more.
    pub(crate) fn woken(&mut self) -> Option<ConnectionId> {
        let (position, id) = *self.waiting.front()?;
        if position > self.durable {
            return None;
        }
        self.waiting.pop_front();
        Some(id)
    }

    /// Has this message come by mail before?
    pub(crate) fn knows(&self, id: MessageId) -> bool {
        self.mailed_here.contains(&id)
    }

    /// What that shard accepted before this start of the server, and has come by mail.
    pub(crate) fn known_before(&self, shard: ShardId, incarnation: u32) -> Vec<MessageId> {
        let is_before = |id: &MessageId| id.shard() == shard && id.incarnation() < incarnation;
        self.known().filter(is_before).collect()
    }

    /// All that has come by mail and may come again.
    pub(crate) fn known(&self) -> impl Iterator<Item = MessageId> {
        self.mailed_here.iter().copied()
    }

    /// What has perhaps not reached all shards, in the order in which it was accepted.
    pub(crate) fn undistributed(&self) -> &BTreeMap<MessageId, Undistributed> {
        &self.undistributed
    }

    /// Records an earlier journal's words about mail, which are read again; a shard that keeps none could not say when
    /// they are true no more.
    pub(crate) fn restore_undistributed(&mut self, id: MessageId, left: Option<Undistributed>) {
        match left.filter(|_| self.on) {
            Some(left) => drop(self.undistributed.insert(id, left)),
            None => drop(self.undistributed.remove(&id)),
        }
    }

    pub(crate) fn restore_known(&mut self, id: MessageId, is_known: bool) {
        if is_known && self.on {
            self.mailed_here.insert(id);
        } else {
            self.mailed_here.remove(&id);
        }
    }

    pub(crate) fn check(&self) {
        assert!(self.durable <= self.end, "what is not written is not durable");
        let positions = self.waiting.iter().map(|(position, _)| *position);
        assert!(positions.clone().is_sorted(), "who waits stands in order");
        assert!(
            positions.into_iter().all(|position| position > self.durable),
            "nobody waits for what is there"
        );
        assert!(!self.failed || self.out.is_empty(), "nothing is kept that nobody will poll");
        let kept = !(self.undistributed.is_empty() && self.mailed_here.is_empty());
        assert!(self.on || !kept, "without a journal nothing is kept for it");
    }
}
