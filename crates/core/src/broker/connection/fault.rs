//! What a peer did wrong, and the one place that turns it into a Reason Code.
use crate::broker::authority::policy::Denial;
use crate::broker::base::limits::Limit;
use crate::broker::cause::{Cause, ProtocolError};
use crate::codec::{self, AckKind, DecodeError, Packet, Properties, PropertiesBuf};
use crate::delivery::WrongAlias;
use crate::reason::ReasonCode;
use crate::version::{Role, Version};
use alloc::format;
use alloc::vec::Vec;

/// Why a connection is ended by us. Each names the statement that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes are not MQTT.
    Decode(DecodeError),
    /// A packet that may not come now, such as AUTH without a method. (Section 4.13)
    Unexpected,
    /// AUTH with another method than CONNECT, or with a wrong Reason Code. [MQTT-4.12.0-5]
    AuthenticationMethod,
    /// More QoS 1 and 2 messages than the Receive Maximum allows. [MQTT-3.3.4-7]
    ReceiveMaximum,
    /// A Topic Alias above our maximum, or in place of a topic and bound to none.
    TopicAlias(WrongAlias),
    /// A session that was to end with the connection can't be prolonged at its end. (Section 3.14.2.2.2)
    SessionExpiry,
    /// More than CONNACK said is supported. [MQTT-3.2.2-11] [MQTT-3.2.2-14]
    NotSupported(ProtocolError),
    /// Nothing came for one and a half times the Keep Alive. [MQTT-3.1.2-22]
    KeepAlive,
    /// It keeps more unfinished input than the shard has room for.
    Incomplete,
    /// It keeps unfinished input that others need the room of, and does not go on with it.
    Stalled,
    /// The answer would be larger than what it takes. [MQTT-3.1.2-24]
    AnswerTooLarge,
    /// It is too slow for what it is sent.
    TooSlow,
    /// What let it in has ended.
    Revoked(ReasonCode),
    /// It is not let in.
    Refused(Denial, Cause),
    /// Somebody decided so.
    Ordered(ReasonCode),
}

impl Fault {
    /// What the peer is told, if its version has words for it.
    pub(crate) fn reason(&self) -> ReasonCode {
        match self {
            Self::Decode(error) => error.reason(),
            Self::Unexpected | Self::SessionExpiry => ReasonCode::ProtocolError,
            Self::TopicAlias(wrong) => of_alias(*wrong).reason(),
            Self::NotSupported(error) => error.reason(),
            Self::AuthenticationMethod => ReasonCode::BadAuthenticationMethod,
            Self::ReceiveMaximum => ReasonCode::ReceiveMaximumExceeded,
            Self::KeepAlive => ReasonCode::KeepAliveTimeout,
            Self::AnswerTooLarge => ReasonCode::PacketTooLarge,
            Self::Incomplete | Self::Stalled | Self::TooSlow => ReasonCode::QuotaExceeded,
            Self::Revoked(reason) | Self::Ordered(reason) => *reason,
            Self::Refused(denial, _) => denial.reason,
        }
    }

    /// Why, for those who run the server. `keep_alive` is the connection's, and `is_in` whether it was let in.
    pub(crate) fn cause(&self, keep_alive: u16, is_in: bool) -> Cause {
        match self {
            Self::Decode(error) => Cause::Malformed(*error),
            Self::Unexpected => Cause::Protocol(ProtocolError::OutOfPlace),
            Self::AuthenticationMethod => Cause::Protocol(ProtocolError::AuthenticationMethod),
            Self::ReceiveMaximum => Cause::Protocol(ProtocolError::ReceiveMaximum),
            Self::TopicAlias(wrong) => Cause::Protocol(of_alias(*wrong)),
            Self::NotSupported(error) => Cause::Protocol(*error),
            Self::SessionExpiry => Cause::Protocol(ProtocolError::SessionExpiry),
            Self::AnswerTooLarge => Cause::Protocol(ProtocolError::AnswerTooLarge),
            Self::KeepAlive => Cause::KeepAlive { seconds: keep_alive },
            Self::Incomplete if is_in => Cause::Limit(Limit::incomplete_bytes),
            Self::Incomplete => Cause::Limit(Limit::stranger_bytes),
            Self::Stalled => Cause::Limit(Limit::stalled_seconds),
            Self::TooSlow => Cause::TooSlow,
            Self::Revoked(_) => Cause::Revoked,
            Self::Ordered(ReasonCode::ServerShuttingDown) => Cause::Shutdown,
            Self::Ordered(_) => Cause::Ordered,
            Self::Refused(_, cause) => *cause,
        }
    }
}

impl Fault {
    /// The same as somebody's answer. Who sent what is not MQTT is told in words.
    pub(crate) fn denial(&self) -> Denial {
        match self {
            Self::Refused(denial, _) => denial.clone(),
            Self::Decode(error) => {
                let words = format!("{}: {error} [{}]", error.code(), error.statement());
                Denial::in_words(error.reason(), words.into())
            }
            _ => Denial::new(self.reason()),
        }
    }
}

fn of_alias(wrong: WrongAlias) -> ProtocolError {
    match wrong {
        WrongAlias::OutOfRange => ProtocolError::TopicAlias,
        WrongAlias::Unbound => ProtocolError::TopicAliasUnbound,
    }
}

/// Appends a packet with these words, or without if there is no room for them. [MQTT-3.2.2-19] [MQTT-3.14.2-3]
/// [MQTT-3.2.2-20] [MQTT-3.14.2-4]
pub(crate) fn put<'w>(
    out: &mut Vec<u8>,
    version: Version,
    limit: u32,
    words: &'w PropertiesBuf,
    packet: impl Fn(Properties<'w>) -> Packet<'w>,
) {
    let long = packet(words.as_properties()).encode(version, limit, out);
    // Nothing is said where there is no room for anything. [MQTT-3.1.2-24]
    let _ = long.or_else(|_| packet(Properties::default()).encode(version, limit, out));
}

/// What a CONNACK can say of this reason; it never says that all is well. [MQTT-3.2.2-8]
pub(crate) fn in_connack(reason: ReasonCode) -> ReasonCode {
    match reason {
        ReasonCode::ServerShuttingDown => ReasonCode::ServerUnavailable,
        reason if reason.is_error() && codec::is_connack(reason) => reason,
        _ => ReasonCode::UnspecifiedError,
    }
}

/// What a DISCONNECT can say of this reason. [MQTT-3.14.2-1]
pub(crate) fn in_disconnect(reason: ReasonCode) -> ReasonCode {
    match reason {
        ReasonCode::Banned => ReasonCode::AdministrativeAction,
        ReasonCode::BadUserNameOrPassword | ReasonCode::ClientIdentifierNotValid => ReasonCode::NotAuthorized,
        ReasonCode::ServerUnavailable => ReasonCode::ServerBusy,
        reason if codec::is_disconnect(reason, Role::Client) => reason,
        _ => ReasonCode::UnspecifiedError,
    }
}

/// What a PUBACK or PUBREC that refuses can say of this reason. [MQTT-3.4.2-1] [MQTT-3.5.2-1]
pub(crate) fn in_refusal(kind: AckKind, reason: ReasonCode) -> ReasonCode {
    if reason.is_error() && kind.has(reason) { reason } else { ReasonCode::UnspecifiedError }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}
