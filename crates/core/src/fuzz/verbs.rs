//! The broker's public verbs in any order, with any argument: whatever its host does, it does not panic.
use super::life::{EPOCH, broker_with, config};
use crate::broker::policy::{
    Access, Admission, Answer, AuthStep, Authentication, Denial, Grant, Peer, Policy, QueuePolicy, Rights,
    Ruling,
};
use crate::broker::{Action, Broker, CloseCause, Limits, Mail, Passage, Restore};
use crate::codec::Publish;
use crate::id::{ConnectionId, IdentityId, LocalId, MessageId, Position, QuestionId, ShardId, Token};
use crate::message::Publication;
use crate::output::Output;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::topic::{TopicFilter, TopicName};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

const SHARDS: u16 = 2;
/// More than these are not kept.
const KEPT: usize = 32;
const TOPICS: [&str; 4] = ["t", "t/u", "later", "$x"];
const FILTERS: [&str; 4] = ["t", "#", "t/+", "$share/g/t"];

/// What a client may well say, in 3.1.1 and in 5.0.
const PACKETS: [&[u8]; 16] = [
    b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a",
    b"\x10\x13\0\x04MQTT\x05\0\0\0\x05\x11\0\0\0\x09\0\x01b",
    b"\x10\x11\0\x04MQTT\x05\0\0\0\0\0\x05later",
    b"\x10\x14\0\x04MQTT\x04\x2e\0\0\0\x01c\0\x01t\0\x01w",
    b"\x82\x06\0\x01\0\x01t\x02",
    b"\x82\x07\0\x01\0\0\x01#\x01",
    b"\x30\x04\0\x01tx",
    b"\x32\x06\0\x01t\0\x01x",
    b"\x34\x06\0\x01t\0\x02x",
    b"\x33\x0a\0\x05later\0\x03",
    b"\x40\x02\0\x01",
    b"\x50\x02\0\x01",
    b"\x62\x02\0\x02",
    b"\x70\x02\0\x01",
    b"\x30\xff\xff\x07\0\x01t",
    b"\xe0\0",
];

/// Lets everybody in and do everything, some of them later.
struct Whoever;

impl Whoever {
    fn grant(identity: u32) -> Grant {
        let policies =
            [QueuePolicy::Reject, QueuePolicy::DropOldest, QueuePolicy::DropNewest, QueuePolicy::Disconnect];
        let queue_policy = policies[identity as usize % policies.len()];
        let expires_at = (identity % 5 == 4).then(|| EPOCH.after_secs(100));
        Grant { queue_policy, expires_at, ..Grant::new(IdentityId(identity), Arc::new(Self)) }
    }
}

impl Policy for Whoever {
    fn authenticate(&mut self, _: Instant, _: &Peer, step: &AuthStep) -> Authentication {
        match step {
            AuthStep::Connect { client_id, .. } if **client_id == *"later" => Authentication::Later,
            AuthStep::Connect { client_id, .. } => {
                Authentication::Allow(Self::grant(client_id.bytes().map(u32::from).sum::<u32>() % 6))
            }
            AuthStep::Again { data, .. } | AuthStep::Continue { data, .. } => match data.first() {
                Some(b'l') => Authentication::Later,
                Some(b'm') => Authentication::continue_with(*b"more"),
                Some(byte) => Authentication::Allow(Self::grant(u32::from(*byte) % 6)),
                None => Authentication::Deny(Denial::new(ReasonCode::NotAuthorized)),
            },
        }
    }

    fn known(&mut self, _: Instant, identity: IdentityId, _: u32) -> Option<Grant> {
        identity.0.is_multiple_of(2).then(|| Self::grant(identity.0))
    }

    fn admit(&mut self, _: Instant, _: &Grant, publish: &Publish<'_>) -> Admission {
        if publish.topic.as_bytes() == b"later" { Admission::Later } else { Admission::AsIs }
    }
}

impl Rights for Whoever {
    fn may(&self, _: &str, access: Access<'_>) -> Ruling {
        let allow = !matches!(access, Access::Publish { topic, .. } if topic.as_bytes().starts_with(b"$"));
        Ruling { allow, rule: 0 }
    }

    fn may_any(&self, access: Access<'_>) -> bool {
        self.may("", access).allow
    }
}

/// Where arguments come from. At its end it goes on with zeroes.
struct Arguments<'a>(&'a [u8]);

impl<'a> Arguments<'a> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    fn number(&mut self) -> u64 {
        let bytes = [self.byte(), self.byte(), self.byte()];
        // Small ones, and such as are as large as can be.
        match bytes {
            [255, 255, low] => u64::MAX - u64::from(low),
            [b0, b1, b2] => u64::from(u32::from_le_bytes([b0, b1, b2, 0])),
        }
    }

    fn bytes(&mut self) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(usize::from(self.byte()).min(self.0.len()));
        self.0 = rest;
        bytes
    }

    fn qos(&mut self) -> QoS {
        [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(self.byte() % 3)]
    }

    fn reason(&mut self) -> ReasonCode {
        ReasonCode::from_byte(self.byte()).unwrap_or(ReasonCode::UnspecifiedError)
    }

    fn close_cause(&mut self) -> CloseCause {
        let causes = [CloseCause::PeerClosed, CloseCause::Reset, CloseCause::Linger, CloseCause::Shutdown];
        causes[usize::from(self.byte() % 4)]
    }

    fn grant(&mut self) -> Grant {
        Whoever::grant(u32::from(self.byte() % 8))
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let at = usize::from(self.byte()).checked_rem(all.len())?;
        all.get(at).copied()
    }

    fn publication(&mut self) -> Publication {
        let topic = TOPICS[usize::from(self.byte() % 4)];
        let topic = TopicName::new(topic).expect("each is one");
        let payload = vec![7; if self.byte() == 255 { 70_000 } else { 3 }];
        Publication::new(topic, payload).qos(self.qos()).retain(self.byte() & 1 != 0)
    }

    fn answer(&mut self) -> Answer {
        match self.byte() % 5 {
            0 => Answer::Allow(self.grant()),
            1 => Answer::continue_with(self.bytes()),
            2 => Answer::Admit,
            3 => Answer::Changed(self.publication()),
            _ => Answer::Deny(Denial::new(self.reason())),
        }
    }
}

/// Two shards, and all that they have given their host, which hands it back as it likes.
struct Host {
    brokers: Vec<Broker>,
    now: Instant,
    connections: Vec<ConnectionId>,
    locals: Vec<LocalId>,
    questions: Vec<QuestionId>,
    tokens: Vec<Token>,
    passages: Vec<Passage>,
    mail: Vec<Mail>,
    output: Output,
    journal: Vec<u8>,
}

/// The first byte says what the brokers are like, each further one what their host does next.
pub fn verbs(input: &[u8]) {
    let [first, rest @ ..] = input else { return };
    let mut limits = Limits::default();
    if first & 2 != 0 {
        for (name, value) in [
            ("queued_messages", "2"),
            ("receive_maximum", "3"),
            ("mail_notes", "2"),
            ("incomplete_bytes", "4KiB"),
            ("stranger_bytes", "1KiB"),
            ("retained_messages", "1"),
        ] {
            limits.set(name, value).expect("a limit that there is");
        }
    }
    let broker = |shard| broker_with(EPOCH, shard, SHARDS, first & 1 != 0, limits.clone(), Box::new(Whoever));
    let mut host = Host {
        brokers: (0..SHARDS).map(broker).collect(),
        now: EPOCH,
        connections: Vec::new(),
        locals: Vec::new(),
        questions: Vec::new(),
        tokens: Vec::new(),
        passages: Vec::new(),
        mail: Vec::new(),
        output: Output::default(),
        journal: Vec::new(),
    };
    let mut arguments = Arguments(rest);
    while !arguments.0.is_empty() {
        host.step(&mut arguments);
        host.brokers.iter().for_each(Broker::check);
    }
}

impl Host {
    fn step(&mut self, a: &mut Arguments<'_>) {
        let what = a.byte();
        let shard = usize::from(what >> 7);
        let broker = &mut self.brokers[shard];
        let now = self.now;
        let id = a.one_of(&self.connections);
        match (what & 0x7f) % 32 {
            0 => self.open(shard, a),
            1 => drop(id.map(|id| broker.handle_bytes(now, id, a.bytes()))),
            2..=5 => drop(id.map(|id| broker.handle_bytes(now, id, PACKETS[usize::from(a.byte() % 16)]))),
            6 => drop(id.map(|id| self.fill_payload(shard, id, a))),
            7 => drop(id.map(|id| broker.handle_blocked(now, id, usize::from(a.byte())))),
            8 => drop(id.map(|id| broker.handle_close(now, id, a.close_cause()))),
            9 => broker.handle_timeout(now),
            10 => self.pass_time(a),
            11 => self.take_passage(shard, id),
            12 => self.hand_over_passage(shard, a),
            13 | 14 => self.poll_mail(shard, a),
            15 | 16 => self.deliver_mail(shard, a),
            17 => self.answer(shard, a),
            18 => broker.handle_durable(now, Position(a.number())),
            19 if a.byte() == 255 => broker.handle_journal_failed(now),
            19 => broker.handle_grant(now, a.grant()),
            20 => broker.handle_revoked(now, IdentityId(u32::from(a.byte() % 8)), a.reason()),
            21 => self.open_local(shard, a),
            22 => drop(a.one_of(&self.locals).map(|id| broker.close_local(now, id))),
            23 => self.subscribe_or_unsubscribe(shard, a),
            24 => drop(a.one_of(&self.locals).map(|id| broker.publish(now, id, &a.publication()))),
            25 => self.poll_local(shard, a),
            26 => self.acknowledge(shard, a),
            27 => {
                let id = MessageId::from_u128(u128::from(a.number()));
                let _ = (broker.trace(id), broker.stats(), broker.poll_timeout(), broker.is_settled());
            }
            28 if a.byte() > 250 => broker.shutdown(now, Instant::from_micros(a.number())),
            28 => drop(id.map(|id| broker.disconnect(now, id, a.reason()))),
            29 => self.transmit(shard, id, a),
            30 => self.disk(shard, a),
            _ => self.act(shard, a),
        }
    }

    fn open(&mut self, shard: usize, a: &mut Arguments<'_>) {
        let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, a.byte()));
        let peer = Peer { address: SocketAddr::new(ip, 1), listener: u16::from(a.byte()) };
        let id = self.brokers[shard].handle_open(self.now, peer);
        keep(&mut self.connections, id);
    }

    fn fill_payload(&mut self, shard: usize, id: ConnectionId, a: &mut Arguments<'_>) {
        let broker = &mut self.brokers[shard];
        if let Some(space) = broker.payload_space(id) {
            space.fill(1);
        }
        let _ = broker.handle_payload(self.now, id, usize::try_from(a.number()).unwrap_or(usize::MAX));
    }

    /// Forwards by rights; but a host may be wrong.
    fn pass_time(&mut self, a: &mut Arguments<'_>) {
        let micros = a.number().saturating_mul(10_000);
        let forwards = self.now.after(core::time::Duration::from_micros(micros));
        self.now = if a.byte() == 255 { Instant::from_micros(micros) } else { forwards };
    }

    fn take_passage(&mut self, shard: usize, id: Option<ConnectionId>) {
        if let Some(passage) = id.and_then(|id| self.brokers[shard].take_passage(id)) {
            keep(&mut self.passages, passage);
        }
    }

    fn hand_over_passage(&mut self, shard: usize, a: &mut Arguments<'_>) {
        if let Some(passage) = take_one(&mut self.passages, a) {
            let id = self.brokers[shard].handle_passage(self.now, passage);
            keep(&mut self.connections, id);
        }
    }

    fn poll_mail(&mut self, shard: usize, a: &mut Arguments<'_>) {
        if let Some(mail) = self.brokers[shard].poll_mail(ShardId(u16::from(a.byte() % 4))) {
            keep(&mut self.mail, mail);
        }
    }

    /// In its order, most of the time.
    fn deliver_mail(&mut self, shard: usize, a: &mut Arguments<'_>) {
        let at = if a.byte() & 3 == 0 { usize::from(a.byte()) } else { 0 };
        if at < self.mail.len() {
            let mail = self.mail.remove(at);
            self.brokers[shard].handle_mail(self.now, ShardId(u16::from(a.byte() % 4)), mail);
        }
    }

    fn answer(&mut self, shard: usize, a: &mut Arguments<'_>) {
        let question = a.one_of(&self.questions).unwrap_or(QuestionId(a.number()));
        let _ = self.brokers[shard].question(question);
        self.brokers[shard].handle_answer(self.now, question, a.answer());
    }

    fn open_local(&mut self, shard: usize, a: &mut Arguments<'_>) {
        let name = ["local", "", "\0", "other"][usize::from(a.byte() % 4)];
        let id = self.brokers[shard].open_local(self.now, name, a.grant());
        keep(&mut self.locals, id);
    }

    fn subscribe_or_unsubscribe(&mut self, shard: usize, a: &mut Arguments<'_>) {
        let Some(id) = a.one_of(&self.locals) else { return };
        let filter = TopicFilter::new(FILTERS[usize::from(a.byte() % 4)]).expect("each is one");
        let _ = match a.byte() & 1 {
            0 => self.brokers[shard].subscribe(self.now, id, &filter, a.qos()),
            _ => self.brokers[shard].unsubscribe(self.now, id, &filter),
        };
    }

    fn poll_local(&mut self, shard: usize, a: &mut Arguments<'_>) {
        let received = a.one_of(&self.locals).and_then(|id| self.brokers[shard].poll_local(self.now, id));
        if let Some(token) = received.and_then(|received| received.token) {
            keep(&mut self.tokens, token);
        }
    }

    fn acknowledge(&mut self, shard: usize, a: &mut Arguments<'_>) {
        let (id, token) = (a.one_of(&self.locals), take_one(&mut self.tokens, a));
        if let (Some(id), Some(token)) = (id, token) {
            self.brokers[shard].acknowledge(self.now, id, token, a.reason());
        }
    }

    /// A host may say that more has left than it was given.
    fn transmit(&mut self, shard: usize, id: Option<ConnectionId>, a: &mut Arguments<'_>) {
        let limit = usize::try_from(a.number()).unwrap_or(usize::MAX);
        let _ = id.map(|id| self.brokers[shard].poll_transmit(self.now, id, limit, &mut self.output));
        self.output.advance(usize::try_from(a.number()).unwrap_or(usize::MAX));
    }

    fn disk(&mut self, shard: usize, a: &mut Arguments<'_>) {
        let broker = &mut self.brokers[shard];
        match a.byte() % 3 {
            0 => drop(broker.poll_journal(&mut self.journal)),
            1 => drop(broker.poll_snapshot(self.now, usize::from(a.byte()), &mut self.journal)),
            _ => {
                let mut restore = Restore::new(config(1, 2));
                let _ = restore.feed(if a.byte() & 1 == 0 { a.bytes() } else { &self.journal });
                restore.finish(self.now).check();
            }
        }
        self.journal.truncate(64 * 1024);
    }

    /// Does some of what is announced.
    fn act(&mut self, shard: usize, a: &mut Arguments<'_>) {
        for _ in 0..a.byte() % 16 {
            let broker = &mut self.brokers[shard];
            while broker.poll_event().is_some() {}
            match broker.poll_action() {
                Some(Action::Transmit(id)) => {
                    while broker.poll_transmit(self.now, id, 4096, &mut self.output) {
                        self.output.advance(self.output.unsent());
                    }
                    self.output.advance(self.output.unsent());
                }
                Some(Action::Move { connection, .. }) => {
                    if let Some(passage) = broker.take_passage(connection) {
                        keep(&mut self.passages, passage);
                    }
                }
                Some(Action::Ask(question)) => keep(&mut self.questions, question),
                Some(Action::Mail(to)) => {
                    if let Some(mail) = broker.poll_mail(to) {
                        keep(&mut self.mail, mail);
                    }
                }
                Some(_) => {}
                None => return,
            }
        }
    }
}

fn keep<T>(all: &mut Vec<T>, one: T) {
    if all.len() == KEPT {
        all.remove(0);
    }
    all.push(one);
}

fn take_one<T>(all: &mut Vec<T>, a: &mut Arguments<'_>) -> Option<T> {
    let at = usize::from(a.byte()).checked_rem(all.len())?;
    Some(all.remove(at))
}
