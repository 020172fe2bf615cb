//! What the application wants published and has not ended.
use crate::id::Ticket;
use crate::message::Publication;
use crate::slab::Slab;
use crate::time::Instant;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

/// A message between `publish` and its end.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) publication: Publication,
    pub(super) ticket: Ticket,
    pub(super) expires_at: Option<Instant>,
    /// It left in a session that the server has lost.
    pub(super) was_sent: bool,
}

impl Outgoing {
    fn size(&self) -> usize {
        charge(&self.publication)
    }
}

/// Bytes that a message is charged with.
pub(super) fn charge(publication: &Publication) -> usize {
    publication.topic.as_str().len() + publication.properties().as_bytes().len() + publication.payload.len()
}

/// Messages in a table; those that have no Packet Identifier stand in a queue as well.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    table: Slab<Outgoing>,
    queue: VecDeque<u32>,
    bytes: usize,
}

impl Outbox {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Is there room for one of so many bytes? Alone, each has room.
    pub(super) fn has_room(&self, size: usize, messages: usize, bytes: usize) -> bool {
        self.len() < messages && (self.bytes == 0 || self.bytes.saturating_add(size) <= bytes)
    }

    /// Would there be room if all that wait went?
    pub(super) fn may_have_room(&self, size: usize, messages: usize, bytes: usize) -> bool {
        if self.has_room(size, messages, bytes) {
            return true;
        }
        let waiting: usize = self.queue.iter().filter_map(|place| self.get(*place)).map(Outgoing::size).sum();
        let (left, left_bytes) = (self.len() - self.queue.len(), self.bytes - waiting);
        left < messages && (left_bytes == 0 || left_bytes.saturating_add(size) <= bytes)
    }

    pub(super) fn push(&mut self, outgoing: Outgoing) {
        self.bytes += outgoing.size();
        self.queue.push_back(self.table.insert(outgoing));
    }

    pub(super) fn get(&self, place: u32) -> Option<&Outgoing> {
        self.table.get(place)
    }

    /// The next that has no Packet Identifier.
    pub(super) fn front(&self) -> Option<u32> {
        self.queue.front().copied()
    }

    /// It leaves the queue, not the table.
    pub(super) fn dequeue(&mut self) -> Option<u32> {
        self.queue.pop_front()
    }

    /// They were sent in a session that is lost: in front of all others, in this order.
    pub(super) fn requeue(&mut self, places: &[u32]) {
        for place in places.iter().rev() {
            self.queue.push_front(*place);
            if let Some(outgoing) = self.table.get_mut(*place) {
                outgoing.was_sent = true;
            }
        }
    }

    /// Does the message of this ticket wait to be sent for the first time?
    pub(super) fn is_unsent(&self, ticket: Ticket) -> bool {
        let of = |place: &u32| self.get(*place).map(|outgoing| outgoing.ticket);
        let place = self.queue.binary_search_by_key(&Some(ticket), of).ok().map(|at| self.queue[at]);
        place.and_then(|place| self.get(place)).is_some_and(|outgoing| !outgoing.was_sent)
    }

    /// The message of this ticket leaves the queue, not the table; where it stands there, and whether it was ever sent.
    pub(super) fn unqueue(&mut self, ticket: Ticket) -> Option<(u32, bool)> {
        let of = |place: &u32| self.get(*place).map(|outgoing| outgoing.ticket);
        // They wait in the order in which they were accepted.
        let at = self.queue.binary_search_by_key(&Some(ticket), of).ok()?;
        let place = self.queue.remove(at)?;
        Some((place, self.get(place)?.was_sent))
    }

    /// It has ended. Returns its ticket.
    pub(super) fn remove(&mut self, place: u32) -> Option<Ticket> {
        let outgoing = self.get(place)?;
        let (ticket, size) = (outgoing.ticket, outgoing.size());
        self.bytes -= size;
        self.table.clear(place);
        if self.len() == 0 && self.table.capacity() > KEPT {
            // A burst is over: what it needed is given back.
            *self = Self::default();
        }
        Some(ticket)
    }

    /// All of them, for good.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = Outgoing> {
        let mut all: Vec<Outgoing> = core::mem::take(self).table.into_values().collect();
        all.sort_by_key(|outgoing| outgoing.ticket);
        all.into_iter()
    }

    pub(super) fn check(&self, in_flight: impl Iterator<Item = u32>) {
        let bytes: usize = self.table.iter().map(|(_, outgoing)| outgoing.size()).sum();
        self.table.check();
        assert_eq!(bytes, self.bytes, "what is kept is charged");
        let places: BTreeSet<u32> = self.queue.iter().copied().chain(in_flight).collect();
        assert_eq!(places.len(), self.len(), "each waits, or is in flight");
        assert!(places.iter().all(|place| self.get(*place).is_some()), "and nothing else does");
        let tickets = self.queue.iter().filter_map(|place| self.get(*place)).map(|outgoing| outgoing.ticket);
        assert!(tickets.is_sorted(), "they wait in the order of their tickets");
    }
}

/// Entries whose memory is kept for the next time.
const KEPT: usize = 1024;
