//! From a message to each of its recipients here: encoded at once, or queued.
use super::Broker;
use super::Messages;
use super::authority::grants::Grants;
use super::authority::policy::{Access, QueuePolicy};
use super::base::NONE;
use super::base::actions::Actions;
use super::base::limits::Limits;
use super::base::rules::{Rule, Rules};
use super::breaches;
use super::connection::{Connection, Connections};
use super::groups::Groups;
use super::journal::Place;
use super::messages::accepted::{Accepted, Routed};
use super::messages::ledger::{Fate, Reason};
use super::messages::queue::{Entry, Identifiers};
use super::messages::store::{Content, MessageRef, View};
use super::messages::wire::{Wire, encode_aliased, encode_early};
use super::router::Match;
use super::session::{Busy, Kind, Session, Sessions};
use crate::codec::Delivery;
use crate::id::ShardId;
use crate::qos::QoS;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// So much output is encoded at routing, between two writes to a socket that takes it; more waits in the queue.
const EARLY_BYTES: usize = 256 * 1024;
/// A queue this full, as a share of its limit, makes its publishers wait if it is all they have.
const HIGH: u32 = 4;

impl Broker {
    /// Gives a message to each subscriber of this shard. `leaves`: it goes to other shards, whoever subscribes there.
    /// [MQTT-3.3.2-3] [MQTT-4.5.0-1] [MQTT-4.6.0-5] [MQTT-4.6.0-6]
    pub(super) fn deliver(
        &mut self,
        accepted: &Accepted<'_>,
        mut leaves: bool,
        mut elsewhere: impl FnMut(ShardId),
    ) -> Routed {
        let Accepted { view, qos, retain, arrival, .. } = *accepted;
        let (connection, from) = (arrival.connection(), arrival.session());
        let mut hint = connection.map_or(self.router.inner_hint, |c| self.connections[c].hint);
        let Self {
            router, sessions, groups, grants, messages, connections, actions, limits, scratch, ..
        } = self;
        let topic = view.topic;
        let matches = router.resolve(topic, &mut hint, |session| {
            let s = &sessions[session];
            grants.may(s.grant, &s.client_id, Access::Receive { topic })
        });
        let durable = self.journal.is_on();
        let rules = self.rules;
        let mut delivering = Delivering {
            view,
            by_class: matches.len() > 1,
            durable,
            sessions,
            groups,
            grants,
            connections,
            messages,
            actions,
            limits,
            wire: scratch.wire.of_nothing(),
            kept: None,
            routed: Routed::default(),
            places: Vec::new(),
            rules,
        };
        for m in matches.iter() {
            let Some(to) = m.who.as_session() else {
                if let Some(group) = m.who.as_group() {
                    delivering.group(group, qos, retain);
                } else if let Some(shard) = m.who.as_shard() {
                    elsewhere(shard);
                    leaves = true;
                }
                continue;
            };
            let is_own = to == from && rules.obeys(Rule::NotToOneself);
            if !m.audience.includes(is_own) {
                continue;
            }
            // [MQTT-3.8.4-8]
            let qos = breaches::qos(rules, qos, m.qos);
            let identifiers = breaches::identifiers(rules, matches.identifiers(m));
            if delivering.one(to, m, qos, retain, identifiers) {
                self.after.end_slow(to);
            }
        }
        let Delivering { kept, mut routed, places, .. } = delivering;
        if let Some(kept) = kept {
            self.messages.store.release(kept);
        }
        if durable {
            routed.tracked = self.pen().message(accepted, places, leaves);
        }
        match connection {
            Some(c) => self.connections[c].hint = hint,
            None => self.router.inner_hint = hint,
        }
        routed
    }
}

/// What handing a message to a recipient needs of the broker.
struct Delivering<'a> {
    view: &'a View<'a>,
    /// There are several recipients: those of one class get the same bytes.
    by_class: bool,
    /// What is QoS 2 has to wait for the journal.
    durable: bool,
    grants: &'a Grants,
    sessions: &'a mut Sessions,
    groups: &'a mut Groups,
    connections: &'a mut Connections,
    messages: &'a mut Messages,
    actions: &'a mut Actions,
    limits: &'a Limits,
    wire: &'a mut Wire,
    /// The message in the store, once a recipient needs it there.
    kept: Option<MessageRef>,
    routed: Routed,
    /// Where it stands in queues that outlive a crash.
    places: Vec<Place>,
    rules: Rules,
}

impl Delivering<'_> {
    /// Hands the message to one recipient; true if that one is to be disconnected for being slow.
    /// [MQTT-3.3.1-3] [MQTT-3.3.1-12] [MQTT-3.3.1-13]
    fn one(&mut self, to: u32, m: &Match, qos: QoS, retain: bool, identifiers: &[u32]) -> bool {
        let view = self.view;
        self.routed.matched += 1;
        let who = self.sessions.recipient(to);
        if !m.allowed {
            self.messages.books.enter(view.id, who, None, Fate::Dropped(Reason::NotAuthorized));
            return false;
        }
        let session = &self.sessions[to];
        let connection = session.connection;
        let is_away = connection == NONE && session.kind == Kind::Client;
        if qos == QoS::AtMostOnce && is_away && self.limits.queue_qos_0 == 0 {
            self.messages.books.enter(view.id, who, None, Fate::Dropped(Reason::Offline));
            return false;
        }
        let retain = retain && (m.retain_as_published || !self.rules.obeys(Rule::ForwardedWithout));
        if self.may_be_early(to, qos, identifiers) {
            self.one_early(to, qos, retain);
            return false;
        }
        let size = view.size();
        let mut busy = self.sessions.take_busy_or_new(to);
        let full = is_full(&busy, &self.sessions[to], self.connections, self.limits, size);
        let full = full.then(|| self.policy(to));
        let taken = match full {
            None => true,
            Some(QueuePolicy::DropOldest) => self.make_room(&mut busy, to, size),
            Some(QueuePolicy::Reject | QueuePolicy::DropNewest | QueuePolicy::Disconnect) => false,
        };
        self.routed.refused += usize::from(full == Some(QueuePolicy::Reject));
        if self.shard_is_full(size) {
            self.routed.refused += usize::from(taken);
            self.messages.books.enter(view.id, who, None, Fate::Dropped(Reason::ShardFull));
        } else if taken {
            let message = self.keep();
            self.note_place(to, qos, retain, identifiers);
            let identifiers = self.messages.identify(identifiers);
            self.messages.enqueue(&mut busy.queue, Entry::message(message, qos, retain, identifiers), who);
        } else {
            self.messages.books.enter(view.id, who, None, Fate::Dropped(Reason::QueueFull));
        }
        self.queued(to, busy);
        full == Some(QueuePolicy::Disconnect) && connection != NONE
    }

    /// Hands the message to a group, which decides later who gets it.
    fn group(&mut self, place: u32, qos: QoS, retain: bool) {
        let Some(group) = self.groups.get(place) else { return };
        let who = self.groups.recipient(place);
        let size = self.view.size();
        self.routed.matched += 1;
        // While somebody is ready it empties at the end of the turn, in which more may come than it will hold.
        let times = if group.is_ready() { 2 } else { 1 };
        let is_full = is_at(self.limits, times, group.len(), group.bytes() + size);
        if is_high(self.limits, group.len(), group.bytes()) && group.is_served() && !group.is_ready() {
            self.routed.behind += 1;
            self.routed.slowest = who.session;
        }
        let dropped = if qos == QoS::AtMostOnce && !group.is_served() {
            Some(Reason::Offline)
        } else if is_full {
            self.routed.refused += 1;
            Some(Reason::QueueFull)
        } else if self.shard_is_full(size) {
            self.routed.refused += 1;
            Some(Reason::ShardFull)
        } else {
            None
        };
        if let Some(reason) = dropped {
            return self.messages.books.enter(self.view.id, who, None, Fate::Dropped(reason));
        }
        if self.durable && qos > QoS::AtMostOnce {
            self.places.push(Place { who, qos, retain, identifiers: Vec::new() });
        }
        let message = self.keep();
        self.messages.store.share(message);
        self.messages.books.enter(self.view.id, who, None, Fate::Queued);
        if let Some(group) = self.groups.get_mut(place) {
            group.push(Entry::message(message, qos, retain, Identifiers::None), size);
        }
        self.groups.changed(place);
    }

    /// What happens to what its full queue can't take.
    fn policy(&self, to: u32) -> QueuePolicy {
        self.grants.grant(self.sessions[to].grant).map_or(QueuePolicy::default(), |g| g.queue_policy)
    }

    /// A recipient's queue has changed: it wakes, or is found to be behind.
    fn queued(&mut self, to: u32, busy: Box<Busy>) {
        let connection = self.sessions[to].connection;
        let high = is_high(self.limits, busy.queue.len(), busy.queue.bytes());
        let session = &self.sessions[to];
        if high && connection != NONE && is_behind(&busy, session, &self.connections[connection]) {
            self.routed.behind += 1;
            self.routed.slowest = to;
        }
        let refused = busy.queue.is_empty();
        self.sessions[to].busy = Some(busy);
        if refused {
            self.sessions.release_if_idle(to);
        }
        if connection != NONE {
            self.connections.announce(self.actions, connection);
        } else if self.sessions[to].kind == Kind::Local {
            self.actions.announce_local(self.sessions.local_id(to));
        }
    }

    /// While nothing else waits for a recipient, a message may be encoded at once, straight into its pending
    /// output. (Not where the time of sending decides something about it.)
    fn may_be_early(&self, to: u32, qos: QoS, identifiers: &[u32]) -> bool {
        let (view, session) = (self.view, &self.sessions[to]);
        let plain =
            matches!(view.content, Content::Small(_)) && view.expires_at.is_none() && identifiers.is_empty();
        if !plain || session.connection == NONE || session.maximum_packet_size < u32::MAX {
            return false;
        }
        let connection = &self.connections[session.connection];
        if !connection.takes_messages()
            || connection.busy.as_deref().is_some_and(|l| l.out.len() >= EARLY_BYTES)
        {
            return false;
        }
        if qos == QoS::ExactlyOnce && self.durable {
            return false;
        }
        if qos > QoS::AtMostOnce && self.shard_is_full(view.size()) {
            return false;
        }
        session.busy.as_deref().is_none_or(|busy| {
            busy.is_clear() && (qos == QoS::AtMostOnce || busy.sender.may_bind(session.receive_maximum))
        })
    }

    fn one_early(&mut self, to: u32, qos: QoS, retain: bool) {
        let view = self.view;
        let who = self.sessions.recipient(to);
        let (version, index) = (self.sessions[to].version, self.sessions[to].connection);
        self.messages.books.enter(view.id, who, None, Fate::Queued);
        let delivery = if qos == QoS::AtMostOnce {
            let busy = self.connections.busy(index);
            busy.early.push(view.id);
            busy.early_for = Some(who);
            Delivery::AtMostOnce
        } else {
            self.note_place(to, qos, retain, &[]);
            let message = self.keep();
            self.messages.store.share(message);
            self.messages.books.enter(view.id, who, Some(Fate::Queued), Fate::InFlight);
            let entry = Entry::message(message, qos, retain, Identifiers::None);
            let packet_id = self.sessions.busy(to).sender.bind_sent(entry, qos);
            Delivery::new(qos, packet_id, false)
        };
        if self.connections[index].takes_aliases() {
            return self.put_aliased(index, delivery, retain);
        }
        let out = &mut self.connections.busy(index).out;
        if self.by_class {
            self.wire.put(view, version, delivery, retain, out);
        } else {
            encode_early(view, version, delivery, retain, out);
        }
        self.connections.announce(self.actions, index);
    }

    /// For somebody who takes Topic Aliases: nobody else gets the same bytes, and they go out before all that is made later.
    #[cold]
    fn put_aliased(&mut self, index: u32, delivery: Delivery, retain: bool) {
        let mut out = core::mem::take(&mut self.connections.busy(index).out);
        encode_aliased(self.view, delivery, retain, &mut self.connections.bound(index).outward, &mut out);
        self.connections.busy(index).out = out;
        self.connections.announce(self.actions, index);
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
        self.kept.is_none() && (self.messages.store.bytes() + size) as u64 > self.limits.shard_queued_bytes
    }

    /// The message in the store.
    fn keep(&mut self) -> MessageRef {
        match self.kept {
            Some(kept) => kept,
            None => *self.kept.insert(self.messages.store.put(self.view)),
        }
    }

    /// Drops as many of the oldest messages of a queue as it takes for one of this size; false if it can't.
    fn make_room(&mut self, busy: &mut Busy, to: u32, size: usize) -> bool {
        if size as u64 > self.limits.queued_bytes || self.limits.queued_messages == 0 {
            return false;
        }
        let who = self.sessions.recipient(to);
        while is_full(busy, &self.sessions[to], self.connections, self.limits, size) {
            if !self.messages.drop_oldest(&mut busy.queue, who) {
                return false;
            }
        }
        true
    }
}

/// Connected, and it takes no more at the moment: its socket is full, or it has not acknowledged.
fn is_behind(busy: &Busy, session: &Session, connection: &Connection) -> bool {
    connection.is_blocked() || !busy.sender.has_room(session.receive_maximum)
}

/// A queue is judged full only when its owner is away or behind; in one turn more may come than it will hold.
fn is_full(busy: &Busy, session: &Session, connections: &Connections, limits: &Limits, size: usize) -> bool {
    let (messages, bytes) = (busy.queue.len(), busy.queue.bytes() + size);
    if !is_at(limits, 1, messages, bytes) {
        return false;
    }
    let judged = session.connection == NONE || is_behind(busy, session, &connections[session.connection]);
    judged || is_at(limits, 2, messages, bytes)
}

/// Is a queue with so many messages at so many times its limit, or beyond it with so many bytes?
#[inline]
fn is_at(limits: &Limits, times: u32, messages: usize, bytes: usize) -> bool {
    messages >= (limits.queued_messages as usize).saturating_mul(times as usize)
        || bytes as u64 > limits.queued_bytes.saturating_mul(u64::from(times))
}

/// Is so much in a queue that its publishers had better wait, if it is all they have?
#[inline]
fn is_high(limits: &Limits, messages: usize, bytes: usize) -> bool {
    messages > (limits.queued_messages / HIGH) as usize
        || bytes as u64 > limits.queued_bytes / u64::from(HIGH)
}
