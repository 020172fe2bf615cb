//! What the server sends.
use super::event::{Cause, Event, Message, Stage};
use super::link::{Head, Incoming, Ping, Said, Unanswered};
use super::{Client, Holding, Next, Phase};
use crate::Input;
use crate::codec::{
    Ack, AckKind, DecodeError, Decoder, Delivery, Disconnect, Item, Limits, Packet, Payload, PropertiesBuf,
    Property, Publish, encode_ack,
};
use crate::delivery::{Acknowledged, Assembly, Receipt, Received, WrongAlias};
use crate::id::{PacketId, Token};
use crate::message;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::time::Instant;
use crate::topic::{TopicError, TopicName};
use alloc::boxed::Box;

/// Answers that the server does not read, in bytes; beyond this it is not listened to.
pub(super) const UNREAD: usize = 64 * 1024;

/// The server broke a rule that the decoder does not know of.
struct Violation(ReasonCode);

fn legal(is: bool) -> Result<(), Violation> {
    if is { Ok(()) } else { Err(Violation(ReasonCode::ProtocolError)) }
}

impl Client {
    pub(super) fn feed(&mut self, now: Instant, bytes: &[u8]) -> Input {
        match self.phase {
            Phase::Greeting(_) | Phase::Up => {}
            Phase::Asking(_) => {
                // CONNECT comes first. [MQTT-3.1.0-1]
                self.violated(now, ReasonCode::ProtocolError);
                return Input::Done;
            }
            _ => return Input::Done,
        }
        let (first, n) = &mut self.link.first;
        for (place, byte) in first.iter_mut().skip(*n).zip(bytes) {
            *place = *byte;
            *n += 1;
        }
        if self.link.held {
            self.link.kept.extend_from_slice(bytes);
            return Input::Hold;
        }
        self.link.heard = now;
        self.link.ping = Ping::None;
        let mut decoder = core::mem::take(&mut self.link.decoder);
        let mut rest = bytes;
        let input = self.decode(now, &mut decoder, &mut rest);
        self.link.decoder = decoder;
        if input == Input::Hold {
            self.link.held = true;
            self.link.kept.extend_from_slice(rest);
        }
        self.leave_if_done(now);
        input
    }

    fn decode(&mut self, now: Instant, decoder: &mut Decoder, rest: &mut &[u8]) -> Input {
        // Nothing is a fault of the server that we have not announced.
        let limits = Limits {
            maximum_packet_size: self.config.maximum_packet_size,
            streamed_from: Limits::default().streamed_from,
            ..Limits::NONE
        };
        loop {
            let item = match decoder.next(&limits, rest) {
                Ok(Some(item)) => item,
                Ok(None) => return Input::More,
                Err(error) => {
                    self.malformed(now, error);
                    return Input::Done;
                }
            };
            match self.on_item(now, &item) {
                Ok(()) => {}
                Err(Violation(reason)) => self.violated(now, reason),
            }
            if !matches!(self.phase, Phase::Greeting(_) | Phase::Up) {
                return Input::Done;
            }
            if self.is_full() {
                return Input::Hold;
            }
        }
    }

    /// Is there so much for the application, or for the server, that no more is to come?
    ///
    /// Messages of QoS 1 and 2 within the Receive Maximum are no reason: what comes behind them may be what the
    /// application waits for before it takes them.
    fn is_full(&self) -> bool {
        let config = &self.config;
        let window = usize::from(config.receive_maximum.max(1));
        let (messages, bytes) = (config.inbox_messages.max(1), config.inbox_bytes.max(1));
        self.inbox.is_full(window, messages, bytes) || self.link.out.len() >= UNREAD
    }

    #[cold]
    fn malformed(&mut self, now: Instant, error: DecodeError) {
        if self.speaks_only_older() {
            let cause = Cause::Refused(ReasonCode::UnsupportedProtocolVersion);
            self.refused_5 = true;
            return self.close(now, cause, Next::OtherVersion);
        }
        self.fail(now, Cause::Malformed(error), error.reason(), Next::Reconnect);
    }

    fn on_item(&mut self, now: Instant, item: &Item<'_>) -> Result<(), Violation> {
        let packet = match item {
            Item::Packet(packet) => packet,
            Item::Head(publish) => return self.on_publish(publish),
            Item::Body(bytes) => {
                if let Some(incoming) = &mut self.link.incoming {
                    match incoming.unwanted {
                        true => incoming.payload.skip(bytes.len()),
                        false => incoming.payload.append(bytes),
                    }
                }
                self.complete_if_all();
                return Ok(());
            }
        };
        if self.phase != Phase::Up {
            match packet {
                Packet::Connack(connack) => self.on_connack(now, connack),
                Packet::Auth(auth) => self.on_auth(now, auth),
                // [MQTT-3.2.0-1]
                _ => return Err(Violation(ReasonCode::ProtocolError)),
            }
            return Ok(());
        }
        match packet {
            Packet::Publish(publish) => return self.on_publish(publish),
            Packet::Puback(ack) => return self.on_puback(ack),
            Packet::Pubrec(ack) => return self.on_pubrec(ack),
            Packet::Pubrel(ack) => self.on_pubrel(ack.packet_id),
            Packet::Pubcomp(ack) => return self.on_pubcomp(ack),
            Packet::Suback(suback) => return legal(self.on_answered(suback, true)),
            Packet::Unsuback(unsuback) => return legal(self.on_answered(unsuback, false)),
            Packet::Pingresp => {}
            Packet::Auth(auth) => self.on_auth(now, auth),
            Packet::Disconnect(disconnect) => self.on_disconnect(now, disconnect),
            _ => return Err(Violation(ReasonCode::ProtocolError)),
        }
        Ok(())
    }

    /// [MQTT-4.13.2-1]
    #[cold]
    fn on_disconnect(&mut self, now: Instant, disconnect: &Disconnect<'_>) {
        let taken_over = disconnect.reason == ReasonCode::SessionTakenOver;
        let next = if taken_over && !self.config.fight_for_session { Next::Stop } else { Next::Reconnect };
        self.explain(None, disconnect.properties);
        self.close(now, Cause::Disconnected(disconnect.reason), next);
    }

    // What we sent.

    /// The answer does not go with the QoS of that message.
    fn misplaced(&mut self, packet_id: PacketId) -> Violation {
        self.link.misplaced = Some(packet_id);
        Violation(ReasonCode::ProtocolError)
    }

    fn on_puback(&mut self, ack: &Ack<'_>) -> Result<(), Violation> {
        match self.sender.on_puback(ack.packet_id) {
            Acknowledged::Done(place) => {
                self.link.brings_acknowledgement();
                self.explain_stage(place, ack.properties);
                self.ended(place, Stage::Acknowledged(ack.reason));
            }
            // For a message of a session that the server remembers and we don't.
            Acknowledged::Unknown => {}
            Acknowledged::Misplaced => return Err(self.misplaced(ack.packet_id)),
        }
        self.actions.transmit();
        Ok(())
    }

    /// [MQTT-4.3.3-13]
    fn on_pubrec(&mut self, ack: &Ack<'_>) -> Result<(), Violation> {
        let reason = match self.sender.on_pubrec(ack.packet_id, ack.reason.is_error()) {
            Received::First(place) => {
                self.link.brings_acknowledgement();
                self.explain_stage(place, ack.properties);
                if let Some(outgoing) = self.outbox.get(place) {
                    let stage = Stage::Acknowledged(ack.reason);
                    self.inbox.push(Event::Progress(outgoing.ticket, stage));
                    self.actions.event();
                }
                ReasonCode::Success
            }
            Received::Again => ReasonCode::Success,
            Received::Refused(place) => {
                self.link.brings_acknowledgement();
                self.explain_stage(place, ack.properties);
                self.ended(place, Stage::Acknowledged(ack.reason));
                self.actions.transmit();
                return Ok(());
            }
            Received::Unknown if ack.reason.is_error() => return Ok(()),
            Received::Unknown => ReasonCode::PacketIdentifierNotFound,
            Received::Misplaced => return Err(self.misplaced(ack.packet_id)),
        };
        // [MQTT-4.3.3-4]
        encode_ack(AckKind::Pubrel, ack.packet_id, reason, self.version, &mut self.link.out);
        self.actions.transmit();
        Ok(())
    }

    fn on_pubcomp(&mut self, ack: &Ack<'_>) -> Result<(), Violation> {
        if self.on_freed(ack.packet_id) {
            return Ok(());
        }
        match self.sender.on_pubcomp(ack.packet_id) {
            Acknowledged::Done(place) => {
                self.link.brings_acknowledgement();
                self.explain_stage(place, ack.properties);
                self.ended(place, Stage::Released(ack.reason));
            }
            Acknowledged::Unknown => {}
            Acknowledged::Misplaced => return Err(self.misplaced(ack.packet_id)),
        }
        self.actions.transmit();
        Ok(())
    }

    // What we receive.

    fn on_publish(&mut self, publish: &Publish<'_>) -> Result<(), Violation> {
        if self.phase != Phase::Up {
            return Err(Violation(ReasonCode::ProtocolError));
        }
        if !self.link.passed_over.is_empty()
            && let Some(packet_id) = publish.delivery.packet_id()
        {
            // Some servers do not wait for the next connection.
            self.link.passed_over.remove(&packet_id);
        }
        let again = publish.delivery.qos() == QoS::ExactlyOnce
            && publish.delivery.packet_id().is_some_and(|id| self.receiver.contains(id));
        if publish.delivery.qos() > QoS::AtMostOnce && !again && self.version.is_v5() {
            // Messages that are neither acknowledged nor, with QoS 2, released. What was open before this connection
            // comes on top: the server may not count it. [MQTT-3.3.4-9]
            let waiting = self.link.unanswered.pubacks() + self.receiver.len();
            let open = waiting + self.link.passed_over.len();
            if open >= usize::from(self.config.receive_maximum.max(1)) + self.link.leftover {
                return Err(Violation(ReasonCode::ReceiveMaximumExceeded));
            }
        }
        let (topic, properties) = match publish.properties.topic_alias() {
            Some(alias) => self.resolve(alias, publish)?,
            None => match self.topic(publish.topic) {
                Ok(topic) => (topic, publish.properties.into()),
                Err(_) => return Err(Violation(ReasonCode::TopicNameInvalid)),
            },
        };
        let head = Head { delivery: publish.delivery, retain: publish.retain, topic, properties };
        if let Payload::Whole(bytes) = publish.payload {
            self.arrived(head, bytes.into());
        } else {
            let payload = Assembly::new(publish.payload);
            self.link.incoming = Some(Box::new(Incoming { head, payload, unwanted: again }));
            self.complete_if_all();
        }
        Ok(())
    }

    /// What stands behind a Topic Alias of the server, and the properties without it: it means nothing to whoever has the
    /// message. It is bound also by one that came before.
    #[cold]
    fn resolve(
        &mut self,
        alias: u16,
        publish: &Publish<'_>,
    ) -> Result<(TopicName, PropertiesBuf), Violation> {
        let most = self.config.topic_alias_maximum;
        let topic = self.link.inward.resolve(most, alias, publish.topic).map_err(|wrong| match wrong {
            WrongAlias::OutOfRange => Violation(ReasonCode::TopicAliasInvalid),
            WrongAlias::Unbound => Violation(ReasonCode::ProtocolError),
        })?;
        Ok((topic, PropertiesBuf::without(Property::TopicAlias(alias).id(), publish.properties)))
    }

    /// The rest of the current chunk of a large payload.
    pub(super) fn space(&mut self) -> Option<&mut [u8]> {
        if self.phase != Phase::Up || self.link.held {
            return None;
        }
        self.link.incoming.as_deref_mut().filter(|i| !i.unwanted)?.payload.space()
    }

    /// So many bytes of it were read.
    pub(super) fn on_payload(&mut self, now: Instant, n: usize) -> Input {
        if self.phase != Phase::Up {
            return Input::Done;
        }
        (self.link.heard, self.link.ping) = (now, Ping::None);
        let Some(incoming) = self.link.incoming.as_deref_mut() else { return Input::More };
        let n = incoming.payload.filled(n);
        self.link.decoder.skip_body(u32::try_from(n).unwrap_or(u32::MAX));
        self.complete_if_all();
        if self.is_full() {
            self.link.held = true;
            return Input::Hold;
        }
        Input::More
    }

    fn complete_if_all(&mut self) {
        if let Some(incoming) = self.link.incoming.take_if(|i| i.payload.left() == 0) {
            self.arrived(incoming.head, incoming.payload.payload());
        }
    }

    /// A message is complete. With QoS 2 it is delivered onward once, whatever comes again. [MQTT-4.3.3-10]
    /// [MQTT-3.3.4-1]
    fn arrived(&mut self, head: Head, payload: message::Payload) {
        let (packet_id, kind) = match head.delivery {
            Delivery::AtMostOnce => return self.deliver(head, payload, None),
            Delivery::AtLeastOnce { packet_id, .. } => (packet_id, AckKind::Puback),
            Delivery::ExactlyOnce { packet_id, .. } => (packet_id, AckKind::Pubrec),
        };
        let first = kind == AckKind::Puback || self.receiver.receive(packet_id) == Receipt::First;
        if first {
            // Retained Messages come with every connection that subscribes again.
            self.link.useful |= !head.retain;
            self.numbered = self.numbered.wrapping_add(1);
            let number = self.numbered;
            if kind == AckKind::Pubrec {
                self.holding.insert(packet_id, Holding { number, answer: None });
            }
            self.link.unanswered.push(Unanswered { number, packet_id, kind, answer: Said::Nothing });
            return self.deliver(head, payload, Some(Token { packet_id, epoch: number }));
        }
        // It came before, perhaps on this very connection: one answer is enough.
        if self.link.unanswered.iter().any(|u| u.is_pubrec(packet_id)) {
            return;
        }
        // Who has it may not have said so yet; or said so on a connection that is gone.
        let unanswered = match self.holding.get(&packet_id) {
            Some(held) => Unanswered { number: held.number, packet_id, kind, answer: said(held.answer) },
            None => Unanswered { number: 0, packet_id, kind, answer: said(Some(ReasonCode::Success)) },
        };
        self.link.unanswered.push(unanswered);
        self.release_answers();
    }

    fn deliver(&mut self, head: Head, payload: message::Payload, token: Option<Token>) {
        let Head { delivery, retain, topic, properties } = head;
        let dup = matches!(delivery, Delivery::AtLeastOnce { dup: true, .. });
        let message = Message { topic, payload, qos: delivery.qos(), retain, dup, token, properties };
        self.stats.received += 1;
        self.inbox.put(message);
        self.actions.message();
    }

    /// The topic of the last message again, most of the time.
    fn topic(&mut self, topic: Text<'_>) -> Result<TopicName, TopicError> {
        if let Some(last) = self.last_topic.as_ref().filter(|last| topic == *last.as_str()) {
            return Ok(last.clone());
        }
        let topic = TopicName::new(topic.as_str())?;
        self.last_topic = Some(topic.clone());
        Ok(topic)
    }

    /// [MQTT-4.3.3-11] [MQTT-4.3.3-13]
    fn on_pubrel(&mut self, packet_id: PacketId) {
        self.holding.remove(&packet_id);
        let reason = match self.receiver.release(packet_id) {
            true => ReasonCode::Success,
            false => ReasonCode::PacketIdentifierNotFound,
        };
        self.link.leftover = self.link.leftover.min(self.receiver.len());
        encode_ack(AckKind::Pubcomp, packet_id, reason, self.version, &mut self.link.out);
        self.actions.transmit();
    }
}

fn said(answer: Option<ReasonCode>) -> Said {
    answer.map_or(Said::Nothing, Said::Reason)
}
