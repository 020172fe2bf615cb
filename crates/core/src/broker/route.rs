//! From an accepted message to everyone who wants it.
use super::connection::{Connections, Flags, NONE, State};
use super::depot::Depot;
use super::journal::Place;
use super::ledger::{Fate, Reason, Verdict};
use super::limits::Limits;
use super::outbound::{Early, SPAN};
use super::policy::{Access, QueuePolicy};
use super::publish::Routed;
use super::router::{Audience, Match};
use super::session::{Entry, Flow, Identifiers, Kind, Queued, Session, Sessions};
use super::store::{Content, MessageRef, View};
use super::{Actions, Broker};
use crate::codec::{Delivery, PublishHead};
use crate::qos::QoS;
use crate::version::Version;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// So much output is encoded at routing, between two writes to a socket that takes it; more waits in the queue.
const EARLY_BYTES: usize = 256 * 1024;
/// A queue this full, as a share of its limit, makes its publishers wait if it is all they have.
const HIGH: u32 = 4;

/// Where a message comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Publisher {
    /// What it came on; a will or a local subscriber's message came on none.
    pub(super) connection: Option<u32>,
    /// `NONE` if it has ended by now.
    pub(super) session: u32,
    /// Of its Client Identifier and its Packet Identifier, to find it by.
    pub(super) hash: u32,
}

impl Broker {
    /// Retains a message if it asks for that, and hands it to all that want it, here and on other shards.
    ///
    pub(super) fn spread(&mut self, publisher: Publisher, view: &View<'_>, qos: QoS, retain: bool) -> Routed {
        let Publisher { connection, session, hash } = publisher;
        if retain && !self.room_to_retain(view) {
            self.depot.books.decided(view.id, Verdict::Refused, 0, hash);
            if session != NONE {
                self.note_limited(session, self.retained_limit());
            }
            return Routed { no_room: true, ..Routed::default() };
        }
        let routed = self.distribute(connection, session, view, qos, retain);
        let refused = routed.matched > 0 && routed.refused == routed.matched && routed.mailed == 0;
        let verdict = if refused { Verdict::Refused } else { Verdict::Accepted };
        self.depot.books.decided(view.id, verdict, routed.matched, hash);
        routed
    }

    /// Gives a message to each subscriber of this shard.
    pub(super) fn deliver(
        &mut self,
        connection: Option<u32>,
        from: u32,
        view: &View<'_>,
        qos: QoS,
        retain: bool,
        mut elsewhere: impl FnMut(crate::id::ShardId),
    ) -> Routed {
        let mut hint = connection.map_or(self.hint, |c| self.connections[c].hint);
        let Self { router, sessions, grants, depot, connections, actions, limits, wire, journal, .. } = self;
        let topic = view.topic;
        let matches = router.resolve(topic, &mut hint, |session| {
            let s = &sessions[session];
            grants.may(s.grant, &s.client_id, Access::Receive { topic })
        });
        let by_class = matches.len() > 1;
        wire.class = 0;
        let durable = journal.is_on();
        let routed = Routed::default();
        let mut way = Way {
            sessions,
            connections,
            depot,
            actions,
            limits,
            wire,
            kept: None,
            routed,
            durable,
            places: Vec::new(),
        };
        let mut slow = Vec::new();
        let mut mailing = false;
        for m in matches.iter() {
            let Some(to) = m.who.as_session() else {
                if let Some(shard) = m.who.as_shard() {
                    elsewhere(shard);
                    mailing = true;
                }
                continue;
            };
            match m.audience {
                Audience::NotSelf if to == from => continue,
                Audience::OnlySelf if to != from => continue,
                _ => {}
            }
            let qos = qos.min(m.qos);
            let grant = way.sessions[to].grant;
            let policy = || grants.grant(grant).map_or(QueuePolicy::default(), |g| g.queue_policy);
            if way.give(view, to, m, qos, retain, by_class, matches.identifiers(m), policy) {
                slow.push(to);
            }
        }
        let Way { kept, routed, places, .. } = way;
        if let Some(kept) = kept {
            depot.store.release(kept);
        }
        if durable {
            self.mailing |= mailing && connection.is_some();
            self.journal_message(view, retain, places);
        }
        match connection {
            Some(c) => self.connections[c].hint = hint,
            None => self.hint = hint,
        }
        self.slow.append(&mut slow);
        routed
    }
}

/// What handing a message to a recipient needs of the broker.
struct Way<'a> {
    sessions: &'a mut Sessions,
    connections: &'a mut Connections,
    depot: &'a mut Depot,
    actions: &'a mut Actions,
    limits: &'a Limits,
    wire: &'a mut Wire,
    /// The message in the store, once a recipient needs it there.
    kept: Option<MessageRef>,
    routed: Routed,
    /// What is QoS 2 has to wait for the journal.
    durable: bool,
    /// Where it stands in queues that outlive a crash.
    places: Vec<Place>,
}

impl Way<'_> {
    /// Hands the message to one recipient; true if that one is to be disconnected for being slow.
    #[expect(clippy::too_many_arguments, reason = "the message, the recipient, and how the two met")]
    fn give(
        &mut self,
        view: &View<'_>,
        to: u32,
        m: &Match,
        qos: QoS,
        retain: bool,
        by_class: bool,
        identifiers: &[u32],
        policy: impl Fn() -> QueuePolicy,
    ) -> bool {
        self.routed.matched += 1;
        let who = self.sessions.recipient(to);
        if !m.allowed {
            self.depot.books.moved(view.id, who, None, Fate::Dropped(Reason::NotAuthorized));
            return false;
        }
        let session = &self.sessions[to];
        let connection = session.connection;
        if qos == QoS::AtMostOnce && connection == NONE && session.kind == Kind::Client {
            self.depot.books.moved(view.id, who, None, Fate::Dropped(Reason::Offline));
            return false;
        }
        let retain = retain && m.retain_as_published;
        if self.may_be_early(view, to, qos, identifiers) {
            self.give_early(view, to, qos, retain, by_class);
            return false;
        }
        let size = view.size();
        let mut flow = self.sessions.take_flow_or_new(to);
        let full = is_full(&flow, &self.sessions[to], self.connections, self.limits, size);
        let full = full.then(&policy);
        let taken = match full {
            None => true,
            Some(QueuePolicy::DropOldest) => self.make_room(&mut flow, to, size),
            Some(QueuePolicy::Reject | QueuePolicy::DropNewest | QueuePolicy::Disconnect) => false,
        };
        self.routed.refused += usize::from(full == Some(QueuePolicy::Reject));
        if self.shard_is_full(size) {
            self.routed.refused += usize::from(taken);
            self.depot.books.moved(view.id, who, None, Fate::Dropped(Reason::ShardFull));
        } else if taken {
            let message = self.keep(view);
            self.note_place(to, qos, retain, identifiers);
            let identifiers = self.depot.identify(identifiers);
            self.depot.enqueue(&mut flow, Entry::message(message, qos, retain, identifiers), who);
        } else {
            self.depot.books.moved(view.id, who, None, Fate::Dropped(Reason::QueueFull));
        }
        self.queued(to, flow);
        full == Some(QueuePolicy::Disconnect) && connection != NONE
    }

    /// A recipient's queue has changed: it wakes, or is found to be behind.
    fn queued(&mut self, to: u32, flow: Box<Flow>) {
        let connection = self.sessions[to].connection;
        let high = flow.queued() > (self.limits.queued_messages / HIGH) as usize
            || flow.bytes as u64 > self.limits.queued_bytes / u64::from(HIGH);
        let session = &self.sessions[to];
        if high && connection != NONE && is_behind(&flow, session, &self.connections[connection]) {
            self.routed.behind += 1;
            self.routed.slowest = to;
        }
        let refused = flow.queue.is_empty() && flow.passing.is_empty();
        self.sessions[to].flow = Some(flow);
        if refused {
            self.sessions.rest(to);
        }
        if connection != NONE {
            self.actions.announce(self.connections, connection);
        } else if self.sessions[to].kind == Kind::Local {
            self.actions.announce_local(self.sessions.local_id(to));
        }
    }

    /// While nothing else waits for a recipient, a message may be encoded at once, straight into its pending
    /// output. (Not where the time of sending decides something about it.)
    fn may_be_early(&self, view: &View<'_>, to: u32, qos: QoS, identifiers: &[u32]) -> bool {
        let session = &self.sessions[to];
        let plain =
            matches!(view.content, Content::Small(_)) && view.expires_at.is_none() && identifiers.is_empty();
        if !plain || session.connection == NONE || session.maximum_packet_size < u32::MAX {
            return false;
        }
        let connection = &self.connections[session.connection];
        let flags = connection.flags;
        let ready = flags.has(Flags::GREETED) && !flags.has(Flags::BLOCKED) && connection.state == State::Up;
        if !ready || connection.lane.as_deref().is_some_and(|l| l.out.len() >= EARLY_BYTES) {
            return false;
        }
        if qos == QoS::ExactlyOnce && self.durable {
            return false;
        }
        if qos > QoS::AtMostOnce && self.shard_is_full(view.size()) {
            return false;
        }
        session.flow.as_deref().is_none_or(|flow| {
            let quota = flow.sender.has_room(session.receive_maximum);
            let empty = flow.queue.is_empty() && flow.passing.is_empty() && flow.sender.all_sent();
            empty && (qos == QoS::AtMostOnce || (quota && flow.sender.span() < SPAN))
        })
    }

    fn give_early(&mut self, view: &View<'_>, to: u32, qos: QoS, retain: bool, by_class: bool) {
        let who = self.sessions.recipient(to);
        let (version, index) = (self.sessions[to].version, self.sessions[to].connection);
        self.depot.books.moved(view.id, who, None, Fate::Queued);
        let delivery = if qos == QoS::AtMostOnce {
            self.connections.lane(index).early.push(Early { id: view.id });
            Delivery::AtMostOnce
        } else {
            self.note_place(to, qos, retain, &[]);
            let message = self.keep(view);
            self.depot.store.share(message);
            self.depot.books.moved(view.id, who, Some(Fate::Queued), Fate::InFlight);
            let entry = Entry::message(message, qos, retain, Identifiers::None);
            let packet_id = self.sessions.flow(to).sender.bind_sent(entry, qos);
            super::outbound::delivery(qos, packet_id, false)
        };
        let out = &mut self.connections.lane(index).out;
        if by_class {
            self.wire.put(view, version, delivery, retain, out);
        } else {
            encode_early(view, version, delivery, retain, out);
        }
        self.actions.announce(self.connections, index);
    }

    /// Takes down, for the journal, where the message stands.
    fn note_place(&mut self, to: u32, qos: QoS, retain: bool, identifiers: &[u32]) {
        let session = &self.sessions[to];
        if self.durable && qos > QoS::AtMostOnce && session.expiry > 0 && session.kind == Kind::Client {
            let who = self.sessions.recipient(to);
            self.places.push(Place { who, qos, retain, identifiers: identifiers.to_vec() });
        }
    }

    /// Is there no room for the message in the store, where it is not yet?
    fn shard_is_full(&self, size: usize) -> bool {
        self.kept.is_none() && (self.depot.store.bytes() + size) as u64 > self.limits.shard_queued_bytes
    }

    /// The message in the store.
    fn keep(&mut self, view: &View<'_>) -> MessageRef {
        match self.kept {
            Some(kept) => kept,
            None => *self.kept.insert(self.depot.store.put(view)),
        }
    }

    /// Drops as many of the oldest messages of a queue as it takes for one of this size; false if it can't.
    fn make_room(&mut self, flow: &mut Flow, to: u32, size: usize) -> bool {
        if size as u64 > self.limits.queued_bytes || self.limits.queued_messages == 0 {
            return false;
        }
        while is_full(flow, &self.sessions[to], self.connections, self.limits, size) {
            if !self.drop_oldest(flow, to) {
                return false;
            }
        }
        true
    }

    /// Drops the oldest message of a queue; false if there is none.
    fn drop_oldest(&mut self, flow: &mut Flow, to: u32) -> bool {
        let who = self.sessions.recipient(to);
        let oldest = match flow.queue.front().map(|e| e.what()) {
            Some(Queued::Message(_)) => flow.queue.pop_front(),
            // A replay stands in front: the oldest message is behind it.
            Some(Queued::Replay(_)) => {
                let at = flow.queue.iter().position(|e| matches!(e.what(), Queued::Message(_)));
                at.and_then(|at| flow.queue.remove(at))
            }
            None => flow.passing.pop_front(),
        };
        let Some(entry) = oldest else { return false };
        flow.zeros -= u32::from(entry.qos() == QoS::AtMostOnce && flow.zeros > 0);
        self.depot.refund(flow, entry);
        self.depot.end(entry, who, Fate::Queued, Fate::Dropped(Reason::MadeRoom));
        true
    }
}

/// Connected, and it takes no more at the moment: its socket is full, or it has not acknowledged.
fn is_behind(flow: &Flow, session: &Session, connection: &super::connection::Connection) -> bool {
    connection.flags.has(Flags::BLOCKED) || !flow.sender.has_room(session.receive_maximum)
}

/// A queue is judged full only when its owner is away or behind; in one turn more may come than it will hold.
fn is_full(flow: &Flow, session: &Session, connections: &Connections, limits: &Limits, size: usize) -> bool {
    let (messages, bytes) = (flow.queued(), (flow.bytes + size) as u64);
    let (most, most_bytes) = (limits.queued_messages as usize, limits.queued_bytes);
    if messages < most && bytes <= most_bytes {
        return false;
    }
    let judged = session.connection == NONE || is_behind(flow, session, &connections[session.connection]);
    judged || messages >= most.saturating_mul(2) || bytes > most_bytes.saturating_mul(2)
}

/// Encodes a message for somebody who takes packets of any size.
fn encode_early(view: &View<'_>, version: Version, delivery: Delivery, retain: bool, out: &mut Vec<u8>) {
    let Content::Small(payload) = view.content else { return };
    let head = PublishHead {
        delivery,
        retain,
        topic: view.topic,
        topic_alias: None,
        message_expiry_interval: None,
        properties: view.properties,
        subscription_identifiers: &[],
        payload_len: payload.len(),
    };
    let fits = head.encode(version, u32::MAX, out).is_ok();
    debug_assert!(fits, "what fitted into a packet on its way in fits into one on its way out");
    out.extend_from_slice(payload);
}

/// A message as one class of recipients gets it: encoded once, then copied; only the Packet Identifier differs.
#[derive(Default)]
pub(super) struct Wire {
    bytes: Vec<u8>,
    /// Version, QoS and RETAIN; 0 for none.
    class: u8,
    /// Where the Packet Identifier stands.
    packet_id_at: usize,
}

impl Wire {
    fn put(
        &mut self,
        view: &View<'_>,
        version: Version,
        delivery: Delivery,
        retain: bool,
        out: &mut Vec<u8>,
    ) {
        let class = version.level() << 3 | delivery.qos().bits() << 1 | u8::from(retain);
        if self.class != class {
            self.class = class;
            self.bytes.clear();
            encode_early(view, version, delivery, retain, &mut self.bytes);
            // Behind the fixed header and the topic with its length.
            let remaining_length = 1 + self.bytes.iter().skip(1).take_while(|b| **b >= 0x80).count() + 1;
            self.packet_id_at = remaining_length + 2 + view.topic.len();
        }
        let at = out.len() + self.packet_id_at;
        out.extend_from_slice(&self.bytes);
        if let Some(packet_id) = delivery.packet_id()
            && let Some(place) = out.get_mut(at..at + 2)
        {
            place.copy_from_slice(&packet_id.get().to_be_bytes());
        }
    }
}
