//! What waits for the application.
use super::event::{Event, Message};
use alloc::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    events: VecDeque<Event>,
    messages: usize,
    bytes: usize,
}

impl Inbox {
    pub(super) fn push(&mut self, event: Event) {
        if let Event::Message(message) = &event {
            self.messages += 1;
            self.bytes += message.size();
        }
        self.events.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Message(message) = &event {
            self.messages -= 1;
            self.bytes -= message.size();
        }
        Some(event)
    }

    /// Messages that wait.
    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    /// Does so much wait that no more is to come?
    pub(super) fn is_full(&self, messages: usize, bytes: usize) -> bool {
        self.messages >= messages || self.bytes >= bytes
    }

    pub(super) fn check(&self) {
        let messages = || {
            self.events.iter().filter_map(|event| match event {
                Event::Message(message) => Some(message),
                _ => None,
            })
        };
        assert_eq!(messages().count(), self.messages, "messages that wait are counted");
        assert_eq!(messages().map(Message::size).sum::<usize>(), self.bytes, "and charged");
    }
}
