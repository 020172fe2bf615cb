//! How much is said: the first of a kind at once, then one in ten seconds with the number of those left out, and no more
//! than so many lines a second in all.
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tidewire_core::time::Instant;

/// A kind that was used up may be said again after so long.
pub(crate) const APART: Duration = Duration::from_secs(10);
/// Lines in a second.
const LINES: u32 = 200;
/// Of those, for warnings alone.
const FOR_WARNINGS: u32 = 50;
/// So many kinds are remembered.
const KINDS: usize = 4096;

/// What is counted together, and how many of it may be said at once.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) what: &'static str,
    /// More of what it is, such as the kind of cause.
    pub(crate) which: &'static str,
    /// From there. Of IPv6, a network of 64 bits is one address.
    pub(crate) from: Option<IpAddr>,
    /// Lines that may be said before the others have to wait.
    pub(crate) burst: u32,
    pub(crate) is_warning: bool,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is written, and says that so many before it were not.
    Say(LeftOut),
    /// It is counted.
    Count,
}

/// Lines that were not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) lines: u64,
    /// In about so long.
    pub(crate) seconds: u64,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    /// What may be said without waiting.
    left: u32,
    /// One more may be said [`APART`] after this.
    since: Instant,
    left_out: u64,
    /// When the first of those came.
    left_out_since: Instant,
}

type Key = (&'static str, &'static str, Option<IpAddr>);

/// The memory of what was said.
#[derive(Debug, Default)]
pub(crate) struct Thrift {
    entries: HashMap<Key, Entry>,
    second: u64,
    lines: u32,
    /// Of no kind that is remembered, or too many in a second.
    beyond: u64,
    beyond_since: Option<Instant>,
}

impl Thrift {
    /// May this be said? It stands for `weight` of its kind.
    pub(crate) fn judge(&mut self, now: Instant, kind: &Kind, weight: u64) -> Verdict {
        if self.entries.len() >= KINDS {
            self.entries.retain(|_, entry| !entry.is_spent(now));
        }
        let from = kind.from.map(network);
        let key = (kind.what, kind.which, from);
        let is_known = self.entries.contains_key(&key);
        // Of what nobody brings about from outside there are few kinds, and each is bounded: it always has room.
        let is_own = from.is_none();
        if !is_own && !is_known && self.entries.len() >= KINDS {
            return self.too_much(now, weight);
        }
        let has_room = is_own || self.room(now, kind.is_warning) > 0;
        let entry = self.entries.entry(key).or_insert_with(|| Entry::new(now, kind, from));
        entry.refill(now);
        if entry.left == 0 {
            entry.count(now, weight);
            return Verdict::Count;
        }
        if !has_room {
            return self.too_much(now, weight);
        }
        entry.left -= 1;
        self.lines += 1;
        Verdict::Say(entry.take_left_out(now))
    }

    /// What was left out so long ago that it is to be said now, with nothing new of its kind.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<(Kind, LeftOut)> {
        let mut said = Vec::new();
        let mut room = self.room(now, true);
        self.entries.retain(|_, entry| {
            if room == 0 && entry.left_out > 0 {
                // In the next second.
                return true;
            }
            entry.refill(now);
            if entry.left_out > 0 && entry.left > 0 {
                (entry.left, room) = (entry.left - 1, room - 1);
                said.push((entry.kind.clone(), entry.take_left_out(now)));
            }
            !entry.is_spent(now)
        });
        self.lines = LINES - room;
        said
    }

    /// The same, and what can't wait until then: there will be no other time.
    pub(crate) fn last(&mut self, now: Instant) -> Vec<(Kind, LeftOut)> {
        let entries = self.entries.values_mut().filter(|entry| entry.left_out > 0);
        entries.map(|entry| (entry.kind.clone(), entry.take_left_out(now))).collect()
    }

    /// Lines of whatever kind that were too many, once the second is over.
    pub(crate) fn beyond(&mut self, now: Instant) -> Option<LeftOut> {
        self.beyond_since.filter(|since| now >= since.after_secs(1))?;
        self.take_beyond(now)
    }

    /// The same at once.
    pub(crate) fn take_beyond(&mut self, now: Instant) -> Option<LeftOut> {
        let since = self.beyond_since.take()?;
        let lines = std::mem::take(&mut self.beyond);
        Some(LeftOut { lines, seconds: seconds_between(since, now) })
    }

    /// When to ask for what is overdue, if there may be something.
    pub(crate) fn next(&self) -> Option<Instant> {
        let counted = self.entries.values().map(|entry| entry.since.after(APART));
        let next = counted.chain(self.beyond_since.map(|since| since.after_secs(1))).min();
        let is_full = self.lines >= LINES;
        next.map(|at| if is_full { at.max(Instant::from_secs(self.second + 1)) } else { at })
    }

    /// So many lines may still be said in this second.
    fn room(&mut self, now: Instant, is_warning: bool) -> u32 {
        let second = now.as_millis() / 1000;
        if self.second != second {
            (self.second, self.lines) = (second, 0);
        }
        let most = if is_warning { LINES } else { LINES - FOR_WARNINGS };
        most.saturating_sub(self.lines)
    }

    fn too_much(&mut self, now: Instant, weight: u64) -> Verdict {
        self.beyond += weight;
        self.beyond_since.get_or_insert(now);
        Verdict::Count
    }
}

impl Entry {
    fn new(now: Instant, kind: &Kind, from: Option<IpAddr>) -> Self {
        let kind = Kind { from, ..kind.clone() };
        Self { left: kind.burst, kind, since: now, left_out: 0, left_out_since: now }
    }

    /// For each time that has passed, one more may be said.
    fn refill(&mut self, now: Instant) {
        while self.left < self.kind.burst && now >= self.since.after(APART) {
            self.left += 1;
            self.since = self.since.after(APART);
        }
        if self.left == self.kind.burst {
            self.since = now;
        }
    }

    fn count(&mut self, now: Instant, weight: u64) {
        if self.left_out == 0 {
            self.left_out_since = now;
        }
        self.left_out += weight;
    }

    fn take_left_out(&mut self, now: Instant) -> LeftOut {
        let lines = std::mem::take(&mut self.left_out);
        let seconds = if lines == 0 { 0 } else { seconds_between(self.left_out_since, now) };
        LeftOut { lines, seconds }
    }

    /// It would be the same if it were made anew.
    fn is_spent(&self, now: Instant) -> bool {
        let full = u64::from(self.kind.burst - self.left) * APART.as_secs();
        self.left_out == 0 && now >= self.since.after_secs(full)
    }
}

fn seconds_between(since: Instant, now: Instant) -> u64 {
    let millis = now.as_millis().saturating_sub(since.as_millis());
    ((millis + 500) / 1000).max(1)
}

/// Who has one address of a network of IPv6 has all of it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(what: &'static str, from: &str, burst: u32) -> Kind {
        Kind { what, which: "", from: Some(from.parse().expect("an address")), burst, is_warning: true }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_secs(1_800_000_000 + seconds)
    }

    const NONE: Verdict = Verdict::Say(LeftOut { lines: 0, seconds: 0 });

    fn more(lines: u64, seconds: u64) -> Verdict {
        Verdict::Say(LeftOut { lines, seconds })
    }

    #[test]
    fn the_first_at_once_then_one_in_ten_seconds_with_the_number_left_out() {
        let mut thrift = Thrift::default();
        let refused = kind("refused", "203.0.113.9", 1);
        assert_eq!(thrift.judge(at(0), &refused, 1), NONE);
        for second in 0..10 {
            assert_eq!(thrift.judge(at(second), &refused, 1), Verdict::Count);
        }
        assert_eq!(thrift.judge(at(10), &refused, 1), more(10, 10));
        assert_eq!(thrift.judge(at(11), &refused, 1), Verdict::Count);
        assert_eq!(thrift.judge(at(100), &refused, 1), more(1, 89));
        assert_eq!(thrift.judge(at(111), &refused, 1), NONE);
    }

    #[test]
    fn other_kinds_and_other_addresses_are_said_at_once() {
        let mut thrift = Thrift::default();
        for what in ["refused", "closed"] {
            for from in ["203.0.113.9", "203.0.113.10", "2001:db8::1", "2001:db8:0:1::1"] {
                assert_eq!(thrift.judge(at(0), &kind(what, from, 1), 1), NONE, "{what} {from}");
            }
        }
        let neighbour = kind("refused", "2001:db8::ffff:2", 1);
        assert_eq!(thrift.judge(at(0), &neighbour, 1), Verdict::Count, "the same network");
        let mapped = kind("refused", "::ffff:203.0.113.9", 1);
        assert_eq!(thrift.judge(at(0), &mapped, 1), Verdict::Count, "the same address");
    }

    #[test]
    fn a_burst_comes_back_one_by_one() {
        let mut thrift = Thrift::default();
        let connected = kind("connected", "203.0.113.9", 3);
        let said = |thrift: &mut Thrift, second| {
            (0..5).filter(|_| thrift.judge(at(second), &connected, 1) != Verdict::Count).count()
        };
        assert_eq!(said(&mut thrift, 0), 3);
        assert_eq!(said(&mut thrift, 9), 0);
        assert_eq!(said(&mut thrift, 20), 2);
        assert_eq!(said(&mut thrift, 1000), 3);
    }

    #[test]
    fn what_was_left_out_is_said_also_if_nothing_more_comes() {
        let mut thrift = Thrift::default();
        let refused = kind("refused", "203.0.113.9", 1);
        assert_eq!(thrift.next(), None);
        thrift.judge(at(0), &refused, 1);
        thrift.judge(at(3), &refused, 40);
        thrift.judge(at(4), &refused, 1);
        assert!(thrift.overdue(at(9)).is_empty());
        assert_eq!(thrift.next(), Some(at(10)));
        let said = thrift.overdue(at(10));
        assert_eq!(said.len(), 1);
        assert_eq!((said[0].0.what, said[0].1), ("refused", LeftOut { lines: 41, seconds: 7 }));
        assert!(thrift.overdue(at(20)).is_empty());
        assert_eq!(thrift.next(), None, "nothing is remembered");
        thrift.judge(at(30), &refused, 1);
        thrift.judge(at(30), &refused, 2);
        assert_eq!(thrift.last(at(31))[0].1.lines, 2);
    }

    #[test]
    fn a_second_has_two_hundred_lines_and_warnings_have_a_share_of_their_own() {
        let mut thrift = Thrift::default();
        let all = |thrift: &mut Thrift, second: u64, is_warning| {
            let from = |n: u8| kind("connected", &format!("10.{second}.{}.{n}", u8::from(is_warning)), 1);
            let one = |n| thrift.judge(at(second), &Kind { is_warning, ..from(n) }, 1);
            (0..=u8::MAX).map(one).filter(|verdict| *verdict != Verdict::Count).count()
        };
        assert_eq!(all(&mut thrift, 0, false), 150);
        assert_eq!(all(&mut thrift, 0, true), 50);
        assert_eq!(thrift.beyond(at(0)), None, "not in the same second");
        assert_eq!(thrift.beyond(at(1)), Some(LeftOut { lines: 256 * 2 - 200, seconds: 1 }));
        assert_eq!(thrift.beyond(at(2)), None);
        assert_eq!(all(&mut thrift, 1, true), 200);
        assert_eq!(thrift.take_beyond(at(1)), Some(LeftOut { lines: 56, seconds: 1 }), "at the end");
    }

    #[test]
    fn what_is_told_of_lines_left_out_is_a_part_of_what_a_second_has() {
        let mut thrift = Thrift::default();
        for n in 0..500_u32 {
            let refused = kind("refused", &format!("10.0.{}.{}", n / 256, n % 256), 1);
            let second = u64::from(n / 100);
            assert_eq!(thrift.judge(at(second), &refused, 1), NONE);
            thrift.judge(at(second), &refused, 1);
        }
        assert_eq!(thrift.overdue(at(20)).len(), 200);
        assert_eq!(thrift.judge(at(20), &kind("closed", "192.0.2.1", 1), 1), Verdict::Count);
        assert_eq!(thrift.next(), Some(at(21)), "nobody asks in vain");
        assert_eq!(thrift.overdue(at(21)).len(), 200);
        assert_eq!(thrift.overdue(at(22)).len(), 100);
    }

    #[test]
    fn whoever_comes_the_server_has_its_own_say() {
        let mut thrift = Thrift::default();
        for n in 0..10_000_u32 {
            thrift.judge(at(0), &kind("refused", &IpAddr::V4(n.into()).to_string(), 1), 1);
        }
        let own = Kind { what: "stopping", which: "", from: None, burst: 1, is_warning: false };
        assert_eq!(thrift.judge(at(0), &own, 1), NONE);
        assert_eq!(thrift.judge(at(0), &own, 1), Verdict::Count);
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let mut thrift = Thrift::default();
        for n in 0..100_000_u32 {
            let from = IpAddr::V4(n.into()).to_string();
            thrift.judge(at(u64::from(n / 1000)), &kind("refused", &from, 1), 1);
        }
        assert!(thrift.entries.len() <= KINDS);
        thrift.overdue(at(1000));
        assert!(thrift.entries.is_empty());
    }
}
