//! What unfinished input may take of a shard: who begins last waits, and whoever can go on makes room for it.
//!
//! | unfinished input of those let in | who gives more |
//! |---|---|
//! | up to half of `incomplete_bytes` | is read on |
//! | up to seven eighths | waits, if it has kept much itself |
//! | up to all of it | waits |
//! | more | is closed |
//!
//! One of those who would have to wait is always read on, so that somebody comes to an end; if it takes long, the next
//! one is as well. Whoever keeps little goes before those who keep much. As long as anybody waits, an unfinished packet that makes no progress ends its connection.
use super::base::limits::Limits;
use super::base::timers::Key;
use super::connection::fault::Fault;
use super::connection::{Flags, NONE, State};
use super::timing::Kind;
use super::{Action, Broker, LARGE};
use crate::Input;
use crate::id::ConnectionId;
use crate::time::Instant;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What those take who are read on again, until they are looked at next: about one read.
const READ: u64 = 256 * 1024;

/// Unfinished input, and who waits for room for more.
#[derive(Default)]
pub(crate) struct Room {
    /// Bytes of those let in, and of all others.
    pub(crate) incomplete: u64,
    pub(crate) strangers: u64,
    /// Those who keep little, and those who keep much, in the order in which they came.
    waiting: [VecDeque<ConnectionId>; 2],
    /// Who is read on while others wait.
    turn: Option<ConnectionId>,
    /// When those are looked at who hold up others.
    armed: Option<Instant>,
}

impl Room {
    fn charge(&mut self, state: State, before: u32, after: u32) {
        let pool = if state == State::Up { &mut self.incomplete } else { &mut self.strangers };
        *pool = *pool - u64::from(before) + u64::from(after);
    }

    /// Is there too little for somebody who keeps so much to keep more?
    fn is_scarce(&self, limits: &Limits, kept: u32) -> bool {
        let most = limits.incomplete_bytes;
        self.incomplete > most / 8 * 7 || (self.incomplete > most / 2 && is_much(limits, kept))
    }

    fn is_over(&self, limits: &Limits, state: State) -> bool {
        match state {
            State::Up => self.incomplete > limits.incomplete_bytes,
            _ => self.strangers > limits.stranger_bytes,
        }
    }

    fn is_empty(&self) -> bool {
        self.waiting.iter().all(VecDeque::is_empty)
    }

    fn forget(&mut self, id: ConnectionId) {
        self.waiting.iter_mut().for_each(|queue| queue.retain(|waiting| *waiting != id));
    }

    /// For `check`: who waits.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = ConnectionId> {
        self.waiting.iter().flatten().copied()
    }

    /// For `check`: who need not.
    pub(crate) fn turn(&self) -> Option<ConnectionId> {
        self.turn
    }
}

/// Does somebody who keeps so much stand in the way of others?
fn is_much(limits: &Limits, kept: u32) -> bool {
    u64::from(kept) > (limits.incomplete_bytes / 16).min(LARGE as u64)
}

impl Broker {
    /// Charges what the connection keeps of unfinished input. It waits, or ends, if there is no room for more.
    pub(crate) fn charge_or_fail(&mut self, now: Instant, id: ConnectionId) -> Input {
        let before = self.connections[id.index].charged;
        self.charge(now, id.index);
        let connection = &self.connections[id.index];
        let (state, kept) = (connection.state, connection.charged);
        if self.room.is_over(&self.limits, state) && kept > before {
            self.fail(now, id.index, &Fault::Incomplete);
            return Input::Done;
        }
        if state == State::Up && kept > 0 && self.room.is_scarce(&self.limits, kept) {
            return self.wait_for_room(now, id);
        }
        Input::More
    }

    /// Charges what the connection keeps of unfinished input.
    pub(crate) fn charge(&mut self, now: Instant, index: u32) {
        let connection = &mut self.connections[index];
        let mut held = connection.decoder.held();
        if let Some(lane) = connection.lane.as_deref() {
            held += lane.kept.len() + lane.waiting + lane.incoming.as_deref().map_or(0, |i| i.held());
        }
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        let before = core::mem::replace(&mut connection.charged, held);
        if held != before {
            self.room.charge(connection.state, before, held);
            if held == 0 && connection.flags.has(Flags::CRAMPED) {
                // It needs none any more.
                let id = self.connections.id(index);
                self.room.forget(id);
                self.read_on(now, id);
            }
            self.give_room(now);
        }
    }

    /// Gives the charge back; before the state changes. Others may want the room.
    pub(crate) fn uncharge(&mut self, index: u32) {
        let connection = &mut self.connections[index];
        let before = core::mem::take(&mut connection.charged);
        connection.flags.clear(Flags::CRAMPED);
        self.room.charge(connection.state, before, 0);
    }

    /// It is not read until there is room; unless it is the one that is to make some.
    fn wait_for_room(&mut self, now: Instant, id: ConnectionId) -> Input {
        if *self.room.turn.get_or_insert(id) == id {
            return Input::More;
        }
        let connection = &mut self.connections[id.index];
        let queue = usize::from(is_much(&self.limits, connection.charged));
        let flags = &mut connection.flags;
        if !flags.has(Flags::CRAMPED) {
            flags.set(Flags::CRAMPED);
            self.note_paused(self.connections[id.index].session, None);
            if self.room.is_empty() {
                self.watch_stalled(
                    now.after_secs(u64::from(self.limits.stalled_seconds).min(super::timing::HORIZON)),
                );
            }
            self.room.waiting[queue].push_back(id);
        }
        Input::Hold
    }

    /// Whoever waits longest is read on, if there is room or nobody else is.
    pub(crate) fn give_room(&mut self, now: Instant) {
        if self.room.turn.is_none() {
            return;
        }
        let is_done = |b: &mut Self, id| b.connections.get(id).is_none_or(|c| c.charged == 0);
        if let Some(turn) = self.room.turn.filter(|turn| is_done(self, *turn)) {
            debug_assert!(self.room.waiting().all(|id| id != turn), "it did not wait");
            self.room.turn = self.next_waiting();
            if let Some(next) = self.room.turn {
                self.read_on(now, next);
            }
        }
        let mut room = (self.limits.incomplete_bytes / 2).saturating_sub(self.room.incomplete);
        while room >= READ
            && let Some(next) = self.next_waiting()
        {
            room -= READ;
            self.read_on(now, next);
        }
    }

    fn next_waiting(&mut self) -> Option<ConnectionId> {
        for queue in &mut self.room.waiting {
            while let Some(next) = queue.pop_front() {
                if self.connections.get(next).is_some_and(|c| c.flags.has(Flags::CRAMPED)) {
                    return Some(next);
                }
            }
        }
        None
    }

    fn read_on(&mut self, now: Instant, id: ConnectionId) {
        let connection = &mut self.connections[id.index];
        connection.flags.clear(Flags::CRAMPED);
        // That it was silent was our doing.
        connection.heard = now;
        if !connection.flags.is_unread() {
            self.push(Action::Resume(id));
        }
    }

    /// Looks again at those who hold up others.
    fn watch_stalled(&mut self, at: Instant) {
        if self.room.armed.is_none() {
            self.room.armed = Some(at);
            self.timers.insert(at, Key::new(Kind::Room as u8, 0, 0));
        }
    }

    /// As long as somebody waits for room, it is nobody's who does nothing with it; and whoever is slow is not the only
    /// one to be read on.
    pub(crate) fn end_stalled(&mut self, now: Instant) {
        self.room.armed = None;
        let connections = &self.connections;
        self.room.waiting.iter_mut().for_each(|queue| queue.retain(|id| connections.is(*id)));
        if self.room.is_empty() {
            return;
        }
        let patience = u64::from(self.limits.stalled_seconds).min(super::timing::HORIZON);
        let holders = self.connections.iter().filter(|(_, c)| c.keeps_others_waiting());
        let (stalled, going): (Vec<_>, Vec<_>) = holders
            .map(|(index, c)| (index, c.heard.after_secs(u64::from(self.limits.stalled_seconds))))
            .partition(|(_, at)| now >= *at);
        for (index, _) in stalled {
            self.fail(now, index, &Fault::Stalled);
        }
        if let Some(next) = self.next_waiting() {
            self.room.turn = Some(next);
            self.read_on(now, next);
        }
        let first = going.into_iter().map(|(_, at)| at).min().unwrap_or(now);
        self.watch_stalled(first.max(now.after_secs(1)).min(now.after_secs(patience)));
    }

    pub(crate) fn check_room(&self) {
        let waiting: Vec<_> = self.room.waiting().filter(|id| self.connections.is(*id)).collect();
        for id in &waiting {
            assert!(Some(*id) != self.room.turn(), "who is read on does not wait");
        }
        for (index, connection) in self.connections.iter() {
            let id = self.connections.id(index);
            let is_cramped = connection.flags.has(Flags::CRAMPED);
            assert!(!is_cramped || waiting.contains(&id), "who waits for room stands in the queue");
            assert!(!is_cramped || connection.session != NONE, "only who was let in waits");
        }
        assert!(waiting.is_empty() || self.room.turn().is_some(), "somebody is always read on");
    }
}
