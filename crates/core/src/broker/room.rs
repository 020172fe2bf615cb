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
use super::connection::room::READ;
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
        if self.connections.room.takes_turn(id) {
            return Input::More;
        }
        let connection = &mut self.connections[id.index];
        if !connection.is_stopped(Unread::CRAMPED) {
            connection.stop(Unread::CRAMPED);
            let (session, kept) = (connection.session, connection.charged);
            if self.connections.room.wait(&self.limits, id, kept) {
                self.watch_stalled(now.after_secs(self.stalled_seconds()));
            }
            self.note_paused(session, None);
        }
        Input::Hold
    }

    /// Whoever waits longest is read on, if there is room or nobody else is.
    pub(super) fn give_room(&mut self, now: Instant) {
        let Some(turn) = self.connections.room.turn() else { return };
        if self.connections.get(turn).is_none_or(|c| c.charged == 0) {
            let next = self.connections.next_waiting();
            self.connections.room.pass_turn(next);
            if let Some(next) = next {
                self.read_on(now, next);
            }
        }
        let mut spare = self.connections.room.spare(&self.limits);
        while spare >= READ
            && let Some(next) = self.connections.next_waiting()
        {
            spare -= READ;
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
        if self.connections.room.watch() {
            self.timers.insert(at, Key::new(Kind::Room as u8, 0, 0));
        }
    }

    /// So long may an unfinished packet make no progress while others wait, as far as a timer reaches.
    pub(super) fn stalled_seconds(&self) -> u64 {
        u64::from(self.limits.stalled_seconds).min(HORIZON)
    }
}
