//! A client: a script, and section 4 of the specification done by the book.
mod ask;

use crate::history::{End, Got, History, NEVER, Pub, Seen};
use std::collections::{BTreeSet, VecDeque};
use tidewire_core::codec::{
    self, AckKind, Connect, Decoder, Delivery, Item, Limits, Mode, Packet, Payload, PropertiesBuf, Property,
    Publish,
};
use tidewire_core::id::PacketId;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::Text;
use tidewire_core::version::{Role, Version};

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// Opens a connection, whatever became of the one before.
    Connect {
        clean: bool,
    },
    Subscribe {
        filter: &'static str,
        qos: u8,
    },
    Unsubscribe {
        filter: &'static str,
    },
    Publish {
        topic: &'static str,
        qos: u8,
        retain: bool,
        empty: bool,
    },
    /// Goes on when everything it asked for is answered.
    Await,
    /// Goes on when its CONNACK has come.
    Welcome,
    Disconnect,
    Leave(End),
}

/// What is to be published if it goes without a word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Will {
    pub(crate) topic: &'static str,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
}

/// What is not through yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outgoing {
    packet_id: u16,
    message: usize,
    released: bool,
}

pub(crate) struct Client {
    pub(crate) index: usize,
    pub(crate) id: String,
    pub(crate) script: VecDeque<Op>,
    pub(crate) no_local: bool,
    /// Its latest connection.
    pub(crate) line: Option<usize>,
    pub(crate) receive_maximum: Option<u16>,
    /// What it publishes expires after so many seconds.
    pub(crate) expiry: Option<u32>,
    /// It wants Retained Messages only for subscriptions that are new.
    pub(crate) if_new: bool,
    pub(crate) will: Option<Will>,
    packet_id: u16,
    outgoing: Vec<Outgoing>,
    asked: Vec<(u16, Asked)>,
    /// QoS 2 Packet Identifiers that wait for their PUBREL.
    received: BTreeSet<u16>,
    decoder: Decoder,
    /// PUBLISHes of this connection that are not acknowledged, in order.
    unacknowledged: VecDeque<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Subscribe(usize),
    Unsubscribe(&'static str, usize),
}

fn qos(bits: u8) -> QoS {
    QoS::from_bits(bits).expect("0, 1 or 2")
}

fn decoder() -> Decoder {
    Decoder::new(Mode { role: Role::Client, version: Some(Version::V5) })
}

/// What a message carries, to be known by.
pub(crate) fn name(message: usize) -> [u8; 4] {
    u32::try_from(message).expect("few messages").to_be_bytes()
}

fn packet_id(n: u16) -> PacketId {
    PacketId::new(n).expect("counted from 1")
}

impl Client {
    pub(crate) fn new(index: usize, id: String, script: impl IntoIterator<Item = Op>) -> Self {
        Self {
            index,
            id,
            script: script.into_iter().collect(),
            no_local: false,
            line: None,
            receive_maximum: None,
            expiry: None,
            if_new: false,
            will: None,
            packet_id: 0,
            outgoing: vec![],
            asked: vec![],
            received: BTreeSet::new(),
            decoder: decoder(),
            unacknowledged: VecDeque::new(),
        }
    }

    /// Everything it asked for is answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.outgoing.is_empty() && self.asked.is_empty()
    }

    /// Would it do something now?
    pub(crate) fn may_act(&self, history: &History) -> bool {
        let Some(op) = self.script.front() else { return false };
        let line = self.line.map(|line| &history.lines[line]);
        let open = line.is_some_and(|l| l.left == NEVER && l.closed == NEVER && l.told.is_none());
        let welcomed = open && line.is_some_and(|l| l.welcomed != NEVER);
        match op {
            Op::Connect { .. } => true,
            // What must be sent again goes first, so what is new waits for CONNACK.
            Op::Subscribe { .. } | Op::Unsubscribe { .. } | Op::Publish { .. } => {
                !open || welcomed || self.is_answered()
            }
            Op::Await => !open || (welcomed && self.is_answered()),
            Op::Welcome => !open || welcomed,
            Op::Disconnect | Op::Leave(_) => true,
        }
    }

    /// The bytes of its CONNECT, on a new connection.
    pub(crate) fn connect(&mut self, history: &mut History, line: usize, clean: bool) -> Vec<u8> {
        let now = history.tick();
        let keeps = history.keeps[self.index];
        history.tell(|| format!("{} opens line {line}, clean {clean}", self.id));
        for sub in history.subs.iter_mut().filter(|s| s.client == self.index && (clean || !keeps)) {
            sub.ending = sub.ending.min(now);
        }
        history.lines.push(Seen {
            client: self.index,
            clean,
            opened: now,
            welcomed: NEVER,
            present: false,
            told: None,
            left: NEVER,
            end: None,
            goodbye: false,
            closed: NEVER,
        });
        let will = self.will.map(|will| (will, self.record_will(history, line, will)));
        self.line = Some(line);
        self.forget(clean);
        self.hello(clean, keeps, will)
    }

    /// Its will is a message from now on, by this name.
    fn record_will(&self, history: &mut History, line: usize, will: Will) -> [u8; 4] {
        history.pubs.push(Pub {
            client: self.index,
            line,
            topic: will.topic,
            qos: will.qos,
            retain: will.retain,
            empty: false,
            will: true,
            sent: history.now,
            sends: 1,
            acked: NEVER,
            reason: 0,
        });
        name(history.pubs.len() - 1)
    }

    /// What ends with the old connection, and with the old session.
    fn forget(&mut self, clean: bool) {
        self.decoder = decoder();
        self.unacknowledged.clear();
        // What was not answered on the old connection never will be.
        self.asked.clear();
        if clean {
            // It gives up its half of the session as well.
            self.received.clear();
            self.outgoing.clear();
        }
    }

    /// CONNECT.
    fn hello(&self, clean: bool, keeps: bool, will: Option<(Will, [u8; 4])>) -> Vec<u8> {
        let (mut properties, mut will_properties) = (PropertiesBuf::new(), PropertiesBuf::new());
        if keeps {
            properties.push(Property::SessionExpiryInterval(1000)).expect("it can be sent");
        }
        if let Some(most) = self.receive_maximum {
            properties.push(Property::ReceiveMaximum(most)).expect("it can be sent");
        }
        encode(&Packet::Connect(Connect {
            bridge: false,
            version: Version::V5,
            clean_start: clean,
            keep_alive: 0,
            properties: properties.as_properties(),
            client_id: Text::new(&self.id).expect("it has no U+0000"),
            will: will.as_ref().map(|(will, name)| {
                will_properties.push(Property::CorrelationData(name)).expect("it can be sent");
                codec::Will {
                    topic: Text::new(will.topic).expect("it has no U+0000"),
                    payload: b"x",
                    qos: qos(will.qos),
                    retain: will.retain,
                    properties: will_properties.as_properties(),
                }
            }),
            username: None,
            password: None,
        }))
    }

    fn next_packet_id(&mut self) -> u16 {
        self.packet_id += 1;
        self.packet_id
    }

    /// Reads what came; the bytes are what it answers.
    pub(crate) fn read(&mut self, history: &mut History, line: usize, bytes: &[u8]) -> Vec<u8> {
        let mut decoder = std::mem::take(&mut self.decoder);
        let mut rest = bytes;
        let mut out = vec![];
        loop {
            match decoder.next(&Limits::default(), &mut rest) {
                Ok(None) => break,
                Ok(Some(Item::Packet(packet))) => self.on_packet(history, line, &packet, &mut out),
                other => {
                    history.fault(format!("{} read {other:?}", self.id));
                    break;
                }
            }
        }
        self.decoder = decoder;
        out
    }

    fn on_packet(&mut self, history: &mut History, line: usize, packet: &Packet<'_>, out: &mut Vec<u8>) {
        let now = history.tick();
        let name = self.id.clone();
        if history.lines[line].welcomed == NEVER && !matches!(packet, Packet::Connack(_)) {
            history.fault(format!("{name} was sent {packet:?} before CONNACK"));
        }
        match packet {
            Packet::Connack(connack) => {
                history.tell(|| {
                    format!("{name} sees CONNACK {:?}, present {}", connack.reason, connack.session_present)
                });
                if connack.reason != ReasonCode::Success {
                    history.lines[line].told = Some(connack.reason.byte());
                    return;
                }
                (history.lines[line].welcomed, history.lines[line].present) = (now, connack.session_present);
                self.on_welcome(history, line, connack.session_present, out);
            }
            Packet::Publish(publish) => self.on_publish(history, line, publish, out),
            Packet::Puback(ack) => self.on_answered(history, ack.packet_id.get(), ack.reason.byte(), 1, out),
            Packet::Pubrec(ack) => self.on_answered(history, ack.packet_id.get(), ack.reason.byte(), 2, out),
            Packet::Pubcomp(ack) => {
                let id = ack.packet_id.get();
                history.tell(|| format!("{name} sees PUBCOMP {id}"));
                match self.outgoing.iter().position(|o| o.packet_id == id && o.released) {
                    Some(at) => drop(self.outgoing.remove(at)),
                    None => history.fault(format!("{name} sees PUBCOMP {id} that it does not wait for")),
                }
            }
            Packet::Pubrel(ack) => {
                self.received.remove(&ack.packet_id.get());
                codec::encode_ack(AckKind::Pubcomp, ack.packet_id, ReasonCode::Success, Version::V5, out);
            }
            Packet::Suback(suback) => {
                let asked = self.asked.iter().position(|(id, _)| *id == suback.packet_id.get());
                match asked.map(|at| self.asked.remove(at).1) {
                    Some(Asked::Subscribe(sub)) if suback.reasons == [history.subs[sub].qos] => {
                        history.tell(|| format!("{name} sees SUBACK"));
                        history.subs[sub].acked = now;
                    }
                    other => history.fault(format!("{name} sees {suback:?} for {other:?}")),
                }
            }
            Packet::Unsuback(unsuback) => {
                let asked = self.asked.iter().position(|(id, _)| *id == unsuback.packet_id.get());
                match asked.map(|at| self.asked.remove(at).1) {
                    Some(Asked::Unsubscribe(filter, before)) => {
                        history.tell(|| format!("{name} sees UNSUBACK"));
                        let mine = history.subs[..before].iter_mut().filter(|s| s.client == self.index);
                        for sub in mine.filter(|s| s.filter == filter) {
                            sub.unsubacked = sub.unsubacked.min(now);
                        }
                    }
                    other => history.fault(format!("{name} sees {unsuback:?} for {other:?}")),
                }
            }
            Packet::Disconnect(disconnect) => {
                history.tell(|| format!("{name} is told {:?}", disconnect.reason));
                history.lines[line].told = Some(disconnect.reason.byte());
            }
            other => history.fault(format!("{name} was sent {other:?}")),
        }
    }

    fn on_welcome(&mut self, history: &mut History, line: usize, present: bool, out: &mut Vec<u8>) {
        let now = history.now;
        if !present {
            self.received.clear();
            // Only what was sent before this connection is meant; nothing else can be open by then.
            self.outgoing.retain(|o| history.pubs[o.message].line == line);
            for sub in history.subs.iter_mut().filter(|s| s.client == self.index && s.line != line) {
                (sub.ending, sub.ended) = (sub.ending.min(now), sub.ended.min(now));
            }
        }
        // All that is open on the client's side goes out again, in order. [MQTT-4.4.0-1]
        for outgoing in self.outgoing.clone() {
            if history.pubs[outgoing.message].line == line {
                continue;
            }
            if outgoing.released {
                let id = packet_id(outgoing.packet_id);
                codec::encode_ack(AckKind::Pubrel, id, ReasonCode::Success, Version::V5, out);
            } else {
                out.extend(self.publish(history, outgoing.message, outgoing.packet_id, true));
            }
        }
    }

    fn on_publish(&mut self, history: &mut History, line: usize, publish: &Publish<'_>, out: &mut Vec<u8>) {
        let now = history.now;
        let name = publish.properties.correlation_data().and_then(|d| <[u8; 4]>::try_from(d).ok());
        let message = name.map_or(usize::MAX, |n| u32::from_be_bytes(n) as usize);
        let (qos, dup, id) = match publish.delivery {
            Delivery::AtMostOnce => (0, false, None),
            Delivery::AtLeastOnce { packet_id, dup } => (1, dup, Some(packet_id)),
            Delivery::ExactlyOnce { packet_id, dup } => (2, dup, Some(packet_id)),
        };
        history.tell(|| {
            format!(
                "{} reads m{message} on {}, QoS {qos}, dup {dup}, retain {}",
                self.id, publish.topic, publish.retain
            )
        });
        let known = history.pubs.get(message);
        let payload: &[u8] = if known.is_some_and(|p| p.empty) { b"" } else { b"x" };
        if known.is_none_or(|p| publish.topic != p.topic) || publish.payload != Payload::Whole(payload) {
            return history.fault(format!("{} read what was never published: {publish:?}", self.id));
        }
        let mut again = false;
        match (qos, id) {
            (1, Some(id)) => codec::encode_ack(AckKind::Puback, id, ReasonCode::Success, Version::V5, out),
            (2, Some(id)) => {
                again = !self.received.insert(id.get());
                if again && !dup {
                    history.fault(format!("{} was sent {id:?} again without DUP", self.id));
                }
                codec::encode_ack(AckKind::Pubrec, id, ReasonCode::Success, Version::V5, out);
            }
            _ => {}
        }
        let retain = publish.retain;
        history.gots.push(Got { client: self.index, line, message, qos, dup, retain, again, at: now });
    }

    /// PUBACK, or PUBREC.
    fn on_answered(&mut self, history: &mut History, id: u16, reason: u8, qos: u8, out: &mut Vec<u8>) {
        let now = history.now;
        // PUBACK and PUBREC leave in the order of their PUBLISHes. [MQTT-4.6.0-2] [MQTT-4.6.0-3]
        if self.unacknowledged.front() != Some(&id) {
            let waits = self.unacknowledged.clone();
            return history
                .fault(format!("{} sees an answer to {id} while {waits:?} wait in this order", self.id));
        }
        self.unacknowledged.pop_front();
        let Some(at) = self.outgoing.iter().position(|o| o.packet_id == id && !o.released) else {
            return history.fault(format!("{} sees an answer to {id}, twice", self.id));
        };
        let message = self.outgoing[at].message;
        history.tell(|| format!("{} sees m{message} acknowledged with {reason:#x}", self.id));
        let publication = &mut history.pubs[message];
        if publication.qos != qos {
            return history.fault(format!("{} sees the answer of another QoS to {id}", self.id));
        }
        (publication.acked, publication.reason) = (now, reason);
        if qos == 2 && reason < 0x80 {
            self.outgoing[at].released = true;
            codec::encode_ack(AckKind::Pubrel, packet_id(id), ReasonCode::Success, Version::V5, out);
        } else {
            self.outgoing.remove(at);
        }
    }

    /// It leaves, or the server made it.
    pub(crate) fn left(&mut self, history: &mut History, line: usize, end: End) {
        let now = history.tick();
        history.tell(|| format!("{} leaves line {line}: {end:?}", self.id));
        (history.lines[line].left, history.lines[line].end) = (now, Some(end));
        if !history.keeps[self.index] && self.line == Some(line) {
            for sub in history.subs.iter_mut().filter(|s| s.client == self.index) {
                sub.ending = sub.ending.min(now);
            }
        }
    }
}

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = vec![];
    packet.encode(Version::V5, u32::MAX, &mut out).expect("it fits");
    out
}
