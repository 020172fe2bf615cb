//! Everything at once, from a seed: whatever comes in whatever order, the invariants hold.
use crate::support::{
    Client, Hello, Kind, Shards, Verdict, auth, delivery, publish_as, publish_with, subscribe, unsubscribe,
};
use tidewire_core::broker::policy::{Admission, Answer, QueuePolicy};
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;

/// A small generator: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).expect("a place")].clone()
    }

    fn byte(&mut self, below: u8) -> u8 {
        u8::try_from(self.roll(below.into())).expect("a byte")
    }
}

const NAMES: [&str; 5] = ["ada", "ben", "cleo", "dan", "eve"];
const TOPICS: [&str; 5] = ["a", "a/b", "a/b/c", "x", "$SYS/x"];
const FILTERS: [&str; 9] =
    ["#", "a/+", "a/#", "x", "+/b/c", "a", "$share/g/a/#", "$share/g/x", "$share/h/+/b"];
/// The Authentication Method of those who have one.
const METHOD: &str = "M";
const SIZES: [usize; 6] = [0, 1, 20, 3_000, 70_000, 300_000];

fn hello(dice: &mut Dice, name: &str) -> Hello {
    let version = dice.one(&[Version::V3_1, Version::V3_1_1, Version::V5]);
    let mut hello =
        Hello::new(name).version(version).clean(dice.roll(2) == 0).keep_alive(dice.one(&[0, 1, 30]));
    if version.is_v5() {
        hello = hello.expiry(dice.one(&[0, 5, 1000])).receive_maximum(dice.one(&[1, 3, u16::MAX]));
        hello = hello.maximum_packet_size(dice.one(&[100, 100_000, u32::MAX]));
        hello = hello.topic_alias_maximum(dice.one(&[0, 1, 100]));
        hello = if dice.roll(4) == 0 { hello.method(METHOD) } else { hello };
    }
    if dice.roll(2) == 0 { hello.will("a/b", dice.one(&[0, 2, 100])) } else { hello }
}

fn step(s: &mut Shards, dice: &mut Dice, clients: &mut Vec<(Client, Version)>) {
    if clients.len() < 3 || dice.roll(12) == 0 {
        let name = dice.one(&NAMES);
        let hello = hello(dice, name);
        clients.push((s.greet(&hello), hello.version));
        return;
    }
    let (client, version) = dice.one(clients.as_slice());
    let id = 1 + u16::from(dice.byte(6));
    match dice.roll(18) {
        0 | 1 => s.send(
            client,
            &subscribe(
                version,
                id,
                &[(dice.one(&FILTERS), dice.byte(3)), (dice.one(&FILTERS), dice.byte(3))],
            ),
        ),
        2 => s.send(client, &unsubscribe(version, id, dice.one(&FILTERS))),
        3..=6 => {
            let payload = vec![b'p'; dice.one(&SIZES)];
            let delivery = delivery(dice.byte(3), id, false);
            let expiry = if version.is_v5() && dice.roll(3) == 0 { Some(3) } else { None };
            let bytes =
                publish_with(version, dice.one(&TOPICS), &payload, delivery, dice.roll(4) == 0, expiry);
            let cut = usize::try_from(dice.roll(bytes.len() as u64)).expect("a length");
            s.send(client, &bytes[..cut]);
            s.send(client, &bytes[cut..]);
        }
        7 if version.is_v5() => {
            // Without a topic it means what was bound before, if anything was.
            let topic = if dice.roll(3) == 0 { "" } else { dice.one(&TOPICS) };
            let delivery = delivery(dice.byte(3), id, false);
            s.send(client, &publish_as(1 + u16::from(dice.byte(2)), topic, b"aliased", delivery));
        }
        16 if version.is_v5() => {
            let reason = dice.one(&[ReasonCode::ReAuthenticate, ReasonCode::ContinueAuthentication]);
            s.send(client, &auth(reason, METHOD, dice.one(&NAMES)));
        }
        8 | 17 => s.acknowledge(client, 4 + dice.byte(4), id),
        9 => s.window(client, dice.one(&[0, 10, 5_000, usize::MAX])),
        10 => s.cut(client),
        11 => s.leave(client),
        12 => s.wait(dice.roll(4)),
        13 => {
            if dice.roll(2) == 0 {
                s.hold_mail();
            } else {
                s.let_mail_go();
            }
        }
        14 => {
            let name = dice.one(&NAMES);
            let kind = dice.one(&[Kind::Publish, Kind::Subscribe, Kind::Receive]);
            s.authority().deny(name, kind, dice.one(&FILTERS));
            let grant = s.grant(name);
            let now = s.now;
            s.brokers.iter_mut().for_each(|broker| broker.handle_grant(now, grant.clone()));
            s.settle();
        }
        _ => {
            if let Some((shard, question)) = s.asked.pop_front() {
                let name = dice.one(&NAMES);
                let answers =
                    [Answer::Allow(s.grant(name)), Answer::Admit, crate::support::denied(ReasonCode::Banned)];
                s.answer_to(shard, question, dice.one(&answers));
            }
        }
    }
}

#[test]
fn the_invariants_hold_whatever_comes_in_whatever_order() {
    // STORM_SEEDS=25000, each with 1 to 4 shards: 100,000 runs.
    for seed in 1..=std::env::var("STORM_SEEDS").map_or(20, |seeds| seeds.parse().expect("a number")) {
        for shards in 1..=4 {
            let limits = [
                ("queued_messages", "8"),
                ("answers_open", "3"),
                ("takeovers_per_minute", "20"),
                ("receive_maximum", "5"),
                ("queue_qos_0", if seed % 2 == 0 { "yes" } else { "no" }),
            ];
            let mut s = Shards::with(shards, &limits);
            let mut dice = Dice(seed * 0x9e37_79b9_7f4a);
            let policies = [
                QueuePolicy::Reject,
                QueuePolicy::DropOldest,
                QueuePolicy::DropNewest,
                QueuePolicy::Disconnect,
            ];
            for (name, policy) in NAMES.iter().zip(policies) {
                s.authority().queue(name, policy);
            }
            s.authority().says("eve", Verdict::Later);
            s.authority().admit("x", Admission::Later);
            let mut clients = vec![];
            for _ in 0..250 {
                step(&mut s, &mut dice, &mut clients);
            }
            s.let_mail_go();
            clients.iter().for_each(|(client, _)| s.cut(*client));
            s.wait(2_000_000);
            let stats = s.stats();
            let left = (
                stats.connections,
                stats.sessions,
                stats.subscriptions,
                stats.incomplete_bytes,
                stats.questions,
            );
            assert_eq!(left, (0, 0, 0, 0, 0), "seed {seed}, {shards} shards");
            assert_eq!(
                (stats.messages, stats.ledger.queued, stats.ledger.in_flight),
                (0, 0, 0),
                "seed {seed}"
            );
            assert_eq!(stats.ledger.mailed, stats.ledger.settled, "seed {seed}");
        }
    }
}
