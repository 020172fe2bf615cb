//! A server of some shards in memory, and its clients. Nothing else here knows how a broker is driven.
//!
//! It does what the driver does in a turn: all input is handed in, then what is announced is carried, then output is
//! taken. Sockets take everything, and what clients answer is the input of the next turn.
use crate::wire::{self, EPOCH, Heard, TRANSMIT_BYTES, take};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tidewire_core::broker::policy::{Open, Peer};
use tidewire_core::broker::{Action, Broker, CloseCause, Config, Mail};
use tidewire_core::id::{ConnectionId, ShardId};
use tidewire_core::output::Output;
use tidewire_core::time::Instant;

/// From this machine, so that connections are not limited.
const PEER: Peer = Peer::new(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1), 0);
/// So long a turn takes: then a thousand of them see the timers of a connection come and go.
const TURN: Duration = Duration::from_millis(10);

/// One of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client(usize);

pub(super) struct Shards {
    now: Instant,
    brokers: Vec<Broker>,
    clients: Vec<Line>,
    /// Of each shard: whose its connections are, by their index.
    places: Vec<Vec<Client>>,
    mail: VecDeque<(ShardId, ShardId, Mail)>,
    unwritten: VecDeque<(usize, ConnectionId)>,
    closing: Vec<(usize, ConnectionId)>,
    /// Those with an answer to send.
    answering: Vec<Client>,
    /// Where output and records go; empty in between.
    output: Output,
    records: Vec<u8>,
    pub(super) heard: Heard,
    /// Bytes.
    pub(super) journaled: usize,
    /// How often mail was carried.
    pub(super) mailed: usize,
}

/// A client's end of its connection.
struct Line {
    shard: usize,
    id: ConnectionId,
    answer: Vec<u8>,
}

impl Shards {
    pub(super) fn new(shards: u16, durable: bool) -> Self {
        let places = (0..shards).map(|_| vec![]).collect();
        Self {
            now: EPOCH,
            brokers: (0..shards).map(|shard| broker(shard, shards, durable)).collect(),
            clients: vec![],
            places,
            mail: VecDeque::new(),
            unwritten: VecDeque::new(),
            closing: vec![],
            answering: vec![],
            output: Output::default(),
            records: vec![],
            heard: Heard::default(),
            journaled: 0,
            mailed: 0,
        }
    }

    /// A client that is let in, and whose home is this shard.
    pub(super) fn client(&mut self, name: &str, home: usize, is_kept: bool) -> Client {
        let mut number = 0;
        loop {
            let client = self.dial();
            self.send(client, &wire::connect(&format!("{name}-{number}"), is_kept));
            self.settle();
            if self.clients[client.0].shard == home {
                return client;
            }
            self.send(client, &wire::disconnect());
            self.settle();
            number += 1;
        }
    }

    /// A new connection to the first shard.
    pub(super) fn dial(&mut self) -> Client {
        let client = Client(self.clients.len());
        let id = self.brokers[0].handle_open(self.now, PEER);
        self.clients.push(Line { shard: 0, id, answer: vec![] });
        self.settle_in(client, 0, id);
        client
    }

    /// The same for a client that has been there before.
    pub(super) fn redial(&mut self, client: Client) {
        let id = self.brokers[0].handle_open(self.now, PEER);
        self.settle_in(client, 0, id);
    }

    fn settle_in(&mut self, client: Client, shard: usize, id: ConnectionId) {
        let line = &mut self.clients[client.0];
        (line.shard, line.id) = (shard, id);
        let places = &mut self.places[shard];
        places.resize(places.len().max(id.index() + 1), client);
        places[id.index()] = client;
    }

    /// Its connection breaks.
    pub(super) fn cut(&mut self, client: Client) {
        let Line { shard, id, .. } = self.clients[client.0];
        self.brokers[shard].handle_close(self.now, id, CloseCause::Reset);
    }

    /// Bytes that are read in one go. What follows from them comes with [`settle`](Self::settle).
    pub(super) fn send(&mut self, client: Client, bytes: &[u8]) {
        let Line { shard, id, .. } = self.clients[client.0];
        // While a connection is on its way, what it has sent is kept.
        let _ = self.brokers[shard].handle_bytes(self.now, id, bytes);
    }

    /// Counts from 0 again.
    pub(super) fn forget(&mut self) {
        (self.heard, self.journaled, self.mailed) = (Heard::default(), 0, 0);
    }

    /// Turns, until nobody has anything to say.
    pub(super) fn settle(&mut self) {
        self.carry();
        while !self.unwritten.is_empty() || !self.answering.is_empty() {
            self.write();
            self.bury();
            self.answer();
            self.carry();
        }
        self.now = self.now.after(TURN);
        for broker in &mut self.brokers {
            if broker.poll_timeout().is_some_and(|deadline| deadline.at <= self.now) {
                broker.handle_timeout(self.now);
            }
        }
    }

    /// Takes what is announced, on all shards, until there is nothing.
    fn carry(&mut self) {
        loop {
            for shard in 0..self.brokers.len() {
                while let Some(action) = self.brokers[shard].poll_action() {
                    self.act(shard, action);
                }
            }
            if self.mail.is_empty() {
                return;
            }
            for (from, to, mail) in self.mail.drain(..) {
                self.mailed += 1;
                self.brokers[to.index()].handle_mail(self.now, from, mail);
            }
        }
    }

    fn act(&mut self, shard: usize, action: Action) {
        let broker = &mut self.brokers[shard];
        match action {
            Action::Transmit(id) => self.unwritten.push_back((shard, id)),
            Action::Close(id) => {
                self.unwritten.push_back((shard, id));
                self.closing.push((shard, id));
            }
            Action::Mail(to) => {
                let from = ShardId(u16::try_from(shard).expect("shards are few"));
                while let Some(mail) = broker.poll_mail(to) {
                    self.mail.push_back((from, to, mail));
                }
            }
            Action::Journal => {
                while let Some(up_to) = broker.poll_journal(&mut self.records) {
                    broker.handle_durable(self.now, up_to);
                    self.journaled += self.records.len();
                    self.records.clear();
                }
            }
            Action::Move { connection, to } => {
                let client = self.places[shard][connection.index()];
                let passage = broker.take_passage(connection).expect("it is announced once");
                let id = self.brokers[to.index()].handle_passage(self.now, passage);
                self.settle_in(client, to.index(), id);
            }
            Action::Event => while broker.poll_event().is_some() {},
            other => panic!("nobody here gives a reason for {other:?}"),
        }
    }

    /// Takes output, and hears what it says.
    fn write(&mut self) {
        while let Some((shard, id)) = self.unwritten.pop_front() {
            let client = self.places[shard][id.index()];
            let line = &mut self.clients[client.0];
            let mut more = true;
            while more {
                more = self.brokers[shard].poll_transmit(self.now, id, TRANSMIT_BYTES, &mut self.output);
                if self.output.is_empty() {
                    break;
                }
                take(&mut self.output, |bytes| self.heard.hear(bytes, &mut line.answer));
            }
            if !line.answer.is_empty() {
                self.answering.push(client);
            }
        }
    }

    /// The peers of connections that are closed close theirs.
    fn bury(&mut self) {
        for (shard, id) in self.closing.drain(..) {
            self.brokers[shard].handle_close(self.now, id, CloseCause::PeerClosed);
        }
    }

    fn answer(&mut self) {
        for client in self.answering.drain(..) {
            let Line { shard, id, answer } = &mut self.clients[client.0];
            let _ = self.brokers[*shard].handle_bytes(self.now, *id, answer);
            answer.clear();
        }
    }
}

/// One that lets everybody in.
fn broker(shard: u16, shards: u16, durable: bool) -> Broker {
    let mut config = Config::new(Box::new(Open::new()), [2; 32]).one_of(shards, ShardId(shard), [1; 16]);
    (config.incarnation, config.durable) = (1, durable);
    Broker::new(EPOCH, config)
}
