//! What shards say to each other, and how a message reaches all of them.
//!
//! Per pair, order is kept; nothing more is asked of the carrier. `Settled` says what a shard has handled, and
//! never waits for a third one. What needs a second hop (a message that another shard orders) has an answer of
//! its own.
use super::base::rules::Rule;
use super::connection::NONE;
use super::messages::store::View;
use super::publish::Routed;
use super::router::{Options, Subscriber};
use super::shards::Mail;
use super::shards::note::{Note, Posted, Reader};
use super::shards::settle::Outcome;
use super::{Action, Broker};
use crate::id::ShardId;
use crate::qos::QoS;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;

impl Broker {
    /// Retains a message and gives it to all subscribers, here and elsewhere.
    pub(crate) fn distribute(
        &mut self,
        connection: Option<u32>,
        from: u32,
        view: &View<'_>,
        qos: QoS,
        retain: bool,
    ) -> Routed {
        if self.shards == 1 {
            if retain {
                self.retain(view, qos, None);
            }
            return self.deliver(connection, from, view, qos, retain, |_| {});
        }
        let owner = self.owner(view.topic);
        let posted = Posted { view: *view, qos, retain, tracked: false, kept: None };
        let follows = || self.roads.lead(view.topic) && self.rules.obeys(Rule::LaterOnesFollow);
        if owner != self.shard && ((retain && self.rules.obeys(Rule::OwnerOrders)) || follows()) {
            let routed = self.take_the_road(owner, &posted, self.origin(from), false);
            self.pause_if_full(connection);
            return routed;
        }
        if retain {
            let mut routed = self.order(connection, self.origin(from), &posted, false);
            self.open_settlement(&mut routed, qos);
            self.hold_receipt(&self.tracked(&posted), routed.settlement);
            self.pause_if_full(connection);
            return routed;
        }
        let mut shards = core::mem::take(&mut self.shard_list);
        let mut routed = self.deliver(connection, from, view, qos, retain, |shard| shards.push(shard));
        if !shards.is_empty() {
            self.mail_direct(&posted, &shards, &mut routed, false);
            shards.clear();
            self.pause_if_full(connection);
        }
        self.shard_list = shards;
        routed
    }

    /// Mails a message once to each of these shards, which asks for their word if its publisher waits for it.
    pub(super) fn mail_direct(
        &mut self,
        posted: &Posted<'_>,
        shards: &[ShardId],
        routed: &mut Routed,
        again: bool,
    ) {
        let posted = &self.tracked(posted);
        if posted.tracked {
            // Durable with its receipt before it is mailed, so that it can be mailed again.
            self.hold_mail(Rule::ReceiptBeforeMail);
        }
        let hash = self.topic_hash(posted.view.topic);
        let asks = posted.qos > QoS::AtMostOnce;
        routed.mailed = shards.len();
        if asks {
            routed.settlement = Some(self.settlements.open(shards.len(), Outcome::of(routed)));
        }
        for shard in shards {
            let number = self.post.write(*shard, &Note::Publish { posted: *posted, asks, again });
            self.post.note_direct(*shard, hash, number);
            if let Some(settlement) = routed.settlement {
                self.post.await_note(*shard, number, settlement);
            }
        }
        self.hold_receipt(posted, routed.settlement);
    }

    pub(super) fn open_settlement(&mut self, routed: &mut Routed, qos: QoS) {
        let others: Vec<_> = self.post.others().collect();
        routed.mailed = others.len();
        if qos > QoS::AtMostOnce {
            let settlement = self.settlements.open(others.len(), Outcome::of(routed));
            for shard in others {
                let number = self.post.pairs[shard.index()].written;
                self.post.await_note(shard, number, settlement);
            }
            routed.settlement = Some(settlement);
        }
    }

    /// Tells all that this shard has begun, or ceased, to have subscribers for a filter.
    pub(crate) fn tell_interest(&mut self, filter: &str, wanted: bool) {
        if self.shards == 1 {
            return;
        }
        let mut numbers: Box<[u64]> = (0..self.shards).map(|_| 0).collect();
        for shard in self.post.others() {
            numbers[shard.index()] = self.post.write(shard, &Note::Interest { filter, wanted });
        }
        self.post.remember_interest(filter, numbers, self.rules.obeys(Rule::LastNoteCounts));
    }

    /// A settlement for the last interest notes about these filters, whoever caused them; `None` if all shards
    /// know already.
    pub(crate) fn await_interest<'a>(&mut self, filters: impl Iterator<Item = &'a str>) -> Option<u32> {
        if self.shards == 1 || !self.rules.obeys(Rule::SubackWaits) {
            return None;
        }
        let mut last = alloc::vec![0_u64; usize::from(self.shards)];
        for filter in filters {
            for (shard, number) in self.post.unsettled_interest(filter) {
                let at = &mut last[shard.index()];
                *at = number.max(*at);
            }
        }
        let open = last.iter().filter(|number| **number > 0).count();
        if open == 0 {
            return None;
        }
        let settlement = self.settlements.open(open, Outcome::Queued);
        for shard in self.post.others() {
            if last[shard.index()] > 0 {
                self.post.await_note(shard, last[shard.index()], settlement);
            }
        }
        Some(settlement)
    }

    /// A full window pauses the sockets that would fill it further; it never holds back what was accepted.
    fn pause_if_full(&mut self, connection: Option<u32>) {
        if let Some(index) = connection
            && let Some(shard) = self.post.full_window(self.limits.mail_notes, self.limits.mail_bytes)
        {
            self.wait_for_mail(index, shard);
        }
    }

    pub(crate) fn on_mail(&mut self, now: Instant, from: ShardId, mail: &Mail) {
        if !self.post.is_next(from, mail) {
            self.post.misdelivered += 1;
            return;
        }
        let mut reader = Reader { bytes: &mail.bytes, shared: mail.shared.iter(), outcomes: Vec::new() };
        while let Some(note) = reader.next() {
            if let Note::Settled { handled, durable, outcomes } = note {
                self.on_settled(now, from, handled, durable, outcomes);
                continue;
            }
            let number = self.post.pairs[from.index()].handled + 1;
            match note {
                Note::Settled { .. } => {}
                Note::Publish { posted, asks, again } => {
                    let outcome = self.deliver_mailed(&posted, NONE, again);
                    if asks && outcome != Outcome::Queued && self.rules.obeys(Rule::OutcomesByNumber) {
                        self.post.outcome(from, number, outcome);
                    }
                }
                Note::Interest { filter, wanted } => self.on_interest(from, filter, wanted),
                Note::Order { posted, origin, ticket, again } => {
                    self.on_order(from, &posted, origin, ticket, again);
                }
                Note::Ordered { posted, origin, again } => {
                    if posted.retain && !self.is_known(&posted, again) {
                        self.retain(&posted.view, posted.qos, posted.kept);
                    }
                    let publisher = self.publisher(origin);
                    let outcome = self.deliver_mailed(&posted, publisher, again);
                    if outcome != Outcome::Queued && self.rules.obeys(Rule::OutcomesByNumber) {
                        self.post.outcome(from, number, outcome);
                    }
                }
                Note::Arrived { ticket, outcome } => {
                    self.settlements.outcome(ticket, outcome);
                    self.settle(now, ticket);
                }
                Note::Distributed { id } => {
                    if self.mailed_here.remove(&id) {
                        self.journal_forget(id);
                    }
                }
                Note::Ready => self.on_ready(now, from),
            }
            self.post.handled(from, self.journal.end());
        }
    }

    /// A message from another shard reaches the subscribers of this one.
    fn deliver_mailed(&mut self, posted: &Posted<'_>, publisher: u32, again: bool) -> Outcome {
        if self.is_known(posted, again) {
            return Outcome::Queued;
        }
        self.came_by_mail = posted.tracked && self.journal.is_on();
        let routed = self.deliver(None, publisher, &posted.view, posted.qos, posted.retain, |_| {});
        Outcome::of(&routed)
    }

    fn on_interest(&mut self, from: ShardId, filter: &str, wanted: bool) {
        let who = Subscriber::shard(from);
        if wanted {
            let options = Options {
                qos: QoS::ExactlyOnce,
                no_local: false,
                retain_as_published: true,
                identifier: None,
            };
            self.router.subscribe(filter, who, options);
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
        let settlements = &mut self.settlements;
        let tell = |settlement, outcome| settlements.outcome(settlement, outcome);
        for settlement in self.post.settled(by, handled, durable, outcomes, tell) {
            self.settle(now, settlement);
        }
        self.post.forget_settled_interest();
        if self.post.has_room(by, self.limits.mail_notes, self.limits.mail_bytes) {
            self.mail_goes_on(by);
        }
        self.take_up_postponed(now);
    }

    /// The next shard that mail is ready for.
    pub(crate) fn next_mail(&mut self) -> Option<Action> {
        if self.shards == 1 {
            return None;
        }
        self.post.announce(self.journal.durable(), self.rules).map(Action::Mail)
    }

    pub(crate) fn take_mail(&mut self, to: ShardId) -> Option<Mail> {
        let held = || !self.post.has_room(to, self.limits.mail_notes, self.limits.mail_bytes);
        if to == self.shard || to.0 >= self.shards || (!self.rules.obeys(Rule::MailNeverWaits) && held()) {
            return None;
        }
        self.post.take(to, self.journal.durable(), self.rules)
    }

    /// Nothing is on its way to other shards, and they owe us no word.
    pub fn is_settled(&self) -> bool {
        self.post.is_quiet() && self.settlements.len() == 0 && self.postponed.is_empty()
    }

    /// Notes that were mailed, and those that were settled, over all pairs.
    pub(crate) fn mailed_and_settled(&self) -> (u64, u64) {
        self.post.totals()
    }

    pub(crate) fn check_mail(&self) {
        self.post.check();
        self.check_postponed();
        self.roads.check();
        let (written, settled) = self.post.totals();
        assert!(settled <= written);
    }
}
