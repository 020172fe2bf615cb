//! Shared Subscriptions: how messages get from a group to its members, and how members come and go.
//!
//! A group offers a message to one member at a time, and keeps it until that member's shard says what became of it. Who has
//! no room refuses, and says when there is some; who goes away gives back what it has not begun. Where a group and a member
//! are on one shard, what they say to each other is handled at once, and otherwise it is mailed.
use super::Broker;
use super::authority::policy::Access;
use super::base::NONE;
use super::base::rules::Rule;
use super::groups::{Join, MemberId, Membership, Start, Strategy, Waiting, Word};
use super::messages::ledger::{Fate, Reason};
use super::messages::queue::Entry;
use super::messages::{Answered, Offer};
use super::router::{Options, Subscriber};
use super::session::Kind;
use super::shards::note::{Note, Posted};
use crate::id::ShardId;
use crate::qos::QoS;
use crate::time::Instant;
use crate::topic::filter_of_group;
use alloc::string::String;
use alloc::vec::Vec;

/// What a member is offered.
pub(super) enum Offered<'a> {
    /// By a group of this shard, which keeps it.
    Here(Entry),
    Mailed(&'a Posted<'a>),
}

impl Broker {
    /// Groups offer what they have, as far as there is room, and hear what became of what they had offered.
    pub(super) fn serve_groups(&mut self, now: Instant) {
        loop {
            if !self.messages.answered.is_empty() {
                self.answer_offers();
            } else if let Some(group) = self.groups.next_changed() {
                self.serve_group(now, group);
            } else {
                return;
            }
        }
    }

    /// Is there something to be done for groups?
    #[inline]
    pub(super) fn has_to_serve(&self) -> bool {
        self.groups.has_changed() || !self.messages.answered.is_empty()
    }

    /// For a member for this message.
    fn where_to_look(&mut self, entry: Entry) -> Start {
        match self.groups.strategy {
            Strategy::InTurn | Strategy::LeastLoaded => Start::Turn,
            Strategy::ByTopic => Start::Hash(self.shards.hash(self.messages.stored(entry).topic.as_bytes())),
            Strategy::Random => Start::Hash(self.here.random()),
        }
    }

    fn serve_group(&mut self, now: Instant, place: u32) {
        while let Some(entry) = self.groups.get(place).and_then(|group| group.next()) {
            let start = self.where_to_look(entry);
            let who = self.groups.recipient(place);
            let Some(group) = self.groups.get_mut(place) else { return };
            if self.messages.stored(entry).expires_at.is_some_and(|at| now > at) {
                // [MQTT-3.3.2-5]
                group.pop();
                self.messages.end(entry, who, Fate::Queued, Fate::Expired);
                continue;
            }
            let Some((id, epoch, number, _)) = group.offer(start) else { break };
            self.messages.books.pass_on(Fate::Queued);
            let offer = Offer { member: id.number, number };
            if id.shard == self.shards.me() {
                self.on_offer(epoch, offer, &Offered::Here(entry));
            } else {
                if entry.qos() == QoS::ExactlyOnce {
                    // Or it might come once more, from a publisher that has not been answered.
                    self.shards.hold(Rule::ReceiptBeforeMail, self.journal.end());
                }
                let view = self.messages.stored(entry);
                let posted =
                    Posted { view, qos: entry.qos(), retain: entry.retain(), tracked: false, kept: None };
                self.shards.post.write(id.shard, &Note::Offer { epoch, offer, posted });
            }
        }
        let group = self.groups.get(place).filter(|group| !group.publishers.is_empty());
        if group.is_some_and(|group| self.is_low(group.len(), group.bytes())) {
            self.wake_publishers_of_group(place);
        }
    }

    /// A group offers something to a session of this shard.
    pub(super) fn on_offer(&mut self, epoch: u64, offer: Offer, what: &Offered<'_>) {
        let Some(membership) = self.groups.memberships.get_mut(offer.member) else { return };
        membership.handled = offer.number;
        // With an epoch all that is still offered in it was refused.
        if membership.has_left || membership.epoch != epoch || membership.is_closed() {
            return;
        }
        let (session, options) = (membership.session, membership.options);
        if self.has_room_for_offer(session) {
            self.groups.memberships.taken(offer.member);
            self.take_offer(session, options, offer, what);
        } else {
            self.close_membership(session, offer.member, offer.number);
        }
    }

    /// Does a session take another message at once? It is there, and has a send quota that is not used up.
    pub(super) fn has_room_for_offer(&self, session: u32) -> bool {
        let s = &self.sessions[session];
        if s.kind == Kind::Client && (s.connection == NONE || self.connections[s.connection].is_blocked()) {
            return false;
        }
        let most = usize::from(self.quota(session));
        s.busy.as_deref().is_none_or(|busy| busy.queue.len() + busy.sender.len() < most)
    }

    /// The message stands in the session's queue from here on, and the group hears when it has its fate.
    fn take_offer(&mut self, session: u32, options: Options, offer: Offer, what: &Offered<'_>) {
        let (message, qos, retain) = match what {
            Offered::Here(entry) => {
                (self.messages.store.share(entry.message_ref()), entry.qos(), entry.retain())
            }
            Offered::Mailed(posted) => (self.messages.store.put(&posted.view), posted.qos, posted.retain),
        };
        let who = self.sessions.recipient(session);
        let (s, view) = (&self.sessions[session], self.messages.store.get(message));
        let (id, access) = (view.id, Access::Receive { topic: view.topic });
        if self.grants.may(s.grant, &s.client_id, access) {
            let identifier = options.identifier.map(u32::from);
            let identifiers = self.messages.identify_offer(identifier.as_slice(), offer);
            let retain = retain && options.retain_as_published;
            // [MQTT-4.8.2-3]
            let entry = Entry::message(message, qos.min(options.qos), retain, identifiers);
            let mut busy = self.sessions.take_busy_or_new(session);
            self.messages.enqueue(&mut busy.queue, entry, who);
            self.sessions[session].busy = Some(busy);
            self.wake(session);
        } else {
            self.messages.books.enter(id, who, None, Fate::Dropped(Reason::NotAuthorized));
            self.messages.answered.push(Answered { offer, ended: None });
        }
        self.messages.store.release(message);
    }

    /// Offers that have their fate are answered.
    pub(super) fn answer_offers(&mut self) {
        for Answered { offer, ended } in core::mem::take(&mut self.messages.answered) {
            self.tell_group(offer.member, Word::Done { number: offer.number });
            let shard = self.groups.memberships.get(offer.member).map(|membership| membership.shard);
            self.groups.memberships.answered(offer.member);
            if let (Some((who, name)), Some(shard)) = (ended, shard) {
                self.end_lent(shard, who, name);
            }
        }
    }

    /// After a restart all members are known: what waits for nobody goes.
    pub(super) fn settle_groups(&mut self) {
        let all: Vec<u32> = self.groups.iter().map(|(place, _)| place).collect();
        for place in all {
            self.groups.restored(place);
            self.settle_group(place);
            self.groups.forget_if_over(place);
        }
    }

    /// Says something of a member to its group.
    fn tell_group(&mut self, member: u64, word: Word) {
        let Some(shard) = self.groups.memberships.get(member).map(|membership| membership.shard) else {
            return;
        };
        if shard == self.shards.me() {
            self.on_word(shard, member, word);
        } else {
            self.shards.post.write(shard, &Note::Member { member, word });
        }
    }

    /// This offer is refused, and all after it until there is room.
    fn close_membership(&mut self, session: u32, member: u64, first: u64) {
        let Some(membership) = self.groups.memberships.get_mut(member) else { return };
        let epoch = membership.epoch;
        if membership.is_closed() {
            return;
        }
        membership.refused = epoch;
        self.sessions[session].rare.get_or_insert_default().closed.push(member);
        self.tell_group(member, Word::Refused { epoch, first });
    }

    /// There may be room in a session: every group that it refused hears so.
    #[inline]
    pub(super) fn tell_room(&mut self, session: u32) {
        if self.sessions[session].rare.as_deref().is_some_and(|rare| !rare.closed.is_empty()) {
            self.tell_of_room(session);
        }
    }

    #[inline(never)]
    fn tell_of_room(&mut self, session: u32) {
        if !self.has_room_for_offer(session) || !self.rules.obeys(Rule::RoomIsTold) {
            return;
        }
        let quota = self.quota(session);
        let Some(rare) = self.sessions[session].rare.as_deref_mut() else { return };
        for member in core::mem::take(&mut rare.closed) {
            let Some(membership) = self.groups.memberships.get_mut(member) else { continue };
            membership.reopen();
            let epoch = membership.epoch;
            self.tell_group(member, Word::Room { epoch, quota });
        }
    }

    /// How many messages a session takes at a time.
    fn quota(&self, session: u32) -> u16 {
        match self.sessions[session].kind {
            Kind::Local => self.limits.in_flight,
            _ => self.sessions[session].receive_maximum,
        }
    }

    /// A session subscribes as a member of a group, or changes how. Returns the number of its membership.
    pub(super) fn join(&mut self, session: u32, name: &str, options: Options) -> u64 {
        if let Some(number) = self.membership(session, name) {
            if let Some(membership) = self.groups.memberships.get_mut(number) {
                membership.options = options;
            }
            return number;
        }
        let shard = self.shards.home(name);
        let is_open = self.has_room_for_offer(session);
        let number = self.groups.memberships.insert(Membership {
            session,
            name: name.into(),
            options,
            shard,
            epoch: 1,
            refused: u64::from(!is_open),
            handled: 0,
            open: 0,
            has_left: false,
        });
        let rare = self.sessions[session].rare.get_or_insert_default();
        rare.shares.push(number);
        if !is_open {
            rare.closed.push(number);
        }
        number
    }

    /// A session's membership in the group of that name.
    pub(super) fn membership(&self, session: u32, name: &str) -> Option<u64> {
        self.groups.memberships.find(session, name)
    }

    /// Tells a group of a member, here or on another shard, which answers under that ticket.
    pub(super) fn tell_join(&mut self, number: u64, ticket: u32) {
        let Some(membership) = self.groups.memberships.get(number) else { return };
        let (name, shard, epoch) = (membership.name.clone(), membership.shard, membership.epoch);
        let quota = self.quota(membership.session);
        let join = Join { name: &name, member: number, epoch, quota, is_open: !membership.is_closed() };
        if shard == self.shards.me() {
            self.on_join(shard, join);
        } else {
            self.shards.post.write(shard, &Note::Join { join, ticket });
        }
    }

    /// The group of that name, and a record of it if it is new.
    pub(super) fn group(&mut self, name: &str) -> u32 {
        if let Some(place) = self.groups.find(name) {
            return place;
        }
        let place = self.groups.make(name);
        let who = self.groups.recipient(place);
        self.pen().group(who, name);
        place
    }

    /// Somebody joins a group of this shard.
    pub(super) fn on_join(&mut self, from: ShardId, join: Join<'_>) {
        let group = self.group(join.name);
        let was_empty = self.groups.get(group).is_some_and(|group| !group.has_members());
        let id = MemberId { shard: from, number: join.member };
        self.groups.join(group, id, join.epoch, join.quota, join.is_open);
        if !was_empty {
            return;
        }
        let filter = filter_of_group(join.name);
        let (node, _) = self.router.subscribe(filter, Subscriber::group(group), Options::AS_PUBLISHED);
        if self.router.subscribers_at(node) == 1 {
            self.shards.tell_interest(filter, true);
        }
    }

    /// A shard says something of a member to a group of this one.
    pub(super) fn on_word(&mut self, from: ShardId, member: u64, word: Word) {
        let id = MemberId { shard: from, number: member };
        let Some((place, at)) = self.groups.of_member(id) else { return };
        let Some(group) = self.groups.get_mut(place) else { return };
        let mut back = Vec::new();
        match word {
            Word::Done { number } => {
                if let Some(waiting) = group.take(at, number) {
                    let who = self.groups.recipient(place);
                    self.messages.leave(waiting.entry, who);
                }
            }
            Word::Back { number } => back.extend(group.take(at, number)),
            Word::Refused { epoch, first } => {
                let first = if self.rules.obeys(Rule::RefusedNamesTheFirst) { first } else { 0 };
                back = group.refused(at, epoch, first);
            }
            Word::Room { epoch, quota } => group.has_room(at, epoch, quota),
            Word::Leave => {
                group.leave(at);
                if !self.rules.obeys(Rule::OnlyMemberGivesBack) {
                    back = group.refused_all(at);
                }
            }
        }
        for waiting in back {
            self.take_back_offer(place, waiting);
        }
        self.settle_group(place);
        self.groups.changed(place);
        self.groups.forget_if_gone(place, at);
    }

    /// What a member had is its group's again.
    fn take_back_offer(&mut self, place: u32, waiting: Waiting) {
        let who = self.groups.recipient(place);
        let id = self.messages.store.id(waiting.entry.message_ref());
        self.messages.books.enter(id, who, None, Fate::Queued);
        let in_place = self.rules.obeys(Rule::BackToItsPlace);
        if let Some(group) = self.groups.get_mut(place) {
            group.put_back(if in_place { waiting } else { Waiting { sequence: 0, ..waiting } });
        }
    }

    /// What waits for nobody is dropped: all of it if no member is left, and QoS 0 if none is there.
    fn settle_group(&mut self, place: u32) {
        let who = self.groups.recipient(place);
        let Some(group) = self.groups.get_mut(place) else { return };
        if group.is_deserted() {
            while let Some(waiting) = group.pop() {
                let fate = Fate::Dropped(Reason::SessionEnded);
                self.messages.end(waiting.entry, who, Fate::Queued, fate);
            }
            let filter = String::from(group.filter());
            if let Some(node) = self.router.find(&filter) {
                self.unsubscribe_at(node, Subscriber::group(place));
            }
        } else if !group.is_served() {
            for entry in group.take_once() {
                self.messages.end(entry, who, Fate::Queued, Fate::Dropped(Reason::Offline));
            }
        }
    }

    /// A session loses its connection. Its groups have again what it has not begun, and QoS 1 that it has not acknowledged,
    /// and offer it nothing until it is back. [MQTT-4.8.2-4] [MQTT-4.8.2-5]
    pub(super) fn suspend_memberships(&mut self, session: u32) {
        if self.groups.memberships.is_empty() {
            return;
        }
        let shares = self.sessions[session].rare.as_deref().map_or_else(Vec::new, |rare| rare.shares.clone());
        // It may have left a group, and still have something of it.
        if self.rules.obeys(Rule::LostGivesBack) {
            self.give_back(session, None, true);
        }
        for member in shares {
            self.end_epoch(session, member);
        }
    }

    /// Nothing more is taken of that group in this epoch, from the next offer on.
    fn end_epoch(&mut self, session: u32, member: u64) {
        let first = self.groups.memberships.get(member).map_or(0, |m| m.handled + 1);
        self.close_membership(session, member, first);
    }

    /// What groups have offered and a session has not begun (and, if `all`, what it has not acknowledged with QoS 1) goes
    /// back: of this membership, or of any.
    fn give_back(&mut self, session: u32, member: Option<u64>, all: bool) {
        if self.messages.lists() == 0 {
            return;
        }
        let Some(mut busy) = self.sessions.take_busy(session) else { return };
        let who = self.sessions.recipient(session);
        let offers = self.messages.give_back(&mut busy.queue, &mut busy.sender, who, (member, all));
        self.sessions[session].busy = Some(busy);
        self.sessions.release_if_idle(session);
        for Answered { offer: Offer { member, number }, ended } in offers {
            if let Some(ended) = ended {
                // Nobody else gets it before the journal says that this session has it no more.
                self.messages.ended.push(ended);
                self.pen().flush();
                self.shards.hold(Rule::ReceiptBeforeMail, self.journal.end());
            }
            self.tell_group(member, Word::Back { number });
            self.groups.memberships.answered(member);
        }
    }

    /// A session is a member no more. What it has begun it may end.
    pub(super) fn leave_group(&mut self, session: u32, member: u64) {
        self.give_back(session, Some(member), false);
        self.part(session, member);
        if let Some(rare) = self.sessions[session].rare.as_deref_mut() {
            rare.shares.retain(|number| *number != member);
            rare.closed.retain(|number| *number != member);
        }
        self.tell_room(session);
    }

    /// A session ends, and with it all its memberships: what it has begun with QoS 2 has its fate with it.
    pub(super) fn leave_groups(&mut self, session: u32) {
        if self.groups.memberships.is_empty() {
            return;
        }
        self.give_back(session, None, true);
        let Some(rare) = self.sessions[session].rare.as_deref_mut() else { return };
        for member in core::mem::take(&mut rare.shares) {
            self.part(session, member);
        }
        if let Some(rare) = self.sessions[session].rare.as_deref_mut() {
            rare.closed.clear();
        }
    }

    fn part(&mut self, session: u32, member: u64) {
        self.end_epoch(session, member);
        self.tell_group(member, Word::Leave);
        self.groups.memberships.leave(member);
    }
}
