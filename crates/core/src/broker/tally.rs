//! What happens to a client again and again is told once, and then counted.
use super::authority::policy::Access;
use super::base::limits::Limit;
use super::connection::NONE;
use super::messages::ledger::{Reason, Recipient};
use super::{Broker, Event};
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

type Key = (u32, u32, Repeated);

#[derive(Default)]
struct Tally {
    /// Since it was told last.
    count: u64,
    /// About one of them: a topic, a filter, a client.
    about: Option<Box<str>>,
    rule: u32,
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
    fn ripen(&mut self, millis: u64) {
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
    fn forget(&mut self, who: Recipient) {
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

impl Broker {
    /// A publisher has to wait, perhaps for this one.
    pub(crate) fn note_paused(&mut self, session: u32, behind: Option<u32>) {
        let Self { sessions, depot, .. } = self;
        let about = || (behind.map(|slowest| sessions[slowest].client_id.clone()), 0);
        depot.books.note(sessions.recipient(session), Repeated::Paused, about);
    }

    /// A client asked for more than this limit allows.
    pub(crate) fn note_limited(&mut self, session: u32, limit: Limit) {
        let who = self.sessions.recipient(session);
        self.depot.books.note(who, Repeated::Limited(limit), || (None, 0));
    }

    /// A client may not do that.
    pub(crate) fn note_denied(&mut self, session: u32, access: Access<'_>) {
        let Self { sessions, depot, grants, .. } = self;
        let s = &sessions[session];
        let (what, name) = match access {
            Access::Publish { topic, .. } => (Repeated::PublishDenied, topic.as_str()),
            Access::Subscribe { filter } => (Repeated::SubscribeDenied, filter),
            Access::Receive { .. } => return,
        };
        let about = || (Some(name.into()), grants.rule(s.grant, &s.client_id, access));
        depot.books.note(sessions.recipient(session), what, about);
    }

    /// Makes events of what was noted.
    pub(crate) fn tell_tallies(&mut self) {
        if self.depot.books.tallies.fresh.is_empty() {
            return;
        }
        for key in core::mem::take(&mut self.depot.books.tallies.fresh) {
            let (session, generation, what) = key;
            let Some(tally) = self.depot.books.tallies.table.get_mut(&key) else { continue };
            let count = core::mem::take(&mut tally.count);
            let (about, rule) = (tally.about.take(), tally.rule);
            let Some(s) = self.sessions.get_ref(session, generation) else { continue };
            let client_id = s.client_id.clone();
            let peer = (s.connection != NONE).then(|| self.connections[s.connection].peer());
            self.event(match what {
                Repeated::Dropped(reason) => Event::Dropped { client_id, peer, reason, count },
                Repeated::PublishDenied => {
                    Event::PublishDenied { client_id, peer, topic: about.unwrap_or_default(), rule, count }
                }
                Repeated::SubscribeDenied => {
                    Event::SubscribeDenied { client_id, peer, filter: about.unwrap_or_default(), rule, count }
                }
                Repeated::Limited(limit) => Event::Limited { client_id, peer, limit, count },
                Repeated::Paused => Event::Paused { client_id, peer, behind: about, count },
            });
        }
    }

    /// Time has passed: what was counted meanwhile is told.
    pub(crate) fn tell_counts(&mut self) {
        let books = &mut self.depot.books;
        if books.tallies.due.is_none_or(|due| books.millis < due) {
            return;
        }
        books.tallies.ripen(books.millis);
        let beyond = core::mem::take(&mut books.tallies.beyond);
        self.tell_tallies();
        self.actions.missed(beyond);
    }

    /// A session is about to end: what was counted of it is told now or never.
    pub(crate) fn tell_last(&mut self, session: u32) {
        let who = self.sessions.recipient(session);
        let tallies = &mut self.depot.books.tallies;
        if tallies.table.is_empty() {
            return;
        }
        let counted = tallies
            .table
            .range((who.session, who.generation, Repeated::Dropped(Reason::Offline))..)
            .take_while(|(key, _)| (key.0, key.1) == (who.session, who.generation))
            .filter(|(key, tally)| tally.count > 0 && !tallies.fresh.contains(key))
            .map(|(key, _)| *key);
        let counted: Vec<Key> = counted.collect();
        tallies.fresh.extend(counted);
        self.tell_tallies();
        self.depot.books.tallies.forget(who);
    }
}
