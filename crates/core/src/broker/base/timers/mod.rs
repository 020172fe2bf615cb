//! Timers as a wheel: setting one is a store, and none is ever cancelled.
//!
//! A key whose time has come is handed to its owner, who may have no use for it any more. A keep alive that
//! is refreshed costs nothing here: when its key comes, the owner looks when it last heard of its client and
//! sets the key again.
mod kind;
#[cfg(test)]
mod tests;

pub(crate) use kind::{HORIZON, Kind};

#[cfg(test)]
use crate::time::Duration;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::{BinaryHeap, VecDeque};
use alloc::vec::Vec;
use core::cmp::Reverse;

#[cfg(test)]
/// How late a timer may come.
pub(crate) const GRANULARITY: Duration = Duration::from_millis(250);
const TICK: u64 = 250_000;
/// With the tick this makes a horizon of 17 minutes.
const SLOTS: usize = 4096;
const WORDS: usize = SLOTS / 64;
/// Room for keys that are due, as far as it is kept when they are gone.
const DUE_KEPT: usize = 4096;

/// Whom a timer is for, and which of its timers: kind 4 bits | index 28 | generation 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) fn new(kind: u8, index: u32, generation: u32) -> Self {
        assert!(kind < 1 << 4, "there are 16 kinds of timers at most");
        assert!(index < 1 << 28, "a shard has fewer than 2^28 of anything");
        Self(u64::from(kind) << 60 | u64::from(index) << 32 | u64::from(generation))
    }

    pub(crate) fn kind(self) -> u8 {
        (self.0 >> 60) as u8
    }

    pub(crate) fn index(self) -> u32 {
        (self.0 >> 32) as u32 & ((1 << 28) - 1)
    }

    /// Tells apart those that had the same index one after the other.
    #[expect(clippy::cast_possible_truncation, reason = "it is the lower half")]
    pub(crate) fn generation(self) -> u32 {
        self.0 as u32
    }
}

/// All timers of a shard.
#[derive(Debug)]
pub(crate) struct Timers {
    /// The tick up to which all is in `due` or gone.
    tick: u64,
    /// The keys of the next ticks, `SLOTS` of them after `tick`.
    slots: Box<[Vec<Key>]>,
    /// Which slots hold any, a bit each.
    filled: [u64; WORDS],
    /// The first tick of a slot that holds any; `u64::MAX` if none does.
    first: u64,
    /// What is too far off for the slots, and what came too late for them.
    far: BinaryHeap<Reverse<(u64, Key)>>,
    /// Whose time has come.
    due: VecDeque<Key>,
}

impl Timers {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            tick: now.as_micros() / TICK,
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            filled: [0; WORDS],
            first: u64::MAX,
            far: BinaryHeap::new(),
            due: VecDeque::new(),
        }
    }

    /// `key` will come at `at` or up to [`GRANULARITY`] later. What lies in the past comes with the next tick.
    pub(crate) fn insert(&mut self, at: Instant, key: Key) {
        let tick = at.as_micros().div_ceil(TICK);
        if tick <= self.tick || tick - self.tick > SLOTS as u64 {
            self.far.push(Reverse((tick, key)));
            return;
        }
        let slot = slot_of(tick);
        self.slots[slot].push(key);
        self.filled[slot / 64] |= 1 << (slot % 64);
        self.first = self.first.min(tick);
    }

    /// A key whose time has come; to be called until there is none.
    ///
    /// A key that is inserted meanwhile, be it for a time that is past, comes with a later tick.
    #[inline]
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Key> {
        let tick = now.as_micros() / TICK;
        if tick != self.tick {
            self.turn_to(tick);
        }
        let key = self.due.pop_front();
        if key.is_none() && self.due.capacity() > DUE_KEPT {
            self.due = VecDeque::new();
        }
        key
    }

    /// When to call `pop` next, and the key that will then come, or another that comes at the same time.
    #[inline]
    pub(crate) fn next(&self) -> Option<(Instant, Key)> {
        if let Some(&key) = self.due.front() {
            return Some((Instant::from_micros(self.tick * TICK), key));
        }
        // What is past waits for the tick to change.
        let far = self.far.peek().map(|&Reverse((tick, key))| (tick.max(self.tick + 1), key));
        let near = self.slots[slot_of(self.first)].first().map(|&key| (self.first, key));
        let near = near.filter(|_| self.first != u64::MAX);
        let (tick, key) = match (near, far) {
            (Some(near), Some(far)) if far.0 < near.0 => far,
            (near, far) => near.or(far)?,
        };
        Some((Instant::from_micros(tick.saturating_mul(TICK)), key))
    }

    fn turn_to(&mut self, tick: u64) {
        if tick < self.tick {
            self.turn_back();
        }
        while self.first <= tick {
            let slot = slot_of(self.first);
            self.filled[slot / 64] &= !(1 << (slot % 64));
            self.due.extend(core::mem::take(&mut self.slots[slot]));
            self.tick = self.first;
            self.first = self.first_filled();
        }
        self.tick = tick;
        while let Some(&Reverse((at, key))) = self.far.peek()
            && at <= tick
        {
            self.far.pop();
            self.due.push_back(key);
        }
    }

    /// Times never run backwards, but if they do, nothing shall be lost or early: the slots no longer mean the
    /// ticks they did.
    fn turn_back(&mut self) {
        while self.first != u64::MAX {
            let slot = slot_of(self.first);
            self.filled[slot / 64] &= !(1 << (slot % 64));
            let keys = core::mem::take(&mut self.slots[slot]);
            self.far.extend(keys.into_iter().map(|key| Reverse((self.first, key))));
            self.tick = self.first;
            self.first = self.first_filled();
        }
    }

    /// The first tick after `tick` whose slot holds anything.
    fn first_filled(&self) -> u64 {
        let from = slot_of(self.tick + 1);
        // The word that it starts in comes twice: first its upper part, at last its lower.
        for step in 0..=WORDS {
            let word = (from / 64 + step) % WORDS;
            let mut bits = self.filled[word];
            if step == 0 {
                bits &= u64::MAX << (from % 64);
            }
            if bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                let ahead = (slot + SLOTS - from) % SLOTS;
                return self.tick + 1 + ahead as u64;
            }
        }
        u64::MAX
    }

    /// States what must hold between two calls.
    ///
    /// # Panics
    /// Where it does not.
    pub(crate) fn check(&self) {
        for (slot, keys) in self.slots.iter().enumerate() {
            let is_filled = self.filled[slot / 64] >> (slot % 64) & 1 == 1;
            assert_eq!(is_filled, !keys.is_empty(), "slot {slot}");
        }
        assert_eq!(self.first, self.first_filled(), "the first is known");
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the slot is in the lower bits")]
fn slot_of(tick: u64) -> usize {
    tick as usize % SLOTS
}
