use crate::broker::retained::index::{Cursor, Index, Place, Step};
use crate::broker::router::tests::{filter, matches, topic};
use crate::time::Instant;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

#[derive(Clone, Debug)]
enum Operation {
    Set(String, Option<u64>),
    Clear(String),
    Expire(u64, usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (topic(), prop::option::of(0..50_u64)).prop_map(|(t, at)| Operation::Set(t, at)),
        2 => topic().prop_map(Operation::Clear),
        1 => (0..50_u64, 0..5_usize).prop_map(|(now, limit)| Operation::Expire(now, limit)),
    ]
}

/// The value of each topic, when it expires, and when it was set, counted in operations.
type Model = BTreeMap<String, (usize, Option<u64>)>;

/// Does it to both; the values are the numbers of the operations.
fn apply(retained: &mut Index<usize>, model: &mut Model, number: usize, operation: &Operation) {
    let (version, before) = (retained.version(), model.clone());
    match operation {
        Operation::Set(topic, at) => {
            let old = retained.set(topic, number, topic.len(), at.map(Instant::from_secs));
            assert_eq!(old, model.insert(topic.clone(), (number, *at)).map(|(number, _)| number));
        }
        Operation::Clear(topic) => {
            assert_eq!(retained.clear(topic), model.remove(topic).map(|(number, _)| number));
        }
        Operation::Expire(now, limit) => {
            let mut due: Vec<_> =
                model.iter().filter_map(|(t, (n, at))| Some(((*at)?, *n, t.clone()))).collect();
            due.retain(|(at, ..)| at <= now);
            due.sort();
            due.truncate(*limit);
            let expired = retained.expire(Instant::from_secs(*now), *limit);
            let expired: Vec<_> =
                expired.iter().map(|(topic, number)| (*number, topic.to_string())).collect();
            assert_eq!(
                expired,
                due.iter().map(|(_, number, topic)| (*number, topic.clone())).collect::<Vec<_>>()
            );
            model.retain(|topic, _| !due.iter().any(|(_, _, gone)| gone == topic));
        }
    }
    retained.check();
    assert_eq!(retained.version() > version, *model != before);
    assert_eq!(retained.len(), model.len());
    assert_eq!(retained.bytes(), model.keys().map(String::len).sum());
    let next = model.values().filter_map(|(_, at)| *at).min();
    assert_eq!(retained.next_expiry(), next.map(Instant::from_secs));
}

/// Takes so many steps; pauses do not count as such.
fn take(
    retained: &Index<usize>,
    cursor: &mut Cursor,
    steps: usize,
    budget: usize,
    found: &mut Vec<(String, usize)>,
) {
    for _ in 0..steps {
        loop {
            let mut left = budget;
            match retained.next(cursor, &mut left) {
                Step::Found(topic, number) => {
                    found.push((topic.to_string(), *number));
                    break;
                }
                Step::Pause => assert_eq!(left, 0),
                Step::End => {
                    assert!(cursor.is_done());
                    return;
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn a_cursor_finds_what_live_matching_would(
        before in prop::collection::vec(operation(), 0..60),
        during in prop::collection::vec((operation(), 0..3_usize), 0..20),
        filter in filter(),
        budget in 1..5_usize,
    ) {
        let mut retained = Index::new();
        let mut model = Model::new();
        for (number, operation) in before.iter().enumerate() {
            apply(&mut retained, &mut model, number, operation);
        }
        let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
        for (topic, (number, _)) in &model {
            if matches(&filter, topic) {
                wanted.insert(topic.clone(), *number);
            }
        }
        let mut cursor = retained.cursor(&filter);
        let mut found = Vec::new();
        for (number, (operation, steps)) in during.iter().enumerate() {
            take(&retained, &mut cursor, *steps, budget, &mut found);
            let seen: BTreeSet<&String> = found.iter().map(|(topic, _)| topic).collect();
            let before = model.clone();
            apply(&mut retained, &mut model, 1000 + number, operation);
            // What changed before the cursor came to it is not the cursor's to find.
            wanted.retain(|topic, _| seen.contains(topic) || before.get(topic) == model.get(topic));
        }
        take(&retained, &mut cursor, usize::MAX, budget, &mut found);
        prop_assert_eq!(found, wanted.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn sweeping_in_slices_is_sweeping_at_once(
        topics in prop::collection::btree_set(topic(), 0..30),
        budget in 1..5_usize,
    ) {
        let mut retained = Index::new();
        for topic in &topics {
            retained.set(topic, topic.len(), 1, None);
        }
        let mut place = Place::START;
        let mut swept = BTreeSet::new();
        while place != Place::End {
            let taken = retained.retain_values(&mut place, budget, |_, length| length % 2 == 0);
            prop_assert!(taken.len() <= budget);
            swept.extend(taken.into_iter().map(|(topic, _)| topic.to_string()));
            retained.check();
        }
        let (even, odd): (BTreeSet<_>, BTreeSet<_>) = topics.into_iter().partition(|topic| topic.len() % 2 == 0);
        prop_assert_eq!(swept, odd);
        let left = retained.iter_from(&Place::START).map(|(topic, ..)| topic.to_string()).collect::<BTreeSet<_>>();
        prop_assert_eq!(left, even);
    }
}

fn seconds(seconds: u64) -> Option<Instant> {
    Some(Instant::from_secs(seconds))
}

#[test]
fn what_replaced_an_expiring_value_stays() {
    let mut retained = Index::new();
    retained.set("a", 1, 10, seconds(5));
    retained.set("a", 2, 10, None);
    assert_eq!(retained.next_expiry(), None);
    assert!(retained.expire(Instant::from_secs(5), 10).is_empty());
    retained.set("a", 3, 10, seconds(9));
    assert!(retained.expire(Instant::from_secs(8), 10).is_empty());
    assert_eq!(retained.get("a"), Some(&3));
    assert_eq!(retained.expire(Instant::from_secs(9), 10), [("a".into(), 3)]);
    assert_eq!((retained.len(), retained.bytes()), (0, 0));
    retained.check();
}

#[test]
fn room_is_judged_as_if_the_old_value_were_gone() {
    let mut retained = Index::new();
    retained.set("a", (), 10, None);
    retained.set("b", (), 20, None);
    assert!(retained.room("c", 10, 3, 40));
    assert!(!retained.room("c", 10, 2, 40));
    assert!(!retained.room("c", 11, 3, 40));
    assert!(!retained.room("c", usize::MAX, 3, usize::MAX - 31));
    assert!(retained.room("b", 30, 2, 40));
    assert!(!retained.room("b", 31, 2, 40));
}

/// How many entries a filter has to look at.
fn looked_at(retained: &Index<usize>, filter: &str) -> usize {
    let mut cursor = retained.cursor(filter);
    let mut budget = usize::MAX;
    while retained.next(&mut cursor, &mut budget) != Step::End {}
    usize::MAX - budget
}

#[test]
fn what_cannot_match_is_passed_over() {
    let mut retained = Index::new();
    for site in 0..10 {
        for device in 0..1000 {
            retained.set(&format!("site/{site}/device/{device}"), 0, 1, None);
        }
        retained.set(&format!("site/{site}/name"), 0, 1, None);
    }
    retained.set("$SYS/uptime", 0, 1, None);
    assert_eq!(looked_at(&retained, "site/3/name"), 1);
    assert_eq!(looked_at(&retained, "nothing"), 1);
    assert!(looked_at(&retained, "site/3/device/#") <= 1002);
    assert!(looked_at(&retained, "site/+/name") <= 40);
    assert!(looked_at(&retained, "+") <= 4);
    assert!(looked_at(&retained, "$SYS/#") <= 2);
    assert_eq!(looked_at(&retained, "#"), 10_012);
}
