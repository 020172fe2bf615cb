//! One publisher: as many messages under way as are allowed, or as the rate wants.
use super::member::Turn;
use super::stamp::Stamp;
use crate::client::not_published;
use crate::say::Failure;
use std::collections::VecDeque;
use std::time::Duration;
use tidewire_core::client::{Cause, Misuse, Stage, Words};
use tidewire_core::id::Ticket;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicName;
use tidewire_driver::clients::{Error, Refusal};

/// What is sent later than it was due by no more than that was late because of the timer, which is no finer.
const FINE: u64 = 2_000;

pub(super) struct Publisher {
    number: u32,
    topic: TopicName,
    /// So many may be under way; none before it is let in.
    window: usize,
    /// Each with when it was sent, the oldest first.
    open: VecDeque<(Ticket, u64)>,
    sent: u64,
    /// When the next one is.
    pub(super) due: Option<Instant>,
    /// What the server said of the message whose answer follows.
    words: Option<(Ticket, Box<Words>)>,
}

impl Publisher {
    pub(super) fn new(number: u32, topic: TopicName) -> Self {
        Self { number, topic, window: 0, open: VecDeque::new(), sent: 0, due: None, words: None }
    }

    /// Beyond what the server takes at a time, messages would wait here, and that would be measured.
    pub(super) fn on_connected(&mut self, turn: &Turn<'_>) {
        let most = turn.client.server().map_or(u16::MAX, |server| server.receive_maximum);
        let most = if turn.setup.qos == QoS::AtMostOnce { u16::MAX } else { most };
        self.window = turn.setup.in_flight.min(most).into();
    }

    pub(super) fn on_words(&mut self, ticket: Ticket, words: Box<Words>) {
        self.words = Some((ticket, words));
    }

    /// Publishes what is to be published now. True once all that it was to publish has ended.
    pub(super) fn go_on(&mut self, turn: &mut Turn<'_>) -> Result<bool, Failure> {
        self.due = None;
        if !turn.state.is_over
            && let Some(begun) = turn.state.begun
        {
            self.publish(turn, begun)?;
        }
        let is_all = turn.setup.count.is_some_and(|count| self.sent >= count);
        Ok((is_all || turn.state.is_over) && self.open.is_empty())
    }

    /// How far has one come?
    pub(super) fn on_progress(
        &mut self,
        turn: &mut Turn<'_>,
        ticket: Ticket,
        stage: Stage,
    ) -> Result<(), Failure> {
        let error = match stage {
            Stage::Acknowledged(reason) if reason.is_error() => {
                let mut refusal = Refusal::from(reason);
                refusal.words = self.words.take().filter(|(of, _)| *of == ticket).map(|(_, words)| words);
                Error::Refused(refusal)
            }
            // With QoS 2 the exchange goes on; but the server has it.
            Stage::Acknowledged(_) if turn.setup.qos == QoS::ExactlyOnce => return Ok(()),
            Stage::Sent | Stage::Acknowledged(_) | Stage::Released(_) => {
                if let Some(begun) = self.ended(ticket) {
                    turn.state.figures.publishes.record(begun, turn.now);
                }
                return Ok(());
            }
            Stage::Failed(cause) => Error::Failed(cause),
            // The client's end follows, and says why.
            _ => return Ok(()),
        };
        Err(self.refused(turn, &error))
    }

    /// When it was sent. They end in their order, most of the time.
    fn ended(&mut self, ticket: Ticket) -> Option<u64> {
        let place = self.open.iter().position(|(open, _)| *open == ticket)?;
        self.open.remove(place).map(|(_, begun)| begun)
    }

    fn refused(&self, turn: &Turn<'_>, error: &Error) -> Failure {
        let limit = turn.client.server().map_or(u32::MAX, |server| server.maximum_packet_size);
        not_published(self.topic.as_str(), turn.setup.size, limit, error)
    }

    /// As many as there is room for, and as are due. All of these leave together, once this is done.
    fn publish(&mut self, turn: &mut Turn<'_>, begun: u64) -> Result<(), Failure> {
        let left = turn.setup.count.map_or(u64::MAX, |count| count - self.sent);
        let room = self.window.saturating_sub(self.open.len());
        for _ in 0..u64::try_from(room).unwrap_or(u64::MAX).min(left) {
            let due = self.due_at(turn, begun).unwrap_or(turn.now);
            if turn.now < due {
                self.due = Some(turn.at.after(Duration::from_micros(due - turn.now)));
                break;
            }
            let late = turn.now - due > FINE;
            if !self.publish_one(turn, if late { due } else { turn.now })? {
                break;
            }
        }
        Ok(())
    }

    /// When the next message is to be sent; the publishers take turns.
    fn due_at(&self, turn: &Turn<'_>, begun: u64) -> Option<u64> {
        let rate = turn.setup.rate?;
        #[expect(clippy::cast_precision_loss, reason = "it is right to the microsecond for centuries")]
        let nth = self.sent as f64 * f64::from(turn.setup.publishers) + f64::from(self.number);
        let after = Duration::try_from_secs_f64(nth / rate).unwrap_or(Duration::MAX);
        Some(begun.saturating_add(u64::try_from(after.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Was it taken? Of a client that has ended nothing is, and its end is told elsewhere.
    fn publish_one(&mut self, turn: &mut Turn<'_>, time: u64) -> Result<bool, Failure> {
        let setup = turn.setup;
        let stamp = Stamp { run: setup.run, publisher: self.number, sequence: self.sent, time };
        let publication = Publication::new(self.topic.clone(), stamp.payload(setup.size)).qos(setup.qos);
        match turn.client.publish(turn.at, publication) {
            Ok(ticket) => self.open.push_back((ticket, time)),
            Err(Misuse::Ended(_)) => return Ok(false),
            Err(Misuse::TooLarge) => return Err(self.refused(turn, &Error::Failed(Cause::TooLarge))),
            Err(misuse) => return Err(self.refused(turn, &Error::Misuse(misuse))),
        }
        self.sent += 1;
        turn.state.figures.sent[self.number as usize] += 1;
        Ok(true)
    }
}
