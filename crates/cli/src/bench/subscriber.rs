//! One subscriber.
use super::member::{Member, News};
use crate::client::not_subscribed;
use crate::say::Failure;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use tidewire_core::client::Subscription;
use tidewire_core::topic::TopicFilter;
use tidewire_driver::clients::Error;

pub(super) struct Subscriber {
    member: Member,
    number: u32,
    filter: TopicFilter,
    received: u64,
}

impl Subscriber {
    pub(super) fn new(member: Member, number: u32, filter: TopicFilter) -> Self {
        Self { member, number, filter, received: 0 }
    }

    /// Until it is granted.
    pub(super) async fn subscribe(&mut self) -> Result<(), News> {
        let subscription = Subscription::new(self.filter.clone(), self.member.shared.setup.qos);
        let identifier = self.member.shared.setup.plan.subscription_identifier;
        let receipt = match self.member.client.subscribe(&[subscription], identifier) {
            Ok(receipt) => receipt,
            Err(Error::Ended(_)) => return Err(self.member.end().await),
            Err(error) => {
                return Err(self.member.stuck(Failure::Machine(format!("bench: {error}; try again"))));
            }
        };
        let mut receipt = pin!(receipt);
        let granted = poll_fn(|cx| {
            if let Poll::Ready(Ok(reasons)) = receipt.as_mut().poll(cx) {
                return Poll::Ready(Ok(reasons));
            }
            // What is retained comes before.
            loop {
                if let Some(message) = ready!(self.member.poll_message(cx))? {
                    let now = self.member.shared.now();
                    let mut figures = self.member.shared.figures.borrow_mut();
                    figures.on_message(self.number, &message.payload, now);
                    self.received += 1;
                }
            }
        });
        let reasons = granted.await?;
        match reasons.iter().find(|reason| reason.is_error()) {
            Some(reason) => Err(self.member.stuck(not_subscribed(self.filter.as_str(), *reason))),
            None => Ok(()),
        }
    }

    /// Takes what comes, until it has as much as it was to get.
    pub(super) async fn run(mut self) -> Result<(), News> {
        let shared = Rc::clone(&self.member.shared);
        let count = shared.setup.count.filter(|_| shared.setup.publishers == 0);
        poll_fn(|cx| {
            // On this thread nothing comes while what is there is taken.
            let now = shared.now();
            while count.is_none_or(|count| self.received < count) {
                if let Some(message) = ready!(self.member.poll_message(cx))? {
                    shared.figures.borrow_mut().on_message(self.number, &message.payload, now);
                    self.received += 1;
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }
}
