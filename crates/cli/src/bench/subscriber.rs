//! One subscriber.
use super::member::Turn;
use crate::client::not_subscribed;
use crate::say::Failure;
use tidewire_core::client::Subscription;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicFilter;

pub(super) struct Subscriber {
    number: u32,
    filter: TopicFilter,
    received: u64,
}

impl Subscriber {
    pub(super) fn new(number: u32, filter: TopicFilter) -> Self {
        Self { number, filter, received: 0 }
    }

    pub(super) fn subscribe(&self, turn: &mut Turn<'_>) -> Result<(), Failure> {
        let subscription = Subscription::new(self.filter.clone(), turn.setup.qos);
        let asked = turn.client.subscribe(&[subscription], turn.setup.plan.subscription_identifier);
        asked.map(drop).map_err(|misuse| Failure::Machine(format!("bench: {misuse}; try again")))
    }

    /// The server has answered.
    pub(super) fn on_answer(&self, reasons: &[ReasonCode]) -> Result<(), Failure> {
        match reasons.iter().find(|reason| reason.is_error()) {
            Some(reason) => Err(not_subscribed(self.filter.as_str(), *reason)),
            None => Ok(()),
        }
    }

    /// Takes what has come. True once it has as much as it was to get. What is retained comes before the answer.
    pub(super) fn go_on(&mut self, turn: &mut Turn<'_>) -> bool {
        let count = turn.setup.count.filter(|_| turn.setup.publishers == 0).unwrap_or(u64::MAX);
        while self.received < count {
            let message = turn.client.poll_message(turn.at);
            let Some(message) = &message else { break };
            turn.state.figures.on_message(self.number, &message.payload, turn.now);
            self.received += 1;
        }
        self.received >= count
    }
}
