//! CONNACK. (Section 3.2)
use super::encode::put_properties;
use super::primitives::{byte, end};
use super::properties::{self, place};
use super::{Connack, Context, DecodeError, EncodeError, Properties};
use crate::reason::ReasonCode;
use crate::version::Version;
use alloc::vec::Vec;

pub(super) fn decode<'a>(context: Context<'_>, mut body: &'a [u8]) -> Result<Connack<'a>, DecodeError> {
    let flags = byte(&mut body)?;
    let code = byte(&mut body)?;
    let (reason, properties) = if context.version.is_v5() {
        let properties = properties::decode(place::CONNACK, context.limits, &mut body)?;
        (ReasonCode::from_byte(code).filter(|reason| is_connack(*reason)), properties)
    } else {
        (from_return_code(code), Properties::default())
    };
    end(body)?;
    let reason = reason.ok_or(DecodeError::ReasonCode(code))?;
    // In 3.1 the byte is not used. Later, bits 7 to 1 are reserved, and no session is present where none is.
    // [MQTT-3.2.2-1] [MQTT-3.2.2-6]
    let flags = if context.version > Version::V3_1 { flags } else { 0 };
    if flags > u8::from(reason == ReasonCode::Success) {
        return Err(DecodeError::ConnackFlags);
    }
    let session_present = flags == 1;
    Ok(Connack { session_present, reason, properties })
}

/// [MQTT-3.2.2-8]
pub(crate) fn is_connack(reason: ReasonCode) -> bool {
    use ReasonCode::*;
    matches!(
        reason,
        Success
            | UnspecifiedError
            | MalformedPacket
            | ProtocolError
            | ImplementationSpecificError
            | UnsupportedProtocolVersion
            | ClientIdentifierNotValid
            | BadUserNameOrPassword
            | NotAuthorized
            | ServerUnavailable
            | ServerBusy
            | Banned
            | BadAuthenticationMethod
            | TopicNameInvalid
            | PacketTooLarge
            | QuotaExceeded
            | PayloadFormatInvalid
            | RetainNotSupported
            | QoSNotSupported
            | UseAnotherServer
            | ServerMoved
            | ConnectionRateExceeded
    )
}

/// The Connect Return codes of 3.x. (Section 3.2.2.3 of 3.1.1)
fn from_return_code(code: u8) -> Option<ReasonCode> {
    Some(match code {
        0 => ReasonCode::Success,
        1 => ReasonCode::UnsupportedProtocolVersion,
        2 => ReasonCode::ClientIdentifierNotValid,
        3 => ReasonCode::ServerUnavailable,
        4 => ReasonCode::BadUserNameOrPassword,
        5 => ReasonCode::NotAuthorized,
        _ => return None,
    })
}

/// [MQTT-3.2.2-6 of 3.1.1]
fn return_code(reason: ReasonCode) -> u8 {
    match reason {
        ReasonCode::Success => 0,
        ReasonCode::UnsupportedProtocolVersion => 1,
        ReasonCode::ClientIdentifierNotValid => 2,
        ReasonCode::BadUserNameOrPassword => 4,
        // A will that is not supported: whoever hears that the server is not available comes back with the same.
        ReasonCode::NotAuthorized | ReasonCode::QoSNotSupported | ReasonCode::RetainNotSupported => 5,
        _ => 3,
    }
}

pub(super) fn encode(connack: &Connack<'_>, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    // 3.1 has no Session Present: its byte is reserved.
    out.push(u8::from(connack.session_present && version > Version::V3_1));
    out.push(if version.is_v5() { connack.reason.byte() } else { return_code(connack.reason) });
    put_properties(connack.properties, version, out)
}
