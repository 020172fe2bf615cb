//! What waits for the application: messages, and what else there is to know, which never waits behind them.
use super::event::{Event, Message};
use crate::qos::QoS;
use alloc::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) events: VecDeque<Event>,
    messages: VecDeque<Message>,
    bytes: usize,
    /// Messages of QoS 0.
    zeros: usize,
}

impl Inbox {
    pub(super) fn push(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(super) fn put(&mut self, message: Message) {
        self.bytes += message.size();
        self.zeros += usize::from(message.qos == QoS::AtMostOnce);
        self.messages.push_back(message);
    }

    pub(super) fn take(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.size();
        self.zeros -= usize::from(message.qos == QoS::AtMostOnce);
        Some(message)
    }

    /// Messages of QoS 1 that the server sends again are not here any more; how many there were.
    pub(super) fn supersede(&mut self) -> usize {
        let before = self.messages.len();
        self.messages.retain(|message| message.qos != QoS::AtLeastOnce || message.token.is_none());
        self.bytes = self.messages.iter().map(Message::size).sum();
        before - self.messages.len()
    }

    /// The server has forgotten the session: it sends none of these again, and hears nothing of them.
    pub(super) fn on_session_lost(&mut self) {
        self.messages.iter_mut().for_each(|message| message.token = None);
    }

    /// Messages that wait.
    pub(super) fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Does so much wait that no more is to come?
    ///
    /// Of QoS 1 and 2 only those beyond the window count as messages.
    pub(super) fn is_full(&self, window: usize, messages: usize, bytes: usize) -> bool {
        let beyond = (self.messages.len() - self.zeros).saturating_sub(window);
        self.zeros + beyond >= messages || self.bytes >= bytes
    }

    pub(super) fn check(&self) {
        assert_eq!(
            self.messages.iter().map(Message::size).sum::<usize>(),
            self.bytes,
            "messages are charged"
        );
    }
}
