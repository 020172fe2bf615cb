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

pub(crate) type Key = (u32, u32, Repeated);

#[derive(Default)]
pub(crate) struct Tally {
    /// Since it was told last.
    pub(crate) count: u64,
    /// About one of them: a topic, a filter, a client.
    pub(crate) about: Option<Box<str>>,
    pub(crate) rule: u32,
    pub(crate) told_at: u64,
}

/// The tallies of a shard. Who has none costs nothing.
#[derive(Default)]
pub(crate) struct Tallies {
    pub(crate) table: BTreeMap<Key, Tally>,
    /// To be told at the next opportunity.
    pub(crate) fresh: Vec<Key>,
    /// When all that was counted is told, in milliseconds.
    pub(crate) due: Option<u64>,
    /// What found no room.
    pub(crate) beyond: u64,
}

impl Tallies {
    /// Once more. `about` is asked for the first time, and once between two reports.
    pub(crate) fn note(
        &mut self,
        millis: u64,
        who: Recipient,
        what: Repeated,
        about: impl FnOnce() -> (Option<Box<str>>, u32),
    ) {
        let key = (who.session, who.generation, what);
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

    /// All that was counted long enough is to be told, and what has not happened again is forgotten.
    pub(crate) fn ripen(&mut self, millis: u64) {
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
    }

    /// The session has ended, and is told of no more.
    pub(crate) fn forget(&mut self, who: Recipient) {
        let gone: Vec<Key> = self
            .table
            .range((who.session, 0, Repeated::Dropped(Reason::Offline))..)
            .map(|(key, _)| *key)
            .take_while(|key| key.0 == who.session)
            .collect();
        for key in gone {
            self.table.remove(&key);
        }
    }
}
