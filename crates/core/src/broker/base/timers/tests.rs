use super::{GRANULARITY, Key, SLOTS, TICK, Timers};
use crate::time::{Duration, Instant};
use proptest::prelude::*;
use std::vec::Vec;

const START: u64 = 1_700_000_000_000_000;
const YEAR: i64 = 365 * 24 * 3600 * 1_000_000;

#[derive(Clone, Debug)]
enum Operation {
    /// So many microseconds from now.
    Insert(i64),
    Advance(i64),
    /// To just when `next` says.
    AdvanceToNext,
}

fn span() -> impl Strategy<Value = i64> {
    let tick = i64::try_from(TICK).unwrap();
    let horizon = tick * i64::try_from(SLOTS).unwrap();
    prop_oneof![
        4 => 0..3 * tick,
        2 => 0..2 * horizon,
        1 => (-2..3_i64).prop_map(move |ticks| ticks * tick + horizon),
        1 => -2 * horizon..0,
        1 => 0..YEAR,
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => span().prop_map(Operation::Insert),
        2 => (0..100_000_000_i64).prop_map(Operation::Advance),
        1 => span().prop_map(|span| Operation::Advance(span.abs())),
        1 => prop_oneof![Just(10 * YEAR), Just(-10 * YEAR), span()].prop_map(Operation::Advance),
        3 => Just(Operation::AdvanceToNext),
    ]
}

fn key(number: usize) -> Key {
    Key::new(3, u32::try_from(number).unwrap(), 7)
}

/// All keys that have come, in order of their numbers.
fn pop_all(timers: &mut Timers, now: u64) -> Vec<Key> {
    let mut keys: Vec<Key> = core::iter::from_fn(|| timers.pop(Instant::from_micros(now))).collect();
    keys.sort();
    keys
}

proptest! {
    #[test]
    fn each_key_comes_once_neither_early_nor_late(operations in prop::collection::vec(operation(), 1..80)) {
        let mut now = START;
        let mut timers = Timers::new(Instant::from_micros(now));
        // When a key must not come yet, and from when on it must.
        let mut pending: Vec<(u64, u64, Key)> = Vec::new();
        for (number, operation) in operations.into_iter().enumerate() {
            match operation {
                Operation::Insert(span) => {
                    let at = now.saturating_add_signed(span);
                    timers.insert(Instant::from_micros(at), key(number));
                    pending.push((at, at.max(now) + TICK, key(number)));
                }
                Operation::Advance(span) => now = now.saturating_add_signed(span),
                Operation::AdvanceToNext => now = timers.next().map_or(now, |(at, _)| at.as_micros().max(now)),
            }
            timers.check();
            let keys = pop_all(&mut timers, now);
            timers.check();
            for key in &keys {
                let place = pending.iter().position(|(.., pending)| pending == key);
                let (at, ..) = pending.remove(place.expect("it was set and had not come yet"));
                prop_assert!(at <= now, "{at} is not yet at {now}");
            }
            prop_assert!(pending.iter().all(|(_, latest, _)| now < *latest), "at {now}: {pending:?}");
            let next = timers.next();
            prop_assert_eq!(next.is_some(), !pending.is_empty());
            if let Some((at, key)) = next {
                let at = at.as_micros();
                prop_assert!(now < at, "{at} makes progress at {now}");
                prop_assert!(pending.iter().all(|(earliest, latest, _)| at < (*earliest).max(now) + TICK || at <= *latest));
                prop_assert!(pending.iter().any(|(.., pending)| *pending == key));
            }
        }
        while let Some((at, key)) = timers.next() {
            let keys = pop_all(&mut timers, at.as_micros());
            prop_assert!(keys.contains(&key), "what was announced has come");
            pending.retain(|(.., pending)| !keys.contains(pending));
        }
        prop_assert!(pending.is_empty());
    }
}

#[test]
fn a_key_is_three_numbers() {
    for (kind, index, generation) in [(0, 0, 0), (15, (1 << 28) - 1, u32::MAX), (7, 0x0123_4567, 0x89ab_cdef)]
    {
        let key = Key::new(kind, index, generation);
        assert_eq!((key.kind(), key.index(), key.generation()), (kind, index, generation));
    }
}

#[test]
fn an_owner_that_sets_its_key_again_at_once_does_not_hold_up_the_turn() {
    let now = Instant::from_micros(START);
    let mut timers = Timers::new(now);
    timers.insert(now, key(1));
    let mut later = now.after(GRANULARITY);
    for _ in 0..3 {
        let mut came = 0;
        while let Some(key) = timers.pop(later) {
            timers.insert(now, key);
            came += 1;
        }
        assert_eq!(came, 1);
        let (at, _) = timers.next().unwrap();
        assert_eq!(at.saturating_duration_since(later), GRANULARITY);
        later = at;
    }
}

#[test]
fn never_is_a_time_like_any() {
    let now = Instant::from_micros(START);
    let mut timers = Timers::new(now);
    timers.insert(Instant::FAR_FUTURE, key(1));
    let (at, _) = timers.next().unwrap();
    assert!(at >= now.after(Duration::from_secs(1 << 40)));
    assert_eq!(timers.pop(now.after(Duration::from_secs(1 << 40))), None);
    timers.check();
}

#[test]
fn a_timer_takes_eight_to_sixteen_bytes() {
    let now = Instant::from_micros(START);
    let mut timers = Timers::new(now);
    for number in 0..1_000_000_u64 {
        let within_ten_minutes = number * 599_999 % 600_000_000;
        let number = usize::try_from(number).unwrap();
        timers.insert(now.after(Duration::from_micros(within_ten_minutes)), key(number));
    }
    let room: usize = timers.slots.iter().map(|slot| slot.capacity() * size_of::<Key>()).sum();
    assert!((8_000_000..=16_500_000).contains(&room), "{room} bytes");
    assert_eq!(pop_all(&mut timers, START + 601_000_000).len(), 1_000_000);
    assert!(timers.slots.iter().all(|slot| slot.capacity() == 0) && timers.due.capacity() == 0);
}
