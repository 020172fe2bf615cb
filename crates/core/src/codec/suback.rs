//! SUBACK and UNSUBACK. (Sections 3.9, 3.11)
use super::encode::put_properties;
use super::primitives::{end, packet_id};
use super::properties::{self, place};
use super::{Context, DecodeError, EncodeError, Properties, Suback};
use crate::reason::ReasonCode;
use crate::version::Version;
use alloc::vec::Vec;

pub(super) fn decode_suback<'a>(context: Context<'_>, body: &'a [u8]) -> Result<Suback<'a>, DecodeError> {
    let is_valid = if context.version.is_v5() { is_suback } else { is_return_code };
    decode(context, body, is_valid)
}

pub(super) fn decode_unsuback<'a>(
    context: Context<'_>,
    mut body: &'a [u8],
) -> Result<Suback<'a>, DecodeError> {
    if context.version.is_v5() {
        return decode(context, body, is_unsuback);
    }
    let packet_id = packet_id(&mut body)?;
    end(body)?;
    Ok(Suback { packet_id, properties: Properties::default(), reasons: &[] })
}

fn decode<'a>(
    context: Context<'_>,
    mut body: &'a [u8],
    is_valid: impl Fn(ReasonCode) -> bool,
) -> Result<Suback<'a>, DecodeError> {
    let packet_id = packet_id(&mut body)?;
    let properties = properties::decode_in(context.version, place::SUBACK, context.limits, &mut body)?;
    // There was at least one Topic Filter. [MQTT-3.9.3-1] [MQTT-3.11.3-1]
    if body.is_empty() {
        return Err(DecodeError::Truncated);
    }
    for code in body {
        if !ReasonCode::from_byte(*code).is_some_and(&is_valid) {
            return Err(DecodeError::ReasonCode(*code));
        }
    }
    Ok(Suback { packet_id, properties, reasons: body })
}

/// [MQTT-3.9.3-2]
fn is_suback(reason: ReasonCode) -> bool {
    use ReasonCode::*;
    matches!(
        reason,
        Success
            | GrantedQoS1
            | GrantedQoS2
            | UnspecifiedError
            | ImplementationSpecificError
            | NotAuthorized
            | TopicFilterInvalid
            | PacketIdentifierInUse
            | QuotaExceeded
            | SharedSubscriptionsNotSupported
            | SubscriptionIdentifiersNotSupported
            | WildcardSubscriptionsNotSupported
    )
}

/// [MQTT-3.9.3-2 of 3.1.1]
fn is_return_code(reason: ReasonCode) -> bool {
    use ReasonCode::*;
    matches!(reason, Success | GrantedQoS1 | GrantedQoS2 | UnspecifiedError)
}

/// [MQTT-3.11.3-2]
fn is_unsuback(reason: ReasonCode) -> bool {
    use ReasonCode::*;
    matches!(
        reason,
        Success
            | NoSubscriptionExisted
            | UnspecifiedError
            | ImplementationSpecificError
            | NotAuthorized
            | TopicFilterInvalid
            | PacketIdentifierInUse
    )
}

/// 5.0 wants a Reason Code for each filter, and there was at least one; UNSUBACK has none before.
fn check_reasons(suback: &Suback<'_>, version: Version) -> Result<(), EncodeError> {
    if version.is_v5() && suback.reasons.is_empty() { Err(EncodeError::NotInThisVersion) } else { Ok(()) }
}

pub(super) fn encode_suback(
    suback: &Suback<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    check_reasons(suback, version)?;
    out.extend_from_slice(&suback.packet_id.get().to_be_bytes());
    put_properties(suback.properties, version, out)?;
    if version.is_v5() {
        out.extend_from_slice(suback.reasons);
    } else {
        // 3.x knows one way to fail.
        out.extend(suback.reasons.iter().map(|reason| (*reason).min(0x80)));
    }
    Ok(())
}

pub(super) fn encode_unsuback(
    unsuback: &Suback<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    check_reasons(unsuback, version)?;
    out.extend_from_slice(&unsuback.packet_id.get().to_be_bytes());
    put_properties(unsuback.properties, version, out)?;
    if version.is_v5() {
        out.extend_from_slice(unsuback.reasons);
    }
    Ok(())
}
