//! Local subscribers: sessions without a socket, for whatever in the host is not the protocol.
use super::authority::policy::{Access, Grant};
use super::base::LARGE;
use super::base::tickets::Asked;
use super::messages::ledger::{Fate, Reason};
use super::messages::queue::Queued;
use super::messages::store::{Content, View};
use super::session::{Kind, NEVER};
use super::shards::settle::Waiter;
use super::subscribe::Subscribed;
use super::{Broker, Received, Shutdown};
use crate::codec::{Properties, SubscriptionOptions};
use crate::delivery::Acknowledged;
use crate::id::{LocalId, Ticket, Token};
use crate::message::{Message, Payload, Publication};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::topic::{TopicFilter, TopicName};
use alloc::format;
use alloc::sync::Arc;
use bytes::Bytes;

impl Broker {
    pub(super) fn new_local(&mut self, name: &str, grant: &Grant) -> LocalId {
        // No Client Identifier contains U+0000, so no client can come by this name.
        let client_id = format!("\0{name}");
        let found = self.sessions.find(&client_id);
        let session = found.unwrap_or_else(|| self.sessions.insert(&client_id, Kind::Local));
        let before = self.sessions[session].grant;
        let place = self.grants.set(grant);
        self.rest_on(session, place);
        if found.is_some() && before != place {
            self.judge_resumed(session, grant.identity);
        }
        self.sessions[session].expiry = NEVER;
        self.sessions.local_id(session)
    }

    /// The session of a local subscriber that has not been closed.
    fn local(&self, id: LocalId) -> Option<u32> {
        let session = self.sessions.get_ref(id.index, id.generation)?;
        (session.kind == Kind::Local).then_some(id.index)
    }

    pub(super) fn end_local(&mut self, now: Instant, id: LocalId) {
        if let Some(session) = self.local(id) {
            self.actions.local_polled(session);
            self.end_session(now, session);
        }
    }

    pub(super) fn subscribe_local(&mut self, id: LocalId, filter: &TopicFilter, qos: QoS) -> Ticket {
        let ticket = self.tickets.open(Asked::Subscribe);
        let Some(session) = self.local(id) else {
            self.end_ticket_at(ticket, ReasonCode::UnspecifiedError, 0);
            return ticket;
        };
        let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
        match self.subscribe_one(session, filter.as_str(), options, None) {
            Ok(subscribed) => {
                if let Subscribed::Alone(node, _) = subscribed {
                    self.begin_replay(session, node, qos, None, None);
                }
                self.actions.announce_local(self.sessions.local_id(session));
                let settlement = self.await_subscribed(filter.as_str(), subscribed);
                self.end_with(ticket, settlement);
            }
            Err(reason) => self.end_ticket_at(ticket, reason, 0),
        }
        ticket
    }

    pub(super) fn unsubscribe_local(&mut self, id: LocalId, filter: &TopicFilter) -> Ticket {
        let ticket = self.tickets.open(Asked::Unsubscribe);
        if self.local(id).is_some_and(|session| self.unsubscribe_one(session, filter.as_str())) {
            let settlement = self.await_unsubscribed(core::iter::once(filter.as_str()));
            self.end_with(ticket, settlement);
        } else {
            self.end_ticket_at(ticket, ReasonCode::NoSubscriptionExisted, 0);
        }
        ticket
    }

    /// It has its end once all shards know of this what there is to know.
    fn end_with(&mut self, ticket: Ticket, settlement: Option<u32>) {
        match settlement {
            Some(settlement) => self.shards.settlements.add(settlement, Waiter::Asked(ticket)),
            // No subscription of theirs outlives this broker.
            None => self.end_ticket_at(ticket, ReasonCode::Success, 0),
        }
    }

    pub(super) fn publish_local(
        &mut self,
        now: Instant,
        id: LocalId,
        publication: &Publication,
    ) -> Result<Ticket, ReasonCode> {
        let session = self.local(id).ok_or(ReasonCode::UnspecifiedError)?;
        if self.shutdown == Shutdown::Over {
            return Err(ReasonCode::ServerShuttingDown);
        }
        let s = &self.sessions[session];
        let (qos, retain) = (publication.qos, publication.retain);
        let access = Access::Publish { topic: publication.topic.as_text(), qos, retain };
        if !self.grants.may(s.grant, &s.client_id, access) {
            return Err(ReasonCode::NotAuthorized);
        }
        let small;
        let chunks: Arc<[Bytes]>;
        let content = if publication.payload.len() >= LARGE {
            chunks = publication.payload.pieces().into();
            Content::Large(&chunks)
        } else {
            small = publication.payload.to_vec();
            Content::Small(&small)
        };
        let view = View {
            id: self.here.message_id(now),
            origin: self.grants.identity(self.sessions[session].grant),
            expires_at: publication.message_expiry_interval.map(|seconds| now.after_secs(seconds.into())),
            topic: publication.topic.as_text(),
            properties: publication.properties().as_bytes(),
            content,
        };
        let ticket = self.tickets.open(Asked::Publish(view.id));
        self.publish_inner(session, &view, qos, retain, Some(ticket));
        Ok(ticket)
    }

    /// It has taken something: groups may offer it more.
    pub(super) fn tell_room_of_local(&mut self, id: LocalId) {
        if let Some(session) = self.local(id) {
            self.tell_room(session);
        }
    }

    /// The next message for a local subscriber. QoS 1 and 2 are in flight until they are acknowledged.
    pub(super) fn next_local(&mut self, now: Instant, id: LocalId) -> Option<Received> {
        let session = self.local(id)?;
        self.actions.local_polled(session);
        let who = self.sessions.recipient(session);
        let mut busy = self.sessions.take_busy(session)?;
        let received = loop {
            let Some(entry) = busy.queue.next() else { break None };
            if let Queued::Replay(place) = entry.what() {
                if self.replay_for_local(now, session, &mut busy, place) {
                    continue;
                }
                break None;
            }
            let expired = self.messages.stored(entry).expires_at.is_some_and(|at| now > at);
            let has_room =
                || busy.sender.len() < usize::from(self.limits.in_flight) && busy.sender.may_grow();
            if !expired && entry.qos() > QoS::AtMostOnce && !has_room() {
                break None;
            }
            self.messages.dequeue(&mut busy.queue, entry);
            if expired {
                self.messages.end(entry, who, Fate::Queued, Fate::Expired);
                continue;
            }
            let message = message(&self.messages.stored(entry), entry.retain());
            if entry.qos() == QoS::AtMostOnce {
                self.messages.end(entry, who, Fate::Queued, Fate::Delivered);
                break Some(Received { message, qos: QoS::AtMostOnce, token: None });
            }
            self.messages.enter(entry, who, Some(Fate::Queued), Fate::InFlight);
            // In this process an exchange of two steps is one: a token is given once and used once.
            let packet_id = busy.sender.bind_sent(entry, QoS::AtLeastOnce);
            let token = Some(Token { packet_id, epoch: who.generation });
            break Some(Received { message, qos: entry.qos(), token });
        };
        self.sessions[session].busy = Some(busy);
        self.sessions.release_if_idle(session);
        received
    }

    pub(super) fn acknowledge_local(&mut self, id: LocalId, token: &Token, reason: ReasonCode) {
        let Some(session) = self.local(id) else { return };
        if token.epoch != self.sessions[session].generation {
            return;
        }
        let Some(busy) = self.sessions[session].busy.as_deref_mut() else { return };
        if let Acknowledged::Done(entry) = busy.sender.on_puback(token.packet_id) {
            let fate = if reason.is_error() { Fate::Dropped(Reason::Refused) } else { Fate::Delivered };
            self.finished(session, entry, fate);
            if self.sessions[session].busy.as_deref().is_some_and(|f| !f.queue.is_empty()) {
                self.actions.announce_local(self.sessions.local_id(session));
            }
        }
    }
}

fn message(view: &View<'_>, retain: bool) -> Message {
    Message {
        id: view.id,
        origin: view.origin,
        topic: TopicName::new(view.topic.as_str()).expect("what was published has a valid Topic Name"),
        payload: match view.content {
            Content::Small(bytes) => Payload::Whole(Bytes::copy_from_slice(bytes)),
            Content::Large(chunks) => Payload::Chunks(chunks.clone()),
        },
        retain,
        expires_at: view.expires_at,
        properties: Properties::known(view.properties).into(),
    }
}
