//! Who of a group gets a message.
use crate::support::{Client, Hello, Shards};
use std::collections::BTreeMap;

const SHARE: &str = "$share/g/t/#";
const STRATEGIES: [&str; 4] = ["in_turn", "least_loaded", "by_topic", "random"];

fn group(strategy: &str, shards: u16, quotas: &[u16]) -> (Shards, Client, Vec<Client>) {
    let mut s = Shards::with(shards, &[("share_strategy", strategy)]);
    let members = quotas.iter().enumerate().map(|(n, quota)| {
        let member = s.greet(&Hello::new(&format!("m{n}")).receive_maximum(*quota));
        s.hear(member);
        s.subscribe(member, SHARE, 1);
        member
    });
    let members = members.collect();
    let publisher = s.connect("publisher");
    (s, publisher, members)
}

/// Publishes this many, each to one of so many topics, and says who got what: a list of topics for each member.
fn spread(
    s: &mut Shards,
    publisher: Client,
    members: &[Client],
    messages: u16,
    topics: u16,
) -> Vec<Vec<String>> {
    for n in 1..=messages {
        s.publish(publisher, &format!("t/{}", n % topics), b"x", 1, n);
    }
    assert_eq!(s.hear(publisher).len(), usize::from(messages), "all are accepted");
    let topic = |line: &String| line.split(' ').nth(1).expect("a topic").to_owned();
    members.iter().map(|member| s.hear(*member).iter().map(topic).collect()).collect()
}

#[test]
fn whichever_it_is_all_get_something_and_nothing_is_lost() {
    for strategy in STRATEGIES {
        for shards in [1, 3] {
            let (mut s, publisher, members) = group(strategy, shards, &[1000; 5]);
            let had = spread(&mut s, publisher, &members, 500, 50);
            let sizes: Vec<_> = had.iter().map(Vec::len).collect();
            assert_eq!(sizes.iter().sum::<usize>(), 500, "{strategy}, {shards} shards: {sizes:?}");
            assert!(sizes.iter().all(|size| *size > 20), "{strategy}, {shards} shards: {sizes:?}");
        }
    }
}

#[test]
fn in_turn_each_has_as_many_as_the_others() {
    let (mut s, publisher, members) = group("in_turn", 1, &[1000; 4]);
    let had = spread(&mut s, publisher, &members, 400, 7);
    assert!(had.iter().all(|topics| topics.len() == 100));
}

/// Who has acknowledged gets more than who has not.
#[test]
fn the_least_loaded_is_whoever_has_the_least_that_is_not_acknowledged() {
    let (mut s, publisher, members) = group("least_loaded", 1, &[1000; 3]);
    let had = spread(&mut s, publisher, &members, 30, 7);
    assert!(had.iter().all(|topics| topics.len() == 10), "{had:?}");
    (1..=8).for_each(|id| s.acknowledge(members[1], 4, id));
    let had = spread(&mut s, publisher, &members, 8, 7);
    let sizes: Vec<_> = had.iter().map(Vec::len).collect();
    assert_eq!(sizes, [0, 8, 0], "it has two left, and the others ten");
}

#[test]
fn by_topic_a_topic_is_one_members_as_long_as_that_has_room() {
    let (mut s, publisher, members) = group("by_topic", 1, &[1000; 4]);
    let mut of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for _ in 0..3 {
        for (member, topics) in spread(&mut s, publisher, &members, 200, 40).into_iter().enumerate() {
            topics.into_iter().for_each(|topic| of.entry(topic).or_default().push(member));
        }
    }
    assert_eq!(of.len(), 40);
    for (topic, had) in &of {
        assert_eq!(had.len(), 15);
        assert!(had.iter().all(|member| *member == had[0]), "{topic} went to {had:?}");
    }
    // Whose member is full is another's: nothing waits while somebody takes it.
    let (mut s, publisher, members) = group("by_topic", 1, &[3; 4]);
    let had = spread(&mut s, publisher, &members, 12, 1);
    assert!(had.iter().all(|topics| topics.len() == 3), "{had:?}");
}

/// What a member that dies had is the others', whichever strategy chooses them.
#[test]
fn whoever_dies_gives_back_to_the_others() {
    for strategy in STRATEGIES {
        let (mut s, publisher, members) = group(strategy, 3, &[1000; 3]);
        let had = spread(&mut s, publisher, &members, 60, 20);
        s.cut(members[0]);
        let more: usize = members[1..].iter().map(|member| s.hear(*member).len()).sum();
        assert_eq!(more, had[0].len(), "{strategy}");
    }
}
