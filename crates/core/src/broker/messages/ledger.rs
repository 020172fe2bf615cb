//! The books: what became of every message, counted, and remembered for a while.
use super::tally::{Repeated, Tallies};
use crate::id::MessageId;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Why a message did not reach a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Reason {
    /// QoS 0, and the recipient is not connected.
    Offline,
    /// The recipient's queue is full.
    QueueFull,
    /// An older message had to make room. (Policy: drop oldest)
    MadeRoom,
    /// All queues of the shard together are at their limit.
    ShardFull,
    /// The recipient's session ended.
    SessionEnded,
    /// The packet is longer than the recipient's Maximum Packet Size. [MQTT-3.1.2-25]
    TooLarge,
    /// The recipient may not receive it, or its publisher may not publish it any more.
    NotAuthorized,
    /// The recipient answered with a Reason Code of 0x80 or above.
    Refused,
    /// QoS 0, and the connection ended before it could be sent.
    ConnectionLost,
}

/// How many reasons there are.
pub(crate) const REASONS: usize = 9;

impl Reason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; REASONS] = [
        Self::Offline,
        Self::QueueFull,
        Self::MadeRoom,
        Self::ShardFull,
        Self::SessionEnded,
        Self::TooLarge,
        Self::NotAuthorized,
        Self::Refused,
        Self::ConnectionLost,
    ];

    /// For logs and counts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::QueueFull => "queue-full",
            Self::MadeRoom => "made-room",
            Self::ShardFull => "shard-full",
            Self::SessionEnded => "session-ended",
            Self::TooLarge => "too-large",
            Self::NotAuthorized => "not-authorized",
            Self::Refused => "refused",
            Self::ConnectionLost => "connection-lost",
        }
    }
}

/// Where a message stands with one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// Waits for its turn.
    Queued,
    /// Sent, and not acknowledged.
    InFlight,
    /// QoS 0: handed to the transport. QoS 1 and 2: acknowledged.
    Delivered,
    /// Too old before it could be sent.
    Expired,
    /// It will not arrive.
    Dropped(Reason),
}

/// What became of a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Verdict {
    /// Accepted, and handed to whoever matched.
    Accepted,
    /// Its publisher may not publish there.
    NotAuthorized,
    /// Every recipient's queue refused it.
    Refused,
    /// The policy said no.
    Denied,
}

/// Counts of one shard. At any time `matched = delivered + expired + dropped + queued + in_flight`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ledger {
    /// Messages that were accepted from publishers of this shard.
    pub accepted: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Recipients, over all messages.
    pub matched: u64,
    /// Waiting in a queue.
    pub queued: u64,
    /// Sent and not acknowledged.
    pub in_flight: u64,
    /// Arrived.
    pub delivered: u64,
    /// Too old before they could be sent.
    pub expired: u64,
    /// Not to arrive, by [`Reason`].
    pub dropped: [u64; REASONS],
    /// Notes to other shards: messages, interest, answers to orders.
    pub mailed: u64,
    /// Of those, settled by them.
    pub settled: u64,
    /// Replays of Retained Messages that ended with their connection, before they were through.
    pub replays_abandoned: u64,
}

impl Ledger {
    fn enter(&mut self, from: Option<Fate>, to: Fate) {
        match from {
            None => self.matched += 1,
            Some(Fate::Queued) => self.queued -= 1,
            Some(Fate::InFlight) => self.in_flight -= 1,
            Some(Fate::Delivered | Fate::Expired | Fate::Dropped(_)) => {
                debug_assert!(false, "an end is an end");
            }
        }
        match to {
            Fate::Queued => self.queued += 1,
            Fate::InFlight => self.in_flight += 1,
            Fate::Delivered => self.delivered += 1,
            Fate::Expired => self.expired += 1,
            Fate::Dropped(reason) => self.dropped[reason as usize] += 1,
        }
    }

    /// The books balance.
    pub fn balances(&self) -> bool {
        let ended = self.delivered + self.expired + self.dropped.iter().sum::<u64>();
        self.matched == ended + self.queued + self.in_flight && self.mailed >= self.settled
    }
}

/// One line of a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Line {
    id: MessageId,
    /// Milliseconds since the epoch, and above them 16 bits that say what.
    when_what: u64,
    /// A fate: the recipient's session. An acceptance: how many matched.
    who: u32,
    /// An acceptance: a hash of the publisher and its own Packet Identifier. A fate: the session's generation.
    tag: u32,
}
const _: () = assert!(size_of::<Line>() == 32); // a ring's length is its bytes by this

const DELIVERED: u16 = 1;
const EXPIRED: u16 = 2;
const DROPPED: u16 = 0x100;
const VERDICT: u16 = 0x200;

/// The last so many lines.
struct Ring {
    lines: Vec<Line>,
    /// Where the next line goes once all places are taken.
    at: usize,
    length: usize,
}

impl Ring {
    fn new(bytes: usize) -> Self {
        Self { lines: Vec::new(), at: 0, length: bytes / size_of::<Line>() }
    }

    fn write(&mut self, line: Line) {
        if let Some(place) = self.lines.get_mut(self.at) {
            *place = line;
        } else if self.length > 0 {
            self.lines.push(line);
        } else {
            return;
        }
        self.at += 1;
        if self.at == self.length {
            self.at = 0;
        }
    }

    fn oldest(&self) -> Option<Instant> {
        let at = if self.lines.len() < self.length { 0 } else { self.at };
        self.lines.get(at).map(when)
    }

    fn in_order(&self) -> impl Iterator<Item = &Line> {
        let (newer, older) = self.lines.split_at(self.at.min(self.lines.len()));
        older.iter().chain(newer)
    }
}

fn when(line: &Line) -> Instant {
    Instant::from_micros((line.when_what & 0xffff_ffff_ffff).saturating_mul(1000))
}

/// Who a fate is about: a session of this shard, or a group, and which of those that had its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recipient {
    pub(crate) session: u32,
    pub(crate) generation: u32,
}

/// Sessions have lower numbers; from here on it is groups.
const GROUPS: u32 = 1 << 30;

impl Recipient {
    pub(crate) fn group(place: u32, generation: u32) -> Self {
        Self { session: GROUPS | place, generation }
    }

    /// The place of the group that it is, if it is no session.
    #[inline]
    pub(crate) fn as_group(self) -> Option<u32> {
        (self.session & GROUPS != 0).then_some(self.session & !GROUPS)
    }
}

/// What a ring remembers of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// It came, and so many recipients matched on this shard.
    Acceptance {
        /// When.
        at: Instant,
        /// What was decided.
        verdict: Verdict,
        /// Recipients on this shard.
        matched: u32,
        /// A hash of the publisher's Client Identifier and Packet Identifier.
        publisher: u32,
    },
    /// It ended for a recipient.
    Fate {
        /// When.
        at: Instant,
        /// How.
        fate: Fate,
        /// For whom.
        recipient: Recipient,
    },
}

/// The ledger and the two rings. Every transition of a message passes [`enter`](Self::enter).
pub(crate) struct Books {
    ledger: Ledger,
    /// What was delivered.
    delivered: Ring,
    /// Everything else, which lasts far longer.
    rest: Ring,
    /// Milliseconds now, so that not each call needs it.
    millis: u64,
    /// What is told of all this.
    pub(crate) tallies: Tallies,
}

impl Books {
    pub(crate) fn new(ring_bytes: usize) -> Self {
        Self {
            ledger: Ledger::default(),
            delivered: Ring::new(ring_bytes),
            rest: Ring::new(ring_bytes),
            millis: 0,
            tallies: Tallies::default(),
        }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// It is so late.
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.millis = now.as_millis() & 0xffff_ffff_ffff;
    }

    /// A message that waited for a group is with a member from here on, or with the group again: it is booked anew there,
    /// and this is no end.
    pub(crate) fn pass_on(&mut self, from: Fate) {
        self.ledger.matched -= 1;
        match from {
            Fate::InFlight => self.ledger.in_flight -= 1,
            _ => self.ledger.queued -= 1,
        }
    }

    /// Retained Messages were on their way to a connection that is no more.
    pub(crate) fn abandon_replays(&mut self, count: u32) {
        self.ledger.replays_abandoned += u64::from(count);
    }

    /// If it is time, what was counted is to be told. Returns how much found no room.
    pub(crate) fn ripen(&mut self) -> Option<u64> {
        self.tallies.ripen(self.millis)
    }

    /// The one function through which a message's standing with a recipient changes.
    pub(crate) fn enter(&mut self, id: MessageId, recipient: Recipient, from: Option<Fate>, to: Fate) {
        self.ledger.enter(from, to);
        let (ring, what) = match to {
            Fate::Queued | Fate::InFlight => return,
            Fate::Delivered => (&mut self.delivered, DELIVERED),
            Fate::Expired => (&mut self.rest, EXPIRED),
            Fate::Dropped(reason) => {
                // That QoS 0 is not kept for who is away, and ends with its connection, is promised and no news.
                if !matches!(reason, Reason::Offline | Reason::ConnectionLost) {
                    self.note(recipient, Repeated::Dropped(reason), || (None, 0));
                }
                (&mut self.rest, DROPPED | reason as u16)
            }
        };
        let when_what = self.millis | u64::from(what) << 48;
        ring.write(Line { id, when_what, who: recipient.session, tag: recipient.generation });
    }

    /// This happened to a session, and is told.
    pub(crate) fn note(
        &mut self,
        who: Recipient,
        what: Repeated,
        about: impl FnOnce() -> (Option<Box<str>>, u32),
    ) {
        self.tallies.note(self.millis, who, what, about);
    }

    /// A PUBLISH was decided on.
    pub(crate) fn decided(&mut self, id: MessageId, verdict: Verdict, matched: usize, publisher: u32) {
        match verdict {
            Verdict::Accepted => self.ledger.accepted += 1,
            _ => self.ledger.refused += 1,
        }
        let when_what = self.millis | u64::from(VERDICT | verdict as u16) << 48;
        let who = u32::try_from(matched).unwrap_or(u32::MAX);
        self.rest.write(Line { id, when_what, who, tag: publisher });
    }

    /// What is remembered of a message, oldest first.
    pub(crate) fn remember(&self, id: MessageId) -> Vec<Memory> {
        self.rest
            .in_order()
            .chain(self.delivered.in_order())
            .filter(|l| l.id == id)
            .filter_map(memory)
            .collect()
    }

    /// Bytes that the two rings take. They grow with what is written, and are bounded.
    pub(crate) fn bytes(&self) -> usize {
        (self.delivered.lines.capacity() + self.rest.lines.capacity()) * size_of::<Line>()
    }

    /// How far back the ring of deliveries, and that of all else, reach.
    pub(crate) fn reach(&self) -> (Option<Instant>, Option<Instant>) {
        (self.delivered.oldest(), self.rest.oldest())
    }
}

fn memory(line: &Line) -> Option<Memory> {
    let at = when(line);
    let what = u16::try_from(line.when_what >> 48).ok()?;
    if what & VERDICT != 0 {
        let verdict = match what & 0xff {
            0 => Verdict::Accepted,
            1 => Verdict::NotAuthorized,
            2 => Verdict::Refused,
            _ => Verdict::Denied,
        };
        return Some(Memory::Acceptance { at, verdict, matched: line.who, publisher: line.tag });
    }
    let fate = match what {
        DELIVERED => Fate::Delivered,
        EXPIRED => Fate::Expired,
        _ => Fate::Dropped(*Reason::ALL.get(usize::from(what & 0xff))?),
    };
    Some(Memory::Fate { at, fate, recipient: Recipient { session: line.who, generation: line.tag } })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Recipient = Recipient { session: 4, generation: 1 };

    #[test]
    fn every_message_has_one_fate_and_the_books_balance() {
        let mut books = Books::new(1024);
        let id = MessageId(1);
        books.enter(id, WHO, None, Fate::Queued);
        books.enter(id, WHO, Some(Fate::Queued), Fate::InFlight);
        assert!(books.ledger.balances());
        books.enter(id, WHO, Some(Fate::InFlight), Fate::Dropped(Reason::Refused));
        assert!(books.ledger.balances());
        assert_eq!(books.ledger.dropped[Reason::Refused as usize], 1);
    }

    #[test]
    fn a_ring_says_what_it_remembers_and_how_far_back_it_reaches() {
        let mut books = Books::new(4 * 32);
        for n in 1..=6 {
            books.millis = 1000 * u64::try_from(n).unwrap();
            books.decided(MessageId(n), Verdict::Accepted, 1, 77);
            books.enter(MessageId(n), WHO, None, Fate::Delivered);
        }
        assert_eq!(books.remember(MessageId(2)), [], "forgotten");
        assert_eq!(books.reach(), (Some(Instant::from_secs(3)), Some(Instant::from_secs(3))));
        let at = Instant::from_secs(5);
        let accepted = Memory::Acceptance { at, verdict: Verdict::Accepted, matched: 1, publisher: 77 };
        let delivered = Memory::Fate { at, fate: Fate::Delivered, recipient: WHO };
        assert_eq!(books.remember(MessageId(5)), [accepted, delivered]);
    }

    #[test]
    fn reasons_stand_at_their_numbers() {
        assert!(Reason::ALL.iter().enumerate().all(|(i, r)| *r as usize == i));
    }
}
