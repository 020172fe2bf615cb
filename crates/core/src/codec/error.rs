//! What can be wrong with the bytes of a peer, and what they are told.
use crate::reason::ReasonCode;
use crate::text::TextError;
use crate::topic::TopicError;
use core::fmt;

/// The peer sent something that is not MQTT, or not here, or more than is allowed. The connection is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Packet type 0. (Section 2.1.2)
    ReservedPacketType,
    /// A flag of the fixed header is not what it must be.
    ReservedFlags,
    /// The remaining length has more than four bytes, or in 5.0 more than it needs: where the next packet begins
    /// is not known.
    RemainingLength,
    /// Longer than is accepted here.
    PacketTooLarge,
    /// A client's first packet is something else.
    ConnectExpected,
    /// Only the other side sends this packet, or only another version has it.
    UnexpectedPacket,
    /// A field reaches beyond the end of what contains it, or is missing.
    Truncated,
    /// Bytes remain after the last field.
    TrailingBytes,
    /// Another Variable Byte Integer of more than four bytes, or of more than it needs.
    VariableByteInteger,
    /// A string.
    Text(TextError),
    /// The Client Identifier.
    ClientId(TextError),
    /// A Packet Identifier of zero.
    PacketIdZero,
    /// A Reason Code that this packet does not have, or not from this side.
    ReasonCode(u8),

    /// The Protocol Name is none of ours.
    ProtocolName,
    /// The Protocol Name is, but not with this level. A level below 5 is answered in the form of 3.1.1.
    UnsupportedProtocolVersion {
        /// What the client asked for.
        level: u8,
    },
    /// The reserved flag of CONNECT.
    ConnectFlag,
    /// Will QoS or Will Retain without a Will.
    WillFlags,
    /// A Will QoS of 3.
    WillQoS,
    /// Before 5.0: a password without a user name.
    PasswordWithoutUserName,
    /// The Connect Acknowledge Flags, or Session Present together with an error.
    ConnackFlags,

    /// QoS 3.
    QoS,
    /// DUP with QoS 0.
    DupWithoutQoS,
    /// The Topic Name of a PUBLISH or of a Will.
    TopicName(TopicError),
    /// Neither Topic Name nor Topic Alias.
    TopicMissing,
    /// The Response Topic.
    ResponseTopic(TopicError),

    /// A Topic Filter.
    TopicFilter(TopicError),
    /// SUBSCRIBE or UNSUBSCRIBE without a Topic Filter.
    NoFilters,
    /// More Topic Filters than are accepted in one packet.
    TooManyFilters,
    /// QoS 3, Retain Handling 3 or a reserved bit of the Subscription Options.
    SubscriptionOptions,
    /// No Local on a Shared Subscription.
    SharedNoLocal,

    /// The Property Length goes beyond the packet.
    PropertyLength,
    /// No property has this identifier.
    UnknownProperty,
    /// This packet does not have that property, or not from this side.
    MisplacedProperty(u8),
    /// That property may not be in SUBSCRIBE or UNSUBSCRIBE.
    MisplacedSubscribeProperty(u8),
    /// That property may be there once.
    DuplicateProperty(u8),
    /// That property may not have this value.
    PropertyValue(u8),
    /// More bytes of properties than are accepted.
    PropertiesTooLong,
    /// More User Properties than are accepted.
    TooManyUserProperties,
    /// Authentication Data, but no Authentication Method.
    AuthenticationDataWithoutMethod,
    /// AUTH without an Authentication Method.
    AuthenticationMethodMissing,
}

const _: () = assert!(size_of::<DecodeError>() <= 2); // in each `Result` of the decoder

impl DecodeError {
    /// The Reason Code to close the connection with.
    pub fn reason(self) -> ReasonCode {
        match self {
            Self::PacketTooLarge => ReasonCode::PacketTooLarge,
            Self::ProtocolName | Self::UnsupportedProtocolVersion { .. } => ReasonCode::UnsupportedProtocolVersion,
            Self::ClientId(TextError::ControlCharacter) => ReasonCode::ClientIdentifierNotValid,
            Self::TopicName(TopicError::TooLong | TopicError::TooManyLevels)
            | Self::ResponseTopic(TopicError::TooLong | TopicError::TooManyLevels) => ReasonCode::TopicNameInvalid,
            Self::TopicFilter(TopicError::TooLong | TopicError::TooManyLevels) => ReasonCode::TopicFilterInvalid,
            Self::TooManyFilters | Self::PropertiesTooLong | Self::TooManyUserProperties => {
                ReasonCode::QuotaExceeded
            }
            Self::PropertyValue(0x23) => ReasonCode::TopicAliasInvalid,
            Self::ReservedPacketType
            | Self::ConnectExpected
            | Self::UnexpectedPacket
            | Self::PacketIdZero
            | Self::ReasonCode(_)
            | Self::TopicMissing
            | Self::ResponseTopic(TopicError::Empty | TopicError::Wildcard)
            | Self::NoFilters
            | Self::SharedNoLocal
            // Section 2.2.2.2 would have 0x81, but 0x82 is what receivers answer and clients expect.
            | Self::MisplacedProperty(_)
            | Self::DuplicateProperty(_)
            | Self::PropertyValue(_)
            | Self::AuthenticationDataWithoutMethod
            | Self::AuthenticationMethodMissing => ReasonCode::ProtocolError,
            Self::ReservedFlags
            | Self::RemainingLength
            | Self::Truncated
            | Self::TrailingBytes
            | Self::VariableByteInteger
            | Self::Text(_)
            | Self::ClientId(_)
            | Self::ConnectFlag
            | Self::WillFlags
            | Self::WillQoS
            | Self::PasswordWithoutUserName
            | Self::ConnackFlags
            | Self::QoS
            | Self::DupWithoutQoS
            | Self::TopicName(_)
            | Self::ResponseTopic(_)
            | Self::TopicFilter(_)
            | Self::SubscriptionOptions
            | Self::PropertyLength
            | Self::UnknownProperty
            | Self::MisplacedSubscribeProperty(_) => ReasonCode::MalformedPacket,
        }
    }

    /// The statement that it violates, such as `MQTT-2.1.3-1`; or the section, where none is numbered.
    pub fn statement(self) -> &'static str {
        match self {
            Self::ReservedPacketType => "2.1.2",
            Self::ReservedFlags => "MQTT-2.1.3-1",
            Self::PacketTooLarge => "MQTT-3.2.2-15",
            Self::ConnectExpected => "MQTT-3.1.0-1",
            Self::UnexpectedPacket => "2.1.2",
            Self::Truncated | Self::TrailingBytes => "2.1.4",
            Self::RemainingLength | Self::VariableByteInteger => "MQTT-1.5.5-1",
            Self::Text(TextError::Nul) | Self::ClientId(TextError::Nul) => "MQTT-1.5.4-2",
            Self::Text(TextError::NotUtf8) | Self::ClientId(TextError::NotUtf8) => "MQTT-1.5.4-1",
            Self::Text(TextError::ControlCharacter) | Self::ClientId(TextError::ControlCharacter) => "1.5.4",
            Self::PacketIdZero => "MQTT-2.2.1-3",
            Self::ReasonCode(_) => "2.4",
            Self::ProtocolName => "MQTT-3.1.2-1",
            Self::UnsupportedProtocolVersion { .. } => "MQTT-3.1.2-2",
            Self::ConnectFlag => "MQTT-3.1.2-3",
            Self::WillFlags => "MQTT-3.1.2-13",
            Self::WillQoS => "3.1.2.6",
            Self::PasswordWithoutUserName => "MQTT-3.1.2-22",
            Self::ConnackFlags => "MQTT-3.2.2-1",
            Self::QoS => "MQTT-3.3.1-4",
            Self::DupWithoutQoS => "MQTT-3.3.1-2",
            Self::TopicName(TopicError::Wildcard) => "MQTT-3.3.2-2",
            Self::ResponseTopic(TopicError::Wildcard) => "MQTT-3.3.2-14",
            Self::TopicName(error) | Self::ResponseTopic(error) | Self::TopicFilter(error) => topic(error),
            Self::TopicMissing => "3.3.2.1",
            Self::NoFilters => "MQTT-3.8.3-2",
            Self::TooManyFilters => "3.8.3",
            Self::SubscriptionOptions => "MQTT-3.8.3-5",
            Self::SharedNoLocal => "MQTT-3.8.3-4",
            Self::PropertyLength | Self::PropertiesTooLong => "2.2.2.1",
            Self::UnknownProperty | Self::MisplacedProperty(_) | Self::MisplacedSubscribeProperty(_) => {
                "2.2.2.2"
            }
            Self::DuplicateProperty(_) | Self::PropertyValue(_) | Self::TooManyUserProperties => "2.2.2.2",
            Self::AuthenticationDataWithoutMethod => "3.1.2.11.10",
            Self::AuthenticationMethodMissing => "3.15.2.2.2",
        }
    }
}

fn topic(error: TopicError) -> &'static str {
    match error {
        TopicError::Empty => "MQTT-4.7.3-1",
        TopicError::TooLong => "MQTT-4.7.3-3",
        TopicError::TooManyLevels => "4.7.3",
        TopicError::NotUtf8 => "MQTT-1.5.4-1",
        TopicError::Nul => "MQTT-4.7.3-2",
        TopicError::ControlCharacter => "1.5.4",
        TopicError::Wildcard => "MQTT-4.7.0-1",
        TopicError::MisplacedWildcard => "MQTT-4.7.1-1",
        TopicError::ShareName => "MQTT-4.8.2-1",
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::ReservedPacketType => "packet type 0 is reserved",
            Self::ReservedFlags => "the flags of the fixed header are not those of this packet",
            Self::RemainingLength => "the remaining length has too many bytes",
            Self::PacketTooLarge => "the packet is larger than is accepted",
            Self::ConnectExpected => "the first packet must be CONNECT",
            Self::UnexpectedPacket => "this side of a connection of this version does not send that packet",
            Self::Truncated => "a field is missing or cut off",
            Self::TrailingBytes => "bytes follow the last field",
            Self::VariableByteInteger => "a variable byte integer has too many bytes",
            Self::Text(error) => return error.fmt(f),
            Self::ClientId(error) => return write!(f, "Client Identifier: {error}"),
            Self::PacketIdZero => "the Packet Identifier is 0",
            Self::ReasonCode(byte) => return write!(f, "Reason Code {byte:#04x} may not come here"),
            Self::ProtocolName => "the Protocol Name is neither MQTT nor MQIsdp",
            Self::UnsupportedProtocolVersion { level } => {
                return write!(f, "protocol level {level} is not supported");
            }
            Self::ConnectFlag => "the reserved flag of CONNECT is set",
            Self::WillFlags => "Will QoS or Will Retain is set without a Will",
            Self::WillQoS => "the Will QoS is 3",
            Self::PasswordWithoutUserName => "there is a password but no user name",
            Self::ConnackFlags => "the Connect Acknowledge Flags are not valid",
            Self::QoS => "the QoS is 3",
            Self::DupWithoutQoS => "DUP is set with QoS 0",
            Self::TopicName(error) | Self::TopicFilter(error) => return error.fmt(f),
            Self::TopicMissing => "there is neither Topic Name nor Topic Alias",
            Self::ResponseTopic(error) => return write!(f, "Response Topic: {error}"),
            Self::NoFilters => "there is no Topic Filter",
            Self::TooManyFilters => "there are more Topic Filters than are accepted",
            Self::SubscriptionOptions => "the Subscription Options are not valid",
            Self::SharedNoLocal => "No Local is set on a Shared Subscription",
            Self::PropertyLength => "the Property Length goes beyond the packet",
            Self::UnknownProperty => "a Property Identifier is unknown",
            Self::MisplacedProperty(id) | Self::MisplacedSubscribeProperty(id) => {
                return write!(f, "property {id:#04x} may not come in this packet");
            }
            Self::DuplicateProperty(id) => return write!(f, "property {id:#04x} comes twice"),
            Self::PropertyValue(id) => return write!(f, "property {id:#04x} may not have this value"),
            Self::PropertiesTooLong => "there are more bytes of properties than are accepted",
            Self::TooManyUserProperties => "there are more User Properties than are accepted",
            Self::AuthenticationDataWithoutMethod => {
                "there is Authentication Data but no Authentication Method"
            }
            Self::AuthenticationMethodMissing => "there is no Authentication Method",
        };
        f.write_str(words)
    }
}

impl core::error::Error for DecodeError {}
