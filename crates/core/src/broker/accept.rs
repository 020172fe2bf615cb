//! A message that is complete and allowed: it is taken over, and its publisher is told what became of it.
use super::Broker;
use super::authority::policy::Access;
use super::base::LARGE;
use super::connection::Unread;
use super::connection::answers::Reply;
use super::connection::fault::in_refusal;
use super::messages::accepted::{Accepted, Arrival};
use super::messages::incoming::{Discard, Incoming};
use super::messages::ledger::Verdict;
use super::messages::store::{Content, View};
use super::shards::postponed::Postponed;
use super::shards::settle::Waiter;
use crate::Input;
use crate::codec::{AckKind, Delivery};
use crate::delivery::Receipt;
use crate::id::PacketId;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::Bytes;

impl Broker {
    /// The last piece has come.
    pub(super) fn complete_if_all(&mut self, now: Instant, index: u32) -> Input {
        let busy = self.connections[index].busy.as_deref_mut();
        match busy.and_then(|l| l.incoming.take_if(|i| i.left() == 0)) {
            Some(incoming) => self.complete(now, index, incoming),
            None => Input::More,
        }
    }

    pub(super) fn complete(&mut self, now: Instant, index: u32, incoming: Box<Incoming>) -> Input {
        if let Some(why) = incoming.discard {
            self.answer_discarded(index, incoming.delivery, why);
            return Input::More;
        }
        if self.shards.has_to_wait(Text::known_str(&incoming.topic), incoming.retain) {
            return self.postpone(index, incoming);
        }
        self.accept_incoming(now, index, &incoming);
        Input::More
    }

    /// What had to wait is complete, and has its place.
    pub(super) fn accept_incoming(&mut self, now: Instant, index: u32, incoming: &Incoming) {
        let session = self.connections[index].session;
        let (topic, retain) = incoming.asked();
        // Its rights may have changed meanwhile.
        let access = Access::Publish { topic, qos: incoming.delivery.qos(), retain };
        if !self.may_publish(session, access) {
            self.deny_publish(now, session, packet_id_bits(incoming.delivery), access);
            let why = Discard::Refused(ReasonCode::NotAuthorized);
            return self.answer_discarded(index, incoming.delivery, why);
        }
        let large = incoming.payload.chunks().iter().map(Bytes::len).sum::<usize>() >= LARGE;
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
            id: self.here.message_id(now),
            origin: self.grants.identity(self.sessions[session].grant),
            expires_at: incoming.expiry.map(|seconds| now.after_secs(seconds.into())),
            topic: Text::known_str(&incoming.topic),
            properties: &incoming.properties,
            content,
        };
        self.accept(now, index, incoming.delivery, &view, incoming.retain);
    }

    /// May it, by now?
    #[inline]
    pub(super) fn may_publish(&self, session: u32, access: Access<'_>) -> bool {
        let s = &self.sessions[session];
        self.grants.may(s.grant, &s.client_id, access)
    }

    /// It may not: that is booked, and told.
    #[cold]
    pub(super) fn deny_publish(&mut self, now: Instant, session: u32, packet_id: u16, access: Access<'_>) {
        let id = self.here.message_id(now);
        let publisher = self.sessions.publisher_hash(session, packet_id);
        self.messages.books.decided(id, Verdict::NotAuthorized, 0, publisher);
        self.note_denied(session, access);
    }

    /// The message is ours now: it goes to everyone who wants it, and its publisher hears of it.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        index: u32,
        delivery: Delivery,
        view: &View<'_>,
        retain: bool,
    ) {
        let session = self.connections[index].session;
        let before = self.output_length(index);
        let mut receipt = None;
        if let Delivery::ExactlyOnce { packet_id, .. } = delivery {
            // Delivered onward here and now; only the id is kept. [MQTT-4.3.3-10]
            let first = self.sessions.busy(session).receiver.receive(packet_id);
            debug_assert_eq!(first, Receipt::First, "repeats were sorted out before");
            receipt = Some(packet_id);
        }
        let hash = self.sessions.publisher_hash(session, packet_id_bits(delivery));
        let arrival = Arrival::Socket { connection: index, session, receipt };
        let routed = self.spread(&Accepted { view, qos: delivery.qos(), retain, hash, arrival });
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
                    self.shards.settlements.add(settlement, Waiter::Receipt(session, generation, packet_id));
                    self.sessions.busy(session).unsettled.push((packet_id, settlement));
                }
                let what = Reply::Ack { kind, packet_id, reason: ReasonCode::Success };
                let number = self.answer_later(index, what);
                let id = self.connections.id(index);
                self.shards.settlements.join(settlement, id, number);
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
                        self.connections.busy(index).out[before..].rotate_right(receipt);
                    }
                }
            },
        }
    }

    /// A QoS 2 message was refused after all: its Packet Identifier is free, and what comes under it is new.
    pub(super) fn take_back(&mut self, session: u32, packet_id: PacketId) {
        if let Some(busy) = self.sessions[session].busy.as_deref_mut() {
            busy.receiver.release(packet_id);
            self.pen().receipt_end(session, packet_id);
            self.sessions.release_if_idle(session);
        }
    }

    fn output_length(&self, index: u32) -> usize {
        self.connections[index].busy.as_deref().map_or(0, |l| l.out.len())
    }

    pub(super) fn answer_discarded(&mut self, index: u32, delivery: Delivery, why: Discard) {
        let Some((kind, packet_id)) = acknowledgement(delivery) else { return };
        match why {
            Discard::Again => self.answer_again(index, packet_id),
            Discard::Refused(reason) if self.connections[index].version().is_v5() => {
                self.acknowledge_to(index, kind, packet_id, in_refusal(kind, reason));
            }
            // Before 5.0 no acknowledgement can refuse: it is acknowledged, and booked as what it is. [MQTT-3.3.5-2 of 3.1.1]
            Discard::Refused(_) => {
                if kind == AckKind::Pubrec {
                    let session = self.connections[index].session;
                    self.sessions.busy(session).receiver.receive(packet_id);
                    self.pen().receipt(session, packet_id);
                }
                self.acknowledge_to(index, kind, packet_id, ReasonCode::Success);
            }
        }
    }

    /// A QoS 2 message that came again waits for the same settlement as the first time.
    fn answer_again(&mut self, index: u32, packet_id: PacketId) {
        let session = self.connections[index].session;
        // While an answer waits, one is enough: who repeats it makes nothing grow.
        if self.connections[index].busy.as_deref().is_some_and(|busy| busy.is_to_answer(packet_id)) {
            return;
        }
        let unsettled = self.sessions[session].busy.as_deref().and_then(|busy| {
            busy.unsettled.iter().find(|(id, _)| *id == packet_id).map(|(_, settlement)| *settlement)
        });
        let what = Reply::Ack { kind: AckKind::Pubrec, packet_id, reason: ReasonCode::Success };
        match unsettled {
            Some(settlement) => {
                let number = self.answer_later(index, what);
                let id = self.connections.id(index);
                self.shards.settlements.join(settlement, id, number);
            }
            None => self.answer(index, what),
        }
    }

    /// A PUBLISH has to wait, and its socket with it.
    fn postpone(&mut self, index: u32, incoming: Box<Incoming>) -> Input {
        let id = self.connections.id(index);
        self.connections[index].stop(Unread::HELD);
        self.connections.busy(index).waiting = incoming.held();
        self.shards.postpone(Postponed::Incoming(id, incoming));
        Input::Hold
    }
}

pub(super) fn packet_id_bits(delivery: Delivery) -> u16 {
    delivery.packet_id().map_or(0, PacketId::get)
}

fn acknowledgement(delivery: Delivery) -> Option<(AckKind, PacketId)> {
    match delivery {
        Delivery::AtMostOnce => None,
        Delivery::AtLeastOnce { packet_id, .. } => Some((AckKind::Puback, packet_id)),
        Delivery::ExactlyOnce { packet_id, .. } => Some((AckKind::Pubrec, packet_id)),
    }
}
