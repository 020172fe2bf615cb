//! What was asked without a socket. Each ticket has one end, and what it says is durable.
use crate::broker::announce::Event;
use crate::id::{MessageId, Ticket};
use crate::reason::ReasonCode;
use alloc::collections::{BTreeMap, VecDeque};

/// What a ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Publish(MessageId),
    Subscribe,
    Unsubscribe,
}

impl Asked {
    fn event(self, ticket: Ticket, reason: ReasonCode) -> Event {
        match self {
            Self::Publish(message) => Event::Acknowledged { ticket, message, reason },
            Self::Subscribe => Event::Subscribed { ticket, reason },
            Self::Unsubscribe => Event::Unsubscribed { ticket, reason },
        }
    }
}

/// Tickets that have no end yet, or one that is not told yet.
#[derive(Default)]
pub(crate) struct Tickets {
    /// How many there have been.
    count: u64,
    open: BTreeMap<Ticket, Asked>,
    /// They have their end, which is told when the journal is durable up to there. Ascending.
    ended: VecDeque<(u64, Event)>,
}

impl Tickets {
    pub(crate) fn open(&mut self, asked: Asked) -> Ticket {
        self.count += 1;
        let ticket = Ticket(self.count);
        self.open.insert(ticket, asked);
        ticket
    }

    /// It has its end, unless it had one.
    pub(crate) fn end(&mut self, ticket: Ticket, reason: ReasonCode, position: u64) {
        if let Some(asked) = self.open.remove(&ticket) {
            let at = self.ended.partition_point(|(p, _)| *p <= position);
            self.ended.insert(at, (position, asked.event(ticket, reason)));
        }
    }

    /// All that have no end have this one; and so have those whose end rests on what is not durable.
    pub(crate) fn give_up(&mut self, reason: ReasonCode, durable: u64) {
        for (position, event) in &mut self.ended {
            if *position > durable
                && let Event::Acknowledged { reason: told, .. }
                | Event::Subscribed { reason: told, .. }
                | Event::Unsubscribed { reason: told, .. } = event
            {
                (*position, *told) = (durable, reason);
            }
        }
        for (ticket, asked) in core::mem::take(&mut self.open) {
            self.ended.push_back((durable, asked.event(ticket, reason)));
        }
    }

    /// The next end that may be told.
    pub(crate) fn told(&mut self, durable: u64) -> Option<Event> {
        let (position, _) = self.ended.front()?;
        if *position > durable {
            return None;
        }
        self.ended.pop_front().map(|(_, event)| event)
    }

    /// All have been told.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.ended.is_empty()
    }

    /// Somebody has yet to end these.
    pub(crate) fn are_open(&self) -> impl Iterator<Item = Ticket> {
        self.open.keys().copied()
    }

    pub(crate) fn check(&self, durable: u64) {
        let positions = self.ended.iter().map(|(position, _)| *position);
        assert!(positions.clone().is_sorted(), "what is to be told stands in order");
        assert!(positions.into_iter().all(|position| position > durable), "what may be told has been");
    }
}
