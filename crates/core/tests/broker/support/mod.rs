//! Shards, the carrier that does what they announce, and clients that speak bytes.
mod authority;
mod carrier;
mod client;
mod member;

pub(crate) use authority::{Authority, Kind, Verdict};
pub(crate) use client::{
    Hello, ack, auth, delivery, publish, publish_as, publish_with, subscribe, unsubscribe, unsubscribe_all,
};

pub(crate) use member::{Member, release};

use core::net::SocketAddr;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tidewire_core::Input;
use tidewire_core::broker::policy::{Answer, Grant, Open, Peer};
use tidewire_core::broker::{Broker, CloseCause, Config, Event, Limits, Mail, Passage, Stats};
use tidewire_core::codec::{Decoder, Item, Leniency, Mode};
use tidewire_core::id::{ConnectionId, IdentityId, LocalId, QuestionId, ShardId};
use tidewire_core::output::Output;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::{Duration, Instant};
use tidewire_core::version::{Role, Version};

/// Where virtual time begins.
pub(crate) const EPOCH: Instant = Instant::from_secs(1_800_000_000);

/// One end of a network connection: the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(usize);

/// A server of some shards, and everything around it.
pub(crate) struct Shards {
    pub(crate) now: Instant,
    pub(crate) brokers: Vec<Broker>,
    authority: Arc<Mutex<Authority>>,
    lines: Vec<Line>,
    by_id: BTreeMap<(usize, ConnectionId), usize>,
    /// What each shard has asked and nobody answered.
    pub(crate) asked: VecDeque<(usize, QuestionId)>,
    pub(crate) events: Vec<Event>,
    pub(crate) locals: Vec<LocalId>,
    /// Pauses and resumes, in order.
    pub(crate) gates: Vec<(Client, &'static str)>,
    mail: VecDeque<(usize, usize, Mail)>,
    mail_is_held: bool,
    passages: VecDeque<(usize, usize, Passage)>,
    passages_are_held: bool,
    /// State invariants after each step; off where there are thousands of connections.
    pub(crate) checking: bool,
    next_shard: usize,
    port: u16,
}

struct Line {
    place: Option<(usize, ConnectionId)>,
    decoder: Decoder,
    version: Version,
    inbox: VecDeque<u8>,
    reading: Input,
    output: Output,
    heard: Vec<u8>,
    /// So many bytes more does the socket take.
    window: usize,
    /// How much `poll_transmit` is asked for.
    limit: usize,
    fin: bool,
    /// Closes its end when the server does.
    polite: bool,
    closing: bool,
    end: Option<&'static str>,
    end_told: bool,
}

/// One that lets everybody do everything.
pub(crate) fn open_broker(shard: u16, shards: u16, durable: bool, limits: Limits) -> Broker {
    let config = Config::new(Box::new(Open::new()), [2; 32]);
    let mut config = config.one_of(shards, ShardId(shard), [1; 16]);
    (config.incarnation, config.durable, config.limits) = (1, durable, limits);
    Broker::new(EPOCH, config)
}

impl Shards {
    pub(crate) fn new(shards: u16) -> Self {
        Self::with(shards, &[])
    }

    /// With other limits than the default ones.
    pub(crate) fn with(shards: u16, limits: &[(&str, &str)]) -> Self {
        Self::since(EPOCH, shards, limits)
    }

    /// With a clock that begins then.
    pub(crate) fn since(now: Instant, shards: u16, limits: &[(&str, &str)]) -> Self {
        Self::set_up(now, shards, limits, Leniency::default())
    }

    /// Forgiving these faults.
    pub(crate) fn forgiving(shards: u16, lenient: Leniency) -> Self {
        Self::set_up(EPOCH, shards, &[], lenient)
    }

    fn set_up(now: Instant, shards: u16, limits: &[(&str, &str)], lenient: Leniency) -> Self {
        let authority = Arc::new(Mutex::new(Authority::default()));
        let mut all = Limits::default();
        for (name, value) in limits {
            all.set(name, value).expect("a limit that there is");
        }
        let broker = |index| {
            let mut seed = [7; 32];
            seed[..2].copy_from_slice(&u16::to_be_bytes(index));
            let config = Config::new(Box::new(authority::Asked(authority.clone())), seed);
            let mut config = config.one_of(shards, ShardId(index), *b"where clients go");
            (config.incarnation, config.limits, config.lenient) = (1, all.clone(), lenient);
            Broker::new(now, config)
        };
        Self {
            now,
            brokers: (0..shards).map(broker).collect(),
            authority,
            lines: vec![],
            by_id: BTreeMap::new(),
            asked: VecDeque::new(),
            events: vec![],
            locals: vec![],
            gates: vec![],
            mail: VecDeque::new(),
            mail_is_held: false,
            passages: VecDeque::new(),
            passages_are_held: false,
            checking: true,
            next_shard: 0,
            port: 1024,
        }
    }

    /// Who decides.
    pub(crate) fn authority(&self) -> MutexGuard<'_, Authority> {
        self.authority.lock().expect("no test panics while it holds this")
    }

    /// What this name's bearer may do at the moment.
    pub(crate) fn grant(&self, name: &str) -> Grant {
        self.authority().grant(name)
    }

    pub(crate) fn identity(&self, name: &str) -> IdentityId {
        self.authority().identity(name)
    }

    /// A connection that has sent nothing, accepted by the shards in turn.
    pub(crate) fn dial(&mut self) -> Client {
        self.dial_from("127.0.0.1")
    }

    pub(crate) fn dial_from(&mut self, address: &str) -> Client {
        self.port = self.port.wrapping_add(1);
        let ip = address.parse().expect("an address");
        let peer = Peer::new(SocketAddr::new(ip, self.port), 0);
        let shard = self.next_shard;
        self.next_shard = (shard + 1) % self.brokers.len();
        let id = self.brokers[shard].handle_open(self.now, peer);
        let at = self.lines.len();
        self.by_id.insert((shard, id), at);
        self.lines.push(Line {
            place: Some((shard, id)),
            decoder: Decoder::new(Mode { role: Role::Client, version: Some(Version::V5) }),
            version: Version::V5,
            inbox: VecDeque::new(),
            reading: Input::More,
            output: Output::default(),
            heard: vec![],
            window: usize::MAX,
            limit: 16 * 1024,
            fin: false,
            polite: true,
            closing: false,
            end: None,
            end_told: false,
        });
        self.settle();
        Client(at)
    }

    /// The next connection is accepted by this shard.
    pub(crate) fn accept_at(&mut self, shard: usize) {
        self.next_shard = shard;
    }

    /// A client of 5.0 with a clean session, that is let in.
    pub(crate) fn connect(&mut self, name: &str) -> Client {
        let client = self.greet(&Hello::new(name));
        assert_eq!(self.hear(client), ["CONNACK new 0x00"], "{name} is let in");
        client
    }

    /// Sends a CONNECT on a connection of its own, and looks at nothing.
    pub(crate) fn greet(&mut self, hello: &Hello) -> Client {
        let client = self.dial();
        self.say_hello(client, hello);
        client
    }

    pub(crate) fn say_hello(&mut self, client: Client, hello: &Hello) {
        self.speaks(client, hello.version);
        self.send(client, &hello.bytes());
    }

    /// In which version the client reads.
    pub(crate) fn speaks(&mut self, client: Client, version: Version) {
        let line = &mut self.lines[client.0];
        line.version = version;
        line.decoder.set_version(version);
    }

    /// Connects, subscribes to one filter and hears of it.
    pub(crate) fn subscriber(&mut self, name: &str, filter: &str, qos: u8) -> Client {
        let client = self.connect(name);
        self.subscribe(client, filter, qos);
        client
    }

    pub(crate) fn subscribe(&mut self, client: Client, filter: &str, qos: u8) {
        let version = self.lines[client.0].version;
        self.send(client, &subscribe(version, 1, &[(filter, qos)]));
        assert!(self.hear(client).contains(&format!("SUBACK 1 [{qos}]")), "the filter is granted");
    }

    /// A session that is offline and wants everything.
    pub(crate) fn sleeper(&mut self, name: &str, filter: &str) -> Hello {
        let hello = Hello::new(name).resume().expiry(10_000);
        let client = self.greet(&hello);
        self.hear(client);
        self.subscribe(client, filter, 2);
        self.cut(client);
        hello
    }

    /// A PUBLISH with this QoS and, if above 0, this Packet Identifier.
    pub(crate) fn publish(&mut self, client: Client, topic: &str, payload: &[u8], qos: u8, packet_id: u16) {
        let version = self.lines[client.0].version;
        self.send(client, &publish(version, topic, payload, qos, packet_id));
    }

    /// Acknowledges: PUBACK 4, PUBREC 5, PUBREL 6, PUBCOMP 7.
    pub(crate) fn acknowledge(&mut self, client: Client, packet: u8, packet_id: u16) {
        let version = self.lines[client.0].version;
        self.send(client, &ack(version, packet, packet_id, 0));
    }

    /// Bytes that are read in one go.
    pub(crate) fn send(&mut self, client: Client, bytes: &[u8]) {
        self.lines[client.0].inbox.extend(bytes);
        self.read(client.0);
        self.settle();
    }

    /// The client closes its end, behind all that it has sent.
    pub(crate) fn leave(&mut self, client: Client) {
        self.lines[client.0].fin = true;
        self.read(client.0);
        self.settle();
    }

    /// The connection breaks; what was not read is lost.
    pub(crate) fn cut(&mut self, client: Client) {
        self.lines[client.0].inbox.clear();
        self.ended(client.0, CloseCause::Reset);
        self.settle();
    }

    fn ended(&mut self, at: usize, cause: CloseCause) {
        let line = &mut self.lines[at];
        let Some((shard, id)) = line.place.take() else { return };
        self.by_id.remove(&(shard, id));
        self.brokers[shard].handle_close(self.now, id, cause);
        self.check();
    }

    /// The client's socket takes so many bytes more.
    pub(crate) fn window(&mut self, client: Client, bytes: usize) {
        self.lines[client.0].window = bytes;
        self.write(client.0);
        self.settle();
    }

    /// The client leaves its end open when the server closes.
    pub(crate) fn linger(&mut self, client: Client) {
        self.lines[client.0].polite = false;
    }

    /// What `poll_transmit` is asked for.
    pub(crate) fn limit(&mut self, client: Client, bytes: usize) {
        self.lines[client.0].limit = bytes;
    }

    /// What the client has received since it was asked last, a line for each packet.
    pub(crate) fn hear(&mut self, client: Client) -> Vec<String> {
        let line = &mut self.lines[client.0];
        let bytes = core::mem::take(&mut line.heard);
        let mut rest = bytes.as_slice();
        let mut said = vec![];
        let mut streamed = 0;
        loop {
            match line.decoder.next(&tidewire_core::codec::Limits::default(), &mut rest) {
                Ok(Some(Item::Packet(packet))) => said.push(client::line(&packet)),
                Ok(Some(Item::Head(publish))) => {
                    streamed = 0;
                    said.push(client::head(&publish));
                }
                Ok(Some(Item::Body(bytes))) => {
                    streamed += bytes.len();
                    if line.decoder.body_left() == 0 {
                        let last = said.pop().unwrap_or_default();
                        said.push(format!("{last} <{streamed}>"));
                    }
                }
                Ok(None) => break,
                Err(error) => panic!("a server sends only what a client can read: {error:?}"),
            }
        }
        if let Some(end) = line.end
            && !line.end_told
        {
            line.end_told = true;
            said.push(end.to_owned());
        }
        said
    }

    /// What has come, as bytes; for what is too much to be decoded.
    pub(crate) fn hear_bytes(&mut self, client: Client) -> Vec<u8> {
        core::mem::take(&mut self.lines[client.0].heard)
    }

    pub(crate) fn reads(&self, client: Client) -> bool {
        self.lines[client.0].reading == Input::More
    }

    /// Where the broker has the connection.
    pub(crate) fn place(&self, client: Client) -> (usize, ConnectionId) {
        self.lines[client.0].place.expect("it is open")
    }

    pub(crate) fn is_open(&self, client: Client) -> bool {
        self.lines[client.0].place.is_some() && !self.lines[client.0].closing
    }

    /// Answers the oldest question.
    pub(crate) fn answer(&mut self, answer: Answer) {
        let (shard, question) = self.asked.pop_front().expect("something was asked");
        self.answer_to(shard, question, answer);
    }

    pub(crate) fn answer_to(&mut self, shard: usize, question: QuestionId, answer: Answer) {
        self.brokers[shard].handle_answer(self.now, question, answer);
        self.settle();
    }

    /// Mail stays in the carrier's bag until it is let go.
    pub(crate) fn hold_mail(&mut self) {
        self.mail_is_held = true;
    }

    pub(crate) fn let_mail_go(&mut self) {
        self.mail_is_held = false;
        self.settle();
    }

    /// Mail between these two alone goes, until there is no more.
    pub(crate) fn let_mail_go_between(&mut self, a: usize, b: usize) {
        self.settle();
        while let Some(at) = self.mail.iter().position(|(f, t, _)| (*f, *t) == (a, b) || (*f, *t) == (b, a)) {
            let (from, to, mail) = self.mail.remove(at).expect("it is there");
            self.brokers[to].handle_mail(self.now, ShardId(u16::try_from(from).expect("few")), mail);
            self.settle();
        }
    }

    /// Connections that move stay between the shards.
    pub(crate) fn hold_passages(&mut self) {
        self.passages_are_held = true;
    }

    pub(crate) fn let_passages_go(&mut self) {
        self.passages_are_held = false;
        self.settle();
    }

    /// Time passes, with every deadline on its way.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// The same, for as long as that.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        let mut at_once = 0;
        while let Some(at) = self.next_deadline().filter(|at| *at <= end) {
            at_once = if at > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 10_000, "a deadline is due for ever");
            self.now = self.now.max(at);
            self.on_time();
        }
        self.now = end;
        self.on_time();
    }

    fn on_time(&mut self) {
        for shard in 0..self.brokers.len() {
            self.brokers[shard].handle_timeout(self.now);
            self.check();
        }
        self.settle();
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.brokers.iter().filter_map(Broker::poll_timeout).map(|deadline| deadline.at).min()
    }

    /// Of all shards together.
    pub(crate) fn stats(&self) -> Stats {
        let mut all = Stats::default();
        for stats in self.brokers.iter().map(Broker::stats) {
            all.connections += stats.connections;
            all.sessions += stats.sessions;
            all.subscriptions += stats.subscriptions;
            all.retained += stats.retained;
            all.messages += stats.messages;
            all.incomplete_bytes += stats.incomplete_bytes;
            all.questions += stats.questions;
            all.forgiven += stats.forgiven;
            let (sum, one) = (&mut all.ledger, &stats.ledger);
            sum.accepted += one.accepted;
            sum.refused += one.refused;
            sum.matched += one.matched;
            sum.queued += one.queued;
            sum.in_flight += one.in_flight;
            sum.delivered += one.delivered;
            sum.expired += one.expired;
            sum.mailed += one.mailed;
            sum.settled += one.settled;
            for (sum, one) in sum.dropped.iter_mut().zip(one.dropped) {
                *sum += one;
            }
        }
        all
    }

    /// How many were dropped for this reason.
    pub(crate) fn dropped(&self, reason: tidewire_core::broker::ledger::Reason) -> u64 {
        self.stats().ledger.dropped[reason as usize]
    }

    /// States what must hold between two calls.
    pub(crate) fn check(&self) {
        if self.checking {
            self.check_now();
        }
    }

    /// The same, also where it is not done after each step.
    pub(crate) fn check_now(&self) {
        self.brokers.iter().for_each(Broker::check);
    }
}

/// A no for this reason.
pub(crate) fn denied(reason: ReasonCode) -> Answer {
    Answer::Deny(tidewire_core::broker::policy::Denial::new(reason))
}
