//! A server of several shards in one thread, in virtual time.
use crate::Script;
use crate::run::{Heard, LineId, Wire, sweep};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use tidewire_core::Input;
use tidewire_core::broker::policy::{Peer, Policy};
use tidewire_core::broker::{Action, Broker, CloseCause, Config, Limits, Mail, Stats};
use tidewire_core::id::{ConnectionId, Position, ShardId};
use tidewire_core::output::Output;
use tidewire_core::time::Instant;

/// Where virtual time begins.
const EPOCH: Instant = Instant::from_secs(1_800_000_000);

/// A timer that is due this often without time passing never ends.
const TIMEOUTS_AT_ONE_INSTANT: usize = 10_000;

/// The whole of a server: its shards, the mail between them, and both ends of every connection.
///
/// Nothing in it is random, no socket is ever full, and no time passes but by [`Wire::wait`].
#[allow(missing_debug_implementations, reason = "a broker has none")]
pub struct World {
    now: Instant,
    shards: Vec<Shard>,
    lines: Vec<Line>,
    /// How many bytes one read takes.
    read_bytes: usize,
}

struct Shard {
    broker: Broker,
    lines: BTreeMap<ConnectionId, usize>,
    mail: VecDeque<(ShardId, Mail)>,
    mail_due: BTreeSet<ShardId>,
    transmit_due: Vec<ConnectionId>,
    timeouts: usize,
    /// So far goes the journal, and not all of it is durable.
    written: Option<Position>,
}

/// Both ends of a connection.
struct Line {
    /// Where the broker has it; `None` once it was told of its end.
    place: Option<(usize, ConnectionId)>,
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    output: Output,
    reading: Reading,
    /// The client has gone, and how.
    client_gone: Option<CloseCause>,
    server_end: ServerEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    On,
    Held,
    /// Read and thrown away.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerEnd {
    Open,
    /// To be closed when everything is written.
    Closing,
    Closed,
}

impl World {
    /// A server of so many shards, each with a policy of its own.
    pub fn new(shards: u16, policy: impl Fn() -> Box<dyn Policy + Send>) -> Self {
        Self::limited(shards, &Limits::default(), policy)
    }

    /// The same with other limits: [`Script::limits`](crate::Script::limits) are those that a script needs.
    pub fn limited(shards: u16, limits: &Limits, policy: impl Fn() -> Box<dyn Policy + Send>) -> Self {
        Self::of(shards, limits, false, policy)
    }

    /// The same with a journal for each shard, on disks that take their time: nothing becomes durable as long as there
    /// is anything else to do.
    pub fn durable(shards: u16, limits: &Limits, policy: impl Fn() -> Box<dyn Policy + Send>) -> Self {
        Self::of(shards, limits, true, policy)
    }

    fn of(shards: u16, limits: &Limits, durable: bool, policy: impl Fn() -> Box<dyn Policy + Send>) -> Self {
        let shard = |index| {
            let mut seed = [7; 32];
            seed[..2].copy_from_slice(&u16::to_be_bytes(index));
            let mut config = Config::new(policy(), seed).one_of(shards, ShardId(index), *b"where clients go");
            (config.incarnation, config.durable, config.limits) = (1, durable, limits.clone());
            Shard::new(config)
        };
        let shards = (0..shards).map(shard).collect();
        Self { now: EPOCH, shards, lines: vec![], read_bytes: usize::MAX }
    }

    /// Reads at most so many bytes at a time, so that packets come in pieces.
    #[must_use]
    pub fn reading(mut self, bytes: usize) -> Self {
        self.read_bytes = bytes;
        self
    }

    /// Ends all connections, and lets so much time pass that all that ends by itself has ended: sessions, wills, messages
    /// that expire. What the script has retained is cleared. The next conversation begins with the same server.
    pub fn start_over(&mut self, script: &Script) {
        for at in 0..self.lines.len() {
            self.close(LineId(at), true);
        }
        sweep(script, self);
        self.wait(Duration::from_secs(30 * 24 * 3600));
        self.lines.clear();
    }

    /// What each shard counts.
    pub fn stats(&self) -> impl Iterator<Item = Stats> {
        self.shards.iter().map(|shard| shard.broker.stats())
    }

    /// Every shard breaks this rule.
    #[cfg(feature = "_rules")]
    #[doc(hidden)]
    #[must_use]
    pub fn without_rule(mut self, rule: tidewire_core::broker::Rule) -> Self {
        self.shards.iter_mut().for_each(|shard| shard.broker.without_rule(rule));
        self
    }

    /// Turns every shard's loop until none has anything to do.
    fn settle(&mut self) {
        for shard in &mut self.shards {
            shard.timeouts = 0;
        }
        let mut busy = true;
        while busy {
            busy = false;
            for shard in 0..self.shards.len() {
                busy |= self.turn(shard);
            }
            if !busy {
                busy = self.sync();
            }
        }
        self.check_at_rest();
    }

    /// What was journaled becomes durable. Was there anything?
    fn sync(&mut self) -> bool {
        let mut busy = false;
        for shard in &mut self.shards {
            if let Some(position) = shard.written.take() {
                shard.broker.handle_durable(self.now, position);
                busy = true;
            }
        }
        busy
    }

    /// States what must hold when no shard has anything to do: mail has arrived, and what all have is the same.
    fn check_at_rest(&self) {
        let retained = self.shards[0].broker.stats().retained;
        for shard in &self.shards {
            let stats = shard.broker.stats();
            assert!(shard.broker.is_settled(), "at rest, something is under way: {stats:?}");
            assert_eq!(stats.ledger.mailed, stats.ledger.settled, "at rest, mail is under way");
            assert_eq!(stats.retained, retained, "at rest, shards differ in what is retained");
            assert_eq!(stats.questions, 0, "the policies of conversations answer at once");
        }
    }

    /// One turn: mail, timers and sockets in; mail out; then writes. Was there anything to do?
    fn turn(&mut self, index: usize) -> bool {
        let now = self.now;
        let shard = &mut self.shards[index];
        let mut busy = !shard.mail.is_empty();
        while let Some((from, mail)) = shard.mail.pop_front() {
            shard.broker.handle_mail(now, from, mail);
        }
        if shard.broker.poll_timeout().is_some_and(|deadline| deadline.at <= now) {
            shard.timeouts += 1;
            assert!(shard.timeouts < TIMEOUTS_AT_ONE_INSTANT, "a timer is due for ever");
            shard.broker.handle_timeout(now);
            busy = true;
        }
        busy |= self.act(index);
        for (id, line) in self.shards[index].lines.clone() {
            busy |= self.read(index, id, line);
        }
        self.post(index);
        busy |= self.write(index);
        self.shards[index].broker.check();
        busy
    }

    /// Hands in what a client has sent, piece by piece, then its end.
    fn read(&mut self, index: usize, id: ConnectionId, at: usize) -> bool {
        let mut busy = false;
        while self.lines[at].place == Some((index, id)) && self.lines[at].reading != Reading::Held {
            let line = &mut self.lines[at];
            if line.to_server.is_empty() {
                let Some(cause) = line.client_gone else { break };
                line.place = None;
                self.shards[index].lines.remove(&id);
                self.shards[index].broker.handle_close(self.now, id, cause);
            } else {
                let n = line.to_server.len().min(self.read_bytes);
                let bytes: Vec<u8> = line.to_server.drain(..n).collect();
                if line.reading == Reading::On {
                    line.reading = match self.shards[index].broker.handle_bytes(self.now, id, &bytes) {
                        Input::More => Reading::On,
                        Input::Hold => Reading::Held,
                        Input::Done => Reading::Done,
                    };
                }
            }
            self.act(index);
            busy = true;
        }
        busy
    }

    /// Does what the broker announces. Was there anything?
    fn act(&mut self, index: usize) -> bool {
        let mut busy = false;
        while let Some(action) = self.shards[index].broker.poll_action() {
            busy = true;
            let shard = &mut self.shards[index];
            match action {
                Action::Transmit(id) => shard.transmit_due.push(id),
                Action::Mail(to) => drop(shard.mail_due.insert(to)),
                Action::Close(id) => {
                    if let Some(&at) = shard.lines.get(&id) {
                        self.lines[at].server_end = ServerEnd::Closing;
                        shard.transmit_due.push(id);
                    }
                }
                Action::Abort(id) => {
                    if let Some(at) = shard.lines.remove(&id) {
                        self.lines[at].server_end = ServerEnd::Closed;
                        self.lines[at].place = None;
                        shard.broker.handle_close(self.now, id, CloseCause::Linger);
                    }
                }
                Action::Pause(id) => self.set_reading(index, id, Reading::Held),
                Action::Resume(id) => self.set_reading(index, id, Reading::On),
                Action::Move { connection, to } => self.move_line(index, connection, to.index()),
                Action::Journal => {
                    let mut bytes = vec![];
                    while let Some(position) = shard.broker.poll_journal(&mut bytes) {
                        shard.written = Some(position);
                    }
                }
                Action::Event => while shard.broker.poll_event().is_some() {},
                // The policies of conversations answer at once, and nothing in them subscribes locally.
                _ => {}
            }
        }
        self.shards[index].broker.check();
        busy
    }

    fn set_reading(&mut self, index: usize, id: ConnectionId, reading: Reading) {
        if let Some(&at) = self.shards[index].lines.get(&id)
            && self.lines[at].reading != Reading::Done
        {
            self.lines[at].reading = reading;
        }
    }

    fn move_line(&mut self, index: usize, id: ConnectionId, to: usize) {
        let Some(passage) = self.shards[index].broker.take_passage(id) else { return };
        let at =
            self.shards[index].lines.remove(&id).expect("it was announced for a connection that is here");
        let id = self.shards[to].broker.handle_passage(self.now, passage);
        self.shards[to].lines.insert(id, at);
        self.lines[at].place = Some((to, id));
        self.lines[at].reading = Reading::On;
    }

    fn post(&mut self, index: usize) {
        for to in core::mem::take(&mut self.shards[index].mail_due) {
            while let Some(mail) = self.shards[index].broker.poll_mail(to) {
                self.shards[to.index()]
                    .mail
                    .push_back((ShardId(index.try_into().expect("shards are few")), mail));
            }
        }
    }

    fn write(&mut self, index: usize) -> bool {
        let due = core::mem::take(&mut self.shards[index].transmit_due);
        for &id in &due {
            let Some(&at) = self.shards[index].lines.get(&id) else { continue };
            let line = &mut self.lines[at];
            while self.shards[index].broker.poll_transmit(self.now, id, 16 * 1024, &mut line.output) {
                line.flush();
            }
            line.flush();
            if line.server_end == ServerEnd::Closing {
                line.server_end = ServerEnd::Closed;
            }
        }
        !due.is_empty()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.shards.iter().filter_map(|shard| shard.broker.poll_timeout()).map(|deadline| deadline.at).min()
    }
}

impl Shard {
    fn new(config: Config) -> Self {
        Self {
            broker: Broker::new(EPOCH, config),
            lines: BTreeMap::new(),
            mail: VecDeque::new(),
            mail_due: BTreeSet::new(),
            transmit_due: vec![],
            timeouts: 0,
            written: None,
        }
    }
}

impl Line {
    fn flush(&mut self) {
        while !self.output.is_empty() {
            let mut slices: [&[u8]; 4] = [&[]; 4];
            let filled = self.output.slices(&mut slices);
            let bytes = slices[..filled].concat();
            self.to_client.extend_from_slice(&bytes);
            self.output.advance(bytes.len());
        }
    }
}

impl Wire for World {
    /// Connections are accepted by each shard in turn.
    fn open(&mut self) -> io::Result<LineId> {
        let at = self.lines.len();
        let index = at % self.shards.len();
        let shard = &mut self.shards[index];
        let port = 1024 + u16::try_from(at).expect("a conversation has few connections");
        let peer = Peer::new(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port), 0);
        let id = shard.broker.handle_open(self.now, peer);
        shard.lines.insert(id, at);
        self.lines.push(Line {
            place: Some((index, id)),
            to_server: VecDeque::new(),
            to_client: vec![],
            output: Output::default(),
            reading: Reading::On,
            client_gone: None,
            server_end: ServerEnd::Open,
        });
        self.settle();
        Ok(LineId(at))
    }

    fn send(&mut self, line: LineId, bytes: &[u8]) {
        self.lines[line.0].to_server.extend(bytes);
        self.settle();
    }

    fn receive(&mut self, line: LineId, into: &mut Vec<u8>) -> Heard {
        let line = &mut self.lines[line.0];
        if !line.to_client.is_empty() {
            into.append(&mut line.to_client);
            return Heard::Bytes;
        }
        if line.server_end == ServerEnd::Closed { Heard::Closed } else { Heard::Nothing }
    }

    fn close(&mut self, line: LineId, cut: bool) {
        let line = &mut self.lines[line.0];
        line.client_gone = Some(if cut { CloseCause::Reset } else { CloseCause::PeerClosed });
        self.settle();
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now.after(time);
        while let Some(deadline) = self.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    fn is_virtual(&self) -> bool {
        true
    }
}
