//! What lies ready for each other shard, and what each has settled.
#[cfg(test)]
mod tests;

use crate::broker::base::rules::{Rule, Rules};
use crate::broker::shards::Mail;
use crate::broker::shards::note::{Note, Shared};
use crate::broker::shards::settle::Outcome;
use crate::id::{ConnectionId, ShardId};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// Direct messages are told apart by so many hashes of their topics.
pub(crate) const BUCKETS: usize = 64;

/// Interest that everybody knows of is looked for when there is so much of it.
const FORGET_AT: usize = 64;

/// A settlement that waits for the word of another shard on a note.
struct Asking {
    number: u64,
    settlement: u32,
    /// It has said what became of it; of what it says nothing special, some queue took it.
    named: bool,
}

/// How things stand between this shard and another.
struct Pair {
    /// Notes that wait to be posted, and what is shared beside them.
    out: Vec<u8>,
    shared: Vec<Shared>,
    /// Numbered notes that were written to it, and those that it has handled; both begin at 0.
    written: u64,
    settled: u64,
    /// The same up to which all is durable there.
    durable: u64,
    /// Notes that it has written to us and we have handled.
    handled: u64,
    /// Where our journal ended when we had handled them: (number, position).
    unsynced: VecDeque<(u64, u64)>,
    /// The number up to which all is durable here, as far as it was told.
    reported: (u64, u64),
    outcomes: Vec<(u64, Outcome)>,
    /// The settlements that wait for its word, by the note's number.
    asking: VecDeque<Asking>,
    /// Bytes of the notes that it has not handled: (number of the last note, bytes up to it).
    sizes: VecDeque<(u64, u64)>,
    bytes_written: u64,
    bytes_settled: u64,
    /// The number of the last direct message, by a hash of its topic.
    direct: Box<[u64; BUCKETS]>,
    /// Publishers that are not read because its window is full.
    waiting: Vec<ConnectionId>,
    announced: bool,
    /// Mail that was taken for it, and mail that has come from it.
    taken: u64,
    received: u64,
    /// What of `out` has to wait until our journal is durable up to a position, ascending.
    holds: VecDeque<Hold>,
}

/// From here on, what waits to be posted has to wait for the journal.
struct Hold {
    position: u64,
    bytes: usize,
    shared: usize,
    /// Notes, and bytes, that were written before it.
    written: (u64, u64),
}

impl Pair {
    fn new() -> Self {
        Self {
            out: Vec::new(),
            shared: Vec::new(),
            written: 0,
            settled: 0,
            durable: 0,
            handled: 0,
            unsynced: VecDeque::new(),
            reported: (0, 0),
            outcomes: Vec::new(),
            asking: VecDeque::new(),
            sizes: VecDeque::new(),
            bytes_written: 0,
            bytes_settled: 0,
            direct: Box::new([0; BUCKETS]),
            waiting: Vec::new(),
            announced: false,
            taken: 0,
            received: 0,
            holds: VecDeque::new(),
        }
    }

    /// How much may be posted: bytes, shared payloads, and up to which note and byte of all.
    fn ready(&self, durable: u64) -> (usize, usize, (u64, u64)) {
        match self.holds.iter().find(|hold| hold.position > durable) {
            Some(hold) => (hold.bytes, hold.shared, hold.written),
            None => (self.out.len(), self.shared.len(), (self.written, self.bytes_written)),
        }
    }

    fn has_news(&self, durable: u64) -> bool {
        self.reported != (self.handled, durable) || !self.outcomes.is_empty()
    }
}

/// The post of one shard.
pub(crate) struct Post {
    me: ShardId,
    pairs: Vec<Pair>,
    /// For each filter whose last interest note is not settled everywhere: its number at each shard.
    interest: BTreeMap<Box<str>, Box<[u64]>>,
    /// When there are so many of them, those that are settled are looked for.
    forget_at: usize,
    /// Mail that was not the next of the shard that it was said to be from.
    misdelivered: u64,
}

impl Post {
    pub(crate) fn new(me: ShardId, shards: u16) -> Self {
        Self {
            me,
            pairs: (0..shards).map(|_| Pair::new()).collect(),
            interest: BTreeMap::new(),
            forget_at: FORGET_AT,
            misdelivered: 0,
        }
    }

    /// Receives the next mail from there to here. What else is handed in does nothing, and is only counted: it would
    /// be noted down, and settled, as what it is not.
    pub(crate) fn receive(&mut self, from: ShardId, mail: &Mail) -> bool {
        let me = self.me;
        let next = self.pairs.get_mut(from.index()).filter(|pair| {
            from != me && mail.from == from && mail.to == me && mail.number == pair.received + 1
        });
        let Some(pair) = next else {
            self.misdelivered += 1;
            return false;
        };
        pair.received += 1;
        true
    }

    pub(crate) fn misdelivered(&self) -> u64 {
        self.misdelivered
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = ShardId> + use<> {
        let me = self.me;
        let shards = u16::try_from(self.pairs.len()).unwrap_or(u16::MAX);
        (0..shards).map(ShardId).filter(move |shard| *shard != me)
    }

    /// Writes a numbered note; returns its number.
    pub(crate) fn write(&mut self, to: ShardId, note: &Note<'_>) -> u64 {
        let pair = &mut self.pairs[to.index()];
        let before = pair.out.len();
        note.encode(&mut pair.out, &mut pair.shared);
        pair.written += 1;
        pair.bytes_written += (pair.out.len() - before) as u64;
        pair.written
    }

    /// A settlement waits for the other shard's word on this note.
    pub(crate) fn await_note(&mut self, to: ShardId, number: u64, settlement: u32) {
        let asking = &mut self.pairs[to.index()].asking;
        let at = asking.partition_point(|a| a.number <= number);
        asking.insert(at, Asking { number, settlement, named: false });
    }

    pub(crate) fn note_direct(&mut self, to: ShardId, hash: u64, number: u64) {
        self.pairs[to.index()].direct[bucket(hash)] = number;
    }

    /// Has every shard handled the direct messages on this topic?
    pub(crate) fn direct_are_settled(&self, hash: u64) -> bool {
        self.pairs.iter().all(|p| p.direct[bucket(hash)] <= p.settled)
    }

    /// The shards whose word is still out on this filter's interest, and the note's number there.
    pub(crate) fn unsettled_interest(&self, filter: &str) -> impl Iterator<Item = (ShardId, u64)> {
        let numbers = self.interest.get(filter);
        self.others().filter_map(move |shard| {
            let number = *numbers?.get(shard.index())?;
            self.is_unsettled(shard, number).then_some((shard, number))
        })
    }

    /// Has that shard not handled this note yet?
    pub(crate) fn is_unsettled(&self, to: ShardId, number: u64) -> bool {
        number > self.pairs[to.index()].settled
    }

    /// Keeps what is waited for: the last note about the filter (or, where that rule is off, the first).
    pub(crate) fn remember_interest(&mut self, filter: &str, numbers: Box<[u64]>, last: bool) {
        if !last && self.interest.contains_key(filter) {
            return;
        }
        self.interest.insert(filter.into(), numbers);
    }

    /// Forgets the interest that everybody knows of: when all is quiet, or when there is twice as much as was left
    /// the last time.
    pub(crate) fn forget_settled_interest(&mut self) {
        if self.interest.is_empty() {
            return;
        }
        if self.pairs.iter().all(|p| p.settled == p.written) {
            self.interest.clear();
        } else if self.interest.len() >= self.forget_at {
            let pairs = &self.pairs;
            self.interest.retain(|_, numbers| numbers.iter().zip(pairs).any(|(n, pair)| *n > pair.settled));
            self.forget_at = FORGET_AT.max(2 * self.interest.len());
        }
    }

    /// What is written to this shard from here on is posted when our journal is durable up to there, not before.
    pub(crate) fn hold(&mut self, to: ShardId, position: u64) {
        let pair = &mut self.pairs[to.index()];
        if pair.holds.back().is_some_and(|hold| hold.position >= position) {
            return;
        }
        let written = (pair.written, pair.bytes_written);
        pair.holds.push_back(Hold { position, bytes: pair.out.len(), shared: pair.shared.len(), written });
    }

    /// Notes were handled; the outcome of this one is more than "queued".
    pub(crate) fn outcome(&mut self, from: ShardId, number: u64, outcome: Outcome) {
        self.pairs[from.index()].outcomes.push((number, outcome));
    }

    /// The number of the note that was written to this shard last.
    pub(crate) fn written(&self, to: ShardId) -> u64 {
        self.pairs[to.index()].written
    }

    /// The number of the note of that shard that is handled next.
    pub(crate) fn next_from(&self, from: ShardId) -> u64 {
        self.pairs[from.index()].handled + 1
    }

    /// A note of another shard has been handled, with the journal's end where it is now.
    pub(crate) fn handled(&mut self, from: ShardId, position: u64) -> u64 {
        let pair = &mut self.pairs[from.index()];
        pair.handled += 1;
        match pair.unsynced.back_mut() {
            Some((number, at)) if *at == position => *number = pair.handled,
            _ => pair.unsynced.push_back((pair.handled, position)),
        }
        pair.handled
    }

    /// The other shard has handled, and made durable, our notes up to these numbers. Returns the settlements
    /// that need not wait for it any more.
    pub(crate) fn settled(
        &mut self,
        by: ShardId,
        handled: u64,
        durable: u64,
        outcomes: &[(u64, Outcome)],
        mut tell: impl FnMut(u32, Outcome),
    ) -> Vec<u32> {
        let pair = &mut self.pairs[by.index()];
        debug_assert!(handled <= pair.written && durable <= handled, "it settles what was written");
        for (number, outcome) in outcomes {
            let from = pair.asking.partition_point(|a| a.number < *number);
            for asking in pair.asking.iter_mut().skip(from).take_while(|a| a.number == *number) {
                asking.named = true;
                tell(asking.settlement, *outcome);
            }
        }
        (pair.settled, pair.durable) = (handled, durable);
        while let Some((number, bytes)) = pair.sizes.front()
            && *number <= handled
        {
            pair.bytes_settled = *bytes;
            pair.sizes.pop_front();
        }
        let mut done = Vec::new();
        while let Some(asking) = pair.asking.front()
            && asking.number <= durable
        {
            if !asking.named {
                tell(asking.settlement, Outcome::Queued);
            }
            done.push(asking.settlement);
            pair.asking.pop_front();
        }
        done
    }

    /// A publisher waits for room in this shard's window. Those who are gone are forgotten now and then.
    pub(crate) fn wait(&mut self, shard: ShardId, id: ConnectionId, is_here: impl Fn(ConnectionId) -> bool) {
        let waiting = &mut self.pairs[shard.index()].waiting;
        if waiting.len().is_power_of_two() {
            waiting.retain(|id| is_here(*id));
        }
        waiting.push(id);
    }

    /// Takes out those who wait for room in this shard's window.
    pub(crate) fn take_waiting(&mut self, shard: ShardId) -> Vec<ConnectionId> {
        core::mem::take(&mut self.pairs[shard.index()].waiting)
    }

    /// Is any window full? Then no socket is to bring more mail.
    pub(crate) fn full_window(&self, notes: u32, bytes: u64) -> Option<ShardId> {
        self.others().find(|shard| {
            let pair = &self.pairs[shard.index()];
            pair.written - pair.settled > u64::from(notes) || pair.bytes_written - pair.bytes_settled > bytes
        })
    }

    /// Is at least half of this shard's window free?
    pub(crate) fn has_room(&self, shard: ShardId, notes: u32, bytes: u64) -> bool {
        let pair = &self.pairs[shard.index()];
        pair.written - pair.settled <= u64::from(notes / 2)
            && pair.bytes_written - pair.bytes_settled <= bytes / 2
    }

    /// The shards that mail is ready for, each told once until it is taken.
    pub(crate) fn announce(&mut self, durable: u64, rules: Rules) -> Option<ShardId> {
        let next = self.others().find(|shard| {
            let pair = &self.pairs[shard.index()];
            let ready = pair.ready(durable).0 > 0;
            let news = || pair.has_news(durable_number(pair, durable)) && self.may_settle(*shard, rules);
            !pair.announced && (ready || news())
        })?;
        self.pairs[next.index()].announced = true;
        Some(next)
    }

    /// May this shard hear what we have handled? At once, whatever a third one still owes us.
    fn may_settle(&self, shard: ShardId, rules: Rules) -> bool {
        let mut third = self.others().filter(|other| *other != shard).map(|other| &self.pairs[other.index()]);
        rules.obeys(Rule::SettledAtOnce) || third.all(|pair| pair.settled == pair.written)
    }

    /// Everything for one shard: what we have settled, and then our notes.
    pub(crate) fn take(&mut self, to: ShardId, durable: u64, rules: Rules) -> Option<Mail> {
        let (from, may_settle) = (self.me, self.may_settle(to, rules));
        let pair = self.pairs.get_mut(to.index())?;
        pair.announced = false;
        let (bytes_ready, shared_ready, written) = pair.ready(durable);
        let position = durable;
        let durable = durable_number(pair, durable);
        while pair.unsynced.len() > 1 && pair.unsynced.front().is_some_and(|(number, _)| *number <= durable) {
            pair.unsynced.pop_front();
        }
        let news = may_settle && pair.has_news(durable);
        if bytes_ready == 0 && !news {
            return None;
        }
        let mut bytes = Vec::new();
        let mut shared = Vec::new();
        if news {
            let outcomes = core::mem::take(&mut pair.outcomes);
            Note::Settled { handled: pair.handled, durable, outcomes: &outcomes }
                .encode(&mut bytes, &mut shared);
            pair.reported = (pair.handled, durable);
        }
        let later = pair.out.split_off(bytes_ready);
        if bytes.is_empty() {
            bytes = core::mem::replace(&mut pair.out, later);
        } else {
            bytes.append(&mut pair.out);
            pair.out = later;
        }
        let later = pair.shared.split_off(shared_ready);
        shared.append(&mut pair.shared);
        pair.shared = later;
        while pair.holds.front().is_some_and(|hold| hold.position <= position) {
            pair.holds.pop_front();
        }
        for hold in &mut pair.holds {
            hold.bytes -= bytes_ready;
            hold.shared -= shared_ready;
        }
        if bytes_ready > 0 {
            pair.sizes.push_back(written);
        }
        pair.taken += 1;
        Some(Mail { from, to, number: pair.taken, bytes, shared })
    }

    /// Nothing is under way in either direction, as far as this shard knows.
    pub(crate) fn is_quiet(&self) -> bool {
        self.pairs.iter().all(|p| p.out.is_empty() && p.settled == p.written && p.asking.is_empty())
    }

    /// `(written, settled)` over all pairs.
    pub(crate) fn totals(&self) -> (u64, u64) {
        self.pairs.iter().fold((0, 0), |(w, s), p| (w + p.written, s + p.settled))
    }

    pub(crate) fn check(&self) {
        for pair in &self.pairs {
            assert!(pair.durable <= pair.settled && pair.settled <= pair.written);
            assert!(pair.asking.iter().all(|a| a.number > pair.durable && a.number <= pair.written));
            assert!(pair.asking.iter().zip(pair.asking.iter().skip(1)).all(|(a, b)| a.number <= b.number));
        }
    }
}

/// The number up to which what we handled is durable.
fn durable_number(pair: &Pair, durable: u64) -> u64 {
    let at = pair.unsynced.partition_point(|(_, position)| *position <= durable);
    match at.checked_sub(1) {
        Some(last) => pair.unsynced[last].0,
        None => pair.reported.1,
    }
}

/// Where direct messages on a topic of this hash are counted.
pub(crate) fn bucket(hash: u64) -> usize {
    usize::try_from(hash % BUCKETS as u64).unwrap_or_default()
}
