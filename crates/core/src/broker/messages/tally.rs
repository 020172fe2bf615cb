//! What happens to a client again and again is told once, and then counted.
use super::ledger::{Reason, Recipient};
use crate::broker::base::limits::Limit;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What may happen again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Repeated {
    /// A message for it was dropped.
    Dropped(Reason),
    /// It may not publish.
    PublishDenied,
    /// It may not subscribe.
    SubscribeDenied,
    /// It asked for more than a limit allows.
    Limited(Limit),
    /// It has to wait before it may publish more.
    Paused,
}

/// So many at a time; all beyond are one number.
const TALLIES: usize = 1024;
/// How far apart two reports of the same are, at least.
const APART_MS: u64 = 10_000;

/// None is before it.
const FIRST: Repeated = Repeated::Dropped(Reason::Offline);

type Key = (Recipient, Repeated);

/// What happened to a session so many times.
#[derive(Default)]
pub(crate) struct Tally {
    /// Since it was told last.
    pub(crate) count: u64,
    /// About one of them: a topic, a filter, a client.
    pub(crate) about: Option<Box<str>>,
    pub(crate) rule: u32,
    told_at: u64,
}

/// The tallies of a shard. Who has none costs nothing.
#[derive(Default)]
pub(crate) struct Tallies {
    table: BTreeMap<Key, Tally>,
    /// To be told at the next opportunity.
    fresh: Vec<Key>,
    /// When all that was counted is told, in milliseconds.
    due: Option<u64>,
    /// What found no room.
    beyond: u64,
}

impl Tallies {
    /// None.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Once more. `about` is asked for the first time, and once between two reports.
    pub(crate) fn note(
        &mut self,
        millis: u64,
        who: Recipient,
        what: Repeated,
        about: impl FnOnce() -> (Option<Box<str>>, u32),
    ) {
        let key = (who, what);
        if let Some(tally) = self.table.get_mut(&key) {
            if tally.count == 0 {
                (tally.about, tally.rule) = about();
            }
            tally.count += 1;
            return;
        }
        self.due.get_or_insert(millis + APART_MS);
        if self.table.len() >= TALLIES {
            self.beyond += 1;
            return;
        }
        let (about, rule) = about();
        self.table.insert(key, Tally { count: 1, about, rule, told_at: millis });
        self.fresh.push(key);
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due.map(|millis| Instant::from_micros(millis.saturating_mul(1000)))
    }

    /// Is there anything to be told?
    pub(crate) fn is_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Takes out what is to be told.
    pub(crate) fn take_fresh(&mut self) -> Vec<(Recipient, Repeated, Tally)> {
        let Self { table, fresh, .. } = self;
        let told = fresh.drain(..).filter_map(|key| {
            let tally = table.get_mut(&key)?;
            let (count, about) = (core::mem::take(&mut tally.count), tally.about.take());
            Some((key.0, key.1, Tally { count, about, ..*tally }))
        });
        told.collect()
    }

    /// If it is time, all that was counted long enough is to be told, and what has not happened again is forgotten.
    /// Returns how much found no room.
    pub(crate) fn ripen(&mut self, millis: u64) -> Option<u64> {
        self.due.filter(|due| millis >= *due)?;
        let Self { table, fresh, .. } = self;
        table.retain(|key, tally| {
            let is_ripe = millis >= tally.told_at + APART_MS;
            if is_ripe && tally.count > 0 {
                tally.told_at = millis;
                fresh.push(*key);
            }
            !is_ripe || tally.count > 0
        });
        self.due = (!table.is_empty()).then_some(millis + APART_MS);
        Some(core::mem::take(&mut self.beyond))
    }

    /// The session is about to end: what was counted of it is to be told now.
    pub(crate) fn ripen_last(&mut self, who: Recipient) {
        let Self { table, fresh, .. } = self;
        let counted = table.range((who, FIRST)..).take_while(|(key, _)| key.0 == who);
        let counted = counted.filter(|(_, tally)| tally.count > 0).map(|(key, _)| *key);
        let counted: Vec<Key> = counted.filter(|key| !fresh.contains(key)).collect();
        fresh.extend(counted);
    }

    /// The session has ended, and is told of no more.
    pub(crate) fn forget(&mut self, who: Recipient) {
        let first = (Recipient { generation: 0, ..who }, FIRST);
        let those = self.table.range(first..).map(|(key, _)| *key);
        let gone: Vec<Key> = those.take_while(|key| key.0.session == who.session).collect();
        for key in gone {
            self.table.remove(&key);
        }
    }
}
