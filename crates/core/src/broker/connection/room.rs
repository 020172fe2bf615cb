//! What unfinished input may take of a shard, and who waits for room for more.
use super::State;
use crate::broker::base::LARGE;
use crate::broker::base::limits::Limits;
use crate::codec::{self, Leniency};
use crate::id::ConnectionId;
use alloc::collections::VecDeque;

/// What those take who are read on again, until they are looked at next: about one read.
pub(crate) const READ: u64 = 256 * 1024;

/// Unfinished input, and who waits for room for more.
pub(crate) struct Room {
    /// Bytes of those let in, and of all others.
    incomplete: u64,
    strangers: u64,
    /// Those who keep little, and those who keep much, in the order in which they came.
    waiting: [VecDeque<ConnectionId>; 2],
    /// Who is read on while others wait.
    turn: Option<ConnectionId>,
    /// Is there a timer for those who hold up others?
    is_watched: bool,
    /// What the codec takes of those let in, and of all others.
    of_those_in: codec::Limits,
    of_strangers: codec::Limits,
    /// How many connections were [forgiven](codec::Decoder::forgave) something.
    forgiven: u64,
}

impl Room {
    pub(crate) fn new(limits: &Limits, lenient: Leniency) -> Self {
        let of_those_in = decode_limits(limits, lenient);
        let most = limits.connect_bytes.min(limits.packet_bytes);
        Self {
            incomplete: 0,
            strangers: 0,
            waiting: [VecDeque::new(), VecDeque::new()],
            turn: None,
            is_watched: false,
            of_strangers: codec::Limits { maximum_packet_size: most, ..of_those_in },
            of_those_in,
            forgiven: 0,
        }
    }

    /// What the codec takes of somebody who was let in, or was not.
    #[inline]
    pub(crate) fn takes(&self, is_in: bool) -> &codec::Limits {
        if is_in { &self.of_those_in } else { &self.of_strangers }
    }

    pub(crate) fn charge(&mut self, state: State, before: u32, after: u32) {
        let pool = if state == State::Up { &mut self.incomplete } else { &mut self.strangers };
        *pool = *pool - u64::from(before) + u64::from(after);
    }

    /// Is there too little for somebody who keeps so much to keep more?
    pub(crate) fn is_scarce(&self, limits: &Limits, kept: u32) -> bool {
        let most = limits.incomplete_bytes;
        self.incomplete > most / 8 * 7 || (self.incomplete > most / 2 && is_much(limits, kept))
    }

    pub(crate) fn is_over(&self, limits: &Limits, state: State) -> bool {
        match state {
            State::Up => self.incomplete > limits.incomplete_bytes,
            _ => self.strangers > limits.stranger_bytes,
        }
    }

    /// Is it read on while others wait? The first one to ask is.
    pub(crate) fn takes_turn(&mut self, id: ConnectionId) -> bool {
        *self.turn.get_or_insert(id) == id
    }

    /// Another one is read on, or nobody is asked to wait any more.
    pub(crate) fn pass_turn(&mut self, next: Option<ConnectionId>) {
        debug_assert!(self.waiting().all(|id| Some(id) != next), "who is read on does not wait");
        self.turn = next;
    }

    /// It waits behind those who keep as much; true if nobody else does.
    pub(crate) fn wait(&mut self, limits: &Limits, id: ConnectionId, kept: u32) -> bool {
        let is_first = self.is_empty();
        self.waiting[usize::from(is_much(limits, kept))].push_back(id);
        is_first
    }

    /// How much there is to give to those who wait.
    pub(crate) fn spare(&self, limits: &Limits) -> u64 {
        (limits.incomplete_bytes / 2).saturating_sub(self.incomplete)
    }

    /// Somebody is to look at those who hold up others; true if nobody was to yet.
    pub(crate) fn watch(&mut self) -> bool {
        !core::mem::replace(&mut self.is_watched, true)
    }

    /// They are being looked at.
    pub(crate) fn watched(&mut self) {
        self.is_watched = false;
    }

    /// One more connection was forgiven something.
    pub(crate) fn count_forgiven(&mut self) {
        self.forgiven += 1;
    }

    pub(crate) fn forgiven(&self) -> u64 {
        self.forgiven
    }

    /// Bytes of those let in, and of all others.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.incomplete, self.strangers)
    }

    /// The next one that waits, of those who keep little first.
    pub(super) fn pop(&mut self) -> Option<ConnectionId> {
        self.waiting.iter_mut().find_map(VecDeque::pop_front)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.iter().all(VecDeque::is_empty)
    }

    pub(crate) fn forget(&mut self, id: ConnectionId) {
        self.waiting.iter_mut().for_each(|queue| queue.retain(|waiting| *waiting != id));
    }

    pub(super) fn keep_those(&mut self, is_here: impl Fn(&ConnectionId) -> bool) {
        self.waiting.iter_mut().for_each(|queue| queue.retain(&is_here));
    }

    /// Who waits.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = ConnectionId> {
        self.waiting.iter().flatten().copied()
    }

    /// Who need not.
    pub(crate) fn turn(&self) -> Option<ConnectionId> {
        self.turn
    }
}

/// Does somebody who keeps so much stand in the way of others?
fn is_much(limits: &Limits, kept: u32) -> bool {
    u64::from(kept) > (limits.incomplete_bytes / 16).min(LARGE as u64)
}

/// What the codec takes of those who have been let in.
fn decode_limits(limits: &Limits, lenient: Leniency) -> codec::Limits {
    codec::Limits {
        maximum_packet_size: limits.packet_bytes,
        property_bytes_max: limits.property_bytes,
        user_properties_max: limits.user_properties,
        // A SUBACK refuses those that are too many; what an UNSUBSCRIBE ends is never too much.
        filters_max: u32::MAX,
        topic_bytes_max: limits.topic_bytes,
        topic_levels_max: limits.topic_levels,
        streamed_from: u32::try_from(LARGE).unwrap_or(u32::MAX),
        lenient,
    }
}
