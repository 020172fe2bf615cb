//! Plain and shared subscriptions to the same filters come and go, beside a plain model of them.
use crate::draw::Random;
use crate::support::{Client, Hello, Shards, subscribe, unsubscribe};
use std::collections::BTreeSet;
use tidewire_core::version::Version;

const FILTERS: [&str; 6] = ["a", "a/b", "$share/g/a", "$share/h/a", "$share/g/a/b", "a/#"];
const TOPICS: [&str; 2] = ["a", "a/b"];
const CLIENTS: usize = 4;

/// Who has which filter.
type Model = BTreeSet<(usize, &'static str)>;

fn matches(filter: &str, topic: &str) -> bool {
    let plain =
        filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')).map_or(filter, |(_, f)| f);
    plain == topic || plain == "a/#"
}

/// How many copies there are of what is published there: one for each client with a plain one, one for each group.
fn copies(model: &Model, topic: &str) -> usize {
    let those = model.iter().filter(|(_, filter)| matches(filter, topic));
    let (shared, plain): (Vec<_>, Vec<_>) = those.partition(|(_, filter)| filter.starts_with('$'));
    let groups: BTreeSet<_> = shared.iter().map(|(_, filter)| filter).collect();
    let plain: BTreeSet<_> = plain.iter().map(|(client, _)| client).collect();
    groups.len() + plain.len()
}

fn hello(n: usize, clean: bool) -> Hello {
    Hello::new(&format!("c{n}")).clean(clean).expiry(100)
}

fn step(s: &mut Shards, clients: &mut [Client], model: &mut Model, random: &mut Random) {
    let n = random.below(CLIENTS);
    let filter = random.of(&FILTERS);
    match random.below(10) {
        0..=4 => {
            s.send(clients[n], &subscribe(Version::V5, 1, &[(filter, 0)]));
            model.insert((n, filter));
        }
        5..=7 => {
            s.send(clients[n], &unsubscribe(Version::V5, 2, filter));
            model.remove(&(n, filter));
        }
        end => {
            s.cut(clients[n]);
            if end == 8 {
                s.wait(101);
            }
            clients[n] = s.greet(&hello(n, end == 9));
            model.retain(|(client, _)| *client != n);
        }
    }
}

#[test]
fn at_random_each_message_has_as_many_copies_as_there_are_subscribers_and_groups() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut s = Shards::new([1, 3][random.below(2)]);
        let sender = s.connect("sender");
        let mut clients: Vec<_> = (0..CLIENTS).map(|n| s.greet(&hello(n, true))).collect();
        let mut model = Model::new();
        for _ in 0..100 {
            step(&mut s, &mut clients, &mut model, &mut random);
            clients.iter().for_each(|client| drop(s.hear(*client)));
            for topic in TOPICS {
                s.publish(sender, topic, b"x", 1, 1);
                let told = if copies(&model, topic) == 0 { "PUBACK 1 0x10" } else { "PUBACK 1" };
                assert_eq!(s.hear(sender), [told], "seed {seed}, {topic}: {model:?}");
                let heard: usize = clients.iter().map(|client| s.hear(*client).len()).sum();
                assert_eq!(heard, copies(&model, topic), "seed {seed}, {topic}: {model:?}");
            }
        }
        for client in clients {
            s.cut(client);
        }
        s.wait(101);
        assert_eq!(s.stats().subscriptions, 0, "seed {seed}: no filter, interest or group is left");
    }
}
