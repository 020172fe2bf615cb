use crate::ear::Ear;
use crate::framed;
use arbitrary::Arbitrary;
use std::collections::BTreeMap;
use std::time::Duration;
use tidewire_core::Input;
use tidewire_core::client::{
    Acknowledge, Action, Cause, Client, Config, Credentials, Event, Misuse, OutboxFull, SessionLost,
    Stage as Progress, Subscription, Withdrawn,
};
use tidewire_core::codec::Packet;
use tidewire_core::id::{Ticket, Token};
use tidewire_core::message::Publication;
use tidewire_core::output::Output;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_core::topic::{TopicFilter, TopicName};
use tidewire_core::version::{Role, Version};

/// How a client is set up.
#[derive(Arbitrary, Clone, Debug)]
pub struct Setup {
    version: u8,
    keeps: bool,
    fails: bool,
    by_token: bool,
    drops: bool,
    small: bool,
    asks: bool,
}

/// What its application does, or a server that means it no good.
#[derive(Arbitrary, Clone, Debug)]
pub enum Step {
    Publish {
        qos: u8,
        retain: bool,
        expiry: Option<u8>,
        size: u16,
    },
    Subscribe {
        filter: u8,
    },
    Unsubscribe {
        filter: u8,
    },
    Take,
    Acknowledge {
        at: u8,
        refuse: bool,
    },
    Disconnect,
    Connect,
    Open {
        fails: bool,
    },
    Close,
    Wait {
        millis: u16,
    },
    /// CONNACK, whose flags and reason are the fuzzer's.
    Connack {
        present: bool,
        reason: u8,
        properties: Vec<u8>,
    },
    Publication {
        qos: u8,
        dup: bool,
        id: u8,
        size: u32,
    },
    Answer {
        kind: u8,
        id: u8,
        reason: Option<u8>,
    },
    Bytes(Vec<u8>),
    Withdraw {
        at: u8,
    },
    Reconnect,
    PassOver {
        at: u8,
    },
    Credentials {
        has: bool,
    },
}

const FILTERS: [&str; 4] = ["a", "a/+", "#", "$share/g/a"];

/// A client and a hostile server: nothing panics, the books balance after every step, what the client says is MQTT, and
/// each ticket ends once, at the latest with the client.
pub fn client(setup: Setup, steps: Vec<Step>) {
    let mut config = Config::default();
    config.version =
        [None, Some(Version::V5), Some(Version::V3_1_1), Some(Version::V3_1)][usize::from(setup.version % 4)];
    config.session_expiry_seconds = if setup.keeps { 100 } else { 0 };
    config.session_lost = if setup.fails { SessionLost::Fail } else { SessionLost::SendAsNew };
    config.acknowledge = if setup.by_token { Acknowledge::ByToken } else { Acknowledge::WhenTaken };
    config.outbox_full = if setup.drops { OutboxFull::DropOldest } else { OutboxFull::Reject };
    config.ask_credentials = setup.asks;
    if setup.small {
        (config.inbox_messages, config.outbox_messages, config.in_flight) = (2, 4, 2);
        config.receive_maximum = 2;
        config.filters_per_packet = 2;
    }
    let mut stage = Stage {
        client: Client::new(config, &[5; 32]),
        now: Instant::from_secs(1000),
        wanted: false,
        connected: false,
        tokens: vec![],
        open: BTreeMap::new(),
        ear: Ear::new(Role::Server, None, u32::MAX),
        v5: setup.version % 4 < 2,
    };
    stage.client.connect(stage.now);
    stage.act();
    for step in steps.into_iter().take(200) {
        stage.play(step);
        stage.act();
    }
}

struct Stage {
    client: Client,
    now: Instant,
    wanted: bool,
    connected: bool,
    tokens: Vec<Token>,
    /// Tickets that have not ended; with QoS 2 they have two stages.
    open: BTreeMap<Ticket, QoS>,
    /// The server's, for what the client says.
    ear: Ear,
    v5: bool,
}

impl Stage {
    fn play(&mut self, step: Step) {
        match step {
            Step::Publish { qos, retain, expiry, size } => self.publish(qos, retain, expiry, size),
            Step::Subscribe { filter } => self.subscribe(filter),
            Step::Unsubscribe { filter } => self.unsubscribe(filter),
            Step::Take => self.take(),
            Step::Acknowledge { at, refuse } => self.acknowledge(at, refuse),
            Step::Disconnect => {
                let deadline = self.now.after_secs(3);
                self.client
                    .disconnect(self.now, deadline, ReasonCode::Success)
                    .expect("a reason alone can be said");
            }
            Step::Connect => self.client.connect(self.now),
            Step::Open { fails } => self.open(fails),
            Step::Close => self.close(),
            Step::Wait { millis } => {
                self.now = self.now.after(Duration::from_millis(u64::from(millis) * 10));
                self.client.handle_timeout(self.now);
            }
            Step::Connack { present, reason, properties } => self.connack(present, reason, &properties),
            Step::Publication { qos, dup, id, size } => self.publication(qos % 3, dup, id, size),
            Step::Answer { kind, id, reason } => self.answer(kind, id, reason),
            Step::Bytes(bytes) => self.hear(&bytes),
            Step::Withdraw { at } => self.withdraw(at),
            Step::Reconnect => self.client.reconnect(self.now),
            Step::Credentials { has } => {
                let credentials = has.then(|| Credentials::new("a", b"b"));
                self.client.credentials(self.now, credentials);
            }
            Step::PassOver { at } => {
                if let Some(n) = usize::from(at).checked_rem(self.tokens.len()) {
                    let token = self.tokens.remove(n);
                    self.client.pass_over(self.now, token);
                }
            }
        }
    }

    fn publish(&mut self, qos: u8, retain: bool, expiry: Option<u8>, size: u16) {
        let topic = TopicName::new("a").expect("a Topic Name");
        let qos = QoS::from_bits(qos % 3).expect("0, 1 or 2");
        let mut publication = Publication::new(topic, vec![0; usize::from(size)]).qos(qos).retain(retain);
        publication.message_expiry_interval = expiry.map(u32::from);
        self.listen();
        let asked = self.client.publish(self.now, publication);
        self.asked(asked, qos);
    }

    fn withdraw(&mut self, at: u8) {
        self.listen();
        let Some(n) = usize::from(at).checked_rem(self.open.len()) else { return };
        let ticket = *self.open.keys().nth(n).expect("there are more");
        // The rest are requests.
        if self.client.withdraw(self.now, ticket) != Withdrawn::Unknown {
            self.open.remove(&ticket);
        }
    }

    fn subscribe(&mut self, n: u8) {
        let identifier = (n & 0x80 != 0).then_some(7);
        let subscriptions: Vec<_> =
            filters(n).map(|filter| Subscription::new(filter, QoS::ExactlyOnce)).collect();
        self.listen();
        let asked = self.client.subscribe(&subscriptions, identifier);
        self.asked(asked, QoS::AtLeastOnce);
    }

    fn unsubscribe(&mut self, n: u8) {
        let filters: Vec<_> = filters(n).collect();
        self.listen();
        let asked = self.client.unsubscribe(&filters);
        self.asked(asked, QoS::AtLeastOnce);
    }

    fn take(&mut self) {
        self.listen();
        if let Some(message) = self.client.poll_message(self.now) {
            self.tokens.extend(message.token);
        }
    }

    fn acknowledge(&mut self, at: u8, refuse: bool) {
        if self.tokens.is_empty() {
            return;
        }
        let token = self.tokens.remove(usize::from(at) % self.tokens.len());
        let reason = if refuse { ReasonCode::QuotaExceeded } else { ReasonCode::Success };
        self.client.acknowledge(token, reason);
    }

    /// The connection that it wants is made, or is not to be had.
    fn open(&mut self, fails: bool) {
        if !std::mem::take(&mut self.wanted) {
            return;
        }
        self.connected = !fails;
        if fails {
            self.client.handle_close(self.now, Cause::Unreachable);
        } else {
            self.ear = Ear::new(Role::Server, None, u32::MAX);
            self.client.handle_open(self.now);
        }
    }

    fn connack(&mut self, present: bool, reason: u8, properties: &[u8]) {
        let mut body = vec![u8::from(present), reason];
        if self.v5 {
            body.push(u8::try_from(properties.len().min(100)).expect("at most 100"));
            body.extend(properties.iter().take(100));
        }
        self.packet(0x20, &body);
    }

    /// PUBLISH from the server.
    fn publication(&mut self, qos: u8, dup: bool, id: u8, size: u32) {
        let mut body = vec![0, 1, b'a'];
        if qos > 0 {
            body.extend([0, 1 + id % 8]);
        }
        if self.v5 {
            body.push(0);
        }
        body.resize(body.len() + (size % 200_000) as usize, 7);
        self.packet(0x30 | qos << 1 | u8::from(dup && qos > 0) << 3, &body);
    }

    /// To something that was asked or published, or to nothing.
    fn answer(&mut self, kind: u8, id: u8, reason: Option<u8>) {
        let mut body = vec![0, 1 + id % 8];
        let header = [0x40, 0x50, 0x62, 0x70, 0x90, 0xb0][usize::from(kind % 6)];
        if header >= 0x90 && self.v5 {
            body.push(0);
        }
        body.extend(reason);
        self.packet(header, &body);
    }

    fn asked(&mut self, asked: Result<Ticket, Misuse>, qos: QoS) {
        if let Ok(ticket) = asked {
            assert!(self.open.insert(ticket, qos).is_none(), "{ticket:?} was given before");
        }
    }

    /// Nothing is asked between the events that are taken here and what they tell of.
    fn listen(&mut self) {
        while let Some(event) = self.client.poll_event() {
            let ticket = match event {
                Event::Progress(ticket, Progress::Acknowledged(reason))
                    if !reason.is_error() && self.open.get(&ticket) == Some(&QoS::ExactlyOnce) =>
                {
                    continue;
                }
                Event::Progress(ticket, _)
                | Event::Subscribed(ticket, _)
                | Event::Unsubscribed(ticket, _) => ticket,
                Event::Ended(cause) => {
                    assert!(self.open.is_empty(), "{cause}, and these wait: {:?}", self.open);
                    continue;
                }
                _ => continue,
            };
            assert!(self.open.remove(&ticket).is_some(), "{ticket:?} ends twice");
        }
    }

    fn packet(&mut self, header: u8, body: &[u8]) {
        self.hear(&framed(header, body));
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        while self.connected && !bytes.is_empty() {
            if let Some(space) = self.client.payload_space() {
                let n = space.len().min(bytes.len());
                let (now, later) = bytes.split_at(n);
                space[..n].copy_from_slice(now);
                bytes = later;
                if self.client.handle_payload(self.now, n) != Input::More {
                    return;
                }
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(1000));
            bytes = later;
            if self.client.handle_bytes(self.now, now) == Input::Done {
                return;
            }
            self.client.check();
        }
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.connected) {
            self.client.handle_close(self.now, Cause::Closed);
        }
    }

    fn transmit(&mut self) {
        let mut output = Output::default();
        loop {
            let more = self.client.poll_transmit(self.now, 1000, &mut output);
            while !output.is_empty() {
                let mut slices: [&[u8]; 4] = [&[]; 4];
                let filled = output.slices(&mut slices);
                let bytes = slices[..filled].concat();
                self.ear.hear(&bytes, |packet, is_first| {
                    assert_eq!(
                        is_first,
                        matches!(packet, Packet::Connect(_)),
                        "CONNECT comes first: {packet:?}"
                    );
                });
                output.advance(bytes.len());
            }
            if !more {
                return;
            }
        }
    }

    fn act(&mut self) {
        self.client.check();
        while let Some(action) = self.client.poll_action() {
            match action {
                Action::Open(_) => self.wanted = true,
                Action::Transmit => self.transmit(),
                Action::Abort => {
                    if std::mem::take(&mut self.wanted) {
                        self.client.handle_close(self.now, Cause::Unreachable);
                    }
                    self.close();
                }
                _ => {}
            }
            self.client.check();
        }
    }
}

/// One to four of them.
fn filters(n: u8) -> impl Iterator<Item = TopicFilter> {
    let next = move |i| TopicFilter::new(FILTERS[usize::from((n % 4 + i) % 4)]).expect("a Topic Filter");
    (0..=n >> 2 & 3).map(next)
}
