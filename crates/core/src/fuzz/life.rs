//! A broker with its disk, and a few clients that do as bytes say.
use crate::broker::policy::{Access, AuthStep, Authentication, Grant, Peer, Policy, Rights, Ruling};
use crate::broker::{Action, Broker, CloseCause, Config, Limits};
use crate::codec::{
    Ack, Connect, Delivery, Disconnect, FilterNamesBuf, FiltersBuf, Leniency, Packet, Payload, Properties,
    PropertiesBuf, Property, Publish, Subscribe, SubscriptionOptions, Unsubscribe, Will,
};
use crate::id::{ConnectionId, IdentityId, PacketId, Position, ShardId};
use crate::output::Output;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::time::Instant;
use crate::topic::TopicFilter;
use crate::version::Version;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

pub(super) const EPOCH: Instant = Instant::from_secs(1_000_000);

const CLIENTS: [&str; 3] = ["a", "b", "c"];
const FILTERS: [&str; 4] = ["t", "t/+", "#", "w"];
const TOPICS: [&str; 4] = ["t", "t/u", "w", "$x"];
const EXPIRIES: [u32; 4] = [0, 10, 1000, u32::MAX];

/// Lets everybody in, as one of two identities.
struct Everybody;

impl Policy for Everybody {
    fn authenticate(&mut self, _: Instant, _: &Peer, step: &AuthStep) -> Authentication {
        let is_first = matches!(step, AuthStep::Connect { client_id, .. } if **client_id == *CLIENTS[0]);
        Authentication::Allow(Grant::new(IdentityId(u32::from(is_first)), Arc::new(Self)))
    }

    fn known(&mut self, _: Instant, identity: IdentityId, _: u32) -> Option<Grant> {
        (identity.0 < 2).then(|| Grant::new(identity, Arc::new(Self)))
    }
}

impl Rights for Everybody {
    fn may(&self, _: &str, _: Access<'_>) -> Ruling {
        Ruling { allow: true, rule: 0 }
    }

    fn may_any(&self, access: Access<'_>) -> bool {
        self.may("", access).allow
    }
}

fn with<'a>(property: impl Into<Option<Property<'a>>>) -> PropertiesBuf {
    PropertiesBuf::of(property.into()).expect("it can be sent")
}

/// The first of so many shards, which has a journal.
pub(super) fn config(shards: u16, incarnation: u32) -> Config {
    Config {
        shard: ShardId(0),
        shards,
        placement: [1; 16],
        seed: [2; 32],
        incarnation,
        durable: true,
        limits: Limits::default(),
        lenient: Leniency::NONE,
        policy: Box::new(Everybody),
    }
}

/// One of several shards that are set up otherwise.
pub(super) fn broker_with(
    now: Instant,
    shard: u16,
    shards: u16,
    durable: bool,
    limits: Limits,
    policy: Box<dyn Policy + Send>,
) -> Broker {
    let config = Config {
        shard: ShardId(shard),
        shards,
        placement: [1; 16],
        seed: [3; 32],
        incarnation: 1,
        durable,
        limits,
        lenient: Leniency::NONE,
        policy,
    };
    Broker::new(now, config)
}

/// A broker, what it has journaled, and the connections of its clients.
pub(super) struct Life {
    pub(super) broker: Broker,
    pub(super) now: Instant,
    pub(super) journal: Vec<u8>,
    written: Position,
    lines: [Option<(ConnectionId, Version)>; 3],
}

impl Life {
    pub(super) fn of(broker: Broker, now: Instant) -> Self {
        let mut life = Self { broker, now, journal: Vec::new(), written: Position(0), lines: [None; 3] };
        life.run();
        life
    }

    /// Two bytes are one step: what, and how.
    pub(super) fn live(&mut self, steps: &[u8]) {
        for step in steps.as_chunks::<2>().0 {
            self.step(step[0], step[1]);
            self.run();
            self.broker.check();
        }
    }

    fn step(&mut self, what: u8, how: u8) {
        let client = usize::from(how) % CLIENTS.len();
        let (low, high) = (usize::from(how >> 2 & 3), usize::from(how >> 4 & 3));
        let packet_id = PacketId::new(1 + u16::from(how >> 6)).expect("1 to 4");
        match what % 10 {
            0 => self.connect(client, how),
            1 => self.subscribe(client, low, high),
            2 => {
                let mut filters = FilterNamesBuf::new();
                filters.push(&filter(low));
                let filters = filters.as_filters();
                let properties = Properties::default();
                self.send(client, &Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }));
            }
            3 | 4 => self.publish(client, low, high, packet_id, what),
            5 => {
                let ack = Ack { packet_id, reason: ReasonCode::Success, properties: Properties::default() };
                let kinds = [Packet::Puback, Packet::Pubrec, Packet::Pubrel, Packet::Pubcomp];
                self.send(client, &kinds[high](ack));
            }
            6 => self.end(client, high == 0),
            7 => self.broker.handle_durable(self.now, self.written),
            8 => self.wait([0, 1, 20, 2000][high]),
            _ => self.compact(),
        }
    }

    fn connect(&mut self, client: usize, how: u8) {
        if let Some((id, _)) = self.lines[client].take() {
            self.broker.handle_close(self.now, id, CloseCause::Reset);
        }
        let peer = Peer { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1), listener: 0 };
        let version = if how & 4 == 0 { Version::V5 } else { Version::V3_1_1 };
        self.lines[client] = Some((self.broker.handle_open(self.now, peer), version));
        let properties = with(Property::SessionExpiryInterval(EXPIRIES[usize::from(how >> 6)]));
        let of_will = with(Property::WillDelayInterval(EXPIRIES[usize::from(how >> 5 & 1)]));
        let will = Will {
            topic: Text::known_str("w"),
            payload: b"gone",
            qos: QoS::ExactlyOnce,
            retain: how & 0x20 != 0,
            properties: of_will.as_properties(),
        };
        let connect = Connect {
            version,
            bridge: false,
            clean_start: how & 8 != 0,
            keep_alive: 0,
            properties: properties.as_properties(),
            client_id: Text::known_str(CLIENTS[client]),
            will: (how & 0x10 != 0).then_some(will),
            username: None,
            password: None,
        };
        self.send(client, &Packet::Connect(connect));
    }

    fn subscribe(&mut self, client: usize, which: usize, qos: usize) {
        let Some((_, version)) = self.lines[client] else { return };
        let mut filters = FiltersBuf::new(version);
        filters
            .push(&filter(which), SubscriptionOptions { qos: qos_of(qos), ..SubscriptionOptions::default() });
        let properties = with((qos == 3).then_some(Property::SubscriptionIdentifier(9)));
        let (packet_id, properties) = (PacketId::new(9).expect("not zero"), properties.as_properties());
        self.send(
            client,
            &Packet::Subscribe(Subscribe { packet_id, properties, filters: filters.as_filters() }),
        );
    }

    fn publish(&mut self, client: usize, topic: usize, qos: usize, packet_id: PacketId, what: u8) {
        let size = match what / 10 {
            0 | 1 => 0,
            2 => 70_000,
            n => usize::from(n),
        };
        let payload = vec![7; size];
        let properties = with((what & 0x20 != 0).then_some(Property::MessageExpiryInterval(15)));
        let delivery = match qos_of(qos) {
            QoS::AtMostOnce => Delivery::AtMostOnce,
            QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id, dup: false },
            QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id, dup: false },
        };
        let publish = Publish {
            delivery,
            retain: what % 10 == 4,
            topic: Text::known_str(TOPICS[topic]),
            properties: properties.as_properties(),
            payload: Payload::Whole(&payload),
        };
        self.send(client, &Packet::Publish(publish));
    }

    fn end(&mut self, client: usize, politely: bool) {
        if politely {
            let (reason, properties) = (ReasonCode::Success, Properties::default());
            self.send(client, &Packet::Disconnect(Disconnect { reason, properties }));
            self.run();
        }
        if let Some((id, _)) = self.lines[client].take() {
            self.broker.handle_close(self.now, id, CloseCause::PeerClosed);
        }
    }

    /// A snapshot takes the place of the journal.
    fn compact(&mut self) {
        self.run();
        self.journal = self.snapshot();
    }

    pub(super) fn snapshot(&mut self) -> Vec<u8> {
        let mut snapshot = Vec::new();
        while self.broker.poll_snapshot(self.now, 100, &mut snapshot) {}
        snapshot
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        let end = self.now.after_secs(seconds);
        // Each timer that is due has its own moment.
        for _ in 0..100 {
            let Some(deadline) = self.broker.poll_timeout().filter(|deadline| deadline.at <= end) else {
                break;
            };
            self.now = self.now.max(deadline.at);
            self.broker.handle_timeout(self.now);
            self.run();
        }
        self.now = end;
        self.broker.handle_timeout(self.now);
        self.run();
    }

    fn send(&mut self, client: usize, packet: &Packet<'_>) {
        let Some((id, version)) = self.lines[client] else { return };
        let mut bytes = Vec::new();
        packet.encode(version, u32::MAX, &mut bytes).expect("it is small");
        // Whoever is held or done with sends all the same: what is kept has its limits.
        let _ = self.broker.handle_bytes(self.now, id, &bytes);
    }

    /// Does what is announced, until there is nothing.
    fn run(&mut self) {
        let mut closed = Vec::new();
        while let Some(action) = self.broker.poll_action() {
            match action {
                Action::Transmit(id) => self.transmit(id),
                Action::Close(id) => {
                    self.transmit(id);
                    closed.push(id);
                }
                Action::Abort(id) => closed.push(id),
                Action::Journal => {
                    self.written = self.broker.poll_journal(&mut self.journal).expect("it was announced");
                }
                // There is no other shard: what goes there is lost.
                Action::Mail(to) => while self.broker.poll_mail(to).is_some() {},
                Action::Move { connection, .. } => {
                    self.forget(connection);
                    drop(self.broker.take_passage(connection));
                }
                _ => {}
            }
        }
        while self.broker.poll_event().is_some() {}
        for id in closed {
            if self.forget(id) {
                self.broker.handle_close(self.now, id, CloseCause::Linger);
            }
        }
    }

    fn transmit(&mut self, id: ConnectionId) {
        while self.broker.poll_transmit(self.now, id, 65_536, &mut Output::default()) {}
    }

    /// Was it one of ours?
    fn forget(&mut self, id: ConnectionId) -> bool {
        let line = self.lines.iter_mut().find(|line| line.is_some_and(|(own, _)| own == id));
        line.is_some_and(|line| line.take().is_some())
    }
}

fn filter(which: usize) -> TopicFilter {
    TopicFilter::new(FILTERS[which]).expect("a Topic Filter")
}

fn qos_of(n: usize) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce][n & 3]
}
