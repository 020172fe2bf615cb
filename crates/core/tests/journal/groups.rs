//! What waits for a group outlives a crash, and what a member has begun with QoS 2 comes to nobody else.
use crate::host::{Got, Host, packet_id, publish};
use crate::shards::{Cluster, Line};
use std::collections::{BTreeMap, BTreeSet};
use tidewire_core::codec::{Ack, Packet, Properties};
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;

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

fn ack(n: u16) -> Ack<'static> {
    Ack { packet_id: packet_id(n), reason: ReasonCode::Success, properties: Properties::default() }
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

/// A member's client, which keeps what it knows over all crashes of the server.
#[derive(Default)]
struct Member {
    line: Option<Line>,
    /// QoS 2 that it has and whose PUBREL has not come.
    begun: BTreeSet<u16>,
    came: Vec<String>,
}

impl Member {
    fn hear(&mut self, cluster: &mut Cluster, answers: bool) {
        let Some(line) = self.line else { return };
        for got in cluster.got(line) {
            match got {
                Got::Publish { payload, qos: QoS::AtLeastOnce, id, .. } => {
                    self.came.push(payload);
                    if answers {
                        cluster.send(line, &Packet::Puback(ack(id)));
                    }
                }
                Got::Publish { payload, id, .. } => {
                    if self.begun.insert(id) {
                        self.came.push(payload);
                    }
                    if answers {
                        cluster.send(line, &Packet::Pubrec(ack(id)));
                    }
                }
                Got::Pubrel(id) => {
                    self.begun.remove(&id);
                    cluster.send(line, &Packet::Pubcomp(ack(id)));
                }
                _ => {}
            }
        }
    }
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// A publisher that sends again what was not answered.
#[derive(Default)]
struct Publisher {
    line: Option<Line>,
    open: BTreeMap<u16, (String, bool)>,
    accepted: Vec<String>,
    next: u16,
}

impl Publisher {
    fn connect(&mut self, cluster: &mut Cluster, qos: QoS) {
        let line = cluster.open("alice");
        self.line = Some(line);
        for (id, (payload, received)) in &self.open {
            if *received {
                cluster.send(line, &Packet::Pubrel(ack(*id)));
            } else {
                cluster.send(line, &publish("t", payload, qos, *id, true));
            }
        }
    }

    fn publish(&mut self, cluster: &mut Cluster, qos: QoS) {
        let Some(line) = self.line else { return };
        self.next += 1;
        let payload = self.next.to_string();
        cluster.send(line, &publish("t", &payload, qos, self.next, false));
        self.open.insert(self.next, (payload, false));
    }

    fn hear(&mut self, cluster: &mut Cluster) {
        let Some(line) = self.line else { return };
        for got in cluster.got(line) {
            match got {
                Got::Puback(id) => self.accepted.extend(self.open.remove(&id).map(|(payload, _)| payload)),
                Got::Pubrec(id) => {
                    if let Some((_, received)) = self.open.get_mut(&id) {
                        *received = true;
                        cluster.send(line, &Packet::Pubrel(ack(id)));
                    }
                }
                Got::Pubcomp(id) => self.accepted.extend(self.open.remove(&id).map(|(payload, _)| payload)),
                _ => {}
            }
        }
    }
}

struct Run {
    cluster: Cluster,
    members: Vec<Member>,
    alice: Publisher,
    dice: Dice,
    qos: QoS,
}

impl Run {
    fn new(seed: u64, shards: u16, qos: QoS) -> Self {
        let mut dice = Dice(seed | 1);
        for _ in 0..8 {
            dice.below(2);
        }
        let mut cluster = Cluster::new(shards);
        let mut members: Vec<Member> = (0..3).map(|_| Member::default()).collect();
        for (n, member) in members.iter_mut().enumerate() {
            let line = cluster.open(&format!("m{n}"));
            cluster.rest();
            cluster.subscribe_with(line, SHARE, qos);
            member.line = Some(line);
        }
        cluster.rest();
        let mut alice = Publisher::default();
        alice.connect(&mut cluster, qos);
        cluster.rest();
        Self { cluster, members, alice, dice, qos }
    }

    fn one_of(&mut self, n: usize) -> usize {
        usize::try_from(self.dice.below(n as u64)).expect("few")
    }

    fn step(&mut self) {
        let (who, shards) = (self.one_of(3), self.cluster.shards.len());
        match self.dice.below(12) {
            0..4 => self.alice.publish(&mut self.cluster, self.qos),
            4 => {
                if let Some(line) = self.members[who].line.take() {
                    self.cluster.cut(line);
                }
            }
            5 | 6 => {
                let Self { members, cluster, .. } = self;
                members[who].line.get_or_insert_with(|| cluster.open(&format!("m{who}")));
            }
            7 => {
                let Self { cluster, dice, .. } = self;
                cluster.crash(|| usize::try_from(dice.below(300)).expect("few"));
                self.members.iter_mut().for_each(|member| member.line = None);
                self.alice.connect(&mut self.cluster, self.qos);
            }
            8 => {
                let (shard, now) = (self.one_of(shards), self.cluster.now);
                self.cluster.shards[shard].sync(now);
            }
            _ => {
                let shard = self.one_of(shards);
                self.cluster.turn(shard);
            }
        }
        let answers = self.dice.below(3) > 0;
        self.hear(answers);
    }

    fn hear(&mut self, answers: bool) {
        let Self { cluster, members, alice, .. } = self;
        members.iter_mut().for_each(|member| member.hear(cluster, answers));
        alice.hear(cluster);
    }

    /// All come back and answer everything.
    fn end(&mut self) {
        let Self { cluster, members, .. } = self;
        for (n, member) in members.iter_mut().enumerate() {
            if let Some(line) = member.line.take() {
                cluster.cut(line);
            }
            member.line = Some(cluster.open(&format!("m{n}")));
        }
        for _ in 0..30 {
            self.cluster.rest();
            self.hear(true);
        }
    }

    fn judge(&self, said: &str) {
        let Self { alice, members, .. } = self;
        assert!(alice.open.is_empty(), "{said}: all is answered: {:?}", alice.open);
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for payload in members.iter().flat_map(|member| &member.came) {
            *times.entry(payload).or_default() += 1;
        }
        for payload in &alice.accepted {
            let count = times.get(payload.as_str()).copied().unwrap_or_default();
            assert!(count > 0, "{said}: {payload} was accepted and came");
            assert!(self.qos == QoS::AtLeastOnce || count == 1, "{said}: {payload} came {count} times");
        }
    }
}

/// A run in which members die and the server crashes; on two shards or three.
#[cfg(feature = "_rules")]
pub(crate) fn storm(seed: u64, qos: QoS) {
    let shards = if seed.is_multiple_of(2) { 2 } else { 3 };
    let mut run = Run::new(seed, shards, qos);
    (0..120).for_each(|_| run.step());
    run.end();
    run.judge(&format!("seed {seed}, {shards} shards, {qos:?}"));
}

#[test]
fn over_crashes_and_deaths_nothing_is_lost_and_qos_2_comes_once() {
    for (shards, qos) in
        [1, 2, 3].into_iter().flat_map(|n| [QoS::AtLeastOnce, QoS::ExactlyOnce].map(|q| (n, q)))
    {
        // GROUP_SEEDS=600: it takes a few minutes.
        for seed in 0..std::env::var("GROUP_SEEDS").map_or(40, |n| n.parse().expect("a number")) {
            let mut run = Run::new(seed, shards, qos);
            (0..120).for_each(|_| run.step());
            run.end();
            run.judge(&format!("seed {seed}, {shards} shards, {qos:?}"));
        }
    }
}
