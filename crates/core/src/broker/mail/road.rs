//! The road: messages with RETAIN, and what follows them, by way of the shard that owns their topic.
use super::super::Broker;
use super::super::connection::NONE;
use super::super::publish::Routed;
use super::super::rules::Rule;
use super::super::settle::{Outcome, Waiter};
use super::note::{Note, Origin, Posted};
use super::post::lane;
use crate::id::ShardId;
use crate::qos::QoS;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::Hasher;

/// The road of a topic: until it has ended, every message on it goes by its owner.
#[derive(Debug)]
pub(in super::super) struct Road {
    pub(super) topic: Box<str>,
    pub(super) under_way: usize,
}

impl Broker {
    /// This shard owns the topic: the message has its place in the order here and now, and all are told.
    pub(super) fn order(
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
            self.mailing = true;
            let from = self.publisher(origin);
            self.deliver(connection, from, &posted.view, posted.qos, posted.retain, |_| {})
        };
        self.tell_order(&Posted { kept: kept.as_ref(), ..*posted }, origin, again);
        routed
    }

    pub(super) fn tell_order(&mut self, posted: &Posted<'_>, origin: Origin, again: bool) {
        let posted = self.tracked(posted);
        if posted.tracked {
            self.hold_mail(Rule::ReceiptBeforeMail);
        }
        for shard in self.post.others() {
            self.post.write(shard, &Note::Ordered { posted, origin, again });
        }
    }

    /// A session of this shard, as other shards hand it back.
    pub(super) fn origin(&self, session: u32) -> Origin {
        let generation = if session == NONE { 0 } else { self.sessions[session].generation };
        Origin { shard: self.shard, session, generation }
    }

    /// The session that published it, if it is one of this shard: No Local holds for it. [MQTT-3.8.3-3]
    pub(super) fn publisher(&mut self, origin: Origin) -> u32 {
        let here = origin.shard == self.shard && origin.session != NONE;
        let known = here && self.sessions.get(origin.session, origin.generation).is_some();
        if known { origin.session } else { NONE }
    }

    /// Another shard owns the topic: it orders the message, and all others on that topic until it has arrived.
    pub(super) fn take_the_road(
        &mut self,
        owner: ShardId,
        posted: &Posted<'_>,
        origin: Origin,
        again: bool,
    ) -> Routed {
        let topic = posted.view.topic;
        let road = match self.roads.iter().position(|r| *r.topic == *topic) {
            Some(road) => road,
            None => match self.roads.iter().position(|r| r.under_way == 0) {
                Some(free) => {
                    self.roads[free].topic = topic.into();
                    free
                }
                None => {
                    self.roads.push(Road { topic: topic.into(), under_way: 0 });
                    self.roads.len() - 1
                }
            },
        };
        self.roads[road].under_way += 1;
        let settlement = self.settlements.open(1, Outcome::NobodyMatched);
        self.settlements.add(settlement, Waiter::Road(u32::try_from(road).unwrap_or(u32::MAX)));
        if !again {
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
    pub(in super::super) fn road_shortens(&mut self, road: u32) {
        let road = &mut self.roads[road as usize];
        road.under_way = if self.rules.obeys(Rule::RoadIsCounted) { road.under_way - 1 } else { 0 };
        if road.under_way == 0 {
            road.topic = Box::default();
        }
    }

    /// May a message with RETAIN be taken from its socket now? Not while direct ones on its topic are under way.
    pub(in super::super) fn road_is_clear(&self, topic: &str) -> bool {
        self.shards == 1
            || !self.rules.obeys(Rule::RoadIsClear)
            || self.owner(topic) == self.shard
            || self.post.direct_are_settled(self.topic_hash(topic))
    }

    /// Are direct messages on these topics told apart?
    pub(in super::super) fn share_a_lane(&self, topic: &str, other: &str) -> bool {
        lane(self.topic_hash(topic)) == lane(self.topic_hash(other))
    }

    pub(super) fn owner(&self, topic: &str) -> ShardId {
        let shard = self.topic_hash(topic) % u64::from(self.shards);
        ShardId(u16::try_from(shard).unwrap_or_default())
    }

    pub(super) fn topic_hash(&self, topic: &str) -> u64 {
        let mut hasher = siphasher::sip::SipHasher13::new_with_key(&self.placement);
        hasher.write(topic.as_bytes());
        hasher.finish()
    }

    pub(in super::super) fn tell_ordered(&mut self, to: ShardId, ticket: u32, outcome: Outcome) {
        self.post.write(to, &Note::Arrived { ticket, outcome });
    }

    pub(super) fn on_order(
        &mut self,
        from: ShardId,
        posted: &Posted<'_>,
        origin: Origin,
        ticket: u32,
        again: bool,
    ) {
        self.came_by_mail = posted.tracked;
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
