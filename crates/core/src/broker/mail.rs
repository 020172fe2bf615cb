//! What other shards say, and what follows from it.
use super::base::NONE;
use super::base::rules::Rule;
use super::breaches;
use super::connection::answers::{Reply, Waits};
use super::connection::{Connection, Unread};
use super::groups::Join;
use super::messages::accepted::Routed;
use super::messages::owned::Undistributed;
use super::router::{Options, Subscriber};
use super::shards::note::{Author, Note, Posted, Reader};
use super::shards::postponed::{Inner, Postponed};
use super::shards::settle::{Outcome, Waiter};
use super::shards::{Mail, Way};
use super::share::Offered;
use super::{Action, Broker};
use crate::id::{ConnectionId, MessageId, ShardId};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::topic::filter_of_group;
use alloc::boxed::Box;
use alloc::vec::Vec;

impl Broker {
    pub(super) fn on_mail(&mut self, now: Instant, from: ShardId, mail: &Mail) {
        if !self.shards.post.receive(from, mail) {
            return;
        }
        let mut reader = Reader { bytes: &mail.bytes, shared: mail.shared.iter(), outcomes: Vec::new() };
        while let Some(note) = reader.next() {
            if let Note::Settled { handled, durable, outcomes } = note {
                self.on_settled(now, from, handled, durable, outcomes);
            } else {
                self.on_note(now, from, &note);
                // What has ended with it is in the journal up to there as well.
                if !self.messages.ended.is_empty() {
                    self.pen().flush();
                }
                self.shards.post.handled(from, self.journal.end());
            }
        }
    }

    /// A note that is numbered.
    fn on_note(&mut self, now: Instant, from: ShardId, note: &Note<'_>) {
        match note {
            Note::Settled { .. } => {}
            Note::Publish { posted, asks, again } => {
                let outcome = self.deliver_mailed(posted, NONE, *again);
                if *asks {
                    self.note_outcome(from, outcome);
                }
            }
            Note::Interest { filter, wanted } => self.on_interest(from, filter, *wanted),
            Note::Order { posted, author, ticket, again } => {
                self.on_order(from, posted, *author, *ticket, *again);
            }
            Note::Ordered { posted, author, again } => {
                if posted.retain && !self.is_known(posted.view.id, *again) {
                    self.retain(&posted.view, posted.qos, posted.kept);
                }
                let publisher = self.publisher(*author);
                let outcome = self.deliver_mailed(posted, publisher, *again);
                self.note_outcome(from, outcome);
            }
            Note::Arrived { ticket, outcome } => {
                self.shards.settlements.outcome(*ticket, *outcome);
                self.settle(now, *ticket);
                self.take_up_postponed(now);
            }
            Note::Distributed { id } => self.pen().forget(*id),
            Note::Ready => self.on_ready(now, from),
            Note::Join { join, ticket } => self.on_join_mailed(from, *join, *ticket),
            Note::Offer { epoch, offer, posted } => self.on_offer(*epoch, *offer, &Offered::Mailed(posted)),
            Note::Lent { group, id } => self.on_lent(group, *id),
            Note::Member { member, word } => self.on_word(from, *member, *word),
            Note::AllDistributed { incarnation } => {
                for id in self.journal.known_before(from, *incarnation) {
                    self.pen().forget(id);
                }
            }
        }
    }

    /// A message from another shard reaches the subscribers of this one.
    fn deliver_mailed(&mut self, posted: &Posted<'_>, publisher: u32, again: bool) -> Outcome {
        if self.is_known(posted.view.id, again) {
            return Outcome::Queued;
        }
        let routed = self.deliver(&posted.accepted(publisher), false, |_| {});
        Outcome::of(&routed)
    }

    /// A session of another shard joins a group of this one. That shard hears when all know of the group's interest.
    fn on_join_mailed(&mut self, from: ShardId, join: Join<'_>, ticket: u32) {
        self.on_join(from, join);
        if ticket == NONE {
            return;
        }
        let filter = self.rules.obeys(Rule::JoinedWaits).then(|| filter_of_group(join.name));
        match self.shards.await_interest(filter.into_iter(), &[], 0) {
            Some(settlement) => self.shards.settlements.add(settlement, Waiter::Ordered(from, ticket)),
            None => self.shards.tell_ordered(from, ticket, Outcome::Queued, self.asserted()),
        }
    }

    /// What became of the note that is being handled, if there is more to say than that it is.
    fn note_outcome(&mut self, from: ShardId, outcome: Outcome) {
        if outcome != Outcome::Queued && self.rules.obeys(Rule::OutcomesByNumber) {
            let number = self.shards.post.next_from(from);
            self.shards.post.outcome(from, number, outcome);
        }
    }

    fn on_interest(&mut self, from: ShardId, filter: &str, wanted: bool) {
        let who = Subscriber::shard(from);
        if wanted {
            self.router.subscribe(filter, who, Options::AS_PUBLISHED);
        } else if let Some(node) = self.router.find(filter) {
            self.router.unsubscribe(node, who);
        }
    }

    fn on_settled(
        &mut self,
        now: Instant,
        by: ShardId,
        handled: u64,
        durable: u64,
        outcomes: &[(u64, Outcome)],
    ) {
        for settlement in self.shards.settled(by, handled, durable, outcomes) {
            self.settle(now, settlement);
        }
        if self.shards.post.has_room(by, self.limits.mail_notes, self.limits.mail_bytes) {
            self.mail_goes_on(by);
        }
        self.take_up_postponed(now);
    }

    /// That shard's window has room. Who waited for it is read, unless another one is full.
    fn mail_goes_on(&mut self, shard: ShardId) {
        for id in self.shards.post.take_waiting(shard) {
            if !self.connections.is(id) {
                continue;
            }
            match self.shards.post.full_window(self.limits.mail_notes, self.limits.mail_bytes) {
                Some(other) => self.shards.post.wait(other, id, |id| self.connections.is(id)),
                None => drop(self.read_again(id.index, Unread::MAIL)),
            }
        }
    }

    fn on_order(&mut self, from: ShardId, posted: &Posted<'_>, author: Author, ticket: u32, again: bool) {
        let mut routed = self.order(&posted.accepted(self.publisher(author)), author, again);
        // The publisher waits for all, whatever its QoS: the road ends only then.
        self.shards.open_settlement(&mut routed, QoS::AtLeastOnce);
        if self.answers_order_at_once(from, ticket) {
            return;
        }
        if let Some(settlement) = routed.settlement {
            self.shards.settlements.add(settlement, Waiter::Ordered(from, ticket));
        }
    }

    /// A shard is done with what a settlement waits for.
    fn settle(&mut self, now: Instant, place: u32) {
        let Some((outcome, waiters)) = self.shards.settlements.close(place) else { return };
        let reason = outcome.reason();
        for waiter in waiters {
            match waiter {
                Waiter::Answer(id, number) => self.answer_with(now, id, number, outcome),
                Waiter::Asked(ticket) => self.end_ticket(ticket, reason),
                Waiter::Ordered(shard, ticket) => {
                    self.shards.tell_ordered(shard, ticket, outcome, self.asserted());
                }
                Waiter::Distributed(id) => self.distributed(id),
                Waiter::Lent(who, name) => self.messages.ended.push((who, name)),
                Waiter::Road(road) => self.shards.road_shortens(road),
                Waiter::Receipt(session, generation, packet_id) => {
                    let Some(s) = self.sessions.get(session, generation) else { continue };
                    let v5 = s.version.is_v5();
                    if let Some(busy) = s.busy.as_deref_mut() {
                        busy.unsettled.retain(|(id, _)| *id != packet_id);
                        self.sessions.release_if_idle(session);
                    }
                    // Before 5.0 it is acknowledged all the same.
                    if reason == ReasonCode::QuotaExceeded && v5 {
                        self.take_back(session, packet_id);
                    }
                }
            }
        }
    }

    /// An acknowledgement that waited: it says what became of the message; SUBACK says what it said.
    fn answer_with(&mut self, now: Instant, id: ConnectionId, number: u32, outcome: Outcome) {
        let Some(connection) = self.connections.get(id) else {
            return self.answer_settled(id, number, |_| Waits::Nothing);
        };
        let refused_in_vain = outcome.reason().is_error() && !connection.version().is_v5();
        // Before 5.0 nothing can be refused: those who are behind slow the publisher down instead.
        let pauses = refused_in_vain && outcome == Outcome::EveryQueueBehind && !connection.is_ending();
        let mut waits = Waits::Nothing;
        if pauses {
            self.pause(now, id.index, None);
            waits = Waits::Pause;
        }
        self.answer_settled(id, number, |what| {
            let Reply::Ack { reason, .. } = what else { return Waits::Nothing };
            *reason = if refused_in_vain { ReasonCode::Success } else { outcome.reason() };
            waits
        });
    }

    /// The other shards have settled what an answer rests on; `change` may still change it, and says what it waits for
    /// next.
    fn answer_settled(&mut self, id: ConnectionId, number: u32, change: impl FnOnce(&mut Reply) -> Waits) {
        let position = self.asserted();
        if !self.has_a_place(id) {
            return;
        }
        let version = self.connections[id.index].version();
        let busy = self.connections.busy(id.index);
        busy.answers.change(number, |answer| {
            answer.waits = change(&mut answer.what);
            breaches::answer(self.rules, answer, version, &mut busy.out);
            // What was journaled meanwhile about the same exchange counts as well.
            answer.position = answer.position.max(position);
        });
        self.release_answers(id.index);
        self.window_opens(id.index);
        self.journal.wake(position, id);
    }

    /// All shards have a message of ours durably: it is not mailed again, and they may forget its id.
    fn distributed(&mut self, id: MessageId) {
        if self.pen().distributed(id) {
            let end = self.journal.end();
            self.shards.tell_distributed(id, end);
        }
    }

    /// With the last message of before a restart, others may forget all of those: the word about each may be lost.
    fn tell_if_nothing_is_left(&mut self) {
        let mut left = self.journal.undistributed().keys();
        if self.shards.owes_end() && !left.any(|id| self.here.is_of_before(*id)) {
            self.shards.tell_all_distributed(self.here.incarnation(), self.journal.end());
        }
    }

    /// Messages have arrived: those that waited for them are taken up, in their order.
    pub(super) fn take_up_postponed(&mut self, now: Instant) {
        // Buckets in which somebody waits still.
        let mut taken = 0_u64;
        let mut at = 0;
        while let Some((bucket, postponed)) = self.shards.postponed.get(at) {
            let gone = match postponed {
                Postponed::Incoming(id, _) => self.connections.get(*id).is_none_or(|c| c.is_ending()),
                Postponed::Inner(_) | Postponed::Again(..) => false,
            };
            let behind = taken & (1 << bucket) != 0;
            if !gone && (behind || !self.shards.may_go(postponed)) {
                taken |= 1 << bucket;
                at += 1;
                continue;
            }
            let Some(postponed) = self.shards.postponed.remove(at).filter(|_| !gone) else { continue };
            match postponed {
                Postponed::Incoming(id, incoming) => {
                    self.connections[id.index].let_go(Unread::HELD);
                    self.connections.busy(id.index).waiting = 0;
                    self.accept_incoming(now, id.index, &incoming);
                    self.after.go_on(id);
                }
                Postponed::Inner(inner) => self.take_up_inner(&inner),
                Postponed::Again(id, left) => self.mail_again(id, &left),
            }
        }
        self.tell_if_nothing_is_left();
    }

    /// After a restart, what was accepted and had perhaps not reached all shards waits until it is known who wants it.
    pub(super) fn wait_to_mail_again(&mut self) {
        if !self.rules.obeys(Rule::MailedAgain) {
            return;
        }
        let author = self.author(NONE);
        for (id, left) in self.journal.undistributed() {
            self.shards.postpone(if left.waits {
                let Undistributed { topic, message, retain, .. } = left.clone();
                Postponed::Inner(Box::new(Inner { author, hash: 0, topic, message, retain, ticket: None }))
            } else {
                Postponed::Again(*id, Box::new(left.clone()))
            });
        }
    }

    /// After a restart another shard has told all its interest. With the last of them what waited for that goes its way,
    /// and sockets are read.
    fn on_ready(&mut self, now: Instant, from: ShardId) {
        if !self.shards.is_last_awaited(from) {
            return;
        }
        self.settle_groups();
        self.take_up_postponed(now);
        let is_kept = |c: &Connection| c.busy.as_deref().is_some_and(|l| !l.kept.is_empty());
        let waiting = self.connections.iter().filter(|(_, c)| is_kept(c)).map(|(index, _)| index);
        for index in waiting {
            self.after.go_on(self.connections.id(index));
        }
    }

    /// The message takes the way that it took before: where that was by its owner, nobody here has it yet.
    fn mail_again(&mut self, id: MessageId, left: &Undistributed) {
        let view = left.message.view(&left.topic);
        let qos = left.message.qos;
        let posted = Posted { view, qos, retain: left.retain, tracked: true, kept: None };
        let (author, end) = (self.author(NONE), self.journal.end());
        match self.shards.way_again(posted.view.topic, left.retain, left.by_owner) {
            Way::Road(owner) => {
                self.shards.take_the_road(owner, &posted, author, true, end);
            }
            Way::Order => {
                let mut routed = Routed::default();
                self.shards.tell_order(&posted, author, true, end);
                self.shards.open_settlement(&mut routed, qos);
                self.shards.hold_receipt(&posted, routed.settlement);
            }
            Way::Direct => {
                let mut hint = NONE;
                let matches = self.router.resolve(posted.view.topic, &mut hint, |_| true);
                let shards: Vec<_> = matches.iter().filter_map(|m| m.who.as_shard()).collect();
                // What is remembered of the topic was judged for nobody.
                self.router.forget_all();
                if shards.is_empty() {
                    self.distributed(id);
                } else {
                    self.shards.mail(&posted, &shards, &mut Routed::default(), true, end);
                }
            }
        }
    }

    /// The next shard that mail is ready for.
    pub(super) fn next_mail(&mut self) -> Option<Action> {
        if self.shards.is_alone() {
            return None;
        }
        self.shards.post.announce(self.journal.durable(), self.rules).map(Action::Mail)
    }

    pub(super) fn take_mail(&mut self, to: ShardId) -> Option<Mail> {
        if self.holds_mail_back(to) { None } else { self.shards.take_mail(to, self.journal.durable()) }
    }
}
