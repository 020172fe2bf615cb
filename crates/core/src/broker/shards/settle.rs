//! Settlements: what waits until other shards have said that they are done, and what became of it there.
use crate::broker::messages::accepted::Routed;
use crate::broker::messages::ledger::Recipient;
use crate::id::{ConnectionId, MessageId, PacketId, ShardId, Ticket};
use crate::reason::ReasonCode;
use crate::slab::Slab;
use alloc::vec::Vec;

/// What became of a message on a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Queued,
    NobodyMatched,
    EveryQueueRefused,
    /// The same, and each is the queue of somebody who is connected and behind.
    EveryQueueBehind,
}

impl Outcome {
    /// Of a message on this shard.
    pub(crate) fn of(routed: &Routed) -> Self {
        match routed.reason_here() {
            ReasonCode::NoMatchingSubscribers => Self::NobodyMatched,
            ReasonCode::QuotaExceeded if routed.behind == routed.matched => Self::EveryQueueBehind,
            ReasonCode::QuotaExceeded => Self::EveryQueueRefused,
            _ => Self::Queued,
        }
    }

    /// What a publisher is told, as far as its version has words for that.
    pub(crate) fn reason(self) -> ReasonCode {
        match self {
            Self::Queued => ReasonCode::Success,
            Self::NobodyMatched => ReasonCode::NoMatchingSubscribers,
            Self::EveryQueueRefused | Self::EveryQueueBehind => ReasonCode::QuotaExceeded,
        }
    }

    pub(crate) fn byte(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::NobodyMatched,
            2 => Self::EveryQueueRefused,
            3 => Self::EveryQueueBehind,
            _ => Self::Queued,
        }
    }
}

/// Who waits for a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// An answer on a connection.
    Answer(ConnectionId, u32),
    /// What a local subscriber asked.
    Asked(Ticket),
    /// The shard on whose behalf a message of our topic was ordered, or whose session joined a group of ours.
    Ordered(ShardId, u32),
    /// A message that is to be mailed again after a crash, until now.
    Distributed(MessageId),
    /// What a group had lent to a session: that has ended, and the journal may say so.
    Lent(Recipient, MessageId),
    /// The road of a topic: one message fewer on it.
    Road(u32),
    /// A QoS 2 message of a session: from now on its repetition need not wait.
    Receipt(u32, u32, PacketId),
}

struct Settlement {
    /// How many shards have not answered.
    open: usize,
    queued: bool,
    refused: bool,
    behind: bool,
    waiters: Vec<Waiter>,
}

/// The settlements that are open.
#[derive(Default)]
pub(crate) struct Settlements {
    table: Slab<Settlement>,
}

impl Settlements {
    /// One that so many shards have to answer, and what is known already.
    pub(crate) fn open(&mut self, shards: usize, here: Outcome) -> u32 {
        self.table.insert(Settlement {
            open: shards,
            queued: here == Outcome::Queued,
            refused: here == Outcome::EveryQueueRefused,
            behind: here == Outcome::EveryQueueBehind,
            waiters: Vec::new(),
        })
    }

    pub(crate) fn add(&mut self, place: u32, waiter: Waiter) {
        self.table[place].waiters.push(waiter);
    }

    pub(crate) fn join(&mut self, place: u32, id: ConnectionId, number: u32) {
        self.add(place, Waiter::Answer(id, number));
    }

    /// A shard tells what became of it there.
    pub(crate) fn outcome(&mut self, place: u32, outcome: Outcome) {
        let settlement = &mut self.table[place];
        settlement.queued |= outcome == Outcome::Queued;
        settlement.refused |= outcome == Outcome::EveryQueueRefused;
        settlement.behind |= outcome == Outcome::EveryQueueBehind;
    }

    /// A shard is done with it; the outcome and the waiters if it was the last one.
    pub(crate) fn close(&mut self, place: u32) -> Option<(Outcome, Vec<Waiter>)> {
        let settlement = &mut self.table[place];
        settlement.open -= 1;
        if settlement.open > 0 {
            return None;
        }
        let outcome = match (settlement.queued, settlement.refused, settlement.behind) {
            (true, ..) => Outcome::Queued,
            (false, true, _) => Outcome::EveryQueueRefused,
            (false, false, true) => Outcome::EveryQueueBehind,
            (false, false, false) => Outcome::NobodyMatched,
        };
        self.table.remove(place).map(|settlement| (outcome, settlement.waiters))
    }

    /// All that somebody waits for.
    pub(crate) fn waiters(&self) -> impl Iterator<Item = &Waiter> {
        self.table.iter().flat_map(|(_, settlement)| &settlement.waiters)
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn check(&self) {
        self.table.check();
        assert!(self.table.iter().all(|(_, settlement)| settlement.open > 0), "what is answered is closed");
    }
}
