//! One subscriber.
use super::member::Turn;
use crate::client::{not_subscribed, silent};
use crate::say::Failure;
use tidewire_core::client::Subscription;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicFilter;

pub(super) struct Subscriber {
    number: u32,
    filter: TopicFilter,
    received: u64,
    is_granted: bool,
    /// Until then the server has to answer.
    pub(super) due: Option<Instant>,
}

impl Subscriber {
    pub(super) fn new(number: u32, filter: TopicFilter) -> Self {
        Self { number, filter, received: 0, is_granted: false, due: None }
    }

    /// The answer has as much time as a connection.
    pub(super) fn subscribe(&mut self, turn: &mut Turn<'_>) -> Result<(), Failure> {
        self.due = Some(turn.at.after_secs(turn.setup.plan.config.connect_seconds.into()));
        let subscription = Subscription::new(self.filter.clone(), turn.setup.qos);
        let asked = turn.client.subscribe(&[subscription], turn.setup.plan.subscription_identifier);
        asked.map(drop).map_err(|misuse| Failure::Machine(format!("bench: {misuse}; try again")))
    }

    /// The server has answered.
    pub(super) fn on_answer(&mut self, reasons: &[ReasonCode]) -> Result<(), Failure> {
        (self.is_granted, self.due) = (true, None);
        match reasons.iter().find(|reason| reason.is_error()) {
            Some(reason) => Err(not_subscribed(self.filter.as_str(), *reason)),
            None => Ok(()),
        }
    }

    /// Takes what has come, which may be before the answer. True once it has as much as it was to get.
    pub(super) fn go_on(&mut self, turn: &mut Turn<'_>) -> Result<bool, Failure> {
        if self.due.is_some_and(|due| due <= turn.at) {
            return Err(silent(&turn.setup.plan.server));
        }
        let count = turn.setup.count.filter(|_| turn.setup.publishers == 0).unwrap_or(u64::MAX);
        while self.received < count {
            let message = turn.client.poll_message(turn.at);
            let Some(message) = &message else { break };
            turn.state.figures.on_message(self.number, &message.payload, turn.now);
            self.received += 1;
        }
        Ok(self.is_granted && self.received >= count)
    }
}
