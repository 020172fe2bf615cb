//! Topic Aliases: numbers that stand for topics, in one direction of one connection. (Section 3.3.2.3.4)
#[cfg(test)]
mod tests;

use crate::codec::{EncodeError, PublishHead};
use crate::text::Text;
use crate::topic::TopicName;
use crate::version::Version;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use foldhash::fast::FixedState;

/// What the peer has bound. It goes with the connection. [MQTT-3.3.2-7]
#[derive(Debug, Default)]
pub(crate) struct Inward {
    /// Of alias 1, of alias 2, and so on.
    topics: Vec<Option<TopicName>>,
}

/// What is wrong with an alias that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrongAlias {
    /// It is beyond what we have announced, or 0.
    OutOfRange,
    /// It comes instead of a topic, and stands for none. (Section 3.3.4)
    Unbound,
}

impl Inward {
    /// The topic of a PUBLISH with this alias, which stands for it from here on. `most` is what we have announced, and all
    /// of that is accepted. [MQTT-3.3.2-8] [MQTT-3.3.2-9] [MQTT-3.3.2-10] [MQTT-3.3.2-11] [MQTT-3.3.2-12]
    pub(crate) fn resolve(
        &mut self,
        most: u16,
        alias: u16,
        topic: Text<'_>,
    ) -> Result<TopicName, WrongAlias> {
        let at = match usize::from(alias).checked_sub(1) {
            Some(at) if alias <= most => at,
            _ => return Err(WrongAlias::OutOfRange),
        };
        if topic.is_empty() {
            return self.topics.get(at).cloned().flatten().ok_or(WrongAlias::Unbound);
        }
        if self.topics.len() <= at {
            self.topics.resize(at + 1, None);
        }
        let bound = &mut self.topics[at];
        match bound {
            Some(same) if topic == *same.as_str() => Ok(same.clone()),
            _ => Ok(bound.insert(TopicName::known(topic)).clone()),
        }
    }
}

/// What an alias costs in a PUBLISH: its identifier and two bytes. Topics that are no longer have none.
const COST: usize = 3;

/// So many are used at most, whatever the peer allows: they are looked through one by one.
const MOST: u16 = 256;

/// What we have bound towards the peer. It goes with the connection. [MQTT-3.3.2-7]
///
/// A topic gets an alias when it comes for the second time, so that topics that come once change nothing. If no alias is
/// free, it gets the one that is worth least, if its own is worth more: what an alias saves each time, by how long ago its
/// topic came before.
#[derive(Debug, Default)]
pub(crate) struct Outward {
    most: u16,
    /// Messages that could have had an alias.
    clock: u32,
    /// Of alias 1, of alias 2, and so on.
    bound: Vec<Bound>,
    /// Topics without an alias that came lately, by their hash.
    seen: Vec<Sight>,
}

#[derive(Debug)]
struct Bound {
    topic: Box<[u8]>,
    hash: u32,
    /// When it was used last.
    used: u32,
}

/// When a topic came; at 0 none did.
#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    hash: u32,
    at: u32,
}

impl Outward {
    /// Towards a peer that takes aliases up to this one. [MQTT-3.1.2-26] [MQTT-3.2.2-17]
    pub(crate) fn new(most: u16) -> Self {
        Self { most: most.min(MOST), ..Self::default() }
    }

    /// The peer takes none. [MQTT-3.1.2-27] [MQTT-3.2.2-18]
    pub(crate) fn is_off(&self) -> bool {
        self.most == 0
    }

    /// Encodes a PUBLISH without its payload for a peer of 5.0, with an alias where there is one for its topic. A topic is
    /// bound with the bytes that say so, and by nothing else.
    ///
    /// # Errors
    /// It does not fit into `limit` in any way; nothing has changed.
    #[inline(never)]
    pub(crate) fn encode(
        &mut self,
        head: &PublishHead<'_>,
        limit: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let topic = head.topic.as_bytes();
        if topic.len() <= COST {
            return head.encode(Version::V5, limit, out);
        }
        let (hash, now) = (hash(topic), self.clock.wrapping_add(1));
        if let Some(at) = self.position(hash, topic) {
            short(head, at).encode(Version::V5, limit, out)?;
            (self.clock, self.bound[at].used) = (now, now);
            return Ok(());
        }
        if let Some(at) = self.place_for(hash, topic.len()) {
            let long = PublishHead { topic_alias: Some(alias(at)), ..*head };
            if long.encode(Version::V5, limit, out).is_ok() {
                self.clock = now;
                self.bind(at, Bound { topic: topic.into(), hash, used: now });
                return Ok(());
            }
        }
        head.encode(Version::V5, limit, out)?;
        self.clock = now;
        self.see(hash);
        Ok(())
    }

    /// How long the packet is that [`encode`](Self::encode) makes at least; `None` if there is no such packet.
    pub(crate) fn packet_length(&self, head: &PublishHead<'_>) -> Option<u32> {
        let topic = head.topic.as_bytes();
        match self.position(hash(topic), topic) {
            Some(at) => short(head, at).packet_length(Version::V5),
            None => head.packet_length(Version::V5),
        }
    }

    fn position(&self, hash: u32, topic: &[u8]) -> Option<usize> {
        self.bound.iter().position(|bound| bound.hash == hash && *bound.topic == *topic)
    }

    /// The place of the alias that a topic may have that has none.
    fn place_for(&self, hash: u32, length: usize) -> Option<usize> {
        let sight = self.seen.get(self.slot(hash)?).filter(|sight| sight.hash == hash && sight.at != 0)?;
        if self.bound.len() < usize::from(self.most) {
            return Some(self.bound.len());
        }
        // How long it was away, by what it saves: the smaller, the better.
        let age = |since: u32| u64::from(self.clock.wrapping_sub(since)) + 1;
        let saves = |length: usize| (length - COST) as u64;
        let (mut worst, mut at) = ((age(sight.at), saves(length)), None);
        for (place, bound) in self.bound.iter().enumerate() {
            let other = (age(bound.used), saves(bound.topic.len()));
            if other.0 * worst.1 > worst.0 * other.1 {
                (worst, at) = (other, Some(place));
            }
        }
        at
    }

    fn bind(&mut self, at: usize, bound: Bound) {
        if at < self.bound.len() {
            self.bound[at] = bound;
        } else {
            self.bound.push(bound);
        }
    }

    /// A topic without an alias has come.
    fn see(&mut self, hash: u32) {
        let most = (2 * usize::from(self.most)).next_power_of_two().max(16);
        loop {
            let (slot, is_last) = (self.slot(hash), self.seen.len() >= most);
            if let Some(sight) = slot.and_then(|slot| self.seen.get_mut(slot))
                && (is_last || sight.at == 0 || sight.hash == hash)
            {
                *sight = Sight { hash, at: self.clock };
                return;
            }
            self.see_more();
        }
    }

    /// Twice as many places. Of two topics at one place before, each now has its own, or the same.
    fn see_more(&mut self) {
        let before = core::mem::take(&mut self.seen);
        self.seen.resize((2 * before.len()).max(4), Sight::default());
        for sight in before {
            if let Some(slot) = self.slot(sight.hash) {
                self.seen[slot] = sight;
            }
        }
    }

    /// Where a sight of this hash is.
    fn slot(&self, hash: u32) -> Option<usize> {
        self.seen.len().checked_sub(1).map(|mask| hash as usize & mask)
    }

    pub(crate) fn check(&self) {
        assert!(self.bound.len() <= usize::from(self.most), "no alias is above the peer's maximum");
        for (at, bound) in self.bound.iter().enumerate() {
            assert_eq!(self.position(bound.hash, &bound.topic), Some(at), "a topic has one alias");
            assert!(bound.topic.len() > COST, "an alias saves something");
        }
    }
}

/// A PUBLISH whose topic the peer knows.
fn short<'a>(head: &PublishHead<'a>, at: usize) -> PublishHead<'a> {
    PublishHead { topic: Text::default(), topic_alias: Some(alias(at)), ..*head }
}

/// The alias of that place.
fn alias(at: usize) -> u16 {
    u16::try_from(at + 1).expect("there are no more than `most`")
}

fn hash(topic: &[u8]) -> u32 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(topic);
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
