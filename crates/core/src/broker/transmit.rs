//! What goes to a connection: pulled, late, as much as its socket takes.
use super::Broker;
use super::Messages;
use super::authority::policy::Access;
use super::base::NONE;
use super::base::rules::{Rule, Rules};
use super::breaches;
use super::connection::{Connections, State};
use super::messages::ledger::{Fate, Reason, Recipient};
use super::messages::queue::{Entry, Queued};
use super::messages::store::Content;
use super::replay::Stop;
use super::session::Busy;
use crate::codec::{AckKind, Delivery, EncodeError, PublishHead, encode_ack};
use crate::delivery::{Unsent, remaining};
use crate::id::ConnectionId;
use crate::output::Output;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::version::Version;
use alloc::vec::Vec;

/// What one recipient takes.
#[derive(Clone, Copy)]
struct Taker {
    who: Recipient,
    version: Version,
    maximum_packet_size: u32,
    receive_maximum: u16,
    /// Of its connection.
    index: u32,
    takes_aliases: bool,
    rules: Rules,
}

impl Taker {
    /// All of a PUBLISH but its payload, with a Topic Alias if it has one.
    #[inline]
    fn encode(
        &self,
        connections: &mut Connections,
        head: &PublishHead<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if self.takes_aliases {
            return connections.bound(self.index).outward.encode(head, self.maximum_packet_size, out);
        }
        head.encode(self.version, self.maximum_packet_size, out)
    }

    /// How long the packet will be at least.
    fn packet_length(&self, connections: &Connections, head: &PublishHead<'_>) -> Option<u32> {
        match connections.aliases(self.index) {
            Some(aliases) if self.takes_aliases => aliases.outward.packet_length(head),
            _ => head.packet_length(self.version),
        }
    }
}

impl Broker {
    pub(super) fn transmit(
        &mut self,
        now: Instant,
        id: ConnectionId,
        limit: usize,
        out: &mut Output,
    ) -> bool {
        let Some(connection) = self.connections.get(id) else { return false };
        connection.begin_poll();
        let session = connection.session;
        let limit = limit.min(usize::try_from(self.limits.unsent_bytes).unwrap_or(usize::MAX));
        let ready = connection.state == State::Up && connection.is_greeted();
        self.hand_over(id.index, out);
        self.is_heard(id.index);
        let more = ready && session != NONE && self.drain(now, session, limit, out);
        if more {
            self.connections[id.index].leave_more();
        }
        self.connections.release_if_idle(id.index);
        if session != NONE {
            self.tell_room(session);
        }
        if self.has_to_serve() {
            self.serve_groups(now);
        }
        more
    }

    /// What was encoded before goes first; with it, what was encoded early is delivered.
    fn hand_over(&mut self, index: u32, out: &mut Output) {
        if let Some(busy) = self.connections[index].busy.as_deref_mut() {
            out.take(&mut busy.out);
            self.end_early(index, Fate::Delivered);
        }
    }

    /// What was encoded early has its fate.
    pub(super) fn end_early(&mut self, index: u32, fate: Fate) {
        let Some(busy) = self.connections[index].busy.as_deref_mut() else { return };
        let Some(who) = busy.early_for else { return };
        for id in busy.early.drain(..) {
            self.messages.books.enter(id, who, Some(Fate::Queued), fate);
        }
    }

    fn drain(&mut self, now: Instant, session: u32, limit: usize, out: &mut Output) -> bool {
        let Some(mut busy) = self.sessions.take_busy(session) else { return false };
        let s = &self.sessions[session];
        let taker = Taker {
            who: self.sessions.recipient(session),
            version: s.version,
            maximum_packet_size: breaches::size(self.rules, s.maximum_packet_size),
            receive_maximum: breaches::window(self.rules, s.receive_maximum),
            index: s.connection,
            takes_aliases: self.connections[s.connection].takes_aliases(),
            rules: self.rules,
        };
        let stop = loop {
            if out.unsent() >= limit {
                break Stop::Full;
            }
            if let Err(stop) = self.send_next(now, session, &mut busy, &taker, out) {
                break stop;
            }
        };
        let stalled = stop == Stop::Waits;
        busy.queue.stall(stalled);
        let mut more = stop == Stop::Full;
        while stalled && let Some(entry) = busy.queue.next_overtaking() {
            if out.unsent() >= limit || (is_large(&self.messages, entry) && !out.is_empty()) {
                more = true;
                break;
            }
            self.messages.dequeue(&mut busy.queue, entry);
            send_once(&mut self.messages, &mut self.connections, now, entry, &taker, out);
        }
        self.sessions[session].busy = Some(busy);
        self.caught_up(session);
        self.sessions.release_if_idle(session);
        more
    }

    /// Sends one thing, or says why not.
    fn send_next(
        &mut self,
        now: Instant,
        session: u32,
        busy: &mut Busy,
        taker: &Taker,
        out: &mut Output,
    ) -> Result<(), Stop> {
        if let Some(unsent) = busy.sender.unsent() {
            if busy.bound > self.journal.durable() {
                if busy.awaited != busy.bound {
                    busy.awaited = busy.bound;
                    let index = self.sessions[session].connection;
                    self.journal.wake(busy.bound, self.connections.id(index));
                }
                return Err(Stop::Waits);
            }
            if let Unsent::Publish { message, dup: true, .. } = unsent
                && !self.may_be_sent_again(session, message)
            {
                self.give_up(session, busy, message, Reason::NotAuthorized);
            } else if let Some(message) =
                send_bound(&self.messages, &mut self.connections, now, busy, unsent, taker, out)?
            {
                self.give_up(session, busy, message, Reason::TooLarge);
            }
            return Ok(());
        }
        let Some(entry) = busy.queue.next() else { return Err(Stop::Empty) };
        match entry.what() {
            Queued::Replay(_) if !busy.sender.has_room(taker.receive_maximum) => Err(Stop::Waits),
            Queued::Replay(place) => self.replay_next(now, session, busy, place),
            Queued::Message(_) if entry.qos() == QoS::AtMostOnce => {
                if is_large(&self.messages, entry) && !out.is_empty() {
                    return Err(Stop::Full);
                }
                self.messages.dequeue(&mut busy.queue, entry);
                send_once(&mut self.messages, &mut self.connections, now, entry, taker, out);
                Ok(())
            }
            Queued::Message(_) => {
                if !busy.sender.may_bind(taker.receive_maximum) {
                    return Err(Stop::Waits);
                }
                self.messages.dequeue(&mut busy.queue, entry);
                self.bind(now, session, busy, entry, taker);
                Ok(())
            }
        }
    }

    /// Its recipient's right may have ended since it was sent on an earlier connection.
    fn may_be_sent_again(&self, session: u32, entry: Entry) -> bool {
        let s = &self.sessions[session];
        let topic = self.messages.stored(entry).topic;
        self.grants.may(s.grant, &s.client_id, Access::Receive { topic })
    }

    /// What is bound and to be sent next is not sent, for this reason. One that was sent before is in flight until its
    /// recipient says that it has let go of the Packet Identifier.
    fn give_up(&mut self, session: u32, busy: &mut Busy, entry: Entry, reason: Reason) {
        if busy.sender.release() {
            self.pen().released(session, entry);
            busy.bound = self.journal.end();
        } else {
            busy.sender.give_up();
            let who = self.sessions.recipient(session);
            self.messages.end(entry, who, Fate::InFlight, Fate::Dropped(reason));
        }
    }

    /// A message gets its Packet Identifier, unless it is too old or too large by now.
    fn bind(&mut self, now: Instant, session: u32, busy: &mut Busy, entry: Entry, taker: &Taker) {
        if let Some(fate) = unfit(&self.messages, &self.connections, now, entry, taker) {
            self.messages.end(entry, taker.who, Fate::Queued, fate);
            return;
        }
        self.messages.enter(entry, taker.who, Some(Fate::Queued), Fate::InFlight);
        let is_lent = entry.qos() == QoS::ExactlyOnce && self.messages.offer(entry).is_some();
        let entry = if is_lent { self.lend(now, session, entry) } else { entry };
        let packet_id = busy.sender.bind(entry, entry.qos());
        if entry.qos() == QoS::ExactlyOnce {
            // The id is bound by a record of its own, and the PUBLISH waits for that.
            self.pen().bound(session, entry, packet_id);
            if self.rules.obeys(Rule::BoundFirst) {
                busy.bound = self.journal.end();
            }
        }
    }

    /// Whoever waited for this queue may go on, if it is low.
    pub(super) fn caught_up(&mut self, session: u32) {
        let Some(busy) = self.sessions[session].busy.as_deref() else { return };
        if !busy.waiting.is_empty() && self.is_low(busy.queue.len(), busy.queue.bytes()) {
            self.wake_publishers(session);
        }
    }
}

fn is_large(messages: &Messages, entry: Entry) -> bool {
    matches!(messages.stored(entry).content, Content::Large(_))
}

/// Why a message can't be sent to this recipient any more, if so.
fn unfit(
    messages: &Messages,
    connections: &Connections,
    now: Instant,
    entry: Entry,
    taker: &Taker,
) -> Option<Fate> {
    let view = messages.stored(entry);
    if view.expires_at.is_some_and(|at| now > at) && taker.rules.obeys(Rule::ExpiredIsDropped) {
        // [MQTT-3.3.2-5]
        return Some(Fate::Expired);
    }
    if taker.maximum_packet_size < u32::MAX {
        let mut one = [0];
        let head = head(messages, now, entry, Delivery::AtMostOnce, &mut one);
        let packet_id = if entry.qos() == QoS::AtMostOnce { 0 } else { 2 };
        let length = taker.packet_length(connections, &head).unwrap_or(u32::MAX);
        if length.saturating_add(packet_id) > taker.maximum_packet_size {
            // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
            return Some(Fate::Dropped(Reason::TooLarge));
        }
    }
    None
}

/// QoS 0: sent, and with that delivered.
fn send_once(
    messages: &mut Messages,
    connections: &mut Connections,
    now: Instant,
    entry: Entry,
    taker: &Taker,
    out: &mut Output,
) {
    let fate = match unfit(messages, connections, now, entry, taker) {
        Some(fate) => fate,
        None => match put(messages, connections, now, entry, Delivery::AtMostOnce, taker, out) {
            Ok(()) => Fate::Delivered,
            Err(_) => Fate::Dropped(Reason::TooLarge),
        },
    };
    messages.end(entry, taker.who, Fate::Queued, fate);
}

/// Sends what is bound to a Packet Identifier, for the first time or again. Returns a message that the client does not take
/// any more: its packets have to be smaller than when it was first sent. [MQTT-3.1.2-25]
/// [MQTT-4.3.3-7] [MQTT-4.3.3-13]
fn send_bound(
    messages: &Messages,
    connections: &mut Connections,
    now: Instant,
    busy: &mut Busy,
    unsent: Unsent<Entry>,
    taker: &Taker,
    out: &mut Output,
) -> Result<Option<Entry>, Stop> {
    let (entry, packet_id, qos, dup) = match unsent {
        // Not limited by the Receive Maximum. [MQTT-4.9.0-3] [MQTT-3.3.4-10]
        Unsent::Pubrel { packet_id } => {
            out.append(|out| encode_ack(AckKind::Pubrel, packet_id, ReasonCode::Success, taker.version, out));
            busy.sender.sent();
            return Ok(None);
        }
        Unsent::Publish { message, packet_id, qos, dup } => (message, packet_id, qos, dup),
    };
    let dup = dup && taker.rules.obeys(Rule::AgainWithDup);
    if !busy.sender.has_room(taker.receive_maximum) {
        return Err(Stop::Waits);
    }
    if is_large(messages, entry) && !out.is_empty() {
        return Err(Stop::Full);
    }
    let delivery = Delivery::new(qos, packet_id, dup);
    if put(messages, connections, now, entry, delivery, taker, out).is_err() {
        return Ok(Some(entry));
    }
    busy.sender.sent();
    Ok(None)
}

fn head<'a>(
    messages: &'a Messages,
    now: Instant,
    entry: Entry,
    delivery: Delivery,
    one: &'a mut [u32; 1],
) -> PublishHead<'a> {
    let view = messages.stored(entry);
    let left = view.expires_at.map(|at| remaining(at, now));
    PublishHead {
        delivery,
        retain: entry.retain(),
        topic: view.topic,
        topic_alias: None,
        message_expiry_interval: left,
        properties: view.properties,
        subscription_identifiers: messages.identifiers(entry, one),
        payload_len: view.content.len(),
    }
}

/// Encodes a PUBLISH; a large payload is shared, not copied.
fn put(
    messages: &Messages,
    connections: &mut Connections,
    now: Instant,
    entry: Entry,
    delivery: Delivery,
    taker: &Taker,
    out: &mut Output,
) -> Result<(), EncodeError> {
    let mut one = [0];
    let mut head = head(messages, now, entry, delivery, &mut one);
    if !taker.rules.obeys(Rule::LeftIsSaid) {
        head.message_expiry_interval = None;
    }
    match messages.stored(entry).content {
        Content::Small(payload) => out.append(|out| {
            taker.encode(connections, &head, out)?;
            out.extend_from_slice(payload);
            Ok(())
        }),
        Content::Large(chunks) => {
            out.append(|out| taker.encode(connections, &head, out))?;
            for chunk in chunks.iter() {
                out.put_shared(chunk.clone());
            }
            Ok(())
        }
    }
}
