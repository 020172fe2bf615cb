//! What servers send, from bytes.
use crate::packet::AckKind;
use crate::property::{Property, Quoted};
use core::fmt;
use tidewire_core::codec::{
    Ack, DecodeError, Decoder, Delivery, Item, Limits, Mode, Packet, Payload, Properties, Publish, Suback,
};
use tidewire_core::id::PacketId;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::{Role, Version};

/// A packet as it came.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Connack { session_present: bool, reason: u8, properties: Vec<Property> },
    Publish(SeenPublish),
    Ack { kind: AckKind, id: u16, reasons: Vec<u8>, properties: Vec<Property> },
    Pingresp,
    Disconnect { reason: u8, properties: Vec<Property> },
    Auth { reason: u8, properties: Vec<Property> },
}

#[derive(Clone, Debug)]
pub(crate) struct SeenPublish {
    pub(crate) topic: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) id: Option<u16>,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
    pub(crate) properties: Vec<Property>,
}

/// A server's packets, cut from what it sends.
#[derive(Debug)]
pub(crate) struct Reader {
    decoder: Decoder,
    /// Came, but was not looked at.
    inbound: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(version: Version) -> Self {
        let mode = Mode { role: Role::Client, version: Some(version) };
        Self { decoder: Decoder::new(mode), inbound: vec![] }
    }

    /// Where bytes are to be put.
    pub(crate) fn inbound(&mut self) -> &mut Vec<u8> {
        &mut self.inbound
    }

    /// The next packet; `None` if its end has not come.
    pub(crate) fn next(&mut self) -> Result<Option<Seen>, DecodeError> {
        let mut input = &self.inbound[..];
        let seen = match self.decoder.next(&Limits::NONE, &mut input)? {
            Some(Item::Packet(packet)) => Seen::of(&packet),
            _ => None,
        };
        let read = self.inbound.len() - input.len();
        self.inbound.drain(..read);
        Ok(seen)
    }
}

impl Seen {
    /// `None` for what only clients send; the decoder does not let that pass.
    pub(crate) fn of(packet: &Packet<'_>) -> Option<Self> {
        let ack = |kind, ack: &Ack<'_>| Self::Ack {
            kind,
            id: ack.packet_id.get(),
            reasons: vec![ack.reason.byte()],
            properties: properties(ack.properties),
        };
        let list = |kind, suback: &Suback<'_>| Self::Ack {
            kind,
            id: suback.packet_id.get(),
            reasons: suback.reasons.to_vec(),
            properties: properties(suback.properties),
        };
        Some(match packet {
            Packet::Connack(connack) => Self::Connack {
                session_present: connack.session_present,
                reason: connack.reason.byte(),
                properties: properties(connack.properties),
            },
            Packet::Publish(publish) => Self::Publish(SeenPublish::of(publish)),
            Packet::Puback(puback) => ack(AckKind::Puback, puback),
            Packet::Pubrec(pubrec) => ack(AckKind::Pubrec, pubrec),
            Packet::Pubrel(pubrel) => ack(AckKind::Pubrel, pubrel),
            Packet::Pubcomp(pubcomp) => ack(AckKind::Pubcomp, pubcomp),
            Packet::Suback(suback) => list(AckKind::Suback, suback),
            Packet::Unsuback(unsuback) => list(AckKind::Unsuback, unsuback),
            Packet::Pingresp => Self::Pingresp,
            Packet::Disconnect(disconnect) => Self::Disconnect {
                reason: disconnect.reason.byte(),
                properties: properties(disconnect.properties),
            },
            Packet::Auth(auth) => {
                Self::Auth { reason: auth.reason.byte(), properties: properties(auth.properties) }
            }
            _ => return None,
        })
    }
}

impl SeenPublish {
    fn of(publish: &Publish<'_>) -> Self {
        let payload = match publish.payload {
            Payload::Whole(bytes) => bytes.to_vec(),
            Payload::Streamed(_) => vec![], // never, by the limits above
        };
        let dup = match publish.delivery {
            Delivery::AtMostOnce => false,
            Delivery::AtLeastOnce { dup, .. } | Delivery::ExactlyOnce { dup, .. } => dup,
        };
        Self {
            topic: publish.topic.as_bytes().to_vec(),
            payload,
            qos: publish.delivery.qos(),
            id: publish.delivery.packet_id().map(PacketId::get),
            dup,
            retain: publish.retain,
            properties: properties(publish.properties),
        }
    }
}

/// Read once more, by a script's own table. The decoder has checked them.
pub(crate) fn properties(properties: Properties<'_>) -> Vec<Property> {
    let mut bytes = properties.as_bytes();
    core::iter::from_fn(|| Property::read(&mut bytes)).collect()
}

/// In the words of a script, so that what came can be compared with what was expected by eye.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties = match self {
            Self::Connack { session_present, reason, properties } => {
                write!(f, "CONNACK {}", name(*reason))?;
                if *session_present {
                    f.write_str(" session_present")?;
                }
                properties
            }
            Self::Publish(publish) => {
                write!(f, "PUBLISH {} {}", Quoted(&publish.topic), Quoted(&publish.payload))?;
                write!(f, " qos={}", publish.qos.bits())?;
                if let Some(id) = publish.id {
                    write!(f, " id={id}")?;
                }
                f.write_str(if publish.dup { " dup" } else { "" })?;
                f.write_str(if publish.retain { " retain" } else { "" })?;
                &publish.properties
            }
            Self::Ack { kind, id, reasons, properties } => {
                let name = if *kind == AckKind::Suback { granted } else { name };
                let reasons: Vec<_> = reasons.iter().map(|reason| name(*reason)).collect();
                let (open, close) = if kind.lists() { ("[", "]") } else { ("", "") };
                write!(f, "{} {id} {open}{}{close}", kind.name(), reasons.join(" "))?;
                properties
            }
            Self::Pingresp => return f.write_str("PINGRESP"),
            Self::Disconnect { reason, properties } => {
                write!(f, "DISCONNECT {}", name(*reason))?;
                properties
            }
            Self::Auth { reason, properties } => {
                write!(f, "AUTH {}", name(*reason))?;
                properties
            }
        };
        for property in properties {
            write!(f, " {property}")?;
        }
        Ok(())
    }
}

/// Of a SUBACK, where Success has another name.
fn granted(reason: u8) -> String {
    ReasonCode::from_byte(reason).map_or_else(|| name(reason), |code| format!("{:?}", code.granted()))
}

fn name(reason: u8) -> String {
    ReasonCode::from_byte(reason).map_or_else(|| format!("{reason:#04x}"), |code| format!("{code:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_the_name_that_it_has_in_its_packet() {
        let ack = |kind| Seen::Ack { kind, id: 7, reasons: vec![0, 1, 0x87, 5], properties: vec![] };
        let suback = "SUBACK 7 [GrantedQoS0 GrantedQoS1 NotAuthorized 0x05]";
        assert_eq!(ack(AckKind::Suback).to_string(), suback);
        let unsuback = "UNSUBACK 7 [Success GrantedQoS1 NotAuthorized 0x05]";
        assert_eq!(ack(AckKind::Unsuback).to_string(), unsuback);
        let puback = Seen::Ack { kind: AckKind::Puback, id: 7, reasons: vec![0x10], properties: vec![] };
        assert_eq!(puback.to_string(), "PUBACK 7 NoMatchingSubscribers");
    }

    #[test]
    fn what_is_long_is_told_with_its_length() {
        let publish = |topic: &[u8], payload: &[u8]| {
            let (topic, payload) = (topic.to_vec(), payload.to_vec());
            let publish = SeenPublish {
                topic,
                payload,
                qos: QoS::AtMostOnce,
                id: None,
                dup: false,
                retain: false,
                properties: vec![],
            };
            Seen::Publish(publish).to_string()
        };
        assert_eq!(publish(b"t", b"a\"\x1b"), r#"PUBLISH "t" "a\"\x1b" qos=0"#);
        let (shown, long) = ("x".repeat(128), [b'x'; 70_000]);
        assert_eq!(
            publish(&[b'x'; 128], &long),
            format!(r#"PUBLISH "{shown}" "{shown}…"(70000 bytes) qos=0"#)
        );
    }
}
