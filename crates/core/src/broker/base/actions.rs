//! What the broker wants done, in the order in which it should be.
use crate::broker::announce::{Action, Event};
use crate::id::{ConnectionId, LocalId};
use alloc::collections::{BTreeSet, VecDeque};

/// Announcements that were not polled yet.
#[derive(Default)]
pub(crate) struct Actions {
    /// Connections with something to send; each stands here at most once.
    touched: VecDeque<ConnectionId>,
    others: VecDeque<Action>,
    locals: BTreeSet<u32>,
    /// What is told to those who watch: bounded.
    events: VecDeque<Event>,
    /// So many of these were lost since.
    missed: u64,
    /// What somebody waits for, who asked for as much of it as there is.
    owed: VecDeque<Event>,
    event_announced: bool,
}

/// So many events wait at most, besides those that are owed; who doesn't look at them loses the oldest.
const EVENTS: usize = 4096;

impl Actions {
    /// A connection has something to send. It does not stand here yet.
    pub(crate) fn touch(&mut self, id: ConnectionId) {
        self.touched.push_back(id);
    }

    /// A local subscriber has something to take.
    pub(crate) fn announce_local(&mut self, id: LocalId) {
        if self.locals.insert(id.index) {
            self.others.push_back(Action::Local(id));
        }
    }

    pub(crate) fn local_polled(&mut self, session: u32) {
        self.locals.remove(&session);
    }

    pub(crate) fn push(&mut self, action: Action) {
        self.others.push_back(action);
    }

    pub(crate) fn event(&mut self, event: Event) {
        if event.is_owed() {
            self.owed.push_back(event);
        } else {
            if self.events.len() == EVENTS {
                self.events.pop_front();
                self.missed += 1;
            }
            self.events.push_back(event);
        }
        self.announce_event();
    }

    /// So many events could not even be made.
    pub(crate) fn missed(&mut self, count: u64) {
        if count > 0 {
            self.missed += count;
            self.announce_event();
        }
    }

    fn announce_event(&mut self) {
        if !self.event_announced {
            self.event_announced = true;
            self.others.push_back(Action::Event);
        }
    }

    pub(crate) fn next_event(&mut self) -> Option<Event> {
        let missed = core::mem::take(&mut self.missed);
        let event = if missed > 0 {
            Some(Event::Missed { count: missed })
        } else {
            // The end of a shutdown comes last.
            self.events.pop_front().or_else(|| self.owed.pop_front())
        };
        self.event_announced = !(self.events.is_empty() && self.owed.is_empty());
        event
    }

    /// What is no output first, so that mail is posted before any socket is written.
    pub(crate) fn next_other(&mut self) -> Option<Action> {
        self.others.pop_front()
    }

    /// The next connection that had something to send.
    pub(crate) fn next_touched(&mut self) -> Option<ConnectionId> {
        self.touched.pop_front()
    }

    pub(crate) fn check(&self) {
        assert!(self.events.len() <= EVENTS, "those who watch are told a bounded number of things");
        let is_told = self.event_announced || (self.events.is_empty() && self.owed.is_empty());
        assert!(is_told, "what is to be told has been announced");
    }

    /// For `check`: connections that stand here.
    pub(crate) fn touched(&self) -> impl Iterator<Item = ConnectionId> {
        self.touched.iter().copied()
    }
}
