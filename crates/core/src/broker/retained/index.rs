//! The Retained Messages of a shard, in order of their topics.
//!
//! The order is what makes cursors cheap: a filter's literal beginning bounds what there is to look at, and a
//! cursor goes on from the topic it came to, so that nothing needs to know of it meanwhile.
use super::steer::{self, Steer};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;

/// The Retained Messages of a shard, each known by its topic, as values of the caller's.
#[derive(Debug)]
pub(crate) struct Index<V> {
    entries: BTreeMap<Arc<str>, Entry<V>>,
    /// Exactly the entries that expire, each under the version that set it.
    expiries: BTreeMap<(Instant, u64), Arc<str>>,
    version: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    /// The version that this entry came with.
    version: u64,
    expires_at: Option<Instant>,
}
const _: () = assert!(size_of::<Entry<u64>>() <= 48); // there may be a million

/// How far the entries that match one filter have been looked through.
///
/// It keeps nothing from changing: what changes after the cursor was made is not part of what it finds.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    filter: Box<str>,
    version: u64,
    place: Place,
}

/// What a [`Cursor`] has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a, V> {
    Found(&'a str, &'a V),
    /// The budget is used up; the next call goes on.
    Pause,
    End,
}

/// A place in the order of topics, from which to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    From(String),
    After(String),
    End,
}

impl Place {
    /// Before all topics.
    pub(crate) const START: Self = Self::From(String::new());

    fn text(self) -> String {
        match self {
            Self::From(text) | Self::After(text) => text,
            Self::End => String::new(),
        }
    }

    fn move_on(&mut self, topic: &str, steer: &Steer<'_>) {
        let mut text = core::mem::replace(self, Self::End).text();
        text.clear();
        *self = match *steer {
            Steer::End => Self::End,
            Steer::Seek { keep, add } => {
                text.push_str(&topic[..keep]);
                text.push_str(add);
                debug_assert!(*text > *topic, "a cursor never looks at the same entry again");
                Self::From(text)
            }
            Steer::Match | Steer::Next => {
                text.push_str(topic);
                Self::After(text)
            }
        };
    }
}

impl<V: Clone> Index<V> {
    pub(crate) fn new() -> Self {
        Self { entries: BTreeMap::new(), expiries: BTreeMap::new(), version: 0, bytes: 0 }
    }

    #[cfg(test)]
    /// Grows with each change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    /// What all entries together were said to take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether an entry of that size could be set now without exceeding either limit.
    pub(crate) fn room(&self, topic: &str, bytes: usize, maximum: usize, maximum_bytes: usize) -> bool {
        let old = self.entries.get(topic);
        let others = self.entries.len() - usize::from(old.is_some());
        let others_bytes = self.bytes - old.map_or(0, |entry| entry.bytes);
        others < maximum && others_bytes.saturating_add(bytes) <= maximum_bytes
    }

    /// Puts this value in the place of what the topic had, which is returned. Whether there is `room` was
    /// asked before.
    pub(crate) fn set(
        &mut self,
        topic: &str,
        value: V,
        bytes: usize,
        expires_at: Option<Instant>,
    ) -> Option<V> {
        self.version += 1;
        let version = self.version;
        let new = Entry { value, bytes, version, expires_at };
        self.bytes += bytes;
        let key = match self.entries.get_key_value(topic) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::from(topic),
        };
        if let Some(at) = expires_at {
            self.expiries.insert((at, version), Arc::clone(&key));
        }
        let old = self.entries.insert(key, new)?;
        Some(self.release(old))
    }

    pub(crate) fn clear(&mut self, topic: &str) -> Option<V> {
        let old = self.entries.remove(topic)?;
        self.version += 1;
        Some(self.release(old))
    }

    /// Takes an entry that stands here no more out of the books.
    fn release(&mut self, old: Entry<V>) -> V {
        self.bytes -= old.bytes;
        if let Some(at) = old.expires_at {
            self.expiries.remove(&(at, old.version)).expect("each entry that expires is listed");
        }
        old.value
    }

    #[cfg(test)]
    pub(crate) fn get(&self, topic: &str) -> Option<&V> {
        Some(&self.entries.get(topic)?.value)
    }

    pub(crate) fn expires_at(&self, topic: &str) -> Option<Instant> {
        self.entries.get(topic)?.expires_at
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        let ((at, _), _) = self.expiries.first_key_value()?;
        Some(*at)
    }

    /// Removes what has expired, the oldest first, `limit` entries at most.
    ///
    /// What replaced an entry that would have expired is not touched.
    pub(crate) fn expire(&mut self, now: Instant, limit: usize) -> Vec<(Arc<str>, V)> {
        let mut expired = Vec::new();
        while expired.len() < limit
            && let Some(first) = self.expiries.first_entry()
            && first.key().0 <= now
        {
            let topic = Arc::clone(first.get());
            let value = self.clear(&topic).expect("each listed expiry is that of an entry");
            expired.push((topic, value));
        }
        expired
    }

    /// The entries from `place` on, in order, with when they expire.
    pub(crate) fn iter_from(&self, place: &Place) -> impl Iterator<Item = (&str, &V, Option<Instant>)> {
        self.range(place).map(|(topic, entry)| (&**topic, &entry.value, entry.expires_at))
    }

    /// Looks at the next `budget` entries and takes out those not to `keep`. Where it stopped is in `place`.
    pub(crate) fn retain_values(
        &mut self,
        place: &mut Place,
        budget: usize,
        mut keep: impl FnMut(&str, &V) -> bool,
    ) -> Vec<(Arc<str>, V)> {
        let mut unwanted = Vec::new();
        let mut looked_at = 0;
        let mut last = None;
        for (topic, entry) in self.range(place).take(budget) {
            looked_at += 1;
            last = Some(topic);
            if !keep(topic, &entry.value) {
                unwanted.push(Arc::clone(topic));
            }
        }
        match last {
            _ if looked_at < budget => *place = Place::End,
            Some(topic) => *place = Place::After((**topic).into()),
            None => {}
        }
        let take_out = |topic: Arc<str>| {
            let value = self.clear(&topic)?;
            Some((topic, value))
        };
        unwanted.into_iter().filter_map(take_out).collect()
    }

    /// Finds what matches the filter at this moment.
    pub(crate) fn cursor(&self, filter: &str) -> Cursor {
        let place = Place::From(steer::literal_beginning(filter).into());
        Cursor { filter: filter.into(), version: self.version, place }
    }

    /// The next entry that matches and has not changed since the cursor was made.
    ///
    /// Looks at `budget` entries at most and counts it down, so that a turn stays short. An entry whose time
    /// has come is found until `expire` takes it out.
    pub(crate) fn next(&self, cursor: &mut Cursor, budget: &mut usize) -> Step<'_, V> {
        loop {
            if cursor.place == Place::End {
                return Step::End;
            }
            if *budget == 0 {
                return Step::Pause;
            }
            *budget -= 1;
            let Some((topic, entry)) = self.range(&cursor.place).next() else {
                cursor.place = Place::End;
                return Step::End;
            };
            let steer = steer::steer(&cursor.filter, topic);
            let is_match = steer == Steer::Match;
            cursor.place.move_on(topic, &steer);
            if *cursor.filter == **topic {
                // Without wildcards it matches nothing else.
                cursor.place = Place::End;
            }
            if is_match && entry.version <= cursor.version {
                return Step::Found(topic, &entry.value);
            }
        }
    }

    fn range(&self, place: &Place) -> impl Iterator<Item = (&Arc<str>, &Entry<V>)> {
        let from = match place {
            Place::From(text) => Some(Bound::Included(text.as_str())),
            Place::After(text) => Some(Bound::Excluded(text.as_str())),
            Place::End => None,
        };
        from.map(|from| self.entries.range::<str, _>((from, Bound::Unbounded))).into_iter().flatten()
    }

    /// States what must hold between two calls.
    ///
    /// # Panics
    /// Where it does not.
    pub(crate) fn check(&self) {
        let expiring = self.entries.values().filter(|entry| entry.expires_at.is_some()).count();
        assert_eq!(self.expiries.len(), expiring, "only what stands here is listed to expire");
        for (&(at, version), topic) in &self.expiries {
            let entry = &self.entries[topic];
            assert_eq!((entry.expires_at, entry.version), (Some(at), version), "{topic}");
        }
        assert_eq!(self.bytes, self.entries.values().map(|entry| entry.bytes).sum());
        assert!(self.entries.values().all(|entry| entry.version <= self.version));
    }
}

impl Cursor {
    /// Finds what changes meanwhile as well.
    pub(crate) fn of_all_versions(self) -> Self {
        Self { version: u64::MAX, ..self }
    }

    #[cfg(test)]
    /// Whether there can be no more to find.
    pub(crate) fn is_done(&self) -> bool {
        self.place == Place::End
    }
}
