//! The Control Packets of all versions, one model.
use super::Properties;
use crate::id::PacketId;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::version::Version;

/// A Control Packet of any version, borrowing from the bytes it was read from.
///
/// There is one `Packet` for all versions: what an older version lacks is empty when decoded, and must be empty
/// when encoded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// Client to server: the first one on each connection.
    Connect(Connect<'a>),
    /// Server to client: the answer to CONNECT.
    Connack(Connack<'a>),
    /// Either way: an Application Message.
    Publish(Publish<'a>),
    /// The answer to a PUBLISH with QoS 1.
    Puback(Ack<'a>),
    /// The first answer to a PUBLISH with QoS 2.
    Pubrec(Ack<'a>),
    /// The answer to PUBREC.
    Pubrel(Ack<'a>),
    /// The answer to PUBREL.
    Pubcomp(Ack<'a>),
    /// Client to server.
    Subscribe(Subscribe<'a>),
    /// Server to client: a Reason Code for each Topic Filter.
    Suback(Suback<'a>),
    /// Client to server.
    Unsubscribe(Unsubscribe<'a>),
    /// Server to client.
    Unsuback(Suback<'a>),
    /// Client to server: are you there?
    Pingreq,
    /// Server to client: I am.
    Pingresp,
    /// The last one on a connection. Before 5.0 only the client sends it.
    Disconnect(Disconnect<'a>),
    /// 5.0: a step of an authentication that takes several.
    Auth(Auth<'a>),
}

/// CONNECT. (Section 3.1)
#[derive(Clone, Debug, PartialEq)]
pub struct Connect<'a> {
    /// What the client speaks, and the server from here on.
    pub version: Version,
    /// Clean Start (5.0) or Clean Session (3.x).
    pub clean_start: bool,
    /// In seconds; 0 turns it off.
    pub keep_alive: u16,
    /// 5.0 only.
    pub properties: Properties<'a>,
    /// May be empty: then the server assigns one.
    pub client_id: Text<'a>,
    /// What to publish if the client goes without saying goodbye.
    pub will: Option<Will<'a>>,
    /// Who says so.
    pub username: Option<Text<'a>>,
    /// Any bytes. In 5.0 also without a user name.
    pub password: Option<&'a [u8]>,
    /// It is a bridge, as mosquitto's say with a bit of their own beside the Protocol Level. Read only where
    /// [`Leniency::bridge_level`](super::Leniency::bridge_level) says so.
    pub bridge: bool,
}

/// The Will Message of a CONNECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Will<'a> {
    /// A Topic Name; `encode` refuses one that is not.
    pub topic: Text<'a>,
    /// Up to 65,535 bytes.
    pub payload: &'a [u8],
    /// How hard.
    pub qos: QoS,
    /// Keep it as a Retained Message.
    pub retain: bool,
    /// 5.0 only: Will Properties.
    pub properties: Properties<'a>,
}

/// CONNACK. (Section 3.2)
#[derive(Clone, Debug, PartialEq)]
pub struct Connack<'a> {
    /// The server has kept the session.
    pub session_present: bool,
    /// `Success`, or why not. Versions before 5.0 know six values; the codec maps.
    pub reason: ReasonCode,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

/// PUBLISH. (Section 3.3)
#[derive(Clone, Debug, PartialEq)]
pub struct Publish<'a> {
    /// QoS, DUP and Packet Identifier.
    pub delivery: Delivery,
    /// RETAIN.
    pub retain: bool,
    /// A valid Topic Name, which `encode` sees to as well; empty only in 5.0 with a Topic Alias.
    pub topic: Text<'a>,
    /// 5.0 only.
    pub properties: Properties<'a>,
    /// What it is about.
    pub payload: Payload<'a>,
}

/// The payload, or how long it will be when it comes in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// So many bytes follow as [`Item::Body`](super::Item::Body).
    Streamed(u32),
}

/// How a PUBLISH is delivered. Only QoS 1 and 2 carry a Packet Identifier, so only they have one here.
/// [MQTT-2.2.1-2]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce {
        /// What PUBACK will name.
        packet_id: PacketId,
        /// Sent before, perhaps.
        dup: bool,
    },
    /// QoS 2.
    ExactlyOnce {
        /// What PUBREC, PUBREL and PUBCOMP will name.
        packet_id: PacketId,
        /// Sent before, perhaps.
        dup: bool,
    },
}

impl Delivery {
    /// At this QoS; QoS 0 has neither a Packet Identifier nor DUP.
    pub const fn new(qos: QoS, packet_id: PacketId, dup: bool) -> Self {
        match qos {
            QoS::AtMostOnce => Self::AtMostOnce,
            QoS::AtLeastOnce => Self::AtLeastOnce { packet_id, dup },
            QoS::ExactlyOnce => Self::ExactlyOnce { packet_id, dup },
        }
    }

    /// 0, 1 or 2.
    pub const fn qos(self) -> QoS {
        match self {
            Self::AtMostOnce => QoS::AtMostOnce,
            Self::AtLeastOnce { .. } => QoS::AtLeastOnce,
            Self::ExactlyOnce { .. } => QoS::ExactlyOnce,
        }
    }

    /// `None` for QoS 0.
    pub const fn packet_id(self) -> Option<PacketId> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce { packet_id, .. } | Self::ExactlyOnce { packet_id, .. } => Some(packet_id),
        }
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP. (Sections 3.4 to 3.7)
#[derive(Clone, Debug, PartialEq)]
pub struct Ack<'a> {
    /// What is acknowledged.
    pub packet_id: PacketId,
    /// Before 5.0 always `Success`.
    pub reason: ReasonCode,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

/// SUBSCRIBE. (Section 3.8)
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribe<'a> {
    /// What SUBACK will name.
    pub packet_id: PacketId,
    /// 5.0 only.
    pub properties: Properties<'a>,
    /// At least one. [MQTT-3.8.3-2]
    pub filters: Filters<'a>,
}

/// The Topic Filters of a SUBSCRIBE with their options: checked once when decoded, then read from the packet.
#[derive(Clone, Copy, Debug)]
pub struct Filters<'a> {
    pub(crate) encoded: &'a [u8],
    pub(crate) version: Version,
}

/// Subscription Options. (Section 3.8.3.1)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// The greatest QoS at which messages may come.
    pub qos: QoS,
    /// 5.0: not what this client itself publishes.
    pub no_local: bool,
    /// 5.0: keep RETAIN as it was published.
    pub retain_as_published: bool,
    /// 5.0: whether to send Retained Messages.
    pub retain_handling: RetainHandling,
}

/// Whether a SUBSCRIBE is answered with Retained Messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum RetainHandling {
    /// At each SUBSCRIBE; always so before 5.0.
    #[default]
    Send = 0,
    /// Only if the subscription is new.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// SUBACK or UNSUBACK: a Reason Code for each Topic Filter. (Sections 3.9, 3.11)
#[derive(Clone, Debug, PartialEq)]
pub struct Suback<'a> {
    /// What is acknowledged.
    pub packet_id: PacketId,
    /// 5.0 only.
    pub properties: Properties<'a>,
    /// One byte each, in the order of the filters; none in an UNSUBACK before 5.0.
    ///
    /// When decoded each is one that this packet and version may carry; when encoded for 3.x, each of 0x80 and
    /// above becomes 0x80.
    pub reasons: &'a [u8],
}

/// UNSUBSCRIBE. (Section 3.10)
#[derive(Clone, Debug, PartialEq)]
pub struct Unsubscribe<'a> {
    /// What UNSUBACK will name.
    pub packet_id: PacketId,
    /// 5.0 only.
    pub properties: Properties<'a>,
    /// At least one. [MQTT-3.10.3-2]
    pub filters: FilterNames<'a>,
}

/// The Topic Filters of an UNSUBSCRIBE: checked once when decoded, then read from the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterNames<'a> {
    pub(crate) encoded: &'a [u8],
}

/// DISCONNECT. (Section 3.14)
#[derive(Clone, Debug, PartialEq)]
pub struct Disconnect<'a> {
    /// Before 5.0 always `Success`.
    pub reason: ReasonCode,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

/// AUTH. (Section 3.15)
#[derive(Clone, Debug, PartialEq)]
pub struct Auth<'a> {
    /// `Success`, `ContinueAuthentication` or `ReAuthenticate`.
    pub reason: ReasonCode,
    /// The method, the data and more.
    pub properties: Properties<'a>,
}
