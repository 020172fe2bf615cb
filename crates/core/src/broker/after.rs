//! What a call leaves to be done before it returns: nothing that happens below calls back up.
use super::base::NONE;
use super::connection::State;
use super::connection::fault::Fault;
use super::{Broker, Event, Shutdown};
use crate::Input;
use crate::id::ConnectionId;
use crate::time::Instant;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What is left to do.
#[derive(Default)]
pub(super) struct After {
    /// Sessions that are to be disconnected because they are too slow.
    slow: Vec<u32>,
    /// Connections whose verdict, or place, has come: what was kept of them meanwhile is handled.
    unheld: VecDeque<ConnectionId>,
    /// The last of those whom a shutdown waits for may be gone.
    may_be_over: bool,
}

impl After {
    pub(super) fn end_slow(&mut self, session: u32) {
        self.slow.push(session);
    }

    pub(super) fn go_on(&mut self, id: ConnectionId) {
        self.unheld.push_back(id);
    }

    pub(super) fn may_be_over(&mut self) {
        self.may_be_over = true;
    }

    fn is_empty(&self) -> bool {
        self.slow.is_empty() && self.unheld.is_empty() && !self.may_be_over
    }

    pub(super) fn check(&self) {
        assert!(self.is_empty(), "what a call leaves to be done is done before it returns");
    }
}

impl Broker {
    /// One call from outside: what it does, and all that follows from it.
    pub(super) fn act<T>(&mut self, now: Instant, what: impl FnOnce(&mut Self) -> T) -> T {
        self.tick(now);
        let done = what(self);
        if !self.after.is_empty() || self.has_to_serve() {
            self.follow_up(now);
        }
        done
    }

    pub(super) fn tick(&mut self, now: Instant) {
        self.messages.books.set_now(now);
    }

    #[inline(never)]
    fn follow_up(&mut self, now: Instant) {
        loop {
            if let Some(session) = self.after.slow.pop() {
                let connection = self.sessions[session].connection;
                if connection != NONE {
                    self.fail(now, connection, &Fault::TooSlow);
                }
            } else if let Some(id) = self.after.unheld.pop_front() {
                self.handle_kept(now, id);
            } else if self.has_to_serve() {
                self.serve_groups(now);
            } else if core::mem::take(&mut self.after.may_be_over) {
                self.end_shutdown_if_empty();
            } else {
                return;
            }
        }
    }

    /// The last connection of a shutdown may have gone, and the last ticket may have had its end.
    fn end_shutdown_if_empty(&mut self) {
        if matches!(self.shutdown, Shutdown::Until(_))
            && self.connections.len() == 0
            && self.tickets.is_empty()
        {
            self.shutdown = Shutdown::Over;
            self.actions.event(Event::Drained);
        }
    }

    /// What was kept of a connection is handled, and then its socket is read again.
    fn handle_kept(&mut self, now: Instant, id: ConnectionId) {
        if !self.connections.is(id) {
            return;
        }
        let kept = core::mem::take(&mut self.connections.busy(id.index).kept);
        self.charge(now, id.index);
        if self.connections[id.index].state == State::Up {
            self.connections[id.index].heard = now;
        }
        if self.feed(now, id, &kept) == Input::More {
            self.read_if_wanted(id);
        }
    }
}
