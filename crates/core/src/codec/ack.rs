//! PUBACK, PUBREC, PUBREL, PUBCOMP: one form, two sets of Reason Codes. (Sections 3.4 to 3.7)
use super::encode::put_properties;
use super::primitives::{byte, end, packet_id};
use super::properties::{self, place};
use super::write::packet;
use super::{Ack, Context, DecodeError, EncodeError, Packet, Properties};
use crate::id::PacketId;
use crate::reason::ReasonCode;
use crate::version::{Role, Version};
use alloc::vec::Vec;

/// Which of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AckKind {
    /// The answer to a PUBLISH with QoS 1.
    Puback = 0x40,
    /// The first answer to a PUBLISH with QoS 2.
    Pubrec = 0x50,
    /// The answer to PUBREC. Its flags are not zero. [MQTT-3.6.1-1]
    Pubrel = 0x62,
    /// The answer to PUBREL.
    Pubcomp = 0x70,
}

impl AckKind {
    #[inline(always)]
    pub(super) fn packet(self, ack: Ack<'_>) -> Packet<'_> {
        match self {
            Self::Puback => Packet::Puback(ack),
            Self::Pubrec => Packet::Pubrec(ack),
            Self::Pubrel => Packet::Pubrel(ack),
            Self::Pubcomp => Packet::Pubcomp(ack),
        }
    }

    /// [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1]
    pub(crate) fn has(self, reason: ReasonCode) -> bool {
        use ReasonCode::*;
        match self {
            Self::Puback | Self::Pubrec => matches!(
                reason,
                Success
                    | NoMatchingSubscribers
                    | UnspecifiedError
                    | ImplementationSpecificError
                    | NotAuthorized
                    | TopicNameInvalid
                    | PacketIdentifierInUse
                    | QuotaExceeded
                    | PayloadFormatInvalid
            ),
            Self::Pubrel | Self::Pubcomp => matches!(reason, Success | PacketIdentifierNotFound),
        }
    }
}

#[inline(always)]
pub(super) fn decode<'a>(
    kind: AckKind,
    context: Context<'_>,
    body: &'a [u8],
) -> Result<Ack<'a>, DecodeError> {
    let mut rest = body;
    let packet_id = packet_id(&mut rest)?;
    if rest.is_empty() {
        return Ok(Ack { packet_id, reason: ReasonCode::Success, properties: Properties::default() });
    }
    decode_reason(kind, context, packet_id, rest)
}

#[inline(never)]
fn decode_reason<'a>(
    kind: AckKind,
    context: Context<'_>,
    packet_id: PacketId,
    mut rest: &'a [u8],
) -> Result<Ack<'a>, DecodeError> {
    if !context.version.is_v5() {
        return Err(DecodeError::TrailingBytes);
    }
    let reason = byte(&mut rest)?;
    let properties = if rest.is_empty() {
        Properties::default()
    } else {
        properties::decode(place::ACK, context.limits, &mut rest)?
    };
    end(rest)?;
    match ReasonCode::from_byte(reason) {
        // Only a server knows who subscribes. (Sections 3.4.2.1, 3.5.2.1)
        Some(ReasonCode::NoMatchingSubscribers) if context.role == Role::Server => {
            Err(DecodeError::ReasonCode(reason))
        }
        Some(reason) if kind.has(reason) => Ok(Ack { packet_id, reason, properties }),
        _ => Err(DecodeError::ReasonCode(reason)),
    }
}

pub(super) fn encode(
    kind: AckKind,
    ack: &Ack<'_>,
    version: Version,
    limit: u32,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    packet(out, kind as u8, limit, |out| {
        out.extend_from_slice(&ack.packet_id.get().to_be_bytes());
        if version.is_v5() && !(ack.reason == ReasonCode::Success && ack.properties.is_empty()) {
            out.push(ack.reason.byte());
            if !ack.properties.is_empty() {
                put_properties(ack.properties, version, out)?;
            }
        }
        Ok(())
    })
}

/// Appends an acknowledgement without properties, in the shortest form there is.
/// [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]
#[inline]
pub fn encode_ack(
    kind: AckKind,
    packet_id: PacketId,
    reason: ReasonCode,
    version: Version,
    out: &mut Vec<u8>,
) {
    let [high, low] = packet_id.get().to_be_bytes();
    if reason == ReasonCode::Success || !version.is_v5() {
        out.extend_from_slice(&[kind as u8, 2, high, low]);
    } else {
        out.extend_from_slice(&[kind as u8, 3, high, low, reason.byte()]);
    }
}
