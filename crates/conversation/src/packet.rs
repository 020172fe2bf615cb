//! Packets as scripts speak of them: what a client sends, and what it expects.
use crate::property::Property;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;

/// A Packet Identifier, or a name that was bound to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Number(u16),
    Name(String),
}

/// Packets that name another one, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckKind {
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
    Suback,
    Unsuback,
}

impl AckKind {
    pub(crate) const ALL: [(&'static str, Self); 6] = [
        ("PUBACK", Self::Puback),
        ("PUBREC", Self::Pubrec),
        ("PUBREL", Self::Pubrel),
        ("PUBCOMP", Self::Pubcomp),
        ("SUBACK", Self::Suback),
        ("UNSUBACK", Self::Unsuback),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// The first byte on the wire.
    pub(crate) fn header(self) -> u8 {
        match self {
            Self::Puback => 0x40,
            Self::Pubrec => 0x50,
            Self::Pubrel => 0x62,
            Self::Pubcomp => 0x70,
            Self::Suback => 0x90,
            Self::Unsuback => 0xb0,
        }
    }

    /// Has it one Reason Code for each Topic Filter?
    pub(crate) fn lists(self) -> bool {
        matches!(self, Self::Suback | Self::Unsuback)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) version: Option<Version>,
    pub(crate) client_id: Vec<u8>,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive: u16,
    pub(crate) username: Option<Vec<u8>>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) will: Option<Will>,
    pub(crate) properties: Vec<Property>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Will {
    pub(crate) topic: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) properties: Vec<Property>,
}

#[derive(Clone, Debug)]
pub(crate) struct Publish {
    pub(crate) topic: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    /// Expected without one: any will do.
    pub(crate) id: Option<Id>,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
    pub(crate) properties: Vec<Property>,
}

#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) filter: Vec<u8>,
    /// The byte of Subscription Options. (Section 3.8.3.1)
    pub(crate) options: u8,
}

/// What a client sends.
#[derive(Clone, Debug)]
pub(crate) enum Outgoing {
    Connect(Connect),
    Publish(Publish),
    Subscribe { id: Id, filters: Vec<Filter>, properties: Vec<Property> },
    Unsubscribe { id: Id, filters: Vec<Vec<u8>>, properties: Vec<Property> },
    Ack { kind: AckKind, id: Id, reason: ReasonCode, properties: Vec<Property> },
    Pingreq,
    Disconnect { reason: ReasonCode, properties: Vec<Property> },
    Auth { reason: ReasonCode, properties: Vec<Property> },
    Bytes(Vec<u8>),
}

/// Reason Codes of which one is to come; empty if any will do.
pub(crate) type Reasons = Vec<u8>;

/// What a client expects.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Connack {
        reasons: Reasons,
        session_present: bool,
        properties: Vec<Property>,
    },
    Publish(Publish),
    /// One set of Reason Codes, or as many as there were Topic Filters.
    Ack {
        kind: AckKind,
        id: Option<Id>,
        reasons: Vec<Reasons>,
        properties: Vec<Property>,
    },
    Pingresp,
    Disconnect {
        reasons: Reasons,
        properties: Vec<Property>,
    },
    Auth {
        reasons: Reasons,
        properties: Vec<Property>,
    },
}
