//! Settlements: what waits until other shards have said that they are done, and what became of it there.
use crate::broker::messages::accepted::Routed;
use crate::id::{ConnectionId, MessageId, PacketId, ShardId, Ticket};
use crate::reason::ReasonCode;
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
        match routed.reason() {
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
    /// Whoever published or subscribed as a local subscriber.
    Published(Ticket, MessageId),
    Subscribed(Ticket),
    Unsubscribed(Ticket),
    /// The shard on whose behalf a message of our topic was ordered.
    Ordered(ShardId, u32),
    /// A QoS 2 message that is to be mailed again after a crash, until now.
    Distributed(MessageId),
    /// The road of a topic: one message fewer on it.
    Road(u32),
    /// A QoS 2 message of a session: from now on its repetition need not wait.
    Receipt(u32, u32, PacketId),
}

#[derive(Default)]
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
    table: Vec<Settlement>,
    free: Vec<u32>,
}

impl Settlements {
    /// One that so many shards have to answer, and what is known already.
    pub(crate) fn open(&mut self, shards: usize, here: Outcome) -> u32 {
        let settlement = Settlement {
            open: shards,
            queued: here == Outcome::Queued,
            refused: here == Outcome::EveryQueueRefused,
            behind: here == Outcome::EveryQueueBehind,
            waiters: Vec::new(),
        };
        if let Some(place) = self.free.pop() {
            self.table[place as usize] = settlement;
            return place;
        }
        self.table.push(settlement);
        u32::try_from(self.table.len() - 1).expect("there are fewer answers under way than that")
    }

    pub(crate) fn add(&mut self, place: u32, waiter: Waiter) {
        self.table[place as usize].waiters.push(waiter);
    }

    pub(crate) fn join(&mut self, place: u32, id: ConnectionId, number: u32) {
        self.add(place, Waiter::Answer(id, number));
    }

    /// A shard tells what became of it there.
    pub(crate) fn outcome(&mut self, place: u32, outcome: Outcome) {
        let settlement = &mut self.table[place as usize];
        settlement.queued |= outcome == Outcome::Queued;
        settlement.refused |= outcome == Outcome::EveryQueueRefused;
        settlement.behind |= outcome == Outcome::EveryQueueBehind;
    }

    /// A shard is done with it; the outcome and the waiters if it was the last one.
    pub(crate) fn close(&mut self, place: u32) -> Option<(Outcome, Vec<Waiter>)> {
        let settlement = &mut self.table[place as usize];
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
        let waiters = core::mem::take(&mut settlement.waiters);
        self.free.push(place);
        Some((outcome, waiters))
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.table.len() - self.free.len()
    }
}
