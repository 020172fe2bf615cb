//! A broker with its disk.
use std::collections::{BTreeMap, BTreeSet};
use tidewire_core::broker::policy::{Open, Peer};
use tidewire_core::broker::{Action, Broker, CloseCause, Config, Limits, Restore};
use tidewire_core::codec::{
    self, Ack, Connect, Decoder, Delivery, FiltersBuf, Item, Mode, Packet, Payload, Properties, Publish,
    Subscribe, SubscriptionOptions,
};
use tidewire_core::id::{ConnectionId, PacketId, Position, ShardId};
use tidewire_core::output::Output;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::Text;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicFilter;
use tidewire_core::version::{Role, Version};

/// A broker with its disk: what was polled, and how much of that is durable.
pub(crate) struct Host {
    pub(crate) broker: Broker,
    pub(crate) now: Instant,
    incarnation: u32,
    pub(crate) disk: Vec<u8>,
    /// Bytes on disk before this broker began to write.
    base: usize,
    durable: usize,
    limits: Limits,
    /// Syncs happen at once.
    pub(crate) prompt: bool,
    received: BTreeMap<ConnectionId, Vec<u8>>,
    closed: BTreeSet<ConnectionId>,
    open: BTreeSet<ConnectionId>,
}

/// A broker that obeys the rules, but for one that a test leaves out.
pub(crate) fn broker(now: Instant, config: Config) -> Broker {
    #[cfg(feature = "_rules")]
    {
        let mut broker = Broker::new(now, config);
        if let Some(rule) = crate::rules::left_out() {
            broker.without_rule(rule);
        }
        broker
    }
    #[cfg(not(feature = "_rules"))]
    Broker::new(now, config)
}

/// The same of what is to be restored.
pub(crate) fn restore(config: Config) -> Restore {
    #[cfg(feature = "_rules")]
    {
        let mut restore = Restore::new(config);
        if let Some(rule) = crate::rules::left_out() {
            restore.without_rule(rule);
        }
        restore
    }
    #[cfg(not(feature = "_rules"))]
    Restore::new(config)
}

pub(crate) fn config(incarnation: u32, durable: bool) -> Config {
    let mut config = config_of(0, 1, incarnation);
    config.durable = durable;
    config
}

pub(crate) fn config_of(shard: u16, shards: u16, incarnation: u32) -> Config {
    let config = Config::new(Box::new(Open::new()), [2; 32]);
    let mut config = config.one_of(shards, ShardId(shard), [1; 16]);
    (config.incarnation, config.durable) = (incarnation, true);
    config
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let now = Instant::from_secs(1_000_000);
        let mut config = config(0, true);
        config.limits = limits.clone();
        let broker = broker(now, config);
        Self {
            broker,
            limits,
            now,
            incarnation: 0,
            disk: Vec::new(),
            base: 0,
            durable: 0,
            prompt: true,
            received: BTreeMap::new(),
            closed: BTreeSet::new(),
            open: BTreeSet::new(),
        }
    }

    /// The machine dies, and of what was not synced only so much is on the disk. It starts again from that.
    pub(crate) fn crash(&mut self, unsynced: usize) {
        let end = (self.durable + unsynced).min(self.disk.len());
        self.disk.truncate(end);
        self.restart();
    }

    pub(crate) fn restart(&mut self) {
        self.incarnation += 1;
        let mut config = config(self.incarnation, true);
        config.limits = self.limits.clone();
        let mut restore = restore(config);
        for piece in self.disk.chunks(7) {
            restore.feed(piece).expect("what was written can be read");
        }
        assert!(restore.newest() <= self.now, "no record is from the future");
        // A torn end is cut off: what comes goes behind the last whole record.
        self.base = usize::try_from(restore.read_up_to().0).expect("it is in memory");
        self.broker = restore.finish(self.now);
        self.disk.truncate(self.base);
        self.durable = self.disk.len();
        self.received.clear();
        self.closed.clear();
        self.open.clear();
        self.run();
    }

    /// The broker is another one, that was restored from the disk.
    pub(crate) fn starts_anew(&mut self) {
        (self.base, self.durable) = (self.disk.len(), self.disk.len());
        self.received.clear();
        self.closed.clear();
    }

    pub(crate) fn sync(&mut self) {
        self.durable = self.disk.len();
        let up_to = Position((self.durable - self.base) as u64);
        self.broker.handle_durable(self.now, up_to);
        self.broker.check();
    }

    pub(crate) fn run(&mut self) {
        loop {
            while let Some(action) = self.broker.poll_action() {
                match action {
                    Action::Abort(id) => drop(self.closed.insert(id)),
                    Action::Transmit(id) | Action::Close(id) => {
                        let mut out = Output::default();
                        while self.broker.poll_transmit(self.now, id, 65_536, &mut out) {}
                        let mut slices: [&[u8]; 64] = [&[]; 64];
                        let n = out.slices(&mut slices);
                        self.received.entry(id).or_default().extend(slices[..n].concat());
                        if matches!(action, Action::Close(_)) {
                            self.closed.insert(id);
                        }
                    }
                    Action::Journal => {
                        let up_to = self.broker.poll_journal(&mut self.disk).expect("it was announced");
                        assert_eq!(
                            up_to.0,
                            (self.disk.len() - self.base) as u64,
                            "a position is where it ends"
                        );
                    }
                    _ => {}
                }
                self.broker.check();
            }
            if !self.prompt || self.durable == self.disk.len() {
                break;
            }
            self.sync();
        }
        for id in std::mem::take(&mut self.closed) {
            self.broker.handle_close(self.now, id, CloseCause::PeerClosed);
            self.open.remove(&id);
        }
    }

    /// So many seconds pass.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now = self.now.after_secs(seconds);
        self.broker.handle_timeout(self.now);
        self.broker.check();
        self.run();
    }

    /// Has the broker not ended it?
    pub(crate) fn is_open(&self, id: ConnectionId) -> bool {
        self.open.contains(&id)
    }

    pub(crate) fn open(&mut self) -> ConnectionId {
        let address = "127.0.0.1:1".parse().expect("an address");
        let id = self.broker.handle_open(self.now, Peer::new(address, 0));
        self.open.insert(id);
        id
    }

    pub(crate) fn send(&mut self, id: ConnectionId, packet: &Packet<'_>) {
        self.send_all(id, std::slice::from_ref(packet));
    }

    /// In one read.
    pub(crate) fn send_all(&mut self, id: ConnectionId, packets: &[Packet<'_>]) {
        let mut bytes = Vec::new();
        for packet in packets {
            packet.encode(Version::V3_1_1, u32::MAX, &mut bytes).expect("it is small");
        }
        let _ = self.broker.handle_bytes(self.now, id, &bytes);
        self.broker.check();
        self.run();
    }

    /// What a client has got since it was asked last.
    pub(crate) fn got(&mut self, id: ConnectionId) -> Vec<Got> {
        Got::all(&self.received.remove(&id).unwrap_or_default())
    }

    /// The same as it came.
    pub(crate) fn bytes(&mut self, id: ConnectionId) -> Vec<u8> {
        self.received.remove(&id).unwrap_or_default()
    }

    pub(crate) fn connect(&mut self, client_id: &str, clean_start: bool) -> ConnectionId {
        let id = self.open();
        self.send(id, &connect(client_id, clean_start));
        id
    }

    pub(crate) fn subscribe(&mut self, id: ConnectionId, filter: &str, qos: QoS) {
        let mut filters = FiltersBuf::new(Version::V3_1_1);
        let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
        filters.push(&TopicFilter::new(filter).expect("a filter"), options);
        let filters = filters.as_filters();
        let subscribe = Subscribe { packet_id: packet_id(1), properties: Properties::default(), filters };
        self.send(id, &Packet::Subscribe(subscribe));
    }

    pub(crate) fn publish(&mut self, id: ConnectionId, topic: &str, payload: &str, qos: QoS, n: u16) {
        self.send(id, &publish(topic, payload, qos, n, false));
    }

    pub(crate) fn cut(&mut self, id: ConnectionId) {
        self.broker.handle_close(self.now, id, CloseCause::Reset);
        self.broker.check();
        self.run();
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Connack { present: bool },
    Suback,
    Puback(u16),
    Pubrec(u16),
    Pubrel(u16),
    Pubcomp(u16),
    Pingresp,
    Publish { payload: String, qos: QoS, id: u16, dup: bool, retain: bool },
    Other,
}

impl Got {
    /// What a server's bytes say.
    pub(crate) fn all(bytes: &[u8]) -> Vec<Self> {
        let mut decoder = Decoder::new(Mode { role: Role::Client, version: Some(Version::V3_1_1) });
        let mut input = bytes;
        let mut got = Vec::new();
        while let Some(item) = decoder.next(&codec::Limits::default(), &mut input).expect("a server's packet")
        {
            if let Item::Packet(packet) = item {
                got.push(Self::from(&packet));
            }
        }
        got
    }

    fn from(packet: &Packet<'_>) -> Self {
        match packet {
            Packet::Connack(connack) if connack.reason == ReasonCode::Success => {
                Self::Connack { present: connack.session_present }
            }
            Packet::Suback(_) => Self::Suback,
            Packet::Puback(ack) => Self::Puback(ack.packet_id.get()),
            Packet::Pubrec(ack) => Self::Pubrec(ack.packet_id.get()),
            Packet::Pubrel(ack) => Self::Pubrel(ack.packet_id.get()),
            Packet::Pubcomp(ack) => Self::Pubcomp(ack.packet_id.get()),
            Packet::Pingresp => Self::Pingresp,
            Packet::Publish(publish) => {
                let Payload::Whole(payload) = publish.payload else { return Self::Other };
                let dup = match publish.delivery {
                    Delivery::AtMostOnce => false,
                    Delivery::AtLeastOnce { dup, .. } | Delivery::ExactlyOnce { dup, .. } => dup,
                };
                Self::Publish {
                    payload: String::from_utf8_lossy(payload).into_owned(),
                    qos: publish.delivery.qos(),
                    id: publish.delivery.packet_id().map_or(0, PacketId::get),
                    dup,
                    retain: publish.retain,
                }
            }
            _ => Self::Other,
        }
    }
}

pub(crate) fn packet_id(n: u16) -> PacketId {
    PacketId::new(n).expect("not zero")
}

pub(crate) fn connect(client_id: &str, clean_start: bool) -> Packet<'_> {
    Packet::Connect(Connect {
        version: Version::V3_1_1,
        bridge: false,
        clean_start,
        keep_alive: 0,
        properties: Properties::default(),
        client_id: Text::new(client_id).expect("it has no U+0000"),
        will: None,
        username: None,
        password: None,
    })
}

pub(crate) fn publish<'a>(topic: &'a str, payload: &'a str, qos: QoS, n: u16, dup: bool) -> Packet<'a> {
    let delivery = match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id: packet_id(n), dup },
        QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id: packet_id(n), dup },
    };
    let payload = Payload::Whole(payload.as_bytes());
    Packet::Publish(Publish {
        delivery,
        retain: false,
        topic: Text::new(topic).expect("it has no U+0000"),
        properties: Properties::default(),
        payload,
    })
}

/// The same with RETAIN.
pub(crate) fn retained<'a>(topic: &'a str, payload: &'a str, qos: QoS, n: u16, dup: bool) -> Packet<'a> {
    let Packet::Publish(publish) = publish(topic, payload, qos, n, dup) else { unreachable!("it is one") };
    Packet::Publish(Publish { retain: true, ..publish })
}

pub(crate) fn ack(n: u16) -> Ack<'static> {
    Ack { packet_id: packet_id(n), reason: ReasonCode::Success, properties: Properties::default() }
}

/// A small generator, so that a failing run can be had again from its number.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}
