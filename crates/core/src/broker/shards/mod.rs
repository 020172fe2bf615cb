//! The other shards, as this one sees them: what lies ready for each, what each has settled, and who waits for that.
//!
//! Per pair, order is kept; nothing more is asked of the carrier. `Settled` says what a shard has handled, and
//! never waits for a third one. What needs a second hop (a message that another shard orders) has an answer of
//! its own.
pub(crate) mod note;
mod post;
pub(crate) mod postponed;
mod road;
pub(crate) mod settle;

pub(crate) use post::Post;

use crate::broker::base::rules::{Rule, Rules};
use crate::broker::messages::accepted::Routed;
use crate::id::{MessageId, ShardId};
use crate::qos::QoS;
use crate::text::Text;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::hash::Hasher;
use note::{Author, Note, Posted};
use postponed::{Postponed, Queue};
use road::Roads;
use settle::{Outcome, Settlements, Waiter};

/// All that one shard has to tell another in a turn.
///
/// Carry it by value; per pair of shards, keep the order.
#[derive(Debug)]
pub struct Mail {
    /// Between whom, and the how many-eth it is of this pair, from 1.
    from: ShardId,
    to: ShardId,
    number: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) shared: Vec<note::Shared>,
}

/// Which way a message goes from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To whoever wants it, here and elsewhere.
    Direct,
    /// To the shard that owns its topic, which orders it.
    Road(ShardId),
    /// This shard owns its topic: it has its place in the order here and now, and all are told.
    Order,
}

/// This shard among the others.
pub(crate) struct Shards {
    me: ShardId,
    count: u16,
    /// Which shard a client is at home on, and which owns a topic, is a hash under this key.
    placement: [u8; 16],
    pub(crate) post: Post,
    roads: Roads,
    pub(crate) settlements: Settlements,
    /// Messages with RETAIN that wait until direct ones on their topics have arrived, and what waits behind them.
    pub(crate) postponed: Queue,
    /// After a restart: those whose interest is not known yet.
    awaited: BTreeSet<ShardId>,
    /// After a restart: they have not been told that all of before has reached them.
    owes_end: bool,
    pub(crate) rules: Rules,
}

impl Shards {
    /// One of `count`; a number that is too high makes that more.
    pub(crate) fn new(me: ShardId, count: u16, placement: [u8; 16]) -> Self {
        let count = count.max(me.0.saturating_add(1));
        let me = ShardId(me.0.min(count - 1));
        Self {
            me,
            count,
            placement,
            post: Post::new(me, count),
            roads: Roads::default(),
            settlements: Settlements::default(),
            postponed: Queue::new(),
            awaited: BTreeSet::new(),
            owes_end: false,
            rules: Rules::default(),
        }
    }

    pub(crate) fn me(&self) -> ShardId {
        self.me
    }

    /// There is no other.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.count == 1
    }

    /// Which shard a client's session lives on, by its Client Identifier; or a group, by its name.
    pub(crate) fn home(&self, name: &str) -> ShardId {
        if self.is_alone() { self.me } else { self.place(self.hash(name.as_bytes())) }
    }

    /// Which shard orders the messages with RETAIN of a topic.
    fn owner(&self, topic: Text<'_>) -> ShardId {
        self.place(self.hash(topic.as_bytes()))
    }

    /// Did this shard accept that message, or has it taken the place of the one that did?
    pub(crate) fn is_from_here(&self, id: MessageId) -> bool {
        self.place(id.shard().0.into()) == self.me
    }

    fn place(&self, hash: u64) -> ShardId {
        ShardId(u16::try_from(hash % u64::from(self.count)).unwrap_or_default())
    }

    /// Of something that has its place by that, alike on all shards.
    pub(crate) fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = siphasher::sip::SipHasher13::new_with_key(&self.placement);
        hasher.write(bytes);
        hasher.finish()
    }

    /// Which way a message goes from here: the one place that decides it.
    #[inline]
    pub(crate) fn way(&self, topic: Text<'_>, retain: bool) -> Way {
        if self.is_alone() { Way::Direct } else { self.way_among(topic, retain) }
    }

    fn way_among(&self, topic: Text<'_>, retain: bool) -> Way {
        let owner = self.owner(topic);
        let follows = || self.roads.lead(topic) && self.rules.obeys(Rule::LaterOnesFollow);
        if owner != self.me && ((retain && self.rules.obeys(Rule::OwnerOrders)) || follows()) {
            Way::Road(owner)
        } else if retain {
            Way::Order
        } else {
            Way::Direct
        }
    }

    /// The way that a message took before a restart, which has perhaps not reached all: it takes it again. Where it went
    /// direct its subscribers here have it, and where it went by its owner they have not.
    pub(crate) fn way_again(&self, topic: Text<'_>, retain: bool, by_owner: bool) -> Way {
        match self.owner(topic) {
            owner if owner != self.me && by_owner && self.rules.obeys(Rule::SameWayAgain) => Way::Road(owner),
            _ if retain && self.rules.obeys(Rule::OrderedAgain) => Way::Order,
            _ => Way::Direct,
        }
    }

    /// May a message with RETAIN be taken from its socket now? Not while direct ones on its topic are under way.
    pub(crate) fn road_is_clear(&self, topic: Text<'_>) -> bool {
        self.is_alone()
            || !self.rules.obeys(Rule::RoadIsClear)
            || self.owner(topic) == self.me
            || self.post.direct_are_settled(self.hash(topic.as_bytes()))
    }

    /// Direct messages on topics of one bucket are not told apart.
    pub(crate) fn bucket(&self, topic: Text<'_>) -> usize {
        post::bucket(self.hash(topic.as_bytes()))
    }

    /// After a restart all wait until it is known who wants them. Those with RETAIN wait until direct ones on their topics
    /// have arrived; and what comes behind one that waits waits as well, or it might wait for ever.
    pub(crate) fn has_to_wait(&self, topic: Text<'_>, retain: bool) -> bool {
        !self.are_ready()
            || (retain && !self.road_is_clear(topic))
            || (!self.postponed.is_empty() && self.postponed.is_taken(self.bucket(topic)))
    }

    /// May the one that waits go? Behind others of its bucket it waits in any case.
    pub(crate) fn may_go(&self, postponed: &Postponed) -> bool {
        let waits_for_road = match postponed {
            Postponed::Incoming(..) | Postponed::Inner(_) => postponed.retain(),
            Postponed::Again(_, left) => left.by_owner && self.rules.obeys(Rule::RoadIsClearAgain),
        };
        self.are_ready() && (!waits_for_road || self.road_is_clear(postponed.topic()))
    }

    pub(crate) fn postpone(&mut self, postponed: Postponed) {
        let bucket = self.bucket(postponed.topic());
        self.postponed.push(bucket, postponed);
    }

    /// Mails a message once to each of these shards, which asks for their word if its publisher waits for it. `end`
    /// is the journal's.
    pub(crate) fn mail(
        &mut self,
        posted: &Posted<'_>,
        shards: &[ShardId],
        routed: &mut Routed,
        again: bool,
        end: u64,
    ) {
        self.hold_if_tracked(posted, end);
        let hash = self.hash(posted.view.topic.as_bytes());
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

    /// Another shard owns the topic: it orders the message, and all others on that topic until it has arrived.
    pub(crate) fn take_the_road(
        &mut self,
        owner: ShardId,
        posted: &Posted<'_>,
        author: Author,
        again: bool,
        end: u64,
    ) -> Routed {
        let road = self.roads.lengthen(posted.view.topic);
        let settlement = self.settlements.open(1, Outcome::NobodyMatched);
        self.settlements.add(settlement, Waiter::Road(road));
        self.hold_if_tracked(posted, end);
        self.post.write(owner, &Note::Order { posted: *posted, author, ticket: settlement, again });
        self.hold_receipt(posted, Some(settlement));
        Routed { mailed: 1, settlement: Some(settlement), tracked: posted.tracked, ..Routed::default() }
    }

    /// A message fewer on the road; with the last one it ends.
    pub(crate) fn road_shortens(&mut self, road: u32) {
        self.roads.shorten(road, !self.rules.obeys(Rule::RoadIsCounted));
    }

    /// A message of a topic of ours has its place in the order: all are told.
    pub(crate) fn tell_order(&mut self, posted: &Posted<'_>, author: Author, again: bool, end: u64) {
        self.hold_if_tracked(posted, end);
        for shard in self.post.others() {
            self.post.write(shard, &Note::Ordered { posted: *posted, author, again });
        }
    }

    /// A settlement for the last note to each of the others.
    pub(crate) fn open_settlement(&mut self, routed: &mut Routed, qos: QoS) {
        let others: Vec<_> = self.post.others().collect();
        routed.mailed = others.len();
        if qos > QoS::AtMostOnce {
            let settlement = self.settlements.open(others.len(), Outcome::of(routed));
            for shard in others {
                let number = self.post.written(shard);
                self.post.await_note(shard, number, settlement);
            }
            routed.settlement = Some(settlement);
        }
    }

    /// A message that is tracked may be mailed again, until all have it.
    pub(crate) fn hold_receipt(&mut self, posted: &Posted<'_>, settlement: Option<u32>) {
        if let Some(settlement) = settlement.filter(|_| posted.tracked) {
            self.settlements.add(settlement, Waiter::Distributed(posted.view.id));
        }
    }

    fn hold_if_tracked(&mut self, posted: &Posted<'_>, end: u64) {
        if posted.tracked {
            // Durable, with what is taken from its publisher, before it is mailed: so it can be mailed again.
            self.hold(Rule::ReceiptBeforeMail, end);
        }
    }

    /// What is mailed from here on rests on what the journal says by now, and is posted when that is durable.
    pub(crate) fn hold(&mut self, rule: Rule, end: u64) {
        if self.rules.obeys(rule) {
            for shard in self.post.others() {
                self.post.hold(shard, end);
            }
        }
    }

    /// All shards have a message of ours durably: they may forget its id.
    pub(crate) fn tell_distributed(&mut self, id: MessageId, end: u64) {
        // Who forgets an id must not get it again: not even after a crash that forgets this record.
        self.hold(Rule::ForgottenLast, end);
        for shard in self.post.others() {
            self.post.write(shard, &Note::Distributed { id });
        }
    }

    /// All have what another shard had us order, and so have we, once the journal is durable up to there.
    pub(crate) fn tell_ordered(&mut self, to: ShardId, ticket: u32, outcome: Outcome, end: u64) {
        self.post.hold(to, end);
        self.post.write(to, &Note::Arrived { ticket, outcome });
    }

    /// Tells all that this shard has begun, or ceased, to have subscribers for a filter.
    pub(crate) fn tell_interest(&mut self, filter: &str, wanted: bool) {
        if self.is_alone() {
            return;
        }
        let mut numbers: Box<[u64]> = (0..self.count).map(|_| 0).collect();
        for shard in self.post.others() {
            numbers[shard.index()] = self.post.write(shard, &Note::Interest { filter, wanted });
        }
        self.post.remember_interest(filter, numbers, self.rules.obeys(Rule::LastNoteCounts));
    }

    /// A settlement for the last interest notes about these filters, whoever caused them, for these notes, and for so many
    /// groups on other shards that sessions join; `None` if all shards know already.
    pub(crate) fn await_interest<'a>(
        &mut self,
        filters: impl Iterator<Item = &'a str>,
        notes: &[(ShardId, u64)],
        joins: usize,
    ) -> Option<u32> {
        if self.is_alone() || !self.rules.obeys(Rule::SubackWaits) {
            return None;
        }
        let mut last = alloc::vec![0_u64; usize::from(self.count)];
        for filter in filters {
            for (shard, number) in self.post.unsettled_interest(filter) {
                let at = &mut last[shard.index()];
                *at = number.max(*at);
            }
        }
        let notes = notes.iter().copied();
        for (shard, number) in notes.filter(|(shard, number)| self.post.is_unsettled(*shard, *number)) {
            let at = &mut last[shard.index()];
            *at = number.max(*at);
        }
        let open = last.iter().filter(|number| **number > 0).count();
        if open + joins == 0 {
            return None;
        }
        let settlement = self.settlements.open(open + joins, Outcome::Queued);
        for shard in self.post.others() {
            if last[shard.index()] > 0 {
                self.post.await_note(shard, last[shard.index()], settlement);
            }
        }
        Some(settlement)
    }

    /// Another shard has handled, and made durable, our notes up to these numbers: the settlements that need not wait
    /// for it any more.
    pub(crate) fn settled(
        &mut self,
        by: ShardId,
        handled: u64,
        durable: u64,
        outcomes: &[(u64, Outcome)],
    ) -> Vec<u32> {
        let Self { settlements, post, .. } = self;
        let tell = |settlement, outcome| settlements.outcome(settlement, outcome);
        let done = post.settled(by, handled, durable, outcomes, tell);
        post.forget_settled_interest();
        done
    }

    /// All that waits for another shard, as far as the journal is durable.
    pub(crate) fn take_mail(&mut self, to: ShardId, durable: u64) -> Option<Mail> {
        if to == self.me || to.0 >= self.count { None } else { self.post.take(to, durable, self.rules) }
    }

    /// After a restart: no socket is read before all shards have told their interest.
    pub(crate) fn gather(&mut self) {
        self.owes_end = true;
        if self.rules.obeys(Rule::InterestFirst) {
            self.awaited = self.post.others().collect();
        }
        for shard in self.post.others() {
            self.post.write(shard, &Note::Ready);
        }
    }

    /// All of before the restart has reached everybody, who may forget it. True if that has still to be said.
    pub(crate) fn owes_end(&self) -> bool {
        self.owes_end && self.are_ready() && self.rules.obeys(Rule::AllForgotten)
    }

    /// For `check`: others may think that nothing of before will come again.
    pub(crate) fn has_said_end(&self) -> bool {
        !(self.owes_end || self.is_alone())
    }

    pub(crate) fn tell_all_distributed(&mut self, incarnation: u32, end: u64) {
        self.owes_end = false;
        self.hold(Rule::ForgottenLast, end);
        for shard in self.post.others() {
            self.post.write(shard, &Note::AllDistributed { incarnation });
        }
    }

    /// Another shard has told all its interest; true if it was the last.
    pub(crate) fn is_last_awaited(&mut self, shard: ShardId) -> bool {
        self.awaited.remove(&shard) && self.awaited.is_empty()
    }

    /// Is the interest of all others known?
    pub(crate) fn are_ready(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Nothing is on its way, and nobody owes us a word.
    pub(crate) fn is_quiet(&self) -> bool {
        self.post.is_quiet() && self.settlements.len() == 0 && self.postponed.is_empty()
    }

    pub(crate) fn check(&self) {
        self.post.check();
        self.roads.check();
        self.settlements.check();
        self.postponed.check();
        let (written, settled) = self.post.totals();
        assert!(settled <= written);
        let first = self.postponed.first();
        assert!(first.is_none_or(|first| !self.may_go(first)), "nothing waits for a road that is clear");
    }
}
