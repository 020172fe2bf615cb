//! Several shards, a journal each, one crash for all: what was accepted on one shard and had to reach another is
//! mailed again after it, and arrives once.
use crate::host::{Got, broker, config_of, connect, packet_id, publish, restore, retained};
use std::collections::{BTreeMap, VecDeque};
use tidewire_core::broker::policy::Peer;
use tidewire_core::broker::{Action, Broker, CloseCause, Mail};
use tidewire_core::codec::{FiltersBuf, Packet, Properties, Subscribe, SubscriptionOptions};
use tidewire_core::id::{ConnectionId, Position, ShardId};
use tidewire_core::output::Output;
use tidewire_core::qos::QoS;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicFilter;
use tidewire_core::version::Version;

pub(crate) struct Shard {
    pub(crate) broker: Broker,
    disk: Vec<u8>,
    /// How far it was polled, and how much of the disk is durable.
    polled: Position,
    durable: usize,
    /// The pieces of a snapshot so far, and where on the disk stands what came meanwhile.
    snapshot: Option<(Vec<u8>, usize)>,
}

impl Shard {
    pub(crate) fn disk(&self) -> &[u8] {
        &self.disk
    }

    pub(crate) fn sync(&mut self, now: Instant) {
        self.durable = self.disk.len();
        self.broker.handle_durable(now, self.polled);
    }
}

/// A client that is at home there, and its name.
pub(crate) fn at_home(cluster: &mut Cluster, shard: usize, prefix: &str) -> (Line, String) {
    let mut name = prefix.to_owned();
    loop {
        let line = cluster.open(&name);
        cluster.rest();
        if cluster.lines[line].is_some_and(|at| at.0 == shard) {
            return (line, name);
        }
        name += "-";
    }
}

/// A client's connection, wherever it has moved.
pub(crate) type Line = usize;

pub(crate) struct Cluster {
    pub(crate) shards: Vec<Shard>,
    pub(crate) now: Instant,
    incarnation: u32,
    mail: BTreeMap<(usize, usize), VecDeque<Mail>>,
    pub(crate) lines: Vec<Option<(usize, ConnectionId)>>,
    received: BTreeMap<Line, Vec<u8>>,
}

impl Cluster {
    pub(crate) fn new(n: u16) -> Self {
        let now = Instant::from_secs(1_000_000);
        let shard = |i| Shard {
            broker: broker(now, config_of(i, n, 0)),
            disk: Vec::new(),
            polled: Position(0),
            durable: 0,
            snapshot: None,
        };
        let shards = (0..n).map(shard).collect();
        let (mail, received) = (BTreeMap::new(), BTreeMap::new());
        Self { shards, now, incarnation: 0, mail, lines: Vec::new(), received }
    }

    /// The process dies; of what was not synced, each disk keeps so much.
    pub(crate) fn crash(&mut self, mut unsynced: impl FnMut() -> usize) {
        self.incarnation += 1;
        self.mail.clear();
        self.lines.iter_mut().for_each(|line| *line = None);
        self.received.clear();
        let n = u16::try_from(self.shards.len()).expect("few");
        for (i, shard) in (0..n).zip(&mut self.shards) {
            let end = (shard.durable + unsynced()).min(shard.disk.len());
            shard.disk.truncate(end);
            let mut restore = restore(config_of(i, n, self.incarnation));
            for piece in shard.disk.chunks(1000) {
                restore.feed(piece).expect("what was written can be read");
            }
            shard.disk.truncate(usize::try_from(restore.read_up_to().0).expect("it is in memory"));
            (shard.polled, shard.durable, shard.snapshot) = (Position(0), shard.disk.len(), None);
            shard.broker = restore.finish(self.now);
        }
    }

    /// One shard takes its mail, and does what is announced.
    pub(crate) fn turn(&mut self, i: usize) {
        for from in 0..self.shards.len() {
            while let Some(mail) = self.mail.get_mut(&(from, i)).and_then(VecDeque::pop_front) {
                let from = ShardId(u16::try_from(from).expect("few"));
                self.shards[i].broker.handle_mail(self.now, from, mail);
            }
        }
        self.act(i);
        self.shards[i].broker.check();
    }

    fn act(&mut self, i: usize) {
        let now = self.now;
        let mut writes = Vec::new();
        while let Some(action) = self.shards[i].broker.poll_action() {
            let shard = &mut self.shards[i];
            match action {
                Action::Mail(to) => {
                    while let Some(mail) = shard.broker.poll_mail(to) {
                        self.mail.entry((i, to.index())).or_default().push_back(mail);
                    }
                }
                Action::Journal => {
                    shard.polled = shard.broker.poll_journal(&mut shard.disk).expect("it was announced");
                }
                Action::Move { connection, to } => {
                    let passage = shard.broker.take_passage(connection).expect("it was announced");
                    let id = self.shards[to.index()].broker.handle_passage(now, passage);
                    for line in self.lines.iter_mut().filter(|l| **l == Some((i, connection))) {
                        *line = Some((to.index(), id));
                    }
                }
                Action::Transmit(id) | Action::Close(id) => writes.push(id),
                _ => {}
            }
        }
        for id in writes {
            let mut out = Output::default();
            while self.shards[i].broker.poll_transmit(now, id, 65_536, &mut out) {}
            let mut slices: [&[u8]; 64] = [&[]; 64];
            let n = out.slices(&mut slices);
            if let Some(line) = self.lines.iter().position(|l| *l == Some((i, id))) {
                self.received.entry(line).or_default().extend(slices[..n].concat());
            }
        }
    }

    pub(crate) fn settle(&mut self) {
        for _ in 0..12 {
            for i in 0..self.shards.len() {
                self.turn(i);
            }
        }
    }

    /// Until all is done and durable.
    pub(crate) fn rest(&mut self) {
        for _ in 0..3 {
            self.settle();
            self.sync();
        }
    }

    fn sync(&mut self) {
        for i in 0..self.shards.len() {
            self.shards[i].sync(self.now);
            self.turn(i);
        }
    }

    pub(crate) fn open(&mut self, client_id: &str) -> Line {
        self.open_with(client_id, false)
    }

    pub(crate) fn open_with(&mut self, client_id: &str, clean_start: bool) -> Line {
        self.open_by(&connect(client_id, clean_start))
    }

    /// A connection that begins with this CONNECT.
    pub(crate) fn open_by(&mut self, connect: &Packet<'_>) -> Line {
        let address = "127.0.0.1:1".parse().expect("an address");
        let id = self.shards[0].broker.handle_open(self.now, Peer::new(address, 0));
        self.lines.push(Some((0, id)));
        let line = self.lines.len() - 1;
        self.send(line, connect);
        line
    }

    /// A snapshot takes the place of what that shard has written.
    pub(crate) fn snapshot(&mut self, i: usize) {
        while self.snapshot_piece(i, 1000) {}
    }

    /// The next piece of it. With the last one, and what was written meanwhile, it takes the place of what was there before,
    /// when all that is durable.
    pub(crate) fn snapshot_piece(&mut self, i: usize, limit: usize) -> bool {
        let (now, shard) = (self.now, &mut self.shards[i]);
        let from = shard.disk.len();
        let (pieces, _) = shard.snapshot.get_or_insert((Vec::new(), from));
        if shard.broker.poll_snapshot(now, limit, pieces) {
            return true;
        }
        self.act(i);
        let shard = &mut self.shards[i];
        if let Some((mut disk, from)) = shard.snapshot.take() {
            disk.extend_from_slice(&shard.disk[from..]);
            shard.disk = disk;
        }
        shard.sync(now);
        false
    }

    /// How much there is on each shard: sessions, subscriptions, what is retained, and messages.
    pub(crate) fn counts(&self) -> Vec<[u64; 4]> {
        let stats = self.shards.iter().map(|shard| shard.broker.stats());
        stats.map(|stats| [stats.sessions, stats.subscriptions, stats.retained, stats.messages]).collect()
    }

    pub(crate) fn send(&mut self, line: Line, packet: &Packet<'_>) {
        let Some((i, id)) = self.lines[line] else { return };
        let mut bytes = Vec::new();
        packet.encode(Version::V3_1_1, u32::MAX, &mut bytes).expect("it is small");
        let _ = self.shards[i].broker.handle_bytes(self.now, id, &bytes);
        self.act(i);
    }

    pub(crate) fn cut(&mut self, line: Line) {
        if let Some((i, id)) = self.lines[line].take() {
            self.shards[i].broker.handle_close(self.now, id, CloseCause::Reset);
            self.act(i);
        }
    }

    pub(crate) fn got(&mut self, line: Line) -> Vec<Got> {
        Got::all(&self.received.remove(&line).unwrap_or_default())
    }

    pub(crate) fn subscribe(&mut self, line: Line, filter: &str) {
        self.subscribe_with(line, filter, QoS::ExactlyOnce);
    }

    pub(crate) fn subscribe_with(&mut self, line: Line, filter: &str, qos: QoS) {
        let mut filters = FiltersBuf::new(Version::V3_1_1);
        let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
        filters.push(&TopicFilter::new(filter).expect("a filter"), options);
        let filters = filters.as_filters();
        let subscribe = Subscribe { packet_id: packet_id(1), properties: Properties::default(), filters };
        self.send(line, &Packet::Subscribe(subscribe));
    }
}

/// After a restart sessions have other numbers, and a snapshot is in these.
#[test]
fn what_has_not_reached_all_shards_outlives_a_crash_a_snapshot_and_a_crash() {
    let mut cluster = Cluster::new(2);
    // Whoever goes with its connection is not there after the crash.
    for i in 0..8 {
        cluster.open_with(&format!("passing-{i}"), true);
    }
    let open_readers = |cluster: &mut Cluster| [0, 1, 2, 3].map(|i| cluster.open(&format!("reader-{i}")));
    let alice = cluster.open("alice");
    let readers = open_readers(&mut cluster);
    cluster.rest();
    readers.iter().for_each(|reader| cluster.subscribe(*reader, "t"));
    cluster.rest();
    let (of_alice, _) = cluster.lines[alice].expect("she is connected");
    let elsewhere =
        readers.iter().any(|reader| cluster.lines[*reader].expect("it is connected").0 != of_alice);
    assert!(elsewhere, "a reader is at home on the other shard");
    cluster.send(alice, &publish("t", "once", QoS::ExactlyOnce, 7, false));
    let now = cluster.now;
    cluster.shards[of_alice].sync(now);
    cluster.crash(|| 0);
    (0..2).for_each(|shard| cluster.snapshot(shard));
    cluster.crash(|| 0);
    let readers = open_readers(&mut cluster);
    cluster.rest();
    for reader in readers {
        let got = cluster.got(reader);
        let count =
            got.iter().filter(|got| matches!(got, Got::Publish { payload, .. } if payload == "once")).count();
        assert_eq!(count, 1, "{got:?}");
    }
}

/// The shard that owns a topic has its message, and is told of it once more after a crash: what comes next there is no
/// message that may come again. (`check` says so after each turn.)
#[test]
fn an_order_that_is_known_leaves_no_mark_on_what_comes_next() {
    let mut again = 0;
    for n in 0..8 {
        let mut cluster = Cluster::new(2);
        let alice = cluster.open("alice");
        cluster.rest();
        let of_alice = cluster.lines[alice].expect("she is connected").0;
        // At home on the other shard, so that the message is in its journal.
        let mut name = "reader".to_owned();
        let reader = loop {
            let reader = cluster.open(&name);
            if cluster.lines[reader].is_some_and(|at| at.0 != of_alice) {
                break reader;
            }
            name += "-";
        };
        cluster.rest();
        cluster.subscribe(reader, "#");
        cluster.rest();
        let (owner, topic) = (1 - of_alice, format!("t/{n}"));
        cluster.send(alice, &retained(&topic, "kept", QoS::ExactlyOnce, 7, false));
        let now = cluster.now;
        // Hers has it durably, posts it, and does not hear that the other has it durably, too.
        cluster.shards[of_alice].sync(now);
        cluster.turn(of_alice);
        cluster.turn(owner);
        cluster.shards[owner].sync(now);
        cluster.crash(|| 0);
        let reader = cluster.open(&name);
        let alice = cluster.open("alice");
        cluster.rest();
        let before = cluster.got(reader);
        cluster.send(alice, &publish("t", "next", QoS::ExactlyOnce, 8, false));
        cluster.rest();
        let got = [before, cluster.got(reader)].concat();
        let count = |of: &str| {
            got.iter().filter(|got| matches!(got, Got::Publish { payload, .. } if payload == of)).count()
        };
        assert_eq!((count("kept"), count("next")), (1, 1), "{topic}: {got:?}");
        again += usize::from(cluster.shards[owner].broker.stats().retained == 1);
    }
    assert_eq!(again, 8, "each is retained, wherever it is ordered");
}
