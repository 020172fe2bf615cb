//! DISCONNECT and AUTH. (Sections 3.14, 3.15)
use super::encode::put_properties;
use super::primitives::{byte, end};
use super::properties::{self, place};
use super::{Auth, Context, DecodeError, Disconnect, EncodeError, Properties};
use crate::reason::ReasonCode;
use crate::version::{Role, Version};
use alloc::vec::Vec;

pub(super) fn decode_disconnect<'a>(
    context: Context<'_>,
    mut body: &'a [u8],
) -> Result<Disconnect<'a>, DecodeError> {
    if body.is_empty() {
        return Ok(Disconnect { reason: ReasonCode::Success, properties: Properties::default() });
    }
    if !context.version.is_v5() {
        return Err(DecodeError::TrailingBytes);
    }
    let code = byte(&mut body)?;
    let place = match context.role {
        Role::Server => place::DISCONNECT_IN,
        Role::Client => place::DISCONNECT_OUT,
    };
    let properties = if body.is_empty() {
        Properties::default()
    } else {
        properties::decode(place, context.limits, &mut body)?
    };
    end(body)?;
    match ReasonCode::from_byte(code).filter(|reason| is_disconnect(*reason, context.role)) {
        Some(reason) => Ok(Disconnect { reason, properties }),
        None => Err(DecodeError::ReasonCode(code)),
    }
}

/// May it come from the other side? [MQTT-3.14.2-1]
pub(crate) fn is_disconnect(reason: ReasonCode, role: Role) -> bool {
    use ReasonCode::*;
    match reason {
        Success
        | UnspecifiedError
        | MalformedPacket
        | ProtocolError
        | ImplementationSpecificError
        | TopicNameInvalid
        | ReceiveMaximumExceeded
        | TopicAliasInvalid
        | PacketTooLarge
        | MessageRateTooHigh
        | QuotaExceeded
        | AdministrativeAction
        | PayloadFormatInvalid => true,
        DisconnectWithWill => role == Role::Server,
        NotAuthorized
        | ServerBusy
        | ServerShuttingDown
        | BadAuthenticationMethod
        | KeepAliveTimeout
        | SessionTakenOver
        | TopicFilterInvalid
        | RetainNotSupported
        | QoSNotSupported
        | UseAnotherServer
        | ServerMoved
        | SharedSubscriptionsNotSupported
        | ConnectionRateExceeded
        | MaximumConnectTime
        | SubscriptionIdentifiersNotSupported
        | WildcardSubscriptionsNotSupported => role == Role::Client,
        _ => false,
    }
}

pub(super) fn decode_auth<'a>(context: Context<'_>, mut body: &'a [u8]) -> Result<Auth<'a>, DecodeError> {
    if body.is_empty() {
        let reason = auth_reason(0, context.role)?;
        return Ok(Auth { reason, properties: Properties::default() });
    }
    let code = byte(&mut body)?;
    let properties = properties::decode(place::AUTH, context.limits, &mut body)?;
    end(body)?;
    let reason = auth_reason(code, context.role)?;
    if !properties.has(0x15) {
        return Err(DecodeError::AuthenticationMethodMissing);
    }
    Ok(Auth { reason, properties })
}

/// The server says that it has succeeded, the client that it begins anew. [MQTT-3.15.2-1]
fn auth_reason(code: u8, role: Role) -> Result<ReasonCode, DecodeError> {
    use ReasonCode::{ContinueAuthentication, ReAuthenticate, Success};
    match (ReasonCode::from_byte(code), role) {
        (Some(reason @ ContinueAuthentication), _)
        | (Some(reason @ Success), Role::Client)
        | (Some(reason @ ReAuthenticate), Role::Server) => Ok(reason),
        _ => Err(DecodeError::ReasonCode(code)),
    }
}

/// Before 5.0 there is nothing to say but goodbye.
pub(super) fn encode_disconnect(
    disconnect: &Disconnect<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if !version.is_v5() || (disconnect.reason == ReasonCode::Success && disconnect.properties.is_empty()) {
        return Ok(());
    }
    out.push(disconnect.reason.byte());
    if disconnect.properties.is_empty() {
        return Ok(());
    }
    put_properties(disconnect.properties, version, out)
}

pub(super) fn encode_auth(auth: &Auth<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if auth.reason == ReasonCode::Success && auth.properties.is_empty() {
        return Ok(());
    }
    out.push(auth.reason.byte());
    put_properties(auth.properties, Version::V5, out)
}
