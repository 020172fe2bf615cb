//! The topics whose recipients are known already.
//!
//! A topic is admitted on second sight: a set that thrashes is worse than none. Places are given anew by a
//! hand that goes round, past those that were asked for since it last came by.
use super::matches::{Found, Match, Matches};
use crate::text::Text;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use foldhash::quality::FixedState;
use hashbrown::HashTable;

/// How far the hand goes for one newcomer. If all that it met are in use, the newcomer must come again.
const HAND_STEPS: usize = 8;
/// Matches that may be remembered in all, per topic on average and at the least.
const MATCHES_PER_TOPIC: usize = 16;
const MATCHES_MIN: usize = 1 << 18;

#[derive(Debug)]
pub(crate) struct Remembered {
    entries: Vec<Entry>,
    /// Places in `entries`, by topic.
    index: HashTable<u32>,
    hash: FixedState,
    /// What was remembered in another epoch holds no longer.
    epoch: u64,
    hand: usize,
    /// What all entries together weigh.
    weight: usize,
    maximum: usize,
    maximum_weight: usize,
    /// Of topics seen once lately: a part of their hash, where the rest of it says.
    seen: Box<[u32]>,
}

#[derive(Debug)]
struct Entry {
    topic: Box<[u8]>,
    epoch: u64,
    /// Asked for since the hand came by.
    used: bool,
    matches: Box<[Match]>,
    identifiers: Box<[u32]>,
}

impl Entry {
    /// No epoch: what is here must be worked out again.
    const STALE: u64 = 0;

    fn weight(&self) -> usize {
        weight(&self.matches, &self.identifiers)
    }
}

fn weight(matches: &[Match], identifiers: &[u32]) -> usize {
    matches.len() + identifiers.len()
}

impl Remembered {
    pub(crate) fn new(seed: u64, maximum: usize) -> Self {
        Self {
            entries: Vec::new(),
            index: HashTable::new(),
            hash: FixedState::with_seed(seed),
            epoch: Entry::STALE + 1,
            hand: 0,
            weight: 0,
            maximum,
            maximum_weight: MATCHES_MIN.max(maximum.saturating_mul(MATCHES_PER_TOPIC)),
            seen: vec![0; maximum.clamp(64, 1 << 16).next_power_of_two()].into(),
        }
    }

    pub(crate) fn hash(&self, topic: Text<'_>) -> u64 {
        hash(&self.hash, topic.as_bytes())
    }

    pub(crate) fn find(&self, hash: u64, topic: Text<'_>) -> Option<u32> {
        self.index.find(hash, |&place| *self.entries[place as usize].topic == *topic.as_bytes()).copied()
    }

    #[inline]
    pub(crate) fn is_current(&self, place: u32, topic: Text<'_>) -> bool {
        self.entries
            .get(place as usize)
            .is_some_and(|entry| entry.epoch == self.epoch && *entry.topic == *topic.as_bytes())
    }

    #[inline]
    pub(crate) fn take_up(&mut self, place: u32) -> Matches<'_> {
        let entry = &mut self.entries[place as usize];
        entry.used = true;
        Matches::new(&entry.matches, &entry.identifiers)
    }

    pub(crate) fn forget_all(&mut self) {
        self.epoch += 1;
    }

    pub(crate) fn forget(&mut self, topic: Text<'_>) {
        if let Some(place) = self.find(self.hash(topic), topic) {
            self.entries[place as usize].epoch = Entry::STALE;
        }
    }

    /// Where it is remembered now, if it is. `known` is the place it has already.
    pub(crate) fn keep(
        &mut self,
        known: Option<u32>,
        hash: u64,
        topic: Text<'_>,
        found: &Found,
    ) -> Option<u32> {
        let (matches, identifiers) = found.parts();
        let new = weight(matches, identifiers);
        if known.is_none() && (new > self.maximum_weight / 2 || !self.is_second_sight(hash)) {
            return None;
        }
        let place = match known {
            Some(place) => place,
            None => self.admit(hash, topic)?,
        };
        let entry = &mut self.entries[place as usize];
        self.weight -= entry.weight();
        if entry.weight() == new && entry.matches.len() == matches.len() {
            entry.matches.copy_from_slice(matches);
            entry.identifiers.copy_from_slice(identifiers);
        } else {
            entry.empty();
            if !self.make_room(new) {
                return None;
            }
            let entry = &mut self.entries[place as usize];
            entry.matches = matches.into();
            entry.identifiers = identifiers.into();
        }
        self.weight += new;
        self.entries[place as usize].epoch = self.epoch;
        Some(place)
    }

    fn is_second_sight(&mut self, hash: u64) -> bool {
        let [a, b, c, d, rest @ ..] = hash.to_le_bytes();
        let (low, high) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(rest));
        let place = low as usize & (self.seen.len() - 1);
        // Zero is what nothing left behind.
        core::mem::replace(&mut self.seen[place], high | 1) == high | 1
    }

    fn admit(&mut self, hash: u64, topic: Text<'_>) -> Option<u32> {
        let place = if self.entries.len() < self.maximum {
            self.entries.push(Entry::new(topic));
            self.entries.len() - 1
        } else {
            let place = self.next_unused()?;
            self.weight -= self.entries[place].weight();
            let old = core::mem::replace(&mut self.entries[place], Entry::new(topic));
            self.index
                .find_entry(self::hash(&self.hash, &old.topic), |&other| other as usize == place)
                .expect("each entry is in the index")
                .remove();
            place
        };
        let place = u32::try_from(place).expect("fewer than 2^32 topics are remembered");
        let (entries, state) = (&self.entries, &self.hash);
        self.index.insert_unique(hash, place, |&other| self::hash(state, &entries[other as usize].topic));
        Some(place)
    }

    /// Moves the hand on to an entry that nobody asked for, within a few steps.
    fn next_unused(&mut self) -> Option<usize> {
        for _ in 0..HAND_STEPS {
            let place = self.hand;
            self.hand = (place + 1) % self.entries.len().max(1);
            let entry = self.entries.get_mut(place)?;
            if !core::mem::replace(&mut entry.used, false) {
                return Some(place);
            }
        }
        None
    }

    /// Empties entries until there is room for such a weight; false if it takes too long.
    fn make_room(&mut self, weight: usize) -> bool {
        if weight > self.maximum_weight / 2 {
            return false;
        }
        for _ in 0..HAND_STEPS {
            if self.weight + weight <= self.maximum_weight {
                return true;
            }
            if let Some(place) = self.next_unused() {
                self.weight -= self.entries[place].weight();
                self.entries[place].empty();
            }
        }
        self.weight + weight <= self.maximum_weight
    }

    #[cfg(test)]
    pub(crate) fn bytes_estimate(&self) -> usize {
        let beside = |entry: &Entry| {
            entry.topic.len() + size_of_val(&*entry.matches) + size_of_val(&*entry.identifiers)
        };
        self.entries.capacity() * size_of::<Entry>()
            + self.entries.iter().map(beside).sum::<usize>()
            + self.index.allocation_size()
            + size_of_val(&*self.seen)
    }

    pub(crate) fn check(&self) {
        assert_eq!(self.index.len(), self.entries.len());
        assert!(self.entries.len() <= self.maximum && self.weight <= self.maximum_weight);
        assert_eq!(self.weight, self.entries.iter().map(Entry::weight).sum());
        for (place, entry) in (0..).zip(&self.entries) {
            assert!(entry.epoch <= self.epoch, "nothing is remembered from the future");
            let topic = Text::known(&entry.topic);
            assert_eq!(self.find(self.hash(topic), topic), Some(place));
        }
    }
}

impl Entry {
    fn new(topic: Text<'_>) -> Self {
        Self {
            topic: topic.as_bytes().into(),
            epoch: Self::STALE,
            used: false,
            matches: Box::default(),
            identifiers: Box::default(),
        }
    }

    fn empty(&mut self) {
        self.epoch = Self::STALE;
        self.matches = Box::default();
        self.identifiers = Box::default();
    }
}

fn hash(state: &FixedState, topic: &[u8]) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(topic);
    hasher.finish()
}
