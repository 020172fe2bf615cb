//! PUBLISH from a client: may it, is it new, and is all of it here.
use super::Broker;
use super::accept::packet_id_bits;
use super::authority::policy::{Access, Admission, Answer, Denial};
use super::authority::questions::{About, Waiting};
use super::authority::supported::Supported;
use super::base::limits::Limit;
use super::base::rules::Rule;
use super::connection::fault::Fault;
use super::messages::incoming::{Discard, Incoming};
use super::messages::ledger::Verdict;
use super::messages::store::{Content, View};
use crate::Input;
use crate::codec::{Delivery, Payload, Publish};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::time::Instant;
use alloc::boxed::Box;

impl Broker {
    /// A PUBLISH: all of it, or all but a payload that follows. [MQTT-3.3.4-1]
    #[inline]
    pub(super) fn on_publish(
        &mut self,
        now: Instant,
        index: u32,
        publish: &Publish<'_>,
    ) -> Result<Input, Fault> {
        match publish.properties.topic_alias() {
            Some(alias) => self.on_aliased(now, index, publish, alias),
            None => self.on_named(now, index, publish),
        }
    }

    /// One with a Topic Alias. What it binds is bound whatever becomes of it: its sender knows nothing else.
    #[cold]
    fn on_aliased(
        &mut self,
        now: Instant,
        index: u32,
        publish: &Publish<'_>,
        alias: u16,
    ) -> Result<Input, Fault> {
        let inward = &mut self.connections.bound(index).inward;
        let topic = inward.resolve(self.limits.topic_aliases, alias, publish.topic);
        let topic = topic.map_err(Fault::TopicAlias)?;
        self.on_named(now, index, &Publish { topic: topic.as_text(), ..publish.clone() })
    }

    /// The same, with its topic.
    fn on_named(&mut self, now: Instant, index: u32, publish: &Publish<'_>) -> Result<Input, Fault> {
        if self.is_again(index, publish.delivery)? {
            return Ok(self.discard(index, publish, Discard::Again));
        }
        let session = self.connections[index].session;
        let qos = publish.delivery.qos();
        let access = Access::Publish { topic: publish.topic, qos, retain: publish.retain };
        if !self.may_publish(session, access) {
            self.deny_publish(now, session, packet_id_bits(publish.delivery), access);
            return Ok(self.discard(index, publish, Discard::Refused(ReasonCode::NotAuthorized)));
        }
        let Some(grant) = self.grants.grant(self.sessions[session].grant) else {
            return Err(Fault::Revoked(ReasonCode::NotAuthorized));
        };
        let supported = Supported::by(&self.limits, grant);
        supported.check(qos, publish.retain).map_err(Fault::NotSupported)?;
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
        if matches!(publish.payload, Payload::Whole(_))
            && self.shards.has_to_wait(publish.topic, publish.retain)
        {
            let incoming = Incoming::new(publish);
            return Ok(self.complete(now, index, Box::new(incoming)));
        }
        let Payload::Whole(payload) = publish.payload else {
            let incoming = Incoming::new(publish);
            self.connections.busy(index).incoming = Some(Box::new(incoming));
            return Ok(Input::More);
        };
        let mut properties = core::mem::take(&mut self.scratch.properties);
        properties.clear();
        publish.properties.travelling(&mut properties);
        let expiry = publish.properties.message_expiry_interval();
        let view = View {
            id: self.here.message_id(now),
            origin: self.grants.identity(self.sessions[session].grant),
            expires_at: expiry.map(|seconds| now.after_secs(seconds.into())),
            topic: publish.topic,
            properties: &properties,
            content: Content::Small(payload),
        };
        self.accept(now, index, publish.delivery, &view, publish.retain);
        self.scratch.properties = properties;
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
        let busy = self.sessions[connection.session].busy.as_deref();
        let unreleased = busy.map_or(0, |f| f.receiver.len());
        let unacknowledged = connection.busy.as_deref().map_or(0, |l| l.answers.pubacks());
        if delivery.qos() == QoS::ExactlyOnce
            && busy.is_some_and(|f| f.receiver.contains(packet_id))
            && self.rules.obeys(Rule::OnceUntilReleased)
        {
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
                self.connections.busy(index).incoming = Some(Box::new(incoming));
            }
        }
        Input::More
    }

    fn put_off(&mut self, now: Instant, index: u32, incoming: Incoming) -> Input {
        let session = self.connections[index].session;
        let publisher = self.grants.grant(self.sessions[session].grant).cloned();
        let (Some(publisher), Some(publication)) = (publisher, incoming.publication()) else {
            let denial = Denial::new(ReasonCode::NotAuthorized);
            return self.on_admission(now, index, incoming, Answer::Deny(denial));
        };
        if self.questions.len() >= self.limits.answers_open as usize {
            self.note_limited(session, Limit::answers_open);
            return self.turn_away(now, index, incoming, Verdict::Refused, ReasonCode::QuotaExceeded);
        }
        self.connections.busy(index).waiting = incoming.held();
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
        let id = self.here.message_id(now);
        let session = self.connections[index].session;
        let publisher = self.sessions.publisher_hash(session, packet_id_bits(incoming.delivery));
        self.messages.books.decided(id, verdict, 0, publisher);
        incoming.discard = Some(Discard::Refused(reason));
        self.take_in(now, index, incoming)
    }

    /// Waits for the rest of a message, if there is one.
    fn take_in(&mut self, now: Instant, index: u32, incoming: Incoming) -> Input {
        if incoming.left() > 0 {
            self.connections.busy(index).incoming = Some(Box::new(incoming));
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
}
