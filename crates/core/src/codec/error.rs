//! What can be wrong with the bytes of a peer, and what the peer is told.
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
    /// A client's later packet is CONNECT again.
    SecondConnect,
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

/// What there is to say of a fault.
struct Row {
    code: &'static str,
    reason: ReasonCode,
    statement: &'static str,
    words: &'static str,
}

/// The one table of faults: the name to look it up by, the Reason Code to close the connection with, the statement
/// that is violated, or the section where none is numbered, and what is wrong.
macro_rules! faults {
    ($($pattern:pat => $code:literal, $reason:ident, $statement:literal, $words:literal;)*) => {
        #[cfg(test)]
        pub(super) const CODES: &[&str] = &[$($code),*];

        impl DecodeError {
            fn row(self) -> Row {
                use DecodeError::*;
                match self {
                    $($pattern => Row {
                        code: $code,
                        reason: crate::reason::ReasonCode::$reason,
                        statement: $statement,
                        words: $words,
                    },)*
                }
            }
        }
    };
}

faults! {
    ReservedPacketType =>
        "reserved-packet-type", ProtocolError, "2.1.2",
        "packet type 0 is reserved";
    ReservedFlags =>
        "reserved-flags", MalformedPacket, "MQTT-2.1.3-1",
        "the flags of the fixed header are not those of this packet";
    RemainingLength =>
        "remaining-length", MalformedPacket, "MQTT-1.5.5-1",
        "the remaining length has more than four bytes, or more than it needs";
    PacketTooLarge =>
        "packet-too-large", PacketTooLarge, "MQTT-3.2.2-15",
        "the packet is larger than is accepted here";
    ConnectExpected =>
        "connect-expected", ProtocolError, "MQTT-3.1.0-1",
        "the first packet of a client must be CONNECT";
    SecondConnect =>
        "second-connect", ProtocolError, "MQTT-3.1.0-2",
        "a client sends CONNECT only once on a connection";
    UnexpectedPacket =>
        "unexpected-packet", ProtocolError, "2.1.2",
        "this side of a connection of this version does not send that packet";
    Truncated =>
        "truncated", MalformedPacket, "2.1.4",
        "a field is missing or goes beyond the end of its packet";
    TrailingBytes =>
        "trailing-bytes", MalformedPacket, "2.1.4",
        "bytes follow the last field";
    VariableByteInteger =>
        "variable-byte-integer", MalformedPacket, "MQTT-1.5.5-1",
        "a Variable Byte Integer has more than four bytes, or more than it needs";
    Text(TextError::NotUtf8) =>
        "text-not-utf8", MalformedPacket, "MQTT-1.5.4-1",
        "a string is not well-formed UTF-8";
    Text(TextError::Nul) =>
        "text-nul", MalformedPacket, "MQTT-1.5.4-2",
        "a string contains U+0000";
    Text(TextError::ControlCharacter) =>
        "text-control-character", MalformedPacket, "1.5.4",
        "the User Name contains a control character";
    Text(TextError::NonCharacter) =>
        "text-non-character", MalformedPacket, "1.5.4",
        "the User Name contains a code point that is no character";
    ClientId(TextError::NotUtf8) =>
        "client-id-not-utf8", MalformedPacket, "MQTT-3.1.3-4",
        "the Client Identifier is not well-formed UTF-8";
    ClientId(TextError::Nul) =>
        "client-id-nul", MalformedPacket, "MQTT-1.5.4-2",
        "the Client Identifier contains U+0000";
    ClientId(TextError::ControlCharacter) =>
        "client-id-control-character", ClientIdentifierNotValid, "1.5.4",
        "the Client Identifier contains a control character";
    ClientId(TextError::NonCharacter) =>
        "client-id-non-character", ClientIdentifierNotValid, "1.5.4",
        "the Client Identifier contains a code point that is no character";
    PacketIdZero =>
        "packet-id-zero", ProtocolError, "MQTT-2.2.1-3",
        "the Packet Identifier is 0";
    ReasonCode(_) =>
        "reason-code", ProtocolError, "2.4",
        "this packet does not have that Reason Code, or not from this side";
    ProtocolName =>
        "protocol-name", UnsupportedProtocolVersion, "MQTT-3.1.2-1",
        "the Protocol Name is neither MQTT nor MQIsdp";
    UnsupportedProtocolVersion { .. } =>
        "protocol-level", UnsupportedProtocolVersion, "MQTT-3.1.2-2",
        "the protocol level is not supported";
    ConnectFlag =>
        "connect-flag", MalformedPacket, "MQTT-3.1.2-3",
        "the reserved flag of CONNECT is set";
    WillFlags =>
        "will-flags", MalformedPacket, "MQTT-3.1.2-11",
        "Will QoS or Will Retain is set without a Will";
    WillQoS =>
        "will-qos", MalformedPacket, "MQTT-3.1.2-12",
        "the Will QoS is 3";
    PasswordWithoutUserName =>
        "password-without-user-name", MalformedPacket, "MQTT-3.1.2-22 of 3.1.1",
        "there is a password but no User Name";
    ConnackFlags =>
        "connack-flags", MalformedPacket, "MQTT-3.2.2-1",
        "the Connect Acknowledge Flags are not valid";
    QoS =>
        "qos", MalformedPacket, "MQTT-3.3.1-4",
        "the QoS is 3";
    DupWithoutQoS =>
        "dup-without-qos", MalformedPacket, "MQTT-3.3.1-2",
        "DUP is set with QoS 0";
    TopicName(TopicError::Empty) =>
        "topic-name-empty", MalformedPacket, "MQTT-4.7.3-1",
        "the Topic Name is empty";
    TopicName(TopicError::TooLong) =>
        "topic-name-too-long", TopicNameInvalid, "MQTT-4.7.3-3",
        "the Topic Name is longer than is accepted here";
    TopicName(TopicError::TooManyLevels) =>
        "topic-name-too-many-levels", TopicNameInvalid, "4.7.3",
        "the Topic Name has more levels than are accepted here";
    TopicName(TopicError::NotUtf8) =>
        "topic-name-not-utf8", MalformedPacket, "MQTT-3.3.2-1",
        "the Topic Name is not well-formed UTF-8";
    TopicName(TopicError::Nul) =>
        "topic-name-nul", MalformedPacket, "MQTT-4.7.3-2",
        "the Topic Name contains U+0000";
    TopicName(TopicError::ControlCharacter) =>
        "topic-name-control-character", MalformedPacket, "1.5.4",
        "the Topic Name contains a control character";
    TopicName(TopicError::NonCharacter) =>
        "topic-name-non-character", MalformedPacket, "1.5.4",
        "the Topic Name contains a code point that is no character";
    TopicName(TopicError::Wildcard | TopicError::MisplacedWildcard | TopicError::ShareName) =>
        "topic-name-wildcard", MalformedPacket, "MQTT-3.3.2-2",
        "the Topic Name contains a wildcard";
    TopicMissing =>
        "topic-missing", ProtocolError, "3.3.2.1",
        "there is neither a Topic Name nor a Topic Alias";
    ResponseTopic(TopicError::Empty) =>
        "response-topic-empty", ProtocolError, "MQTT-4.7.3-1",
        "the Response Topic is empty";
    ResponseTopic(TopicError::TooLong) =>
        "response-topic-too-long", TopicNameInvalid, "MQTT-4.7.3-3",
        "the Response Topic is longer than is accepted here";
    ResponseTopic(TopicError::TooManyLevels) =>
        "response-topic-too-many-levels", TopicNameInvalid, "4.7.3",
        "the Response Topic has more levels than are accepted here";
    ResponseTopic(TopicError::NotUtf8) =>
        "response-topic-not-utf8", MalformedPacket, "MQTT-3.3.2-13",
        "the Response Topic is not well-formed UTF-8";
    ResponseTopic(TopicError::Nul) =>
        "response-topic-nul", MalformedPacket, "MQTT-4.7.3-2",
        "the Response Topic contains U+0000";
    ResponseTopic(TopicError::ControlCharacter) =>
        "response-topic-control-character", MalformedPacket, "1.5.4",
        "the Response Topic contains a control character";
    ResponseTopic(TopicError::NonCharacter) =>
        "response-topic-non-character", MalformedPacket, "1.5.4",
        "the Response Topic contains a code point that is no character";
    ResponseTopic(TopicError::Wildcard | TopicError::MisplacedWildcard | TopicError::ShareName) =>
        "response-topic-wildcard", ProtocolError, "MQTT-3.3.2-14",
        "the Response Topic contains a wildcard";
    TopicFilter(TopicError::Empty) =>
        "topic-filter-empty", MalformedPacket, "MQTT-4.7.3-1",
        "the Topic Filter is empty";
    TopicFilter(TopicError::TooLong) =>
        "topic-filter-too-long", TopicFilterInvalid, "MQTT-4.7.3-3",
        "the Topic Filter is longer than is accepted here";
    TopicFilter(TopicError::TooManyLevels) =>
        "topic-filter-too-many-levels", TopicFilterInvalid, "4.7.3",
        "the Topic Filter has more levels than are accepted here";
    TopicFilter(TopicError::NotUtf8) =>
        "topic-filter-not-utf8", MalformedPacket, "MQTT-3.8.3-1",
        "the Topic Filter is not well-formed UTF-8";
    TopicFilter(TopicError::Nul) =>
        "topic-filter-nul", MalformedPacket, "MQTT-4.7.3-2",
        "the Topic Filter contains U+0000";
    TopicFilter(TopicError::ControlCharacter) =>
        "topic-filter-control-character", MalformedPacket, "1.5.4",
        "the Topic Filter contains a control character";
    TopicFilter(TopicError::NonCharacter) =>
        "topic-filter-non-character", MalformedPacket, "1.5.4",
        "the Topic Filter contains a code point that is no character";
    TopicFilter(TopicError::Wildcard | TopicError::MisplacedWildcard) =>
        "topic-filter-wildcard", MalformedPacket, "MQTT-4.7.1-1",
        "a wildcard is not a whole level of the Topic Filter, or # not its last one";
    TopicFilter(TopicError::ShareName) =>
        "share-name", MalformedPacket, "MQTT-4.8.2-1",
        "the filter of a Shared Subscription is not $share/name/filter";
    NoFilters =>
        "no-filters", ProtocolError, "MQTT-3.8.3-2",
        "there is no Topic Filter";
    TooManyFilters =>
        "too-many-filters", QuotaExceeded, "3.8.3",
        "there are more Topic Filters than are accepted here";
    SubscriptionOptions =>
        "subscription-options", MalformedPacket, "MQTT-3.8.3-5",
        "the Subscription Options have QoS 3, Retain Handling 3 or a reserved bit";
    SharedNoLocal =>
        "shared-no-local", ProtocolError, "MQTT-3.8.3-4",
        "No Local is set on a Shared Subscription";
    PropertyLength =>
        "property-length", MalformedPacket, "2.2.2.1",
        "the Property Length goes beyond the packet";
    UnknownProperty =>
        "unknown-property", MalformedPacket, "2.2.2.2",
        "no property has this identifier";
    MisplacedProperty(_) =>
        "misplaced-property", ProtocolError, "2.2.2.2",
        "this packet does not have that property, or not from this side";
    MisplacedSubscribeProperty(_) =>
        "misplaced-subscribe-property", MalformedPacket, "2.2.2.2",
        "SUBSCRIBE and UNSUBSCRIBE do not have that property";
    DuplicateProperty(_) =>
        "duplicate-property", ProtocolError, "2.2.2.2",
        "that property may be there only once";
    PropertyValue(0x23) =>
        "topic-alias-zero", TopicAliasInvalid, "MQTT-3.3.2-8",
        "the Topic Alias is 0";
    PropertyValue(_) =>
        "property-value", ProtocolError, "2.2.2.2",
        "that property may not have this value";
    PropertiesTooLong =>
        "properties-too-long", QuotaExceeded, "2.2.2.1",
        "there are more bytes of properties than are accepted here";
    TooManyUserProperties =>
        "too-many-user-properties", QuotaExceeded, "2.2.2.2",
        "there are more User Properties than are accepted here";
    AuthenticationDataWithoutMethod =>
        "authentication-data-without-method", ProtocolError, "3.1.2.11.10",
        "there is Authentication Data but no Authentication Method";
    AuthenticationMethodMissing =>
        "authentication-method-missing", ProtocolError, "3.15.2.2.2",
        "AUTH has no Authentication Method";
}

impl DecodeError {
    /// The name of the fault, such as `packet-id-zero`: what `tidewire explain` is asked for.
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The Reason Code to close the connection with.
    ///
    /// A property in the wrong packet is a Malformed Packet by section 2.2.2.2; but a Protocol Error is what
    /// receivers answer and clients expect, apart from SUBSCRIBE and UNSUBSCRIBE.
    pub fn reason(self) -> ReasonCode {
        self.row().reason
    }

    /// The statement that it violates, such as `MQTT-2.1.3-1`; or the section, where none is numbered.
    pub fn statement(self) -> &'static str {
        self.row().statement
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().words)?;
        match self {
            Self::ReasonCode(byte) => write!(f, " ({byte:#04x})"),
            Self::UnsupportedProtocolVersion { level } => write!(f, " ({level})"),
            Self::MisplacedProperty(id)
            | Self::MisplacedSubscribeProperty(id)
            | Self::DuplicateProperty(id)
            | Self::PropertyValue(id) => write!(f, " (property {id:#04x})"),
            _ => Ok(()),
        }
    }
}

impl core::error::Error for DecodeError {}
