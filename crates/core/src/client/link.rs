//! What belongs to one network connection, and goes with it.
use super::server::Server;
use crate::codec::{AckKind, Decoder, Delivery, Mode, PropertiesBuf};
use crate::delivery::{Answer, Assembly, InOrder, Inward, Outward};
use crate::id::PacketId;
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::topic::TopicName;
use crate::version::{Role, Version};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// The state of a connection: one value, replaced whole when the next one opens.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) decoder: Decoder,
    /// Encoded, in order, free to leave.
    pub(super) out: Vec<u8>,
    /// When it opened.
    pub(super) opened: Instant,
    /// When the last bytes came.
    pub(super) heard: Instant,
    /// When the last packet was handed to the transport.
    pub(super) sent: Instant,
    pub(super) ping: Ping,
    /// When CONNACK came.
    pub(super) since: Option<Instant>,
    /// It brought something forward: a message of ours was acknowledged, or one came that we have to acknowledge.
    pub(super) useful: bool,
    /// A message of ours was.
    pub(super) acknowledged: bool,
    /// An answer came to this message of ours that does not go with its QoS.
    pub(super) misplaced: Option<PacketId>,
    /// The first bytes that came, and how many these are.
    pub(super) first: ([u8; 4], usize),
    /// A PUBLISH whose payload is not complete.
    pub(super) incoming: Option<Box<Incoming>>,
    /// What is to be acknowledged, in the order in which it came. [MQTT-4.6.0-2] [MQTT-4.6.0-3]
    pub(super) unanswered: InOrder<Unanswered>,
    /// Of what came on this connection, what is never acknowledged on it, but counts against the Receive Maximum.
    pub(super) passed_over: BTreeSet<PacketId>,
    /// What came and was not decoded, because the application has enough to do.
    pub(super) kept: Vec<u8>,
    pub(super) held: bool,
    /// QoS 2 messages of earlier connections that the server may not count.
    pub(super) leftover: usize,
    /// CONNECT begins one, if there is one.
    pub(super) auth: AuthTurn,
    pub(super) server: Server,
    /// What the server has bound to Topic Aliases, and what we have.
    pub(super) inward: Inward,
    pub(super) outward: Outward,
}

/// Whose turn it is in an authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthTurn {
    /// None is under way.
    Nobody,
    Server,
    Application,
}

/// How far a PINGREQ has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ping {
    /// None is needed.
    None,
    /// It waits for the transport, which is busy.
    Queued,
    /// It left then, and nothing was heard since.
    Sent(Instant),
}

/// A PUBLISH without its payload.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) delivery: Delivery,
    pub(super) retain: bool,
    pub(super) topic: TopicName,
    pub(super) properties: PropertiesBuf,
}

/// A PUBLISH whose payload comes in pieces.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) head: Head,
    pub(super) payload: Assembly,
    /// It was delivered before: nothing of it is kept.
    pub(super) unwanted: bool,
}

/// PUBACK or PUBREC, which waits for the application, or for those before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unanswered {
    pub(super) number: u32,
    pub(super) packet_id: PacketId,
    pub(super) kind: AckKind,
    pub(super) answer: Said,
}

/// What the application has said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    /// That it has it, or refuses it.
    Reason(ReasonCode),
    /// That it is not to be acknowledged.
    PassOver,
}

impl Unanswered {
    /// Is that PUBREC still to come?
    pub(super) fn is_pubrec(&self, of: PacketId) -> bool {
        self.kind == AckKind::Pubrec && self.packet_id == of && self.answer != Said::PassOver
    }
}

impl Answer for Unanswered {
    fn is_puback(&self) -> bool {
        self.kind == AckKind::Puback && self.answer != Said::PassOver
    }
}

impl Link {
    /// A message of ours has come further.
    pub(super) fn brings_acknowledgement(&mut self) {
        (self.useful, self.acknowledged) = (true, true);
    }

    pub(super) fn new(now: Instant, version: Version) -> Self {
        Self {
            decoder: Decoder::new(Mode { role: Role::Client, version: Some(version) }),
            out: Vec::new(),
            opened: now,
            heard: now,
            sent: now,
            ping: Ping::None,
            since: None,
            useful: false,
            acknowledged: false,
            misplaced: None,
            first: ([0; 4], 0),
            incoming: None,
            unanswered: InOrder::default(),
            passed_over: BTreeSet::new(),
            kept: Vec::new(),
            held: false,
            leftover: 0,
            auth: AuthTurn::Server,
            server: Server::new(version),
            inward: Inward::default(),
            outward: Outward::default(),
        }
    }
}
