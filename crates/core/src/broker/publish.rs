//! PUBLISH from a client: may it, is it new, where does it go, and what is its publisher told.
use super::Broker;
use super::answers::What;
use super::fault::{Fault, in_refusal};
use super::incoming::{Discard, Incoming};
use super::ledger::Verdict;
use super::policy::{Access, Admission, Answer};
use super::questions::{About, Waiting};
use super::route::Publisher;
use super::settle::Waiter;
use super::store::{Content, View};
use crate::Input;
use crate::codec::{AckKind, Delivery, Payload, Publish};
use crate::delivery::Receipt;
use crate::id::{IdentityId, MessageId, PacketId};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::Bytes;

/// What became of a message on its way to those who want it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Routed {
    /// Recipients on this shard.
    pub(super) matched: usize,
    /// Of those, whose queue was full.
    pub(super) refused: usize,
    /// Of those, connected and behind, so that the publisher had better wait.
    pub(super) behind: usize,
    /// One of those that are behind.
    pub(super) slowest: u32,
    /// Other shards that have to say what became of it there.
    pub(super) mailed: usize,
    /// Where their words are gathered.
    pub(super) settlement: Option<u32>,
    /// It was not accepted at all: there was no room to retain it.
    pub(super) no_room: bool,
}

impl Routed {
    /// What the publisher is told, as far as this shard knows.
    pub(super) fn reason(&self) -> ReasonCode {
        if self.no_room || (self.matched > 0 && self.refused == self.matched) {
            ReasonCode::QuotaExceeded
        } else if self.matched == 0 {
            ReasonCode::NoMatchingSubscribers
        } else {
            ReasonCode::Success
        }
    }
}

impl Broker {
    /// A PUBLISH: all of it, or all but a payload that follows.
    pub(super) fn on_publish(
        &mut self,
        now: Instant,
        index: u32,
        publish: &Publish<'_>,
    ) -> Result<Input, Fault> {
        if publish.properties.topic_alias().is_some() {
            return Err(Fault::TopicAlias);
        }
        if self.is_again(index, publish.delivery)? {
            return Ok(self.discard(index, publish, Discard::Again));
        }
        let session = self.connections[index].session;
        let qos = publish.delivery.qos();
        let access = Access::Publish { topic: publish.topic, qos, retain: publish.retain };
        let s = &self.sessions[session];
        if !self.grants.may(s.grant, &s.client_id, access) {
            let id = self.next_message_id(now);
            let publisher = self.publisher_hash(session, packet_id_bits(publish.delivery));
            self.depot.books.decided(id, Verdict::NotAuthorized, 0, publisher);
            self.note_denied(session, access);
            return Ok(self.discard(index, publish, Discard::Refused(ReasonCode::NotAuthorized)));
        }
        let Some(grant) = self.grants.grant(s.grant) else {
            return Err(Fault::Revoked(ReasonCode::NotAuthorized));
        };
        match self.policy.admit(now, grant, publish) {
            Admission::AsIs => {}
            other => {
                let incoming = Incoming::new(publish);
                return Ok(match other {
                    Admission::Later => self.put_off(now, index, incoming),
                    Admission::Changed(p) => self.on_admission(now, index, incoming, Answer::Changed(p)),
                    Admission::Deny(denial) => self.on_admission(now, index, incoming, Answer::Deny(denial)),
                    Admission::AsIs => Input::More,
                });
            }
        }
        if matches!(publish.payload, Payload::Whole(_)) && self.has_to_wait(publish.topic, publish.retain) {
            let incoming = Incoming::new(publish);
            return Ok(self.complete(now, index, Box::new(incoming)));
        }
        let Payload::Whole(payload) = publish.payload else {
            let incoming = Incoming::new(publish);
            self.connections.lane(index).incoming = Some(Box::new(incoming));
            return Ok(Input::More);
        };
        let mut properties = core::mem::take(&mut self.scratch);
        properties.clear();
        publish.properties.travelling(&mut properties);
        let expiry = publish.properties.message_expiry_interval();
        let view = View {
            id: self.next_message_id(now),
            origin: self.identity(session),
            expires_at: expiry.map(|seconds| now.after_secs(seconds.into())),
            topic: publish.topic,
            properties: &properties,
            content: Content::Small(payload),
        };
        self.accept(now, index, publish.delivery, &view, publish.retain);
        self.scratch = properties;
        Ok(Input::More)
    }

    /// Checks the window, and whether a PUBLISH with QoS 2 has come before.
    ///
    /// The window holds for every version: what has neither PUBREL nor acknowledgement is limited. Before 5.0 nobody can
    /// know how wide it is, so only what the client itself has to release is a fault; for what is ours to acknowledge it
    /// is read more slowly. [MQTT-3.3.4-7]
    fn is_again(&self, index: u32, delivery: Delivery) -> Result<bool, Fault> {
        let Some(packet_id) = delivery.packet_id() else { return Ok(false) };
        let connection = &self.connections[index];
        let flow = self.sessions[connection.session].flow.as_deref();
        let unreleased = flow.map_or(0, |f| f.receiver.len());
        let unacknowledged = connection.lane.as_deref().map_or(0, |l| l.pubacks as usize);
        if delivery.qos() == QoS::ExactlyOnce && flow.is_some_and(|f| f.receiver.contains(packet_id)) {
            // With DUP or without, until PUBREL. [MQTT-4.3.3-10]
            return Ok(true);
        }
        let counted = if connection.version().is_v5() { unreleased + unacknowledged } else { unreleased };
        if counted >= usize::from(self.limits.receive_maximum) {
            return Err(Fault::ReceiveMaximum);
        }
        Ok(false)
    }

    /// A message that goes nowhere is answered all the same, when its end has come.
    fn discard(&mut self, index: u32, publish: &Publish<'_>, why: Discard) -> Input {
        match publish.payload {
            Payload::Whole(_) => self.answer_discarded(index, publish.delivery, why),
            Payload::Streamed(_) => {
                let mut incoming = Incoming::new(publish);
                incoming.discard = Some(why);
                self.connections.lane(index).incoming = Some(Box::new(incoming));
            }
        }
        Input::More
    }

    pub(super) fn answer_discarded(&mut self, index: u32, delivery: Delivery, why: Discard) {
        let Some((kind, packet_id)) = acknowledgement(delivery) else { return };
        match why {
            Discard::Again => self.answer_again(index, packet_id),
            Discard::Refused(reason) if self.connections[index].version().is_v5() => {
                self.acknowledge_to(index, kind, packet_id, in_refusal(kind, reason));
            }
            // Before 5.0 no acknowledgement can refuse: it is acknowledged, and booked as what it is. [MQTT-3.3.5-2]
            Discard::Refused(_) => {
                if kind == AckKind::Pubrec {
                    let session = self.connections[index].session;
                    self.sessions.flow(session).receiver.receive(packet_id);
                    self.journal_receipt(session, packet_id);
                }
                self.acknowledge_to(index, kind, packet_id, ReasonCode::Success);
            }
        }
    }

    /// A QoS 2 message that came again waits for the same settlement as the first time.
    fn answer_again(&mut self, index: u32, packet_id: PacketId) {
        let session = self.connections[index].session;
        // While an answer waits, one is enough: who repeats it makes nothing grow.
        if self.connections[index].lane.as_deref().is_some_and(|lane| lane.is_to_answer(packet_id)) {
            return;
        }
        let unsettled = self.sessions[session].flow.as_deref().and_then(|flow| {
            flow.unsettled.iter().find(|(id, _)| *id == packet_id).map(|(_, settlement)| *settlement)
        });
        let what = What::Ack { kind: AckKind::Pubrec, packet_id, reason: ReasonCode::Success };
        match unsettled {
            Some(settlement) => {
                let number = self.answer_later(index, what);
                let id = self.connections.id(index);
                self.settlements.join(settlement, id, number);
            }
            None => self.answer(index, what),
        }
    }

    fn put_off(&mut self, now: Instant, index: u32, incoming: Incoming) -> Input {
        let session = self.connections[index].session;
        let publisher = self.grants.grant(self.sessions[session].grant).cloned();
        let (Some(publisher), Some(publication)) = (publisher, incoming.publication()) else {
            let denial = super::policy::Denial::new(ReasonCode::NotAuthorized);
            return self.on_admission(now, index, incoming, Answer::Deny(denial));
        };
        if self.questions.len() >= self.limits.answers_open as usize {
            self.note_limited(session, super::limits::Limit::answers_open);
            return self.turn_away(now, index, incoming, Verdict::Refused, ReasonCode::QuotaExceeded);
        }
        self.connections.lane(index).waiting = incoming.held();
        let waiting = Box::new(Waiting { incoming, publisher, publication });
        self.ask(now, index, About::Publish(waiting));
        Input::Hold
    }

    /// A message is booked as one that goes nowhere, and answered when all of it has come.
    fn turn_away(
        &mut self,
        now: Instant,
        index: u32,
        mut incoming: Incoming,
        verdict: Verdict,
        reason: ReasonCode,
    ) -> Input {
        let id = self.next_message_id(now);
        let session = self.connections[index].session;
        let publisher = self.publisher_hash(session, packet_id_bits(incoming.delivery));
        self.depot.books.decided(id, verdict, 0, publisher);
        incoming.discard = Some(Discard::Refused(reason));
        self.take_in(now, index, incoming)
    }

    /// Waits for the rest of a message, if there is one.
    fn take_in(&mut self, now: Instant, index: u32, incoming: Incoming) -> Input {
        if incoming.left() > 0 {
            self.connections.lane(index).incoming = Some(Box::new(incoming));
            return Input::More;
        }
        self.complete(now, index, Box::new(incoming))
    }

    /// The policy has judged a message.
    pub(super) fn on_admission(
        &mut self,
        now: Instant,
        index: u32,
        mut incoming: Incoming,
        answer: Answer,
    ) -> Input {
        match answer {
            Answer::Admit => {}
            Answer::Changed(publication) => incoming.change(&publication),
            Answer::Deny(denial) => {
                return self.turn_away(now, index, incoming, Verdict::Denied, denial.reason);
            }
            // No answer to what was asked: nothing is published.
            Answer::Allow(_) | Answer::Continue { .. } => {
                return self.turn_away(now, index, incoming, Verdict::Denied, ReasonCode::NotAuthorized);
            }
        }
        self.take_in(now, index, incoming)
    }

    pub(super) fn accept_incoming(&mut self, now: Instant, index: u32, incoming: &Incoming) {
        let session = self.connections[index].session;
        let large = incoming.payload.chunks().iter().map(Bytes::len).sum::<usize>() >= super::LARGE;
        let chunks: Arc<[Bytes]>;
        let content = match incoming.payload.chunks() {
            [] => Content::Small(&[]),
            [one] if !large => Content::Small(one),
            many => {
                chunks = many.into();
                Content::Large(&chunks)
            }
        };
        let view = View {
            id: self.next_message_id(now),
            origin: self.identity(session),
            expires_at: incoming.expiry.map(|seconds| now.after_secs(seconds.into())),
            topic: Text::known_str(&incoming.topic),
            properties: &incoming.properties,
            content,
        };
        self.accept(now, index, incoming.delivery, &view, incoming.retain);
    }

    /// The message is ours now: it goes to everyone who wants it, and its publisher hears of it.
    fn accept(&mut self, now: Instant, index: u32, delivery: Delivery, view: &View<'_>, retain: bool) {
        let session = self.connections[index].session;
        let before = self.output_length(index);
        if let Delivery::ExactlyOnce { packet_id, .. } = delivery {
            // Delivered onward here and now; only the id is kept. [MQTT-4.3.3-10]
            let receipt = self.sessions.flow(session).receiver.receive(packet_id);
            debug_assert_eq!(receipt, Receipt::First, "repeats were sorted out before");
            self.receipt = Some((session, packet_id));
        }
        let hash = self.publisher_hash(session, packet_id_bits(delivery));
        let publisher = Publisher { connection: Some(index), session, hash };
        let routed = self.spread(publisher, view, delivery.qos(), retain);
        if self.receipt.take().is_some()
            && let Some(packet_id) = delivery.packet_id()
        {
            // It went nowhere, so there is no record of it that has its receipt, too.
            self.journal_receipt(session, packet_id);
        }
        let all_behind = routed.behind > 0 && routed.behind == routed.matched && routed.mailed == 0;
        if all_behind {
            self.pause_for(now, index, routed.slowest);
        }
        let Some((kind, packet_id)) = acknowledgement(delivery) else { return };
        match routed.settlement {
            Some(settlement) => {
                if kind == AckKind::Pubrec {
                    // What it changes in the journal, the answer says: so it comes first.
                    let generation = self.sessions[session].generation;
                    self.settlements.add(settlement, Waiter::Receipt(session, generation, packet_id));
                    self.sessions.flow(session).unsettled.push((packet_id, settlement));
                }
                let what = What::Ack { kind, packet_id, reason: ReasonCode::Success };
                let number = self.answer_later(index, what);
                let id = self.connections.id(index);
                self.settlements.join(settlement, id, number);
            }
            None => match routed.reason() {
                ReasonCode::QuotaExceeded if self.connections[index].version().is_v5() => {
                    if kind == AckKind::Pubrec {
                        self.take_back(session, packet_id);
                    }
                    self.acknowledge_to(index, kind, packet_id, ReasonCode::QuotaExceeded);
                }
                // It can't be refused: those who are behind slow it down, and then it hears what it would anyway.
                ReasonCode::QuotaExceeded if all_behind => self.acknowledge_paused(index, kind, packet_id),
                reason => {
                    let own = self.output_length(index);
                    self.acknowledge_to(index, kind, packet_id, reason);
                    let receipt = self.output_length(index) - own;
                    if kind == AckKind::Pubrec && own > before {
                        // The receipt goes ahead of what the message itself caused on this connection.
                        self.connections.lane(index).out[before..].rotate_right(receipt);
                    }
                }
            },
        }
    }

    /// A QoS 2 message was refused after all: its Packet Identifier is free, and what comes under it is new.
    pub(super) fn take_back(&mut self, session: u32, packet_id: PacketId) {
        if let Some(flow) = self.sessions[session].flow.as_deref_mut() {
            flow.receiver.release(packet_id);
            self.journal_receipt_end(session, packet_id);
            self.sessions.rest(session);
        }
    }

    fn output_length(&self, index: u32) -> usize {
        self.connections[index].lane.as_deref().map_or(0, |l| l.out.len())
    }

    pub(super) fn identity(&self, session: u32) -> IdentityId {
        self.grants[self.sessions[session].grant].identity
    }

    /// Ids grow with time and are unique over restarts.
    pub(super) fn next_message_id(&mut self, now: Instant) -> MessageId {
        self.published = self.published.wrapping_add(1);
        MessageId::new(now.as_millis(), self.shard, self.incarnation, self.published)
    }

    /// A hash of a publisher's Client Identifier and its own Packet Identifier, to find its messages by.
    pub(super) fn publisher_hash(&self, session: u32, packet_id: u16) -> u32 {
        let session_hash = session.wrapping_mul(0x9e37_79b9) ^ self.sessions[session].generation;
        session_hash.rotate_left(16) ^ u32::from(packet_id)
    }
}

fn packet_id_bits(delivery: Delivery) -> u16 {
    delivery.packet_id().map_or(0, PacketId::get)
}

fn acknowledgement(delivery: Delivery) -> Option<(AckKind, PacketId)> {
    match delivery {
        Delivery::AtMostOnce => None,
        Delivery::AtLeastOnce { packet_id, .. } => Some((AckKind::Puback, packet_id)),
        Delivery::ExactlyOnce { packet_id, .. } => Some((AckKind::Pubrec, packet_id)),
    }
}
