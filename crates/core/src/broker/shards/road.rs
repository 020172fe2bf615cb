//! The road: messages with RETAIN, and what follows them, by way of the shard that owns their topic.
use crate::broker::Broker;
use crate::broker::base::rules::Rule;
use crate::broker::connection::NONE;
use crate::broker::publish::Routed;
use crate::broker::shards::note::{Note, Origin, Posted};
use crate::broker::shards::post::lane;
use crate::broker::shards::settle::{Outcome, Waiter};
use crate::id::ShardId;
use crate::qos::QoS;
use crate::text::Text;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::Hasher;

/// The road of a topic: until it has ended, every message on it goes by its owner.
#[derive(Debug, Default)]
struct Road {
    topic: Box<str>,
    under_way: usize,
}

/// The roads of this shard.
#[derive(Debug, Default)]
pub(crate) struct Roads {
    by_topic: BTreeMap<Box<str>, u32>,
    table: Vec<Road>,
    free: Vec<u32>,
}

impl Roads {
    /// Are messages on this topic under way to its owner?
    pub(crate) fn lead(&self, topic: Text<'_>) -> bool {
        !self.by_topic.is_empty() && self.by_topic.contains_key(topic.as_str())
    }

    /// A message more on the road of this topic.
    fn lengthen(&mut self, topic: Text<'_>) -> u32 {
        let place = self.by_topic.get(topic.as_str()).copied().unwrap_or_else(|| {
            let place = self.free.pop().unwrap_or_else(|| {
                self.table.push(Road::default());
                u32::try_from(self.table.len() - 1).expect("there are fewer topics than that")
            });
            self.table[place as usize].topic = topic.into();
            self.by_topic.insert(topic.into(), place);
            place
        });
        self.table[place as usize].under_way += 1;
        place
    }

    /// So many messages fewer; with the last one the road ends.
    fn shorten(&mut self, place: u32, all: bool) {
        let road = &mut self.table[place as usize];
        if road.under_way == 0 {
            return; // Where roads are not counted, they may be told to end twice.
        }
        road.under_way = if all { 0 } else { road.under_way - 1 };
        if road.under_way == 0 {
            self.by_topic.remove(&road.topic);
            road.topic = Box::default();
            self.free.push(place);
        }
    }

    pub(crate) fn check(&self) {
        assert_eq!(self.by_topic.len() + self.free.len(), self.table.len(), "a road that is empty has ended");
        for (topic, place) in &self.by_topic {
            let road = &self.table[*place as usize];
            assert!(road.topic == *topic && road.under_way > 0, "a road is found by its topic");
        }
    }
}

impl Broker {
    /// This shard owns the topic: the message has its place in the order here and now, and all are told.
    pub(crate) fn order(
        &mut self,
        connection: Option<u32>,
        origin: Origin,
        posted: &Posted<'_>,
        again: bool,
    ) -> Routed {
        let known = self.is_known(posted, again);
        let kept = if posted.retain && !known { self.retain(&posted.view, posted.qos, None) } else { None };
        let routed = if known {
            Routed::default()
        } else {
            self.mailing = self.journal.is_on();
            let from = self.publisher(origin);
            self.deliver(connection, from, &posted.view, posted.qos, posted.retain, |_| {})
        };
        self.tell_order(&Posted { kept: kept.as_ref(), ..*posted }, origin, again);
        routed
    }

    pub(crate) fn tell_order(&mut self, posted: &Posted<'_>, origin: Origin, again: bool) {
        let posted = self.tracked(posted);
        if posted.tracked {
            self.hold_mail(Rule::ReceiptBeforeMail);
        }
        for shard in self.post.others() {
            self.post.write(shard, &Note::Ordered { posted, origin, again });
        }
    }

    /// Who publishes, as other shards hand it back: a Client Identifier at home here.
    pub(crate) fn origin(&self, session: u32) -> Origin {
        let key = if session == NONE { 0 } else { self.sessions.key(session) };
        Origin { shard: self.shard, key }
    }

    /// The session of the Client Identifier that published it, if it is one of this shard, and even if that session
    /// is a new one by now: No Local holds for it. [MQTT-3.8.3-3]
    pub(crate) fn publisher(&self, origin: Origin) -> u32 {
        let here = origin.shard == self.shard && origin.key != 0;
        if here { self.sessions.by_key(origin.key).unwrap_or(NONE) } else { NONE }
    }

    /// Another shard owns the topic: it orders the message, and all others on that topic until it has arrived.
    pub(crate) fn take_the_road(
        &mut self,
        owner: ShardId,
        posted: &Posted<'_>,
        origin: Origin,
        again: bool,
    ) -> Routed {
        let road = self.roads.lengthen(posted.view.topic);
        let settlement = self.settlements.open(1, Outcome::NobodyMatched);
        self.settlements.add(settlement, Waiter::Road(road));
        if !again && self.journal.is_on() {
            self.mailing = true;
            self.journal_message(&posted.view, posted.retain, Vec::new());
        }
        let posted = &self.tracked(posted);
        if posted.tracked {
            self.hold_mail(Rule::ReceiptBeforeMail);
        }
        self.post.write(owner, &Note::Order { posted: *posted, origin, ticket: settlement, again });
        self.hold_receipt(posted, Some(settlement));
        Routed { mailed: 1, settlement: Some(settlement), ..Routed::default() }
    }

    /// A message fewer on the road; with the last one it ends.
    pub(crate) fn road_shortens(&mut self, road: u32) {
        self.roads.shorten(road, !self.rules.obeys(Rule::RoadIsCounted));
    }

    /// May a message with RETAIN be taken from its socket now? Not while direct ones on its topic are under way.
    pub(crate) fn road_is_clear(&self, topic: Text<'_>) -> bool {
        self.shards == 1
            || !self.rules.obeys(Rule::RoadIsClear)
            || self.owner(topic) == self.shard
            || self.post.direct_are_settled(self.topic_hash(topic))
    }

    /// Direct messages on topics of one lane are not told apart.
    pub(crate) fn lane(&self, topic: Text<'_>) -> usize {
        lane(self.topic_hash(topic))
    }

    pub(crate) fn owner(&self, topic: Text<'_>) -> ShardId {
        let shard = self.topic_hash(topic) % u64::from(self.shards);
        ShardId(u16::try_from(shard).unwrap_or_default())
    }

    pub(crate) fn topic_hash(&self, topic: Text<'_>) -> u64 {
        let mut hasher = siphasher::sip::SipHasher13::new_with_key(&self.placement);
        hasher.write(topic.as_bytes());
        hasher.finish()
    }

    pub(crate) fn tell_ordered(&mut self, to: ShardId, ticket: u32, outcome: Outcome) {
        self.post.write(to, &Note::Arrived { ticket, outcome });
    }

    pub(crate) fn on_order(
        &mut self,
        from: ShardId,
        posted: &Posted<'_>,
        origin: Origin,
        ticket: u32,
        again: bool,
    ) {
        // What is known already leaves no record.
        self.came_by_mail = posted.tracked && self.journal.is_on() && !self.is_known(posted, again);
        let mut routed = self.order(None, origin, posted, again);
        // The publisher waits for all, whatever its QoS: the road ends only then.
        self.open_settlement(&mut routed, QoS::AtLeastOnce);
        if !self.rules.obeys(Rule::OrderedWaitsForAll) {
            return self.tell_ordered(from, ticket, Outcome::Queued);
        }
        if let Some(settlement) = routed.settlement {
            self.settlements.add(settlement, Waiter::Ordered(from, ticket));
        }
    }
}
