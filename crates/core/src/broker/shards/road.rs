//! The road: messages with RETAIN, and what follows them, by way of the shard that owns their topic.
use crate::slab::Slab;
use crate::text::Text;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// The road of a topic: until it has ended, every message on it goes by its owner.
#[derive(Debug)]
struct Road {
    topic: Box<str>,
    under_way: usize,
}

/// The roads of this shard.
#[derive(Debug, Default)]
pub(super) struct Roads {
    by_topic: BTreeMap<Box<str>, u32>,
    table: Slab<Road>,
}

impl Roads {
    /// Are messages on this topic under way to its owner?
    pub(super) fn lead(&self, topic: Text<'_>) -> bool {
        !self.by_topic.is_empty() && self.by_topic.contains_key(topic.as_str())
    }

    /// A message more on the road of this topic.
    pub(super) fn lengthen(&mut self, topic: Text<'_>) -> u32 {
        let place = self.by_topic.get(topic.as_str()).copied().unwrap_or_else(|| {
            let place = self.table.insert(Road { topic: topic.into(), under_way: 0 });
            self.by_topic.insert(topic.into(), place);
            place
        });
        self.table[place].under_way += 1;
        place
    }

    /// So many messages fewer; with the last one the road ends.
    pub(super) fn shorten(&mut self, place: u32, all: bool) {
        // Where roads are not counted, they may be told to end twice.
        let Some(road) = self.table.get_mut(place) else { return };
        road.under_way = if all { 0 } else { road.under_way - 1 };
        if road.under_way == 0
            && let Some(road) = self.table.remove(place)
        {
            self.by_topic.remove(&road.topic);
        }
    }

    pub(super) fn check(&self) {
        self.table.check();
        assert_eq!(self.by_topic.len(), self.table.len(), "a road that is empty has ended");
        for (topic, place) in &self.by_topic {
            let road = &self.table[*place];
            assert!(road.topic == *topic && road.under_way > 0, "a road is found by its topic");
        }
    }
}
