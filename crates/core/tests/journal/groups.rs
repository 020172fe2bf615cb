//! What waits for a group outlives a crash, and what a member has begun with QoS 2 comes to nobody else.
use crate::clients::{Alice, Reader, Sent};
use crate::host::{Dice, Got, Host, ack};
use crate::shards::Cluster;
use std::collections::BTreeMap;
use tidewire_core::codec::Packet;
use tidewire_core::qos::QoS;

const SHARE: &str = "$share/g/t";

fn payloads(got: &[Got]) -> Vec<&str> {
    let mut payloads = vec![];
    for got in got {
        if let Got::Publish { payload, .. } = got {
            payloads.push(payload.as_str());
        }
    }
    payloads
}

#[test]
fn what_waits_for_a_group_outlives_a_crash_and_a_snapshot() {
    for with_snapshot in [false, true] {
        let mut host = Host::new();
        let a = host.connect("a", false);
        host.subscribe(a, SHARE, QoS::ExactlyOnce);
        host.cut(a);
        let alice = host.connect("alice", true);
        host.publish(alice, "t", "1", QoS::AtLeastOnce, 1);
        host.publish(alice, "t", "2", QoS::ExactlyOnce, 2);
        host.publish(alice, "t", "3", QoS::AtLeastOnce, 3);
        assert_eq!(host.got(alice).len(), 4, "they are accepted");
        if with_snapshot {
            let mut pieces = vec![];
            let from = host.disk.len();
            while host.broker.poll_snapshot(host.now, 1, &mut pieces) {}
            pieces.extend_from_slice(&host.disk[from..]);
            host.disk = pieces;
            host.restart();
        }
        host.crash(0);
        let a = host.connect("a", false);
        let got = host.got(a);
        assert_eq!(payloads(&got), ["1", "2", "3"], "{got:?}");
        host.send(a, &Packet::Puback(ack(1)));
        host.crash(0);
        let a = host.connect("a", false);
        let mut again = payloads(&host.got(a)).join(" ");
        assert_eq!(again.len(), 3, "what was acknowledged does not come again: {again}");
        again.retain(|c| c != ' ');
        assert!(again == "23" || again == "32");
    }
}

#[test]
fn what_was_begun_with_qos_2_is_its_members_after_a_crash() {
    for (received, unsynced) in [(false, 0), (true, 0), (true, 10_000)] {
        let mut host = Host::new();
        let a = host.connect("a", false);
        host.subscribe(a, SHARE, QoS::ExactlyOnce);
        let alice = host.connect("alice", true);
        host.publish(alice, "t", "x", QoS::ExactlyOnce, 1);
        assert_eq!(payloads(&host.got(a)), ["x"]);
        let b = host.connect("b", false);
        host.subscribe(b, SHARE, QoS::ExactlyOnce);
        if received {
            host.send(a, &Packet::Pubrec(ack(1)));
        }
        host.crash(unsynced);
        let b = host.connect("b", false);
        assert_eq!(payloads(&host.got(b)), [""; 0], "nobody else gets it [MQTT-4.8.2-4]");
        let a = host.connect("a", false);
        let got = host.got(a);
        if received {
            assert!(got.contains(&Got::Pubrel(1)), "{got:?}");
            host.send(a, &Packet::Pubcomp(ack(1)));
        } else {
            assert_eq!(payloads(&got), ["x"]);
            host.send(a, &Packet::Pubrec(ack(1)));
            host.send(a, &Packet::Pubcomp(ack(1)));
        }
        host.crash(0);
        for name in ["a", "b"] {
            let line = host.connect(name, false);
            assert_eq!(host.got(line), [Got::Connack { present: true }], "it is over");
        }
    }
}

#[test]
fn a_group_that_nobody_is_in_any_more_is_gone_after_a_crash() {
    let mut host = Host::new();
    let a = host.connect("a", false);
    host.subscribe(a, SHARE, QoS::AtLeastOnce);
    host.cut(a);
    let alice = host.connect("alice", true);
    host.publish(alice, "t", "x", QoS::AtLeastOnce, 1);
    let a = host.connect("a", true);
    host.cut(a);
    host.crash(0);
    assert_eq!((host.broker.stats().messages, host.broker.stats().subscriptions), (0, 0));
}

/// Members come, go and answer or not, and the server crashes.
struct Run {
    what: String,
    cluster: Cluster,
    members: Vec<Reader>,
    alice: Alice,
    dice: Dice,
    qos: QoS,
}

impl Run {
    fn new(seed: u64, shards: u16, qos: QoS) -> Self {
        let mut cluster = Cluster::new(shards);
        let members: Vec<_> = (0..3).map(|n| Reader::new(&mut cluster, &format!("m{n}"))).collect();
        let alice = Alice { line: Some(cluster.open("alice")), ..Alice::default() };
        cluster.rest();
        for line in members.iter().filter_map(|member| member.line) {
            cluster.subscribe_with(line, SHARE, qos);
        }
        cluster.rest();
        let what = format!("seed {seed}, {shards} shards, {qos:?}");
        let mut run = Self { what, cluster, members, alice, dice: Dice::new(seed), qos };
        run.hear(true);
        run
    }

    fn step(&mut self) {
        let (who, shard) = (self.dice.roll(3), self.dice.roll(self.cluster.shards.len()));
        let Self { cluster, members, alice, dice, qos, .. } = self;
        match dice.roll(12) {
            0..4 => {
                let (topic, payload) = ("t".to_owned(), alice.published.to_string());
                alice.publish(cluster, Sent { topic, payload, qos: *qos, retain: false, received: false });
            }
            4 => members[who].cut(cluster),
            5 | 6 => members[who].come_back(cluster),
            7 => {
                cluster.crash(|| dice.roll(300));
                members.iter_mut().for_each(|member| member.line = None);
                alice.line = None;
                alice.come_back(cluster);
            }
            8 => {
                let now = cluster.now;
                cluster.shards[shard].sync(now);
            }
            _ => cluster.turn(shard),
        }
        let answers = self.dice.roll(3) > 0;
        self.hear(answers);
    }

    fn hear(&mut self, answers: bool) {
        let Self { what, cluster, members, alice, .. } = self;
        members.iter_mut().for_each(|member| member.hear(cluster, what, answers));
        alice.hear(cluster, what);
    }

    /// All come back and answer everything.
    fn end(&mut self) {
        let Self { cluster, members, .. } = self;
        for member in members {
            member.cut(cluster);
            member.come_back(cluster);
        }
        for _ in 0..30 {
            self.cluster.rest();
            self.hear(true);
        }
    }

    fn judge(&self) {
        let Self { what, alice, members, .. } = self;
        assert!(alice.outgoing.is_empty(), "{what}: every publish ends");
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for payload in members.iter().flat_map(|member| &member.live) {
            *times.entry(payload).or_default() += 1;
        }
        for payload in &alice.acknowledged {
            let count = times.get(payload.as_str()).copied().unwrap_or_default();
            assert!(count > 0, "{what}: {payload} was accepted and came");
            assert!(self.qos == QoS::AtLeastOnce || count == 1, "{what}: {payload} came {count} times");
        }
    }
}

/// One on so many shards, from its seed to its end.
pub(crate) fn storm(seed: u64, shards: u16, qos: QoS) {
    let mut run = Run::new(seed, shards, qos);
    (0..120).for_each(|_| run.step());
    run.end();
    run.judge();
}

#[test]
fn over_crashes_and_deaths_nothing_is_lost_and_qos_2_comes_once() {
    for (shards, qos) in
        [1, 2, 3].into_iter().flat_map(|n| [QoS::AtLeastOnce, QoS::ExactlyOnce].map(|q| (n, q)))
    {
        // GROUP_SEEDS=600: it takes a few minutes.
        for seed in 0..std::env::var("GROUP_SEEDS").map_or(40, |n| n.parse().expect("a number")) {
            storm(seed, shards, qos);
        }
    }
}
