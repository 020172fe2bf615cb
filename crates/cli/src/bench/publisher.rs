//! One publisher: as many messages under way as are allowed, or as the rate wants.
use super::member::{Member, News};
use super::stamp::Stamp;
use crate::client::{at_once, not_published};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidewire_core::message::Publication;
use tidewire_core::topic::TopicName;
use tidewire_driver::clients::{Error, MessageReceipt};
use tokio::time::{Instant, Sleep};

/// What is sent later than it was due by no more than that was late because of the timer, which is no finer.
const FINE: u64 = 2_000;

pub(super) struct Publisher {
    member: Member,
    number: u32,
    topic: TopicName,
    /// When each was sent, and its receipt; the oldest first.
    open: VecDeque<(u64, MessageReceipt)>,
    sent: u64,
    /// Until the next one is due.
    timer: Pin<Box<Sleep>>,
}

impl Publisher {
    pub(super) fn new(member: Member, number: u32, topic: TopicName) -> Self {
        let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { member, number, topic, open: VecDeque::new(), sent: 0, timer }
    }

    /// Publishes all that it is to publish, until it is acknowledged or given up.
    pub(super) async fn run(mut self) -> Result<(), News> {
        loop {
            // Nothing changes unheard while this is there.
            let shared = Rc::clone(&self.member.shared);
            let changed = shared.changed.notified();
            let mut changed = pin!(changed);
            let done = poll_fn(|cx| {
                if let Poll::Ready(done) = self.poll(cx) {
                    return Poll::Ready(Some(done));
                }
                changed.as_mut().poll(cx).map(|()| None)
            });
            if let Some(done) = done.await {
                return done;
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), News>> {
        loop {
            self.poll_ended(cx)?;
            if !self.publish(cx)? {
                break;
            }
        }
        if self.is_done() {
            return Poll::Ready(Ok(()));
        }
        // What has ended well is not spoilt by an end of the connection.
        loop {
            ready!(self.member.poll_message(cx))?;
        }
    }

    fn is_done(&self) -> bool {
        let shared = Rc::clone(&self.member.shared);
        let all = shared.setup.count.is_some_and(|count| self.sent >= count);
        (all || shared.is_over.get()) && self.open.is_empty()
    }

    /// Those that have ended, in their order.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Result<(), News> {
        if self.open.is_empty() {
            return Ok(());
        }
        let shared = Rc::clone(&self.member.shared);
        // On this thread nothing ends while these are taken.
        let now = shared.now();
        let mut figures = shared.figures.borrow_mut();
        while let Some((begun, receipt)) = self.open.front_mut() {
            let Poll::Ready(end) = Pin::new(receipt).poll(cx) else { break };
            match end {
                Ok(_) => {
                    figures.publishes.record(*begun, now);
                    self.open.pop_front();
                }
                // The client's end follows, and says why.
                Err(Error::Ended(_) | Error::Gone) => break,
                Err(error) => return Err(self.refused(&error)),
            }
        }
        Ok(())
    }

    fn refused(&self, error: &Error) -> News {
        let (topic, size) = (self.topic.as_str(), self.member.shared.setup.size);
        self.member.stuck(not_published(topic, size, self.member.limit, error))
    }

    /// As many as there is room for, and as are due. Was it any?
    fn publish(&mut self, cx: &mut Context<'_>) -> Result<bool, News> {
        let shared = Rc::clone(&self.member.shared);
        let (Some(begun), false) = (shared.begun.get(), shared.is_over.get()) else { return Ok(false) };
        let left = shared.setup.count.map_or(u64::MAX, |count| count - self.sent);
        let room = usize::from(shared.setup.in_flight).saturating_sub(self.open.len());
        let before = self.sent;
        if room == 0 {
            return Ok(false);
        }
        // All of these leave together, once this is done.
        let now = shared.now();
        for _ in 0..u64::try_from(room).unwrap_or(u64::MAX).min(left) {
            let due = self.due(begun).unwrap_or(now);
            if now < due {
                let at = Instant::now() + Duration::from_micros(due - now);
                self.timer.as_mut().reset(at);
                if self.timer.as_mut().poll(cx).is_pending() {
                    break;
                }
            }
            if !self.publish_one(if now.saturating_sub(due) > FINE { due } else { now })? {
                break;
            }
        }
        Ok(self.sent > before)
    }

    /// When the next message is to be sent; the publishers take turns.
    fn due(&self, begun: u64) -> Option<u64> {
        let setup = &self.member.shared.setup;
        let rate = setup.rate?;
        #[expect(clippy::cast_precision_loss, reason = "it is right to the microsecond for centuries")]
        let nth = self.sent as f64 * f64::from(setup.publishers) + f64::from(self.number);
        let after = Duration::try_from_secs_f64(nth / rate).unwrap_or(Duration::MAX);
        Some(begun.saturating_add(u64::try_from(after.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Was it taken? Of a client that has ended nothing is, and its end is told elsewhere.
    fn publish_one(&mut self, time: u64) -> Result<bool, News> {
        let shared = Rc::clone(&self.member.shared);
        let stamp = Stamp { run: shared.setup.run, publisher: self.number, sequence: self.sent, time };
        let publication =
            Publication::new(self.topic.clone(), stamp.payload(shared.setup.size)).qos(shared.setup.qos);
        let taken = at_once(self.member.client.publish(publication)).expect("the outbox has no limits");
        let receipt = match taken {
            Ok(receipt) => receipt,
            Err(Error::Ended(_) | Error::Gone) => return Ok(false),
            Err(error) => return Err(self.refused(&error)),
        };
        self.open.push_back((time, receipt));
        self.sent += 1;
        shared.figures.borrow_mut().sent[self.number as usize] += 1;
        Ok(true)
    }
}
