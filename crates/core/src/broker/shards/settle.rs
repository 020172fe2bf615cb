//! Settlements: what waits until other shards have said that they are done, and what became of it there.
use crate::broker::Broker;
use crate::broker::answer::{Waits, What};
use crate::broker::publish::Routed;
use crate::id::{ConnectionId, MessageId, PacketId, ShardId, Ticket};
use crate::reason::ReasonCode;
use crate::time::Instant;
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
    fn reason(self) -> ReasonCode {
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
    fn close(&mut self, place: u32) -> Option<(Outcome, Vec<Waiter>)> {
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

impl Broker {
    /// A shard is done with what a settlement waits for.
    pub(crate) fn settle(&mut self, now: Instant, place: u32) {
        let Some((outcome, waiters)) = self.settlements.close(place) else { return };
        let reason = outcome.reason();
        for waiter in waiters {
            match waiter {
                Waiter::Answer(id, number) => self.answer_with(now, id, number, outcome),
                Waiter::Published(ticket, message) => {
                    self.event(crate::broker::Event::Acknowledged { ticket, message, reason });
                }
                Waiter::Subscribed(ticket) => {
                    self.event(crate::broker::Event::Subscribed { ticket, reason: ReasonCode::Success });
                }
                Waiter::Unsubscribed(ticket) => {
                    self.event(crate::broker::Event::Unsubscribed { ticket, reason: ReasonCode::Success });
                }
                Waiter::Ordered(shard, ticket) => self.tell_ordered(shard, ticket, outcome),
                Waiter::Distributed(id) => self.distributed(id),
                Waiter::Road(road) => self.road_shortens(road),
                Waiter::Receipt(session, generation, packet_id) => {
                    let Some(s) = self.sessions.get(session, generation) else { continue };
                    let v5 = s.version.is_v5();
                    if let Some(flow) = s.flow.as_deref_mut() {
                        flow.unsettled.retain(|(id, _)| *id != packet_id);
                        self.sessions.rest(session);
                    }
                    // Before 5.0 it is acknowledged all the same.
                    if reason == ReasonCode::QuotaExceeded && v5 {
                        self.take_back(session, packet_id);
                    }
                }
            }
        }
    }

    /// An acknowledgement that waited: it says what became of the message; SUBACK says what it said.
    fn answer_with(&mut self, now: Instant, id: ConnectionId, number: u32, outcome: Outcome) {
        let Some(connection) = self.connections.get(id) else {
            return self.answer_settled(id, number, |_| Waits::Nothing);
        };
        let refused_in_vain = outcome.reason().is_error() && !connection.version().is_v5();
        // Before 5.0 nothing can be refused: those who are behind slow the publisher down instead.
        let pauses = refused_in_vain && outcome == Outcome::EveryQueueBehind && !connection.is_ending();
        let mut waits = Waits::Nothing;
        if pauses {
            self.pause(now, id.index, None);
            waits = Waits::Pause;
        }
        self.answer_settled(id, number, |what| {
            let What::Ack { reason, .. } = what else { return Waits::Nothing };
            *reason = if refused_in_vain { ReasonCode::Success } else { outcome.reason() };
            waits
        });
    }
}
