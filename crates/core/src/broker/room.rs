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
use super::Broker;
use super::base::timers::{HORIZON, Key, Kind};
use super::connection::Unread;
use super::connection::room::{READ, is_much};
use crate::Input;
use crate::id::ConnectionId;
use crate::time::Instant;

impl Broker {
    /// Charges what the connection keeps of unfinished input.
    pub(super) fn charge(&mut self, now: Instant, index: u32) {
        let Some(held) = self.connections.charge(index) else { return };
        if held == 0 && self.connections[index].is_stopped(Unread::CRAMPED) {
            // It needs none any more.
            let id = self.connections.id(index);
            self.connections.room.forget(id);
            self.read_on(now, id);
        }
        self.give_room(now);
    }

    /// It is not read until there is room; unless it is the one that is to make some.
    pub(super) fn wait_for_room(&mut self, now: Instant, id: ConnectionId) -> Input {
        if *self.connections.room.turn.get_or_insert(id) == id {
            return Input::More;
        }
        let connection = &mut self.connections[id.index];
        let queue = usize::from(is_much(&self.limits, connection.charged));
        if !connection.is_stopped(Unread::CRAMPED) {
            connection.stop(Unread::CRAMPED);
            self.note_paused(self.connections[id.index].session, None);
            if self.connections.room.is_empty() {
                self.watch_stalled(now.after_secs(self.stalled_seconds()));
            }
            self.connections.room.waiting[queue].push_back(id);
        }
        Input::Hold
    }

    /// Whoever waits longest is read on, if there is room or nobody else is.
    pub(super) fn give_room(&mut self, now: Instant) {
        if self.connections.room.turn.is_none() {
            return;
        }
        let is_done = |b: &mut Self, id| b.connections.get(id).is_none_or(|c| c.charged == 0);
        if let Some(turn) = self.connections.room.turn.filter(|turn| is_done(self, *turn)) {
            debug_assert!(self.connections.room.waiting().all(|id| id != turn), "it did not wait");
            self.connections.room.turn = self.connections.next_waiting();
            if let Some(next) = self.connections.room.turn {
                self.read_on(now, next);
            }
        }
        let mut room = (self.limits.incomplete_bytes / 2).saturating_sub(self.connections.room.incomplete);
        while room >= READ
            && let Some(next) = self.connections.next_waiting()
        {
            room -= READ;
            self.read_on(now, next);
        }
    }

    pub(super) fn read_on(&mut self, now: Instant, id: ConnectionId) {
        let connection = &mut self.connections[id.index];
        connection.let_go(Unread::CRAMPED);
        // That it was silent was our doing.
        connection.heard = now;
        self.read_if_wanted(id);
    }

    /// Looks again at those who hold up others.
    pub(super) fn watch_stalled(&mut self, at: Instant) {
        if self.connections.room.armed.is_none() {
            self.connections.room.armed = Some(at);
            self.timers.insert(at, Key::new(Kind::Room as u8, 0, 0));
        }
    }

    /// So long may an unfinished packet make no progress while others wait, as far as a timer reaches.
    pub(super) fn stalled_seconds(&self) -> u64 {
        u64::from(self.limits.stalled_seconds).min(HORIZON)
    }
}
