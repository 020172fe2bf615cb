//! An accepted message on its way to everyone who wants it: retained, ordered, delivered here and mailed elsewhere.
use super::Broker;
use super::base::NONE;
use super::base::limits::Limit;
use super::base::rules::Rule;
use super::breaches;
use super::messages::accepted::{Accepted, Arrival, Routed};
use super::messages::ledger::Verdict;
use super::messages::owned::{Owned, charge};
use super::messages::store::View;
use super::shards::Way;
use super::shards::note::{Author, Posted};
use super::shards::postponed::{Inner, Postponed};
use super::shards::settle::Waiter;
use crate::id::{MessageId, Ticket};
use crate::qos::QoS;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Broker {
    /// Retains a message if it asks for that, and hands it to all that want it, here and on other shards.
    pub(super) fn spread(&mut self, accepted: &Accepted<'_>) -> Routed {
        let Accepted { view, retain, hash, arrival, .. } = *accepted;
        if retain && !self.has_room_to_retain(view) {
            self.messages.books.decided(view.id, Verdict::Refused, 0, hash);
            self.pen().message(accepted, Vec::new(), false);
            if arrival.session() != NONE {
                self.note_limited(arrival.session(), self.retained_limit());
            }
            return Routed { no_room: true, ..Routed::default() };
        }
        let routed = match self.shards.way(view.topic, retain) {
            Way::Direct => self.spread_direct(accepted),
            Way::Road(owner) => {
                let tracked = self.pen().message_to_owner(accepted);
                let (author, end) = (self.author(arrival.session()), self.journal.end());
                self.shards.take_the_road(owner, &Posted::new(accepted, tracked), author, false, end)
            }
            Way::Order => {
                let mut routed = self.order(accepted, self.author(arrival.session()), false);
                self.shards.open_settlement(&mut routed, accepted.qos);
                self.shards.hold_receipt(&Posted::new(accepted, routed.tracked), routed.settlement);
                routed
            }
        };
        if routed.mailed > 0
            && let Some(index) = arrival.connection()
        {
            self.wait_if_window_is_full(index);
        }
        let refused = routed.matched > 0 && routed.refused == routed.matched && routed.mailed == 0;
        let verdict = if refused { Verdict::Refused } else { Verdict::Accepted };
        self.messages.books.decided(view.id, verdict, routed.matched, hash);
        routed
    }

    /// Gives a message to the subscribers here, and mails it once to each shard that has others.
    fn spread_direct(&mut self, accepted: &Accepted<'_>) -> Routed {
        if accepted.retain {
            self.retain(accepted.view, accepted.qos, None);
        }
        let mut shards = core::mem::take(&mut self.scratch.shards);
        let mut routed = self.deliver(accepted, false, |shard| shards.push(shard));
        if !shards.is_empty() {
            let end = self.journal.end();
            self.shards.mail(&Posted::new(accepted, routed.tracked), &shards, &mut routed, false, end);
            shards.clear();
        }
        self.scratch.shards = shards;
        routed
    }

    /// This shard owns the topic: the message has its place in the order here and now, and all are told.
    pub(super) fn order(&mut self, accepted: &Accepted<'_>, author: Author, again: bool) -> Routed {
        let Accepted { view, qos, retain, arrival, .. } = *accepted;
        let known = self.is_known(view.id, again);
        let kept = if retain && !known { self.retain(view, qos, None) } else { None };
        let routed = if known { Routed::default() } else { self.deliver(accepted, true, |_| {}) };
        let posted = Posted::new(accepted, routed.tracked || arrival.may_come_again());
        let end = self.journal.end();
        self.shards.tell_order(&Posted { kept: kept.as_ref(), ..posted }, author, again, end);
        routed
    }

    /// Has this message come before a restart?
    pub(super) fn is_known(&self, id: MessageId, again: bool) -> bool {
        again && self.journal.knows(id) && self.rules.obeys(Rule::KnownIsDropped)
    }

    /// Who publishes, as other shards hand it back: a Client Identifier at home here.
    pub(super) fn author(&self, session: u32) -> Author {
        let key = if session == NONE { 0 } else { self.sessions.key(session) };
        Author { shard: self.shards.me(), key }
    }

    /// The session of the Client Identifier that published it, if it is one of this shard, and even if that session
    /// is a new one by now: No Local holds for it. [MQTT-3.8.3-3]
    pub(super) fn publisher(&self, author: Author) -> u32 {
        let here = author.shard == self.shards.me() && author.key != 0;
        if here { self.sessions.by_key(author.key).unwrap_or(NONE) } else { NONE }
    }

    /// Publishes what did not come from a socket, as soon as it may. Who holds a ticket hears of it.
    pub(super) fn publish_inner(
        &mut self,
        session: u32,
        view: &View<'_>,
        qos: QoS,
        retain: bool,
        ticket: Option<Ticket>,
    ) {
        let hash = self.sessions.publisher_hash(session, 0);
        let accepted = Accepted { view, qos, retain, hash, arrival: arrival_of(session, ticket) };
        if self.shards.has_to_wait(view.topic, retain) {
            if ticket.is_none() {
                self.pen().message_waits(&accepted);
            }
            let (topic, message) = (view.topic.into(), Arc::new(Owned::new(view, qos)));
            let inner = Inner { author: self.author(session), hash, topic, message, retain, ticket };
            return self.shards.postpone(Postponed::Inner(Box::new(inner)));
        }
        self.spread_inner(&accepted, ticket);
    }

    /// What came from inside and had to wait may go.
    pub(super) fn take_up_inner(&mut self, inner: &Inner) {
        let Inner { hash, topic, message, retain, ticket, author } = inner;
        let view = message.view(topic);
        let arrival = arrival_of(self.publisher(*author), *ticket);
        let accepted = Accepted { view: &view, qos: message.qos, retain: *retain, hash: *hash, arrival };
        self.spread_inner(&accepted, *ticket);
    }

    fn spread_inner(&mut self, accepted: &Accepted<'_>, ticket: Option<Ticket>) {
        let routed = self.spread(accepted);
        let Some(ticket) = ticket else { return };
        match routed.settlement {
            Some(settlement) => self.shards.settlements.add(settlement, Waiter::Asked(ticket)),
            // Of QoS 0 nothing is promised.
            None if accepted.qos == QoS::AtMostOnce => self.end_ticket_at(ticket, routed.reason(), 0),
            None => self.end_ticket(ticket, routed.reason()),
        }
    }

    /// Is there room to keep it? Clearing always is.
    fn has_room_to_retain(&self, view: &View<'_>) -> bool {
        let bytes = usize::try_from(self.limits.retained_bytes).unwrap_or(usize::MAX);
        let count = self.limits.retained_messages as usize;
        let topic = view.topic.as_str();
        view.content.len() == 0 || self.retained.index.room(topic, charge(view), count, bytes)
    }

    /// Which limit it is that leaves no room.
    fn retained_limit(&self) -> Limit {
        if self.retained.index.len() >= self.limits.retained_messages as usize {
            Limit::retained_messages
        } else {
            Limit::retained_bytes
        }
    }

    /// Takes the place of what was retained for this topic; an empty payload clears it. [MQTT-3.3.1-5]
    /// [MQTT-3.3.1-6] [MQTT-3.3.1-7]
    ///
    /// Returns what is kept, for other shards to keep as well.
    pub(super) fn retain(
        &mut self,
        view: &View<'_>,
        qos: QoS,
        shared: Option<&Arc<Owned>>,
    ) -> Option<Arc<Owned>> {
        let topic = view.topic.as_str();
        let mut now_kept = None;
        if view.content.len() == 0 && self.rules.obeys(Rule::EmptyClears) {
            self.retained.index.clear(topic);
        } else {
            let kept = shared.map_or_else(|| Arc::new(Owned::new(view, qos)), Arc::clone);
            now_kept = Some(Arc::clone(&kept));
            let expires_at =
                breaches::expiry(self.rules, view.expires_at, || self.retained.index.expires_at(topic));
            let old = self.retained.index.set(topic, kept, charge(view), expires_at);
            if let Some(old) = old.filter(|_| !self.rules.obeys(Rule::ReplacedWhereRetained)) {
                self.retained.index.set(topic, old, charge(view), expires_at);
            }
        }
        self.pen().retained(view, qos);
        now_kept
    }
}

/// How it came from inside: who holds a ticket is a local subscriber.
fn arrival_of(session: u32, ticket: Option<Ticket>) -> Arrival {
    if ticket.is_some() { Arrival::Inner { session } } else { Arrival::Will { session } }
}
