//! Of each fault that a decoder finds, the shortest bytes that have it, and what to do about it.
use super::{DecodeError, Leniency, Limits, Mode};
use crate::text::TextError;
use crate::topic::TopicError;
use crate::version::{Role, Version};

/// A stream that a decoder refuses with one fault. The fuzz target `faults` has found none that is shorter.
#[derive(Clone, Copy, Debug)]
pub struct Specimen {
    /// The fault.
    pub error: DecodeError,
    /// Who reads it.
    pub mode: Mode,
    /// What is read, from the beginning of a connection.
    pub bytes: &'static [u8],
    /// What whoever sent it should do.
    pub remedy: &'static str,
}

impl DecodeError {
    /// The specimen of this fault; there is one for each [`code`](Self::code).
    pub fn specimen(self) -> &'static Specimen {
        let of_this = |specimen: &&Specimen| specimen.error.code() == self.code();
        CATALOGUE.iter().find(of_this).expect("the catalogue has each fault")
    }
}

/// The limits that the specimens are read with: small ones, so that little is beyond them.
pub const LIMITS: Limits = Limits {
    maximum_packet_size: 64,
    property_bytes_max: 14,
    user_properties_max: 1,
    filters_max: 1,
    topic_bytes_max: 10,
    topic_levels_max: 3,
    streamed_from: u32::MAX,
    lenient: Leniency::NONE,
};

const SERVER: Mode = Mode { role: Role::Server, version: None };
const SERVER_3_1_1: Mode = Mode { role: Role::Server, version: Some(Version::V3_1_1) };
const SERVER_5: Mode = Mode { role: Role::Server, version: Some(Version::V5) };
const CLIENT_3_1_1: Mode = Mode { role: Role::Client, version: Some(Version::V3_1_1) };

macro_rules! catalogue {
    ($($error:expr, $mode:ident, $bytes:literal => $remedy:literal;)*) => {
        /// One specimen for each fault.
        pub static CATALOGUE: &[Specimen] = {
            use DecodeError::*;
            &[$(Specimen { error: $error, mode: $mode, bytes: $bytes, remedy: $remedy },)*]
        };
    };
}

catalogue! {
    ReservedPacketType, SERVER_5, b"\x00" =>
        "Send one of the packet types 1 to 15. Perhaps something else than MQTT is spoken, or an earlier packet \
         was longer than its remaining length.";
    ReservedFlags, SERVER_3_1_1, b"\x41" =>
        "Send the flags that section 2.1.3 lists: 0010 for PUBREL, SUBSCRIBE and UNSUBSCRIBE, 0000 for all others \
         but PUBLISH. `--lenient fixed_header_flags` lets such clients in.";
    RemainingLength, SERVER_5, b"\xc0\x80\x00" =>
        "Write the remaining length in as few bytes as it needs, and in four at most.";
    PacketTooLarge, SERVER_3_1_1, b"\x30\x3f" =>
        "Send packets within the Maximum Packet Size that CONNACK told, or raise the limit `packet_bytes` \
         (`connect_bytes` for CONNECT).";
    ConnectExpected, SERVER, b"\x20" =>
        "Send CONNECT first; what follows need not wait for CONNACK.";
    SecondConnect, SERVER_5, b"\x10" =>
        "Open another connection for another CONNECT.";
    UnexpectedPacket, SERVER_5, b"\x20" =>
        "Send only the packets that table 2-1 has for this side. Perhaps a server was connected to a server.";
    Truncated, SERVER_3_1_1, b"\x30\x00" =>
        "Let the remaining length count all fields, and each string's length its bytes.";
    TrailingBytes, SERVER_5, b"\xc0\x01\x00" =>
        "Let the remaining length end with the last field.";
    VariableByteInteger, SERVER_5, b"\xe0\x03\x00\x80\x00" =>
        "Write lengths of properties, and Subscription Identifiers, in as few bytes as they need, and in four at \
         most.";
    Text(TextError::NotUtf8), SERVER_5, b"\xe0\x06\x00\x04\x1f\x00\x01\xff" =>
        "Encode strings in UTF-8, without surrogates. What is not text has its place in payload, password or \
         Correlation Data.";
    Text(TextError::Nul), SERVER_5, b"\xe0\x06\x00\x04\x1f\x00\x01\x00" =>
        "Leave U+0000 out; a string needs no end mark.";
    Text(TextError::ControlCharacter), SERVER,
        b"\x10\x0f\x00\x04\x4d\x51\x54\x54\x04\x80\x00\x00\x00\x00\x00\x01\x01" =>
        "Leave U+0001 to U+001F and U+007F to U+009F out of the User Name. Perhaps there is a line break at its \
         end.";
    Text(TextError::NonCharacter), SERVER,
        b"\x10\x11\x00\x04\x4d\x51\x54\x54\x04\x80\x00\x00\x00\x00\x00\x03\xef\xbf\xbf" =>
        "Leave U+FDD0 to U+FDEF, and U+FFFE and U+FFFF of any plane, out of the User Name; they are no characters.";
    ClientId(TextError::NotUtf8), SERVER, b"\x10\x0d\x00\x04\x4d\x51\x54\x54\x04\x00\x00\x00\x00\x01\xff" =>
        "Encode the Client Identifier in UTF-8.";
    ClientId(TextError::Nul), SERVER, b"\x10\x0d\x00\x04\x4d\x51\x54\x54\x04\x00\x00\x00\x00\x01\x00" =>
        "Leave U+0000 out of the Client Identifier; it needs no end mark.";
    ClientId(TextError::ControlCharacter), SERVER,
        b"\x10\x0d\x00\x04\x4d\x51\x54\x54\x04\x00\x00\x00\x00\x01\x01" =>
        "Leave U+0001 to U+001F and U+007F to U+009F out of the Client Identifier. Perhaps there is a line break \
         at its end.";
    ClientId(TextError::NonCharacter), SERVER,
        b"\x10\x0f\x00\x04\x4d\x51\x54\x54\x04\x00\x00\x00\x00\x03\xef\xbf\xbf" =>
        "Leave U+FDD0 to U+FDEF, and U+FFFE and U+FFFF of any plane, out of the Client Identifier; they are no \
         characters.";
    PacketIdZero, SERVER_3_1_1, b"\x40\x02\x00\x00" =>
        "Give each SUBSCRIBE, UNSUBSCRIBE, and PUBLISH with QoS 1 or 2, a Packet Identifier from 1 to 65,535, and \
         acknowledge with the same.";
    ReasonCode(0), SERVER_5, b"\xf0\x00" =>
        "Send a Reason Code that the packet's own section lists for this side.";
    ProtocolName, SERVER, b"\x10\x02\x00\x00" =>
        "Send the Protocol Name MQTT, or MQIsdp for 3.1.";
    UnsupportedProtocolVersion { level: 6 }, SERVER, b"\x10\x07\x00\x04\x4d\x51\x54\x54\x06" =>
        "Connect with level 5 or 4, or 3 under the name MQIsdp. A bridge of mosquitto asks for 131 or 132 first, \
         and comes back without, or is taken at its level by the leniency `bridge_level`.";
    ConnectFlag, SERVER, b"\x10\x08\x00\x04\x4d\x51\x54\x54\x04\x01" =>
        "Leave bit 0 of the Connect Flags at 0.";
    WillFlags, SERVER, b"\x10\x08\x00\x04\x4d\x51\x54\x54\x04\x08" =>
        "Leave Will QoS and Will Retain at 0 where there is no Will.";
    WillQoS, SERVER, b"\x10\x08\x00\x04\x4d\x51\x54\x54\x04\x1c" =>
        "Ask for a Will QoS of 0, 1 or 2.";
    PasswordWithoutUserName, SERVER, b"\x10\x08\x00\x04\x4d\x51\x54\x54\x04\x40" =>
        "Send a User Name too, or speak 5.0, which has a password alone.";
    ConnackFlags, CLIENT_3_1_1, b"\x20\x02\x02\x00" =>
        "Leave bits 7 to 1 of the Connect Acknowledge Flags at 0, and Session Present too where the connection is \
         refused.";
    QoS, SERVER_3_1_1, b"\x36" =>
        "Publish with QoS 0, 1 or 2.";
    DupWithoutQoS, SERVER_3_1_1, b"\x38" =>
        "Leave DUP at 0 with QoS 0, which is never sent again. The leniency `dup_without_qos` lets such clients \
         go on.";
    TopicName(TopicError::Empty), SERVER_3_1_1, b"\x30\x02\x00\x00" =>
        "Name a topic. Only 5.0 has a Topic Alias in its place.";
    TopicName(TopicError::TooLong), SERVER_3_1_1,
        b"\x30\x0d\x00\x0b\x61\x61\x61\x61\x61\x61\x61\x61\x61\x61\x61" =>
        "Shorten the Topic Name, or raise the limit `topic_bytes`.";
    TopicName(TopicError::TooManyLevels), SERVER_3_1_1, b"\x30\x05\x00\x03\x2f\x2f\x2f" =>
        "Use fewer levels, or raise the limit `topic_levels`.";
    TopicName(TopicError::NotUtf8), SERVER_3_1_1, b"\x30\x03\x00\x01\xff" =>
        "Encode the Topic Name in UTF-8.";
    TopicName(TopicError::Nul), SERVER_3_1_1, b"\x30\x03\x00\x01\x00" =>
        "Leave U+0000 out of the Topic Name; it needs no end mark.";
    TopicName(TopicError::ControlCharacter), SERVER_3_1_1, b"\x30\x03\x00\x01\x01" =>
        "Leave U+0001 to U+001F and U+007F to U+009F out of the Topic Name. Perhaps there is a line break at its \
         end.";
    TopicName(TopicError::NonCharacter), SERVER_3_1_1, b"\x30\x05\x00\x03\xef\xbf\xbf" =>
        "Leave U+FDD0 to U+FDEF, and U+FFFE and U+FFFF of any plane, out of the Topic Name; they are no characters.";
    TopicName(TopicError::Wildcard), SERVER_3_1_1, b"\x30\x03\x00\x01\x2b" =>
        "Publish to a Topic Name without + and #; these are for subscribing.";
    TopicMissing, SERVER_5, b"\x30\x03\x00\x00\x00" =>
        "Send a Topic Name, or a Topic Alias that was given to one before.";
    ResponseTopic(TopicError::Empty), SERVER_5, b"\x30\x06\x00\x00\x03\x08\x00\x00" =>
        "Name a topic for the answer, or leave the property out.";
    ResponseTopic(TopicError::TooLong), SERVER_5,
        b"\x30\x11\x00\x00\x0e\x08\x00\x0b\x61\x61\x61\x61\x61\x61\x61\x61\x61\x61\x61" =>
        "Shorten the Response Topic, or raise the limit `topic_bytes`.";
    ResponseTopic(TopicError::TooManyLevels), SERVER_5, b"\x30\x09\x00\x00\x06\x08\x00\x03\x2f\x2f\x2f" =>
        "Use fewer levels, or raise the limit `topic_levels`.";
    ResponseTopic(TopicError::NotUtf8), SERVER_5, b"\x30\x07\x00\x00\x04\x08\x00\x01\xff" =>
        "Encode the Response Topic in UTF-8.";
    ResponseTopic(TopicError::Nul), SERVER_5, b"\x30\x07\x00\x00\x04\x08\x00\x01\x00" =>
        "Leave U+0000 out of the Response Topic; it needs no end mark.";
    ResponseTopic(TopicError::ControlCharacter), SERVER_5, b"\x30\x07\x00\x00\x04\x08\x00\x01\x01" =>
        "Leave U+0001 to U+001F and U+007F to U+009F out of the Response Topic.";
    ResponseTopic(TopicError::NonCharacter), SERVER_5, b"\x30\x09\x00\x00\x06\x08\x00\x03\xef\xbf\xbf" =>
        "Leave U+FDD0 to U+FDEF, and U+FFFE and U+FFFF of any plane, out of the Response Topic; they are no \
         characters.";
    ResponseTopic(TopicError::Wildcard), SERVER_5, b"\x30\x07\x00\x00\x04\x08\x00\x01\x2b" =>
        "Have the answer sent to one topic, without + and #.";
    TopicFilter(TopicError::Empty), SERVER_3_1_1, b"\x82\x04\x00\x01\x00\x00" =>
        "Ask for at least one character.";
    TopicFilter(TopicError::TooLong), SERVER_3_1_1,
        b"\x82\x0f\x00\x01\x00\x0b\x61\x61\x61\x61\x61\x61\x61\x61\x61\x61\x61" =>
        "Shorten the Topic Filter, or raise the limit `topic_bytes`.";
    TopicFilter(TopicError::TooManyLevels), SERVER_3_1_1, b"\x82\x07\x00\x01\x00\x03\x2f\x2f\x2f" =>
        "Use fewer levels, or raise the limit `topic_levels`.";
    TopicFilter(TopicError::NotUtf8), SERVER_3_1_1, b"\x82\x05\x00\x01\x00\x01\xff" =>
        "Encode the Topic Filter in UTF-8.";
    TopicFilter(TopicError::Nul), SERVER_3_1_1, b"\x82\x05\x00\x01\x00\x01\x00" =>
        "Leave U+0000 out of the Topic Filter; it needs no end mark.";
    TopicFilter(TopicError::ControlCharacter), SERVER_3_1_1, b"\x82\x05\x00\x01\x00\x01\x01" =>
        "Leave U+0001 to U+001F and U+007F to U+009F out of the Topic Filter.";
    TopicFilter(TopicError::NonCharacter), SERVER_3_1_1, b"\x82\x07\x00\x01\x00\x03\xef\xbf\xbf" =>
        "Leave U+FDD0 to U+FDEF, and U+FFFE and U+FFFF of any plane, out of the Topic Filter; they are no characters.";
    TopicFilter(TopicError::MisplacedWildcard), SERVER_3_1_1, b"\x82\x06\x00\x01\x00\x02\x2b\x2b" =>
        "Let + and # be whole levels, and # the last one: a/+/b, a/#.";
    TopicFilter(TopicError::ShareName), SERVER_5, b"\x82\x0c\x00\x01\x00\x00\x07\x24\x73\x68\x61\x72\x65\x2f" =>
        "Subscribe to $share/NAME/FILTER, where the name has no / + or #.";
    NoFilters, SERVER_3_1_1, b"\x82\x02\x00\x01" =>
        "Send at least one Topic Filter.";
    TooManyFilters, SERVER_3_1_1, b"\xa2\x08\x00\x01\x00\x01\x61\x00\x01\x61" =>
        "Send several packets with fewer Topic Filters each, or decode with a greater `filters_max`. The broker \
         refuses what is too many in its SUBACK instead.";
    SubscriptionOptions, SERVER_3_1_1, b"\x82\x06\x00\x01\x00\x01\x61\x03" =>
        "Ask for QoS 0, 1 or 2 and Retain Handling 0, 1 or 2, and leave the other bits at 0; before 5.0 there is \
         only the QoS.";
    SharedNoLocal, SERVER_5, b"\x82\x10\x00\x01\x00\x00\x0a\x24\x73\x68\x61\x72\x65\x2f\x67\x2f\x61\x04" =>
        "Leave No Local out where a subscription is shared.";
    PropertyLength, SERVER_5, b"\xe0\x02\x00\x01" =>
        "Let the Property Length count the properties, and the remaining length both.";
    UnknownProperty, SERVER_5, b"\xe0\x03\x00\x01\x00" =>
        "Send only the properties of table 2-4, whose identifiers are from 0x01 to 0x2A.";
    MisplacedProperty(1), SERVER_5, b"\xe0\x04\x00\x02\x01\x00" =>
        "Send each property only with the packets that table 2-4 lists for it, and only from that side.";
    MisplacedSubscribeProperty(1), SERVER_5, b"\x82\x05\x00\x01\x02\x01\x00" =>
        "Send a Subscription Identifier and User Properties with SUBSCRIBE, and User Properties with UNSUBSCRIBE.";
    DuplicateProperty(1), SERVER_5, b"\x30\x07\x00\x00\x04\x01\x00\x01\x00" =>
        "Send each property once. User Properties may be repeated, and the Subscription Identifiers of a PUBLISH \
         from a server.";
    PropertyValue(1), SERVER_5, b"\x30\x05\x00\x00\x02\x01\x02" =>
        "Send a value that the property's own section allows, such as 0 or 1 for a flag.";
    PropertyValue(0x23), SERVER_5, b"\x30\x06\x00\x00\x03\x23\x00\x00" =>
        "Use a Topic Alias from 1 to the Topic Alias Maximum of the other side.";
    PropertiesTooLong, SERVER_5,
        b"\xe0\x11\x00\x0f\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" =>
        "Send fewer bytes of properties, or raise the limit `property_bytes`.";
    TooManyUserProperties, SERVER_5, b"\xe0\x0c\x00\x0a\x26\x00\x00\x00\x00\x26\x00\x00\x00\x00" =>
        "Send fewer User Properties, or raise the limit `user_properties`.";
    AuthenticationDataWithoutMethod, SERVER,
        b"\x10\x10\x00\x04\x4d\x51\x54\x54\x05\x00\x00\x00\x03\x16\x00\x00\x00\x00" =>
        "Send the Authentication Method that the data belongs to.";
    AuthenticationMethodMissing, SERVER_5, b"\xf0\x02\x18\x00" =>
        "Send the Authentication Method of CONNECT with each AUTH.";
}
