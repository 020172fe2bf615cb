//! Reason Codes.
use core::fmt;

/// What became of a request, or why a connection ends: the Reason Codes of MQTT 5.0, table 2-6.
///
/// Older versions have few of them; the codec maps where it encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum ReasonCode {
    /// Done; also Normal disconnection and Granted QoS 0.
    Success = 0x00,
    /// The subscription has QoS 1 at most.
    GrantedQoS1 = 0x01,
    /// The subscription has QoS 2 at most.
    GrantedQoS2 = 0x02,
    /// The client goes, and its Will Message is to be published.
    DisconnectWithWill = 0x04,
    /// Accepted, but nobody subscribes to it.
    NoMatchingSubscribers = 0x10,
    /// There was nothing to unsubscribe from.
    NoSubscriptionExisted = 0x11,
    /// Go on with another step.
    ContinueAuthentication = 0x18,
    /// Begin to authenticate again.
    ReAuthenticate = 0x19,
    /// Refused, and no other code says why.
    UnspecifiedError = 0x80,
    /// The bytes are not a packet of this version.
    MalformedPacket = 0x81,
    /// The packet may not come here, or not with this content.
    ProtocolError = 0x82,
    /// Valid, but this receiver does not accept it.
    ImplementationSpecificError = 0x83,
    /// The server does not speak this version.
    UnsupportedProtocolVersion = 0x84,
    /// The Client Identifier is not allowed, or it is somebody else's.
    ClientIdentifierNotValid = 0x85,
    /// These credentials are not accepted.
    BadUserNameOrPassword = 0x86,
    /// Known, but not allowed.
    NotAuthorized = 0x87,
    /// Not now.
    ServerUnavailable = 0x88,
    /// Too much to do; try later.
    ServerBusy = 0x89,
    /// Shut out by an administrator.
    Banned = 0x8a,
    /// The server is about to stop.
    ServerShuttingDown = 0x8b,
    /// Unknown, or not the one that was begun with.
    BadAuthenticationMethod = 0x8c,
    /// Nothing came for one and a half times the Keep Alive.
    KeepAliveTimeout = 0x8d,
    /// Another connection came with the same Client Identifier.
    SessionTakenOver = 0x8e,
    /// Correctly formed, but not accepted by this server.
    TopicFilterInvalid = 0x8f,
    /// Correctly formed, but not accepted by this server.
    TopicNameInvalid = 0x90,
    /// It names something that is not finished.
    PacketIdentifierInUse = 0x91,
    /// It names nothing.
    PacketIdentifierNotFound = 0x92,
    /// More unacknowledged messages than were allowed.
    ReceiveMaximumExceeded = 0x93,
    /// Zero, or greater than the Topic Alias Maximum.
    TopicAliasInvalid = 0x94,
    /// Longer than the Maximum Packet Size.
    PacketTooLarge = 0x95,
    /// Too many in too short a time.
    MessageRateTooHigh = 0x96,
    /// A limit has been reached.
    QuotaExceeded = 0x97,
    /// Somebody decided so.
    AdministrativeAction = 0x98,
    /// The payload is not what its Payload Format Indicator says.
    PayloadFormatInvalid = 0x99,
    /// This server keeps no Retained Messages.
    RetainNotSupported = 0x9a,
    /// Greater than the Maximum QoS of this server.
    QoSNotSupported = 0x9b,
    /// For the time being.
    UseAnotherServer = 0x9c,
    /// For good.
    ServerMoved = 0x9d,
    /// Not by this server.
    SharedSubscriptionsNotSupported = 0x9e,
    /// Too many connections in too short a time.
    ConnectionRateExceeded = 0x9f,
    /// It was allowed for so long and no longer.
    MaximumConnectTime = 0xa0,
    /// Not by this server.
    SubscriptionIdentifiersNotSupported = 0xa1,
    /// Not by this server.
    WildcardSubscriptionsNotSupported = 0xa2,
}

impl ReasonCode {
    /// As it stands on the wire.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// From the wire; `None` if no version assigns it.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x00 => Self::Success,
            0x01 => Self::GrantedQoS1,
            0x02 => Self::GrantedQoS2,
            0x04 => Self::DisconnectWithWill,
            0x10 => Self::NoMatchingSubscribers,
            0x11 => Self::NoSubscriptionExisted,
            0x18 => Self::ContinueAuthentication,
            0x19 => Self::ReAuthenticate,
            0x80 => Self::UnspecifiedError,
            0x81 => Self::MalformedPacket,
            0x82 => Self::ProtocolError,
            0x83 => Self::ImplementationSpecificError,
            0x84 => Self::UnsupportedProtocolVersion,
            0x85 => Self::ClientIdentifierNotValid,
            0x86 => Self::BadUserNameOrPassword,
            0x87 => Self::NotAuthorized,
            0x88 => Self::ServerUnavailable,
            0x89 => Self::ServerBusy,
            0x8a => Self::Banned,
            0x8b => Self::ServerShuttingDown,
            0x8c => Self::BadAuthenticationMethod,
            0x8d => Self::KeepAliveTimeout,
            0x8e => Self::SessionTakenOver,
            0x8f => Self::TopicFilterInvalid,
            0x90 => Self::TopicNameInvalid,
            0x91 => Self::PacketIdentifierInUse,
            0x92 => Self::PacketIdentifierNotFound,
            0x93 => Self::ReceiveMaximumExceeded,
            0x94 => Self::TopicAliasInvalid,
            0x95 => Self::PacketTooLarge,
            0x96 => Self::MessageRateTooHigh,
            0x97 => Self::QuotaExceeded,
            0x98 => Self::AdministrativeAction,
            0x99 => Self::PayloadFormatInvalid,
            0x9a => Self::RetainNotSupported,
            0x9b => Self::QoSNotSupported,
            0x9c => Self::UseAnotherServer,
            0x9d => Self::ServerMoved,
            0x9e => Self::SharedSubscriptionsNotSupported,
            0x9f => Self::ConnectionRateExceeded,
            0xa0 => Self::MaximumConnectTime,
            0xa1 => Self::SubscriptionIdentifiersNotSupported,
            0xa2 => Self::WildcardSubscriptionsNotSupported,
            _ => return None,
        })
    }

    /// 0x80 and above: it did not work. (Section 2.4)
    pub const fn is_error(self) -> bool {
        self.byte() >= 0x80
    }

    /// Its text in a SUBACK, where 0x00 has another name: `0x00 GrantedQoS0`. (Section 3.9.3)
    pub const fn granted(self) -> Granted {
        Granted(self)
    }
}

/// Shows a Reason Code as that of a SUBACK.
#[derive(Clone, Copy)]
pub struct Granted(ReasonCode);

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ReasonCode::Success => f.write_str("GrantedQoS0"),
            other => fmt::Debug::fmt(&other, f),
        }
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x} {self:?}", self.0.byte())
    }
}

impl core::error::Error for ReasonCode {}

impl fmt::Display for ReasonCode {
    /// `0x87 NotAuthorized`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x} {self:?}", self.byte())
    }
}
