//! What is announced: in order, and each thing once until it is done.
use super::Action;
use alloc::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Actions {
    list: VecDeque<Action>,
    transmit: bool,
    event: bool,
    message: bool,
}

impl Actions {
    pub(super) fn push(&mut self, action: Action) {
        self.list.push_back(action);
    }

    /// There is something to send; said once until it is polled.
    pub(super) fn transmit(&mut self) {
        if !core::mem::replace(&mut self.transmit, true) {
            self.list.push_back(Action::Transmit);
        }
    }

    /// There is something to know; said once until it is polled.
    pub(super) fn event(&mut self) {
        if !core::mem::replace(&mut self.event, true) {
            self.list.push_back(Action::Event);
        }
    }

    /// A message has come; said once until one is taken.
    pub(super) fn message(&mut self) {
        if !core::mem::replace(&mut self.message, true) {
            self.list.push_back(Action::Message);
        }
    }

    pub(super) fn transmitted(&mut self) {
        self.transmit = false;
    }

    pub(super) fn heard(&mut self) {
        self.event = false;
    }

    pub(super) fn taken(&mut self) {
        self.message = false;
    }

    /// The connection is gone, and what was to be done with it.
    pub(super) fn forget_link(&mut self) {
        self.transmit = false;
        self.list.retain(|action| matches!(action, Action::Open(_) | Action::Event | Action::Message));
    }

    pub(super) fn pop(&mut self) -> Option<Action> {
        self.list.pop_front()
    }
}
