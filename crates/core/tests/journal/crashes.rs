//! Random crashes, on one shard and on several.
//!
//! Alice publishes, and sends again what was not acknowledged. Readers want all that there is, subscribe once more now and
//! then, and keep to the letter of the specification. Others come with a will and are cut. Meanwhile snapshots take the
//! place of journals, lines break, and everything stops and starts again from what is on the disks.
//!
//! At the end everything acknowledged has arrived, QoS 2 once, in order; whoever was cut has been heard of; every exchange is
//! over; and what starts again from the disks is what there was.
use crate::clients::{Alice, Reader, Sent};
use crate::host::{Dice, Got, connect};
use crate::shards::{Cluster, Line};
use std::collections::BTreeSet;
use tidewire_core::codec::{Packet, Properties, Will};
use tidewire_core::qos::QoS;
use tidewire_core::text::Text;

#[test]
fn over_random_crashes_nothing_acknowledged_is_lost_and_nothing_is_doubled() {
    for seed in 0..300 {
        Crashes::new(1, seed).run();
    }
}

#[test]
fn over_crashes_of_all_shards_qos_2_arrives_once_wherever_it_is_wanted() {
    for seed in 0..150 {
        for shards in [2, 3] {
            Crashes::new(shards, seed).run();
        }
    }
}

const READERS: usize = 3;
const TOPICS: usize = 3;
/// How many messages alice publishes, and how many wills there are of how many clients.
const PUBLISHED: u16 = 50;
const DOOMED: usize = 16;
const NAMES: usize = 4;

/// What is known of somebody with a will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Its CONNACK has not come.
    Coming(Line),
    Here(Line),
    /// Its line is cut, and that is not durable yet on this shard.
    Cut(usize),
    /// It is to be heard of.
    Heard,
    /// It may be heard of, or not.
    Open,
}

struct Doomed {
    client_id: String,
    payload: String,
    qos: QoS,
    fate: Fate,
}

pub(crate) struct Crashes {
    what: String,
    dice: Dice,
    cluster: Cluster,
    alice: Alice,
    readers: Vec<Reader>,
    doomed: Vec<Doomed>,
}

impl Crashes {
    pub(crate) fn new(shards: u16, seed: u64) -> Self {
        let mut cluster = Cluster::new(shards);
        let alice = Alice { line: Some(cluster.open("alice")), ..Alice::default() };
        let reader = |i| Reader::new(&mut cluster, &format!("reader-{i}"));
        let readers: Vec<_> = (0..READERS).map(reader).collect();
        cluster.rest();
        for line in readers.iter().filter_map(|reader| reader.line) {
            cluster.subscribe(line, "#");
        }
        cluster.rest();
        let what = format!("seed {seed}, {shards} shards");
        let mut crashes = Self { what, dice: Dice::new(seed), cluster, alice, readers, doomed: Vec::new() };
        crashes.hear();
        crashes
    }

    pub(crate) fn run(mut self) {
        for _ in 0..200 {
            match self.dice.roll(20) {
                0..=3 => self.publish(),
                4 | 5 => {
                    let i = self.shard();
                    self.sync(i);
                }
                6..=9 => {
                    let i = self.shard();
                    self.cluster.turn(i);
                }
                10 if self.dice.roll(3) == 0 => self.crash(),
                11 if self.dice.roll(2) == 0 => self.cut(),
                12 | 13 => self.doom(),
                14 | 15 => self.snapshot(),
                16 => self.subscribe_again(),
                _ => self.listen(),
            }
        }
        for doomed in &mut self.doomed {
            if let Fate::Here(line) = doomed.fate {
                self.cluster.cut(line);
                doomed.fate = Fate::Heard;
            }
        }
        for _ in 0..30 {
            self.come_back();
            self.cluster.rest();
            self.hear();
        }
        self.judge();
        self.start_again();
    }

    /// Nobody is connected, and nothing waits: all that there is outlives the end of the server.
    fn start_again(&mut self) {
        for line in 0..self.cluster.lines.len() {
            self.cluster.cut(line);
        }
        // Wills may have to wait for one another.
        (0..5).for_each(|_| self.cluster.rest());
        let before = self.cluster.counts();
        self.cluster.crash(|| 0);
        self.cluster.rest();
        assert_eq!(
            self.cluster.counts(),
            before,
            "{}: sessions, subscriptions, what is retained, and messages",
            self.what
        );
    }

    fn shard(&mut self) -> usize {
        self.dice.roll(self.cluster.shards.len())
    }

    fn qos(&mut self) -> QoS {
        [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce][self.dice.roll(4)]
    }

    fn is_to_retain(&mut self) -> bool {
        self.dice.roll(3) == 0
    }

    fn publish(&mut self) {
        if self.alice.line.is_none() || self.alice.published >= PUBLISHED {
            return;
        }
        let (n, topic, qos) = (self.alice.published + 1, self.dice.roll(TOPICS), self.qos());
        let (payload, topic, retain) = (name(topic, qos, n), format!("t/{topic}"), self.is_to_retain());
        let sent = Sent { topic, payload, qos, retain, received: false };
        self.alice.publish(&mut self.cluster, sent);
    }

    /// All that this shard has journaled is durable.
    fn sync(&mut self, i: usize) {
        let now = self.cluster.now;
        self.cluster.shards[i].sync(now);
        self.is_durable(i);
        self.cluster.turn(i);
    }

    fn is_durable(&mut self, i: usize) {
        for doomed in self.doomed.iter_mut().filter(|doomed| doomed.fate == Fate::Cut(i)) {
            doomed.fate = Fate::Heard;
        }
    }

    fn snapshot(&mut self) {
        let (i, limit) = (self.shard(), 1 + self.dice.roll(500));
        if !self.cluster.snapshot_piece(i, limit) {
            self.is_durable(i);
        }
    }

    fn crash(&mut self) {
        let dice = &mut self.dice;
        self.cluster.crash(|| dice.roll(500));
        self.alice.line = None;
        self.readers.iter_mut().for_each(|reader| reader.line = None);
        for doomed in &mut self.doomed {
            doomed.fate = match doomed.fate {
                Fate::Coming(_) => Fate::Open,
                // Whoever was connected is cut.
                Fate::Here(_) | Fate::Cut(_) => Fate::Heard,
                fate @ (Fate::Heard | Fate::Open) => fate,
            };
        }
    }

    fn cut(&mut self) {
        let i = self.dice.roll(READERS + 1);
        let line = self.readers.get_mut(i).map_or(&mut self.alice.line, |reader| &mut reader.line);
        if let Some(line) = line.take() {
            self.cluster.cut(line);
        }
    }

    /// Somebody comes with a will, or is cut.
    fn doom(&mut self) {
        let client_id = format!("doomed-{}", self.dice.roll(NAMES));
        let last = self.doomed.iter_mut().rfind(|doomed| doomed.client_id == client_id);
        if let Some(Doomed { fate, .. }) = last
            && let Fate::Here(line) = *fate
        {
            let (home, _) = self.cluster.lines[line].expect("it has a line");
            self.cluster.cut(line);
            *fate = Fate::Cut(home);
        } else if self.doomed.len() < DOOMED {
            let n = self.doomed.len();
            let (qos, retain, clean) = (self.qos(), self.is_to_retain(), self.dice.roll(2) == 0);
            let payload = format!("w{}{n}", level(qos));
            let Packet::Connect(mut connect) = connect(&client_id, clean) else { unreachable!("it is one") };
            let topic = Text::new("will").expect("it has no U+0000");
            let properties = Properties::default();
            connect.will = Some(Will { topic, payload: payload.as_bytes(), qos, retain, properties });
            let line = self.cluster.open_by(&Packet::Connect(connect));
            self.doomed.push(Doomed { client_id, payload, qos, fate: Fate::Coming(line) });
        }
    }

    /// What is retained comes once more, by the same subscription or by another one that has it, too.
    fn subscribe_again(&mut self) {
        let i = self.dice.roll(READERS);
        let (filter, qos) = [("#", QoS::ExactlyOnce), ("t/+", QoS::AtLeastOnce)][self.dice.roll(2)];
        if let Some(line) = self.readers[i].line {
            self.cluster.subscribe_with(line, filter, qos);
        }
    }

    fn come_back(&mut self) {
        let Self { cluster, alice, readers, .. } = self;
        alice.come_back(cluster);
        readers.iter_mut().for_each(|reader| reader.come_back(cluster));
    }

    fn listen(&mut self) {
        if self.dice.roll(2) == 0 {
            self.come_back();
        }
        self.hear();
    }

    /// Everybody takes what has come, and answers.
    fn hear(&mut self) {
        let Self { what, cluster, alice, readers, doomed, .. } = self;
        alice.hear(cluster, what);
        readers.iter_mut().for_each(|reader| reader.hear(cluster, what, true));
        for doomed in doomed {
            if let Fate::Coming(line) = doomed.fate
                && cluster.got(line).iter().any(|got| matches!(got, Got::Connack { .. }))
            {
                doomed.fate = Fate::Here(line);
            }
        }
    }

    fn judge(&self) {
        let what = &self.what;
        assert!(self.alice.outgoing.is_empty(), "{what}: every publish ends");
        let wills = self.doomed.iter().filter(|doomed| doomed.qos > QoS::AtMostOnce);
        let heard = wills.filter(|doomed| doomed.fate == Fate::Heard).map(|doomed| &doomed.payload);
        let due: Vec<_> = self.alice.acknowledged.iter().chain(heard).collect();
        for Reader { name, open, live, .. } in &self.readers {
            for payload in &due {
                assert!(live.contains(payload), "{what}: {name} has not got {payload}: {live:?}");
            }
            assert!(open.is_empty(), "{what}: {name} waits for the end of {open:?}");
            // QoS 1 may come again; and so may a will with QoS 0, if a crash leaves open whether it was heard.
            let may_come_again = |payload: &str| payload[1..].starts_with('l') || payload.starts_with("wz");
            let once: Vec<_> = live.iter().filter(|payload| !may_come_again(payload)).collect();
            let distinct: BTreeSet<_> = once.iter().collect();
            assert_eq!(distinct.len(), once.len(), "{what}: {name} got something twice: {live:?}");
            for stream in (0..TOPICS).flat_map(|t| ["z", "l", "e"].map(|level| format!("{t}{level}"))) {
                let numbers =
                    live.iter().filter_map(|payload| payload.strip_prefix(&stream)?.parse::<u16>().ok());
                let mut before = BTreeSet::new();
                let firsts: Vec<_> = numbers.filter(|n| before.insert(*n)).collect();
                assert!(firsts.is_sorted(), "{what}: {name} got {stream} out of order: {firsts:?}");
            }
        }
        for shard in &self.cluster.shards {
            assert!(shard.broker.is_settled(), "{what}: nothing is left under way");
        }
    }
}

/// A message that says what it is: its topic, its QoS, and the how many-eth of all it is.
fn name(topic: usize, qos: QoS, n: u16) -> String {
    format!("{topic}{}{n}", level(qos))
}

fn level(qos: QoS) -> char {
    match qos {
        QoS::AtMostOnce => 'z',
        QoS::AtLeastOnce => 'l',
        QoS::ExactlyOnce => 'e',
    }
}
