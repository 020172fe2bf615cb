use super::{Audience, NodeId, Options, Replaced, Router, Subscriber};
use crate::id::ShardId;
use crate::qos::QoS;
use crate::text::Text;
use core::num::NonZeroU32;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

/// Matching as the standard puts it, level by level, with nothing done to be fast.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    fn levels(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            (["#"], _) | ([], []) => true,
            (["+", filter @ ..], [_, topic @ ..]) => levels(filter, topic),
            ([wanted, filter @ ..], [level, topic @ ..]) => wanted == level && levels(filter, topic),
            _ => false,
        }
    }
    let split = |text| str::split(text, '/').collect::<Vec<_>>();
    let hidden = topic.starts_with('$') && filter.starts_with(['+', '#']);
    !hidden && levels(&split(filter), &split(topic))
}

/// Topics over so small an alphabet that filters often match them; they contain empty levels and `$`.
pub(crate) fn topic() -> impl Strategy<Value = String> {
    let level = prop_oneof![Just(""), Just("a"), Just("a-"), Just("b"), Just("$c"), Just("a0")];
    prop::collection::vec(level, 1..5)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("at least one character", |topic| !topic.is_empty())
}

pub(crate) fn filter() -> impl Strategy<Value = String> {
    (topic(), prop::collection::vec(any::<bool>(), 5), prop::option::of(0..5_usize)).prop_map(
        |(topic, plus, sharp)| {
            let levels = topic.split('/').zip(plus).map(|(level, plus)| if plus { "+" } else { level });
            let mut levels: Vec<&str> = levels.collect();
            if let Some(from) = sharp {
                levels.truncate(from);
                levels.push("#");
            }
            levels.join("/")
        },
    )
}

const PLAIN: Options =
    Options { qos: QoS::AtMostOnce, no_local: false, retain_as_published: false, identifier: None };

fn options() -> impl Strategy<Value = Options> {
    (0..3_u8, any::<bool>(), any::<bool>(), prop::option::of(1..4_u32)).prop_map(
        |(qos, no_local, retain_as_published, identifier)| Options {
            qos: QoS::from_bits(qos).unwrap(),
            no_local,
            retain_as_published,
            identifier: identifier.and_then(NonZeroU32::new),
        },
    )
}

fn subscriber() -> impl Strategy<Value = Subscriber> {
    prop_oneof![
        5 => (0..4_u32).prop_map(Subscriber::session),
        1 => (0..40_u32).prop_map(Subscriber::session),
        1 => (0..2_u16).prop_map(|shard| Subscriber::shard(ShardId(shard))),
    ]
}

#[derive(Clone, Debug)]
enum Operation {
    Subscribe(String, Subscriber, Options),
    /// The one with this number, counted round.
    Unsubscribe(usize),
    Resolve(String),
    ChangeRights,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (filter(), subscriber(), options()).prop_map(|(f, w, o)| Operation::Subscribe(f, w, o)),
        2 => any::<usize>().prop_map(Operation::Unsubscribe),
        6 => topic().prop_map(Operation::Resolve),
        1 => Just(Operation::ChangeRights),
    ]
}

/// A recipient with its identifiers: what is compared.
type Recipient = (Subscriber, QoS, bool, Audience, bool, Vec<u32>);

#[derive(Default)]
struct Model {
    subscriptions: BTreeMap<(String, Subscriber), Options>,
    rights: u32,
}

impl Model {
    fn judge(&self, session: u32, topic: &str) -> bool {
        !(session + self.rights).is_multiple_of(3) || topic.len() > 3
    }

    fn resolve(&self, topic: &str) -> Vec<Recipient> {
        let matching = self.subscriptions.iter().filter(|((filter, _), _)| matches(filter, topic));
        let mut by_subscriber = BTreeMap::<Subscriber, Vec<Options>>::new();
        for ((_, who), options) in matching {
            by_subscriber.entry(*who).or_default().push(*options);
        }
        let mut recipients = Vec::new();
        for (who, all) in by_subscriber {
            let open: Vec<Options> = all.iter().copied().filter(|o| !o.no_local).collect();
            let parts = match (open.len(), all.len()) {
                (open, all_of_them) if open == all_of_them => vec![(Audience::Everyone, all)],
                (0, _) => vec![(Audience::NotSelf, all)],
                _ => vec![(Audience::NotSelf, all), (Audience::OnlySelf, open)],
            };
            for (audience, of) in parts {
                let qos = of.iter().map(|o| o.qos).max().unwrap();
                let retain_as_published = of.iter().any(|o| o.retain_as_published);
                let mut identifiers: Vec<u32> =
                    of.iter().filter_map(|o| o.identifier).map(u32::from).collect();
                identifiers.sort_unstable();
                let allowed = who.as_session().is_none_or(|session| self.judge(session, topic));
                recipients.push((who, qos, retain_as_published, audience, allowed, identifiers));
            }
        }
        recipients
    }
}

fn resolve(
    router: &mut Router,
    topic: &str,
    hint: &mut u32,
    judge: impl FnMut(u32) -> bool,
) -> Vec<Recipient> {
    let found = router.resolve(Text::known_str(topic), hint, judge);
    let recipient = |m: &super::Match| {
        let identifiers = found.identifiers(m).to_vec();
        assert_eq!(m.has_identifiers(), !identifiers.is_empty());
        (m.who, m.qos, m.retain_as_published, m.audience, m.allowed, identifiers)
    };
    found.iter().map(recipient).collect()
}

/// What a router holds to, when this happens to it and it may remember so many topics.
fn live_through(operations: &[Operation], remembered_max: usize) {
    let mut model = Model::default();
    let mut router = Router::new(7, remembered_max);
    let mut nodes = BTreeMap::<String, NodeId>::new();
    // Two publishers, one of which never asks for the same topic twice in a row.
    let mut hints = [u32::MAX; 2];
    let mut topics = BTreeSet::new();
    for operation in operations {
        match operation.clone() {
            Operation::Subscribe(filter, who, options) => {
                let old = model.subscriptions.insert((filter.clone(), who), options);
                let (node, replaced) = router.subscribe(&filter, who, options);
                assert_eq!(replaced, Replaced(old.is_some()));
                assert_eq!(router.filter(node), filter);
                assert_eq!(router.find(&filter), Some(node));
                assert_eq!(router.options(node, who), Some(options));
                assert_eq!(*nodes.entry(filter).or_insert(node), node);
            }
            Operation::Unsubscribe(number) => {
                let Some(number) = number.checked_rem(model.subscriptions.len()) else { continue };
                let (filter, who) = model.subscriptions.keys().nth(number).unwrap().clone();
                unsubscribe(&mut router, &mut model, &mut nodes, &filter, who);
            }
            Operation::Resolve(topic) => {
                topics.insert(topic);
            }
            Operation::ChangeRights => {
                model.rights += 1;
                router.forget_all();
            }
        }
        router.check();
        assert_eq!(router.subscriptions(), model.subscriptions.len());
        for topic in &topics {
            let expected = model.resolve(topic);
            for hint in [0, 1, 1] {
                let found = resolve(&mut router, topic, &mut hints[hint], |s| model.judge(s, topic));
                assert_eq!(found, expected, "{topic}");
            }
        }
        for (filter, node) in &nodes {
            let sessions = model.subscriptions.keys().filter(|(f, w)| f == filter && !w.is_shard()).count();
            assert_eq!(router.subscribers_at(*node), sessions);
        }
        router.check();
    }
    while let Some((filter, who)) = model.subscriptions.keys().next().cloned() {
        unsubscribe(&mut router, &mut model, &mut nodes, &filter, who);
        router.check();
    }
    assert_eq!((router.nodes(), router.subscriptions()), (1, 0));
}

fn unsubscribe(
    router: &mut Router,
    model: &mut Model,
    nodes: &mut BTreeMap<String, NodeId>,
    filter: &str,
    who: Subscriber,
) {
    let node = nodes[filter];
    assert!(router.unsubscribe(node, who));
    assert!(!router.unsubscribe(node, who), "once only");
    model.subscriptions.remove(&(filter.into(), who));
    if !model.subscriptions.keys().any(|(f, _)| f == filter) {
        assert_eq!(router.find(filter), None);
        nodes.remove(filter);
    }
}

proptest! {
    #[test]
    fn resolves_as_the_standard_says(
        operations in prop::collection::vec(operation(), 1..60),
        remembered_max in prop_oneof![Just(0_usize), 1..4_usize, Just(100)],
    ) {
        live_through(&operations, remembered_max);
    }
}

fn session(number: u32) -> Subscriber {
    Subscriber::session(number)
}

/// The hint of a publisher that has none yet.
fn nowhere() -> u32 {
    u32::MAX
}

/// How often the judge is asked when this topic is resolved.
fn asked(router: &mut Router, topic: &str, hint: &mut u32) -> usize {
    let mut asked = 0;
    router.resolve(Text::known_str(topic), hint, |_| {
        asked += 1;
        true
    });
    asked
}

#[test]
fn a_topic_is_remembered_on_second_sight() {
    let mut router = Router::new(1, 10);
    router.subscribe("a/+", session(1), PLAIN);
    let mut hint = u32::MAX;
    assert_eq!([1, 1, 0, 0], [(); 4].map(|()| asked(&mut router, "a/b", &mut hint)));
    let mut newcomer = u32::MAX;
    assert_eq!(asked(&mut router, "a/b", &mut newcomer), 0);
    assert_eq!(newcomer, hint);
}

#[test]
fn only_what_a_change_can_mean_is_forgotten() {
    let mut router = Router::new(1, 10);
    router.subscribe("#", session(1), PLAIN);
    let resolve = |router: &mut Router| ["a/b", "a/c"].map(|topic| asked(router, topic, &mut nowhere()));
    resolve(&mut router);
    resolve(&mut router);
    assert_eq!(resolve(&mut router), [0, 0]);
    let (exact, _) = router.subscribe("a/b", session(2), PLAIN);
    assert_eq!(resolve(&mut router), [2, 0], "an exact filter is one topic");
    router.subscribe("a/b", session(2), PLAIN);
    assert_eq!(resolve(&mut router), [0, 0], "nothing has changed");
    router.unsubscribe(exact, session(2));
    assert_eq!(resolve(&mut router), [1, 0]);
    let (wild, _) = router.subscribe("x/#", session(2), PLAIN);
    assert_eq!(resolve(&mut router), [1, 1], "a wildcard may be any");
    router.unsubscribe(wild, session(2));
    assert_eq!(resolve(&mut router), [1, 1]);
    router.forget_all();
    assert_eq!(resolve(&mut router), [1, 1]);
    assert_eq!(resolve(&mut router), [0, 0]);
}

#[test]
fn identifiers_are_worked_out_anew_with_the_rest() {
    let mut router = Router::new(1, 10);
    let with = |identifier| Options { identifier: NonZeroU32::new(identifier), ..PLAIN };
    router.subscribe("a", session(1), with(1));
    for identifier in [2, 3] {
        router.subscribe("+", session(1), with(identifier));
        for _ in 0..3 {
            let found = resolve(&mut router, "a", &mut nowhere(), |_| true);
            assert_eq!(found[0].5, [1, identifier]);
        }
    }
}

#[test]
fn topics_that_come_once_do_not_push_out_those_in_use() {
    let mut router = Router::new(1, 8);
    router.subscribe("#", session(1), PLAIN);
    let in_use: Vec<String> = (0..8).map(|i| format!("in use/{i}")).collect();
    for _ in 0..2 {
        in_use.iter().for_each(|topic| assert_eq!(asked(&mut router, topic, &mut nowhere()), 1));
    }
    for i in 0..1000 {
        asked(&mut router, &format!("once/{i}"), &mut nowhere());
        let known = in_use.iter().filter(|topic| asked(&mut router, topic, &mut nowhere()) == 0).count();
        assert_eq!(known, 8);
    }
    router.check();
}

#[test]
fn what_is_no_longer_in_use_gives_way() {
    let mut router = Router::new(1, 8);
    router.subscribe("#", session(1), PLAIN);
    for i in 0..100 {
        let topic = format!("{}", i / 10);
        asked(&mut router, &topic, &mut nowhere());
        router.check();
    }
    assert_eq!(asked(&mut router, "9", &mut nowhere()), 0);
}

#[test]
fn remembered_recipients_are_limited_in_all() {
    let mut router = Router::new(1, 100);
    for number in 0..50_000 {
        router.subscribe("#", session(number), PLAIN);
    }
    for topic in ["a", "b", "c", "d", "e", "f", "g", "h"].repeat(6) {
        assert_eq!(router.resolve(Text::known_str(topic), &mut nowhere(), |_| true).len(), 50_000);
        router.check();
    }
    assert!(router.bytes_estimate() < 12 << 20);
}

#[test]
fn a_crowd_at_one_filter_comes_and_goes() {
    let mut router = Router::new(1, 100);
    let mut node = None;
    // In an order that is neither that of the numbers nor its reverse.
    let numbers = (0..100_000_u32).map(|i| i * 7919 % 100_000);
    for number in numbers.clone() {
        node = Some(router.subscribe("crowd", session(number), PLAIN).0);
    }
    let node = node.unwrap();
    router.subscribe("crowd", Subscriber::shard(ShardId(3)), PLAIN);
    assert_eq!(router.subscribers_at(node), 100_000);
    let found = router.resolve(Text::known_str("crowd"), &mut nowhere(), |_| true);
    assert!(found.is_sorted_by_key(|m| m.who));
    assert_eq!(found.last().and_then(|m| m.who.as_shard()), Some(ShardId(3)));
    for number in numbers {
        assert!(router.unsubscribe(node, session(number)));
    }
    assert_eq!((router.subscribers_at(node), router.nodes()), (0, 2));
    assert!(router.unsubscribe(node, Subscriber::shard(ShardId(3))));
    assert_eq!(router.nodes(), 1);
}

#[test]
fn the_longest_filter_has_as_many_levels_as_bytes() {
    let mut router = Router::new(1, 100);
    let filter = "/".repeat(65_535);
    let (node, _) = router.subscribe(&filter, session(1), PLAIN);
    let (wild, _) = router.subscribe(&format!("{}+", "+/".repeat(32_767)), session(1), PLAIN);
    assert_eq!(router.filter(node), filter);
    assert_eq!(router.resolve(Text::known_str(&filter), &mut nowhere(), |_| true).len(), 1);
    assert_eq!(router.resolve(Text::known_str(&"/".repeat(32_767)), &mut nowhere(), |_| true).len(), 1);
    assert!(router.unsubscribe(node, session(1)) && router.unsubscribe(wild, session(1)));
    assert_eq!(router.nodes(), 1);
}

#[test]
fn long_levels_are_kept_whole() {
    let mut router = Router::new(1, 0);
    let long = "x".repeat(300);
    for length in [21, 22, 23, 255, 256, 300] {
        let filter = format!("{}/ü", &long[..length]);
        let (node, _) = router.subscribe(&filter, session(1), PLAIN);
        assert_eq!(router.filter(node), filter);
        assert_eq!(router.resolve(Text::known_str(&filter), &mut nowhere(), |_| true).len(), 1);
    }
    assert_eq!(router.nodes(), 1 + 6 * 2);
}

#[test]
fn the_greatest_identifier_fits_beside_all_options() {
    let mut router = Router::new(1, 0);
    let identifier = NonZeroU32::new(268_435_455);
    let all = Options { qos: QoS::ExactlyOnce, no_local: true, retain_as_published: true, identifier };
    let (node, _) = router.subscribe("a", session(1), all);
    assert_eq!(router.options(node, session(1)), Some(all));
    let found = resolve(&mut router, "a", &mut nowhere(), |_| true);
    assert_eq!(found, [(session(1), QoS::ExactlyOnce, true, Audience::NotSelf, true, vec![268_435_455])]);
}

/// Filters as fleets have them: one of its own for each client, some with wildcards, some shared by many.
fn fleet(number: usize) -> String {
    match number % 8 {
        0 => format!("site/{}/device/{number}/command", number % 50),
        1 => format!("site/{}/+/temperature", number % 5000),
        2 => format!("device/{number}/#"),
        3 => format!("all/group/{}", number % 100),
        _ => format!("device/{number}"),
    }
}

#[test]
fn a_filter_takes_less_than_180_bytes() {
    let two_nodes_each = |number| format!("device/{number}/command");
    for kind in [fleet, two_nodes_each] {
        let mut router = Router::new(1, 1000);
        let empty = router.bytes_estimate();
        for number in 0..100_000 {
            router.subscribe(&kind(number), session(u32::try_from(number).unwrap()), PLAIN);
        }
        router.check();
        let each = (router.bytes_estimate() - empty) / 100_000;
        std::println!("{each} bytes a filter, {} nodes", router.nodes());
        assert!(each < 180, "{each} bytes");
    }
}
