//! What waits for one recipient, in order, and what it is charged with.
//!
//! The counters are changed here and nowhere else; whoever puts a message in or takes one out is
//! [`Messages`](super::Messages), which knows its size and books it.
#[cfg(test)]
mod tests;

use super::store::MessageRef;
use crate::qos::QoS;
use alloc::collections::VecDeque;

/// A message's place in one recipient's queue: what differs by recipient.
///
/// QoS 2 bits, RETAIN 1, many identifiers 1, a Subscription Identifier (or where many of them are) 28.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    what: u32,
    bits: u32,
}
const _: () = assert!(size_of::<Entry>() == 8); // one for each message in each queue

const REPLAY: u32 = 3;
const RETAIN: u32 = 4;
const MANY: u32 = 8;

/// What an entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    Message(MessageRef),
    /// Retained Messages for a new subscription: a place in the table of replays.
    Replay(u32),
}

/// The Subscription Identifiers that go with a message to one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identifiers {
    None,
    One(u32),
    /// A place in the table of lists.
    Many(u32),
}

impl Entry {
    pub(crate) fn message(message: MessageRef, qos: QoS, retain: bool, identifiers: Identifiers) -> Self {
        let (many, value) = match identifiers {
            Identifiers::None => (0, 0),
            Identifiers::One(identifier) => (0, identifier),
            Identifiers::Many(place) => (MANY, place),
        };
        let retain = if retain { RETAIN } else { 0 };
        Self { what: message.0, bits: u32::from(qos.bits()) | retain | many | value << 4 }
    }

    pub(crate) fn replay(place: u32) -> Self {
        Self { what: place, bits: REPLAY }
    }

    pub(crate) fn what(self) -> Queued {
        match self.bits & 3 {
            REPLAY => Queued::Replay(self.what),
            _ => Queued::Message(MessageRef(self.what)),
        }
    }

    fn is_message(self) -> bool {
        self.bits & 3 != REPLAY
    }

    /// The message, of an entry that is in flight: only messages are.
    pub(crate) fn message_ref(self) -> MessageRef {
        MessageRef(self.what)
    }

    pub(crate) fn qos(self) -> QoS {
        match self.bits & 3 {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }
    }

    fn is_once(self) -> bool {
        self.bits & 3 == 0
    }

    pub(crate) fn retain(self) -> bool {
        self.bits & RETAIN != 0
    }

    pub(crate) fn identifiers(self) -> Identifiers {
        match (self.bits & MANY != 0, self.bits >> 4) {
            (true, place) => Identifiers::Many(place),
            (false, 0) => Identifiers::None,
            (false, identifier) => Identifiers::One(identifier),
        }
    }
}

/// What waits for one recipient.
#[derive(Default)]
pub(crate) struct Queue {
    /// Messages and replays, in order.
    entries: VecDeque<Entry>,
    /// QoS 0 that came while the head of `entries` waits for quota: it need not wait.
    overtaking: VecDeque<Entry>,
    /// What the messages are charged with.
    bytes: usize,
    /// How many entries of QoS 0 stand in `entries`.
    once: u32,
    /// How many replays stand in `entries`.
    replays: u32,
    /// The head of `entries` waits for quota.
    stalled: bool,
}

impl Queue {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.overtaking.is_empty()
    }

    /// How many messages wait; replays don't count.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len() + self.overtaking.len() - self.replays as usize
    }

    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn replays(&self) -> u32 {
        self.replays
    }

    /// What is to go next.
    #[inline]
    pub(crate) fn next(&self) -> Option<Entry> {
        self.overtaking.front().or(self.entries.front()).copied()
    }

    /// All that waits.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry> {
        self.entries.iter().chain(&self.overtaking).copied()
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Its head waits for quota or for the journal, or does no longer. QoS 0 does not wait with it.
    #[inline]
    pub(crate) fn stall(&mut self, stalled: bool) {
        self.stalled = stalled;
        if stalled && self.once > 0 && self.replays == 0 {
            let Self { entries, overtaking, .. } = self;
            entries.retain(|entry| {
                if entry.is_once() {
                    overtaking.push_back(*entry);
                }
                !entry.is_once()
            });
            self.once = 0;
        }
    }

    /// A replay stands behind what waits (or, where that rule is off, before it).
    pub(crate) fn put_replay(&mut self, place: u32, behind: bool) {
        if behind {
            self.entries.push_back(Entry::replay(place));
        } else {
            self.entries.push_front(Entry::replay(place));
        }
        self.replays += 1;
    }

    /// The replay at the head is over.
    pub(crate) fn end_replay(&mut self) {
        let head = self.entries.pop_front();
        debug_assert!(head.is_some_and(|e| !e.is_message()), "a replay stands at the head");
        self.replays -= 1;
    }

    /// Takes out all replays; how many there were.
    pub(crate) fn take_replays(&mut self, mut each: impl FnMut(u32)) -> u32 {
        if self.replays > 0 {
            self.entries.retain(|entry| {
                if let Queued::Replay(place) = entry.what() {
                    each(place);
                }
                entry.is_message()
            });
        }
        core::mem::take(&mut self.replays)
    }

    #[inline]
    pub(super) fn push(&mut self, entry: Entry, size: usize) {
        self.bytes += size;
        if entry.is_once() {
            if self.stalled && self.replays == 0 {
                return self.overtaking.push_back(entry);
            }
            self.once += 1;
        }
        self.entries.push_back(entry);
    }

    /// Before all others: what a replay has come to.
    pub(super) fn push_first(&mut self, entry: Entry, size: usize) {
        self.bytes += size;
        self.once += u32::from(entry.is_once());
        self.entries.push_front(entry);
    }

    /// Takes what is next, which is a message.
    #[inline]
    pub(super) fn pop(&mut self, size: usize) {
        self.bytes -= size;
        if self.overtaking.pop_front().is_none() {
            let entry = self.entries.pop_front();
            self.once -= u32::from(entry.is_some_and(Entry::is_once));
        }
    }

    /// QoS 0 that need not wait.
    #[inline]
    pub(crate) fn next_overtaking(&self) -> Option<Entry> {
        self.overtaking.front().copied()
    }

    /// The message that has waited longest.
    pub(super) fn take_oldest(&mut self) -> Option<Entry> {
        match self.entries.iter().position(|e| e.is_message()) {
            Some(at) => {
                let entry = self.entries.remove(at)?;
                self.once -= u32::from(entry.is_once());
                Some(entry)
            }
            None => self.overtaking.pop_front(),
        }
    }

    pub(super) fn refund(&mut self, size: usize) {
        self.bytes -= size;
    }

    /// Takes out messages that are not to stay.
    pub(super) fn take_unless(&mut self, mut stays: impl FnMut(Entry) -> bool) -> VecDeque<Entry> {
        let mut gone = VecDeque::new();
        let mut keep = |entry: &Entry| {
            let stays = !entry.is_message() || stays(*entry);
            if !stays {
                gone.push_back(*entry);
            }
            stays
        };
        let mut once = 0;
        self.entries.retain(|entry| {
            let stays = keep(entry);
            once += u32::from(stays && entry.is_once());
            stays
        });
        self.overtaking.retain(keep);
        self.once = once;
        gone
    }

    pub(super) fn has_once(&self) -> bool {
        self.once > 0 || !self.overtaking.is_empty()
    }

    /// A queue that is empty keeps some of its memory for the next.
    pub(crate) fn release_if_idle(&mut self, entries: usize) {
        debug_assert!(self.is_empty() && self.bytes == 0 && self.once == 0 && self.replays == 0);
        self.entries.shrink_to(entries);
        self.overtaking.shrink_to(entries);
        self.stalled = false;
    }

    /// States what must hold; `size` is that of a message.
    pub(crate) fn check(&self, size: impl Fn(MessageRef) -> usize) {
        let once = self.entries.iter().filter(|e| e.is_once()).count();
        let replays = self.entries.iter().filter(|e| !e.is_message()).count();
        assert_eq!((once, replays), (self.once as usize, self.replays as usize), "they are counted");
        let messages = self.iter().filter(|e| e.is_message());
        assert_eq!(
            messages.map(|e| size(e.message_ref())).sum::<usize>(),
            self.bytes,
            "what is queued is charged"
        );
    }
}
