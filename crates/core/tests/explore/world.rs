//! Shards, the mail between them, and sockets that are byte queues. Nothing happens unless a schedule says so.
mod turn;

use crate::client::{Client, Op};
use crate::history::{End, History, NEVER};
use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use tidewire_core::broker::policy::{Admission, AuthStep, Authentication, Grant, Open, Peer, Policy};
use tidewire_core::broker::{Broker, Config, Limits, Mail, Passage};
use tidewire_core::codec::Publish;
use tidewire_core::id::{ConnectionId, IdentityId, QuestionId, ShardId};
use tidewire_core::output::Output;
use tidewire_core::time::Instant;

pub(crate) fn anybody() -> Grant {
    Open::new().grant()
}

/// Everybody is welcome and may do everything, at once or when somebody gets round to saying so.
#[derive(Clone, Copy)]
struct Slow {
    slow_verdicts: bool,
    slow_admissions: bool,
}

impl Policy for Slow {
    fn authenticate(&mut self, _now: Instant, _peer: &Peer, _step: &AuthStep) -> Authentication {
        if self.slow_verdicts { Authentication::Later } else { Authentication::Allow(anybody()) }
    }

    fn known(&mut self, _now: Instant, _identity: IdentityId, _variant: u32) -> Option<Grant> {
        Some(anybody())
    }

    fn admit(&mut self, _now: Instant, _publisher: &Grant, _publish: &Publish<'_>) -> Admission {
        if self.slow_admissions { Admission::Later } else { Admission::AsIs }
    }
}

/// How a world is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) shards: u16,
    /// Decides which shard each client and each topic is at home on.
    pub(crate) placement: u64,
    pub(crate) slow_verdicts: bool,
    pub(crate) slow_admissions: bool,
    pub(crate) limits: Vec<(&'static str, &'static str)>,
    /// What the driver has to obey (`SHARDS` 1 and 11).
    pub(crate) pair_order: bool,
    pub(crate) close_waits: bool,
    /// Told to whoever reads it.
    pub(crate) tale: bool,
    #[cfg(feature = "_rules")]
    pub(crate) without: Option<tidewire_core::broker::Rule>,
}

impl Setup {
    pub(crate) fn new(shards: u16) -> Self {
        Self {
            shards,
            placement: 0,
            slow_verdicts: false,
            slow_admissions: false,
            limits: vec![],
            pair_order: true,
            close_waits: true,
            tale: false,
            #[cfg(feature = "_rules")]
            without: None,
        }
    }
}

/// A socket, with the client at its other end.
struct Line {
    client: usize,
    /// Where the server's end is, and as what; nowhere while it moves.
    place: Option<(usize, ConnectionId)>,
    /// From the client, not read.
    up: Vec<u8>,
    up_end: Option<End>,
    held: bool,
    paused: bool,
    output: Output,
    blocked: bool,
    closing: bool,
    /// To the client, not read.
    down: Vec<u8>,
    down_end: bool,
}

/// What a turn of a shard takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intake {
    /// So much mail from each other shard.
    pub(crate) mail: Vec<usize>,
    pub(crate) passages: usize,
    /// Whose verdict is given, of those that are asked for.
    pub(crate) verdicts: Vec<usize>,
    /// Whose socket is read.
    pub(crate) lines: Vec<usize>,
    /// So many bytes of each are read.
    pub(crate) read: usize,
    /// So many bytes each socket takes.
    pub(crate) room: usize,
}

pub(crate) struct World {
    setup: Setup,
    pub(crate) micros: u64,
    pub(crate) brokers: Vec<Broker>,
    /// `[to][from]`.
    pub(crate) mail: Vec<Vec<VecDeque<Mail>>>,
    pub(crate) passages: Vec<VecDeque<(usize, Passage)>>,
    pub(crate) questions: Vec<Vec<(QuestionId, bool)>>,
    lines: Vec<Line>,
    pub(crate) clients: Vec<Client>,
    pub(crate) history: History,
    /// Announced, by shard: mail, output, and sockets to read at once.
    due_mail: Vec<BTreeSet<usize>>,
    due_output: Vec<VecDeque<ConnectionId>>,
    due_reads: Vec<BTreeSet<usize>>,
    /// Draws where the setup breaks an order.
    disorder: u64,
    /// Each turn is checked, unless it has been already in this very world.
    pub(crate) checks: bool,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let n = usize::from(setup.shards);
        let micros = 1_000_000_000_000_000;
        let mut limits = Limits::default();
        for (name, value) in &setup.limits {
            limits.set(name, value).expect("a limit that there is");
        }
        let mut placement = [0; 16];
        placement[..8].copy_from_slice(&setup.placement.to_le_bytes());
        let broker = |shard: u16| {
            let policy = Slow { slow_verdicts: setup.slow_verdicts, slow_admissions: setup.slow_admissions };
            let seed = [u8::try_from(shard).unwrap_or(0); 32];
            let config = Config::new(Box::new(policy), seed);
            let mut config = config.one_of(setup.shards, ShardId(shard), placement);
            (config.incarnation, config.limits) = (1, limits.clone());
            #[cfg_attr(
                not(feature = "_rules"),
                expect(unused_mut, reason = "only a rule that is off changes it")
            )]
            let mut broker = Broker::new(Instant::from_micros(micros), config);
            #[cfg(feature = "_rules")]
            if let Some(rule) = setup.without {
                broker.without_rule(rule);
            }
            broker
        };
        let tale = setup.tale.then(Vec::new);
        Self {
            micros,
            brokers: (0..setup.shards).map(broker).collect(),
            mail: (0..n).map(|_| (0..n).map(|_| VecDeque::new()).collect()).collect(),
            passages: (0..n).map(|_| VecDeque::new()).collect(),
            questions: vec![vec![]; n],
            lines: vec![],
            clients: vec![],
            history: History { tale, ..History::default() },
            due_mail: vec![BTreeSet::new(); n],
            due_output: vec![VecDeque::new(); n],
            due_reads: vec![BTreeSet::new(); n],
            disorder: 1,
            checks: true,
            setup,
        }
    }

    pub(crate) fn shards(&self) -> usize {
        self.brokers.len()
    }

    pub(crate) fn add(&mut self, id: &str, keeps: bool, script: impl IntoIterator<Item = Op>) -> usize {
        let index = self.clients.len();
        self.clients.push(Client::new(index, id.to_owned(), script));
        self.history.keeps.push(keeps);
        index
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_micros(self.micros)
    }

    pub(crate) fn has_fault(&self) -> bool {
        self.history.fault.is_some()
    }

    /// The next thing in its script; false if it has nothing to do, or has to wait. `accept` is the shard that a
    /// new connection comes to.
    pub(crate) fn act(&mut self, client: usize, accept: usize) -> bool {
        if !self.clients[client].may_act(&self.history) {
            return false;
        }
        let open = self.is_open(client);
        let op = *self.clients[client].script.front().expect("it may act");
        match op {
            Op::Subscribe { .. } | Op::Unsubscribe { .. } | Op::Publish { .. } if !open => {
                self.connect(client, accept, false);
                return true;
            }
            _ => {}
        }
        self.clients[client].script.pop_front();
        match op {
            Op::Connect { clean } => self.connect(client, accept, clean),
            Op::Await | Op::Welcome => {}
            Op::Disconnect if open => {
                self.send(client, op);
                self.leave(client, End::Fin);
            }
            Op::Leave(end) if open => self.leave(client, end),
            Op::Disconnect | Op::Leave(_) => {}
            _ => self.send(client, op),
        }
        true
    }

    pub(crate) fn is_open(&self, client: usize) -> bool {
        self.clients[client].line.is_some_and(|line| {
            let seen = &self.history.lines[line];
            seen.left == NEVER && seen.closed == NEVER
        })
    }

    pub(crate) fn connect(&mut self, client: usize, accept: usize, clean: bool) {
        self.micros += 1000;
        let line = self.lines.len();
        let up = self.clients[client].connect(&mut self.history, line, clean);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1000));
        let now = self.now();
        let id = self.brokers[accept].handle_open(now, Peer::new(address, 0));
        self.lines.push(Line {
            client,
            place: Some((accept, id)),
            up,
            up_end: None,
            held: false,
            paused: false,
            output: Output::default(),
            blocked: false,
            closing: false,
            down: vec![],
            down_end: false,
        });
    }

    fn send(&mut self, client: usize, op: Op) {
        let line = self.clients[client].line.expect("it is open");
        let bytes = self.clients[client].ask(&mut self.history, op);
        self.lines[line].up.extend(bytes);
    }

    fn leave(&mut self, client: usize, end: End) {
        let line = self.clients[client].line.expect("it is open");
        self.clients[client].left(&mut self.history, line, end);
        self.end_line(line, end);
    }

    fn end_line(&mut self, line: usize, end: End) {
        let line = &mut self.lines[line];
        line.up_end = Some(end);
        line.down.clear();
        if end == End::Reset {
            line.up.clear();
        }
    }

    /// Reads at most so many bytes of what came on all its connections; false if there was nothing.
    pub(crate) fn read(&mut self, client: usize, most: usize) -> bool {
        let mut any = false;
        for n in 0..self.lines.len() {
            let line = &mut self.lines[n];
            if line.client != client || line.up_end.is_some() {
                continue;
            }
            let end = most.min(line.down.len());
            let bytes: Vec<u8> = line.down.drain(..end).collect();
            let over = line.down.is_empty() && line.down_end;
            any |= end > 0 || over;
            let latest = self.clients[client].line == Some(n);
            if latest {
                let answer = self.clients[client].read(&mut self.history, n, &bytes);
                self.lines[n].up.extend(answer);
            } else if end > 0 {
                self.read_old(client, n, &bytes);
            }
            if over {
                let now = self.history.tick();
                self.history.tell(|| format!("line {n} is closed by the server"));
                self.history.lines[n].closed = now;
                if !self.history.keeps[client] && latest {
                    for sub in self.history.subs.iter_mut().filter(|s| s.client == client) {
                        sub.ending = sub.ending.min(now);
                    }
                }
                self.end_line(n, End::Fin);
            }
        }
        any
    }

    /// What comes on a connection that its client has given up: only that it is told goodbye matters.
    fn read_old(&mut self, client: usize, line: usize, bytes: &[u8]) {
        // A DISCONNECT or a refusing CONNACK, which come last and whole.
        if let [.., 0xe0, 1, reason] | [.., 0xe0, 2, reason, 0] = bytes {
            self.history.lines[line].told = Some(*reason);
        } else if let [0x20, _, 0, reason, ..] = bytes
            && *reason >= 0x80
        {
            self.history.lines[line].told = Some(*reason);
        }
        let (id, told) = (self.clients[client].id.clone(), self.history.lines[line].told);
        self.history.tell(|| format!("{id} is told {told:x?} on its old line {line}"));
    }

    /// Is anything under way, or announced and not done?
    pub(crate) fn is_still(&self) -> bool {
        let carried = self.mail.iter().flatten().all(VecDeque::is_empty)
            && self.passages.iter().all(VecDeque::is_empty);
        let due = self.due_mail.iter().all(BTreeSet::is_empty)
            && self.due_output.iter().all(VecDeque::is_empty)
            && self.due_reads.iter().all(BTreeSet::is_empty);
        let asked = self.questions.iter().all(Vec::is_empty);
        let read = |l: &Line| l.down.is_empty() && (!l.down_end || l.up_end.is_some());
        let sockets = self.lines.iter().all(|l| {
            let ended = l.up_end.is_some() && l.place.is_some();
            let waits = l.held || l.paused;
            read(l) && !l.blocked && (l.place.is_none() || waits || (l.up.is_empty() && !ended))
        });
        let acts = self.clients.iter().any(|c| c.may_act(&self.history));
        carried && due && asked && sockets && !acts
    }

    /// Lets everything happen until nothing can any more.
    pub(crate) fn settle(&mut self) {
        for round in 0..2000 {
            if self.has_fault() {
                return;
            }
            if self.is_still() {
                // A pause may be all that is left to wait for.
                let paused = self.lines.iter().any(|l| l.paused && l.place.is_some());
                let at = self.brokers.iter().filter_map(Broker::poll_timeout).map(|d| d.at.as_micros()).min();
                match at.filter(|at| paused && *at < self.micros + 20_000_000) {
                    Some(at) => self.micros = self.micros.max(at) + 1000,
                    None => return,
                }
            }
            for shard in 0..self.shards() {
                self.whole_turn(shard);
            }
            for client in 0..self.clients.len() {
                self.read(client, usize::MAX);
                self.act(client, (client + round) % self.shards());
            }
        }
        self.history.fault("it never ends".to_owned());
    }

    /// After the last step: everybody who has a session comes back for what waits, newcomers ask each shard what is
    /// retained, and the books are closed.
    pub(crate) fn finish(&mut self) {
        self.settle();
        for client in 0..self.clients.len() {
            if !self.is_open(client) && self.history.keeps[client] && self.clients[client].line.is_some() {
                self.connect(client, client % self.shards(), false);
            }
        }
        self.settle();
        for shard in 0..self.shards() {
            // A Client Identifier that is assigned is at home where it is assigned.
            let probe = self.add("", false, [Op::Subscribe { filter: "#", qos: 1 }, Op::Await]);
            self.connect(probe, shard, true);
        }
        self.settle();
        if self.has_fault() {
            return;
        }
        for client in &self.clients {
            let waits = !client.script.is_empty() || !client.is_answered();
            if waits {
                let text = format!("{:?} waits for ever, script {:?}", client.id, client.script);
                return self.history.fault(text);
            }
        }
        for broker in &self.brokers {
            broker.check();
            let stats = broker.stats();
            if !broker.is_settled() || stats.ledger.mailed != stats.ledger.settled {
                return self.history.fault(format!("at rest, mail is under way: {stats:?}"));
            }
            if stats.retained != self.brokers[0].stats().retained {
                return self.history.fault("at rest, shards differ in what is retained".to_owned());
            }
            if stats.incomplete_bytes + stats.questions > 0 {
                return self.history.fault(format!("at rest, something is kept: {stats:?}"));
            }
        }
    }

    /// Which clients are probes that look at what is retained.
    pub(crate) fn probes(&self) -> Vec<usize> {
        self.clients.iter().filter(|c| c.id.is_empty()).map(|c| c.index).collect()
    }
}
