//! One test for each rule that a packet can break: version, who reads, first byte and body; error, Reason Code.
use super::support::{ROLES, VERSIONS, bytes, decoder, packet, read, read_whole};
use crate::codec::DecodeError::{self, *};
use crate::codec::Limits;
use crate::text::TextError;
use crate::topic::TopicError;
use crate::version::Role::{self, Client, Server};
use crate::version::Version::{self, V3_1, V3_1_1, V5};

#[track_caller]
fn refused(
    version: impl Into<Option<Version>>,
    role: Role,
    first: u8,
    body: &str,
    error: DecodeError,
    reason: u8,
) {
    let version = version.into();
    let bytes = packet(first, &bytes(body));
    let whole = read_whole(&bytes, version, role);
    assert_eq!((whole.error, whole.items.len()), (Some(error), 0), "{version:?} {role:?} {first:02x} {body}");
    assert_eq!(error.reason().byte(), reason, "{error:?}");
    let in_pieces = read(decoder(version, role), &Limits::default(), bytes.chunks(1));
    assert_eq!(in_pieces.error, Some(error), "in pieces: {body}");
}

macro_rules! rules {
    ($($name:ident { $($version:expr, $role:expr, $first:literal $body:literal => $error:expr, $reason:literal;)* })*) => {
        $(
            #[test]
            fn $name() {
                $(refused($version, $role, $first, $body, $error, $reason);)*
            }
        )*
    };
}

rules! {
    the_first_packet_is_connect {
        None, Server, 0x30 "s:a" => ConnectExpected, 0x82;
        None, Server, 0xc0 "" => ConnectExpected, 0x82;
        None, Client, 0x20 "00 00" => ConnectExpected, 0x82;
        None, Client, 0x10 "s:MQTT 04 02 0000 0000" => ConnectExpected, 0x82;
    }
    connect_comes_once {
        V3_1_1, Server, 0x10 "s:MQTT 04 02 0000 0000" => SecondConnect, 0x82;
        V5, Server, 0x10 "s:MQTT 06" => SecondConnect, 0x82;
        V3_1, Server, 0x1f "" => SecondConnect, 0x82;
    }
    packet_type_0_is_reserved {
        V5, Server, 0x00 "" => ReservedPacketType, 0x82;
        V3_1_1, Client, 0x08 "" => ReservedPacketType, 0x82;
    }
    flags_of_the_fixed_header {
        None, Server, 0x11 "s:MQTT 04 02 0000 0000" => ReservedFlags, 0x81;
        V5, Client, 0x21 "00 00 00" => ReservedFlags, 0x81;
        V5, Server, 0x41 "0001" => ReservedFlags, 0x81;
        V3_1, Server, 0x60 "0001" => ReservedFlags, 0x81;
        V3_1, Server, 0x86 "0001 s:a 00" => ReservedFlags, 0x81;
        None, Server, 0x12 "s:MQTT 05 02 0000 00 0000" => ReservedFlags, 0x81;
        None, Server, 0x1f "s:MQTT 04 02 0000 0000" => ReservedFlags, 0x81;
        V3_1_1, Server, 0x6a "0001" => ReservedFlags, 0x81;
        V3_1_1, Server, 0x80 "0001 s:a 00" => ReservedFlags, 0x81;
        V3_1_1, Server, 0xa0 "0001 s:a" => ReservedFlags, 0x81;
        V5, Server, 0xc2 "" => ReservedFlags, 0x81;
        V5, Client, 0xd1 "" => ReservedFlags, 0x81;
        V5, Client, 0xe8 "" => ReservedFlags, 0x81;
        V5, Client, 0xf1 "" => ReservedFlags, 0x81;
    }
    what_only_the_other_side_sends {
        V5, Server, 0x20 "00 00 00" => UnexpectedPacket, 0x82;
        V5, Server, 0x90 "0001 00 00" => UnexpectedPacket, 0x82;
        V5, Server, 0xb0 "0001 00 00" => UnexpectedPacket, 0x82;
        V5, Server, 0xd0 "" => UnexpectedPacket, 0x82;
        V5, Client, 0x10 "s:MQTT 05 02 0000 00 0000" => UnexpectedPacket, 0x82;
        V5, Client, 0x82 "0001 00 s:a 00" => UnexpectedPacket, 0x82;
        V5, Client, 0xa2 "0001 00 s:a" => UnexpectedPacket, 0x82;
        V5, Client, 0xc0 "" => UnexpectedPacket, 0x82;
        V3_1_1, Client, 0xe0 "" => UnexpectedPacket, 0x82;
        V3_1_1, Server, 0xf0 "" => UnexpectedPacket, 0x82;
        V3_1_1, Client, 0xf0 "" => UnexpectedPacket, 0x82;
    }
    strings_are_utf8_without_nul {
        V5, Server, 0x30 "s:a 05 030002eda0" => Text(TextError::NotUtf8), 0x81;
        V5, Server, 0x30 "s:a 05 0300026100" => Text(TextError::Nul), 0x81;
        V5, Server, 0x40 "0001 00 08 26 s:a 0003 ed a080" => Truncated, 0x81;
        V5, Server, 0x40 "0001 00 09 26 s:a 0003 ed a080" => Text(TextError::NotUtf8), 0x81;
        None, Server, 0x10 "s:MQTT 04 82 0000 0000 0002 c080" => Text(TextError::NotUtf8), 0x81;
        None, Server, 0x10 "s:MQTT 04 82 0000 0000 0001 1f" => Text(TextError::ControlCharacter), 0x81;
        None, Server, 0x10 "s:MQTT 05 02 0000 00 0002 6100" => ClientId(TextError::Nul), 0x81;
        None, Server, 0x10 "s:MQTT 05 02 0000 00 0003 eda080" => ClientId(TextError::NotUtf8), 0x81;
        None, Server, 0x10 "s:MQTT 05 02 0000 00 0002 c29f" => ClientId(TextError::ControlCharacter), 0x85;
        None, Server, 0x10 "s:MQTT 04 82 0000 0000 0003 efb790" => Text(TextError::NonCharacter), 0x81;
        None, Server, 0x10 "s:MQTT 05 02 0000 00 0004 f48fbfbf" => ClientId(TextError::NonCharacter), 0x85;
    }
    packet_identifiers_are_not_zero {
        V3_1_1, Server, 0x32 "s:a 0000" => PacketIdZero, 0x82;
        V5, Server, 0x34 "s:a 0000 00" => PacketIdZero, 0x82;
        V5, Server, 0x40 "0000" => PacketIdZero, 0x82;
        V5, Server, 0x62 "0000" => PacketIdZero, 0x82;
        V5, Server, 0x82 "0000 00 s:a 00" => PacketIdZero, 0x82;
        V5, Server, 0xa2 "0000 00 s:a" => PacketIdZero, 0x82;
        V5, Client, 0x90 "0000 00 00" => PacketIdZero, 0x82;
        V3_1_1, Client, 0xb0 "0000" => PacketIdZero, 0x82;
    }
    reason_codes_a_packet_does_not_have {
        V5, Client, 0x20 "00 01 00" => ReasonCode(0x01), 0x82;
        V3_1_1, Client, 0x20 "00 06" => ReasonCode(0x06), 0x82;
        V5, Server, 0x40 "0001 92" => ReasonCode(0x92), 0x82;
        V5, Server, 0x50 "0001 ff" => ReasonCode(0xff), 0x82;
        V5, Server, 0x62 "0001 80" => ReasonCode(0x80), 0x82;
        V5, Server, 0x70 "0001 10 00" => ReasonCode(0x10), 0x82;
        V5, Client, 0x90 "0001 00 0003" => ReasonCode(0x03), 0x82;
        V3_1_1, Client, 0x90 "0001 87" => ReasonCode(0x87), 0x82;
        V5, Client, 0xb0 "0001 00 01" => ReasonCode(0x01), 0x82;
        V5, Server, 0xe0 "01" => ReasonCode(0x01), 0x82;
        V5, Server, 0xf0 "87 05 15 s:mm" => ReasonCode(0x87), 0x82;
    }
    reason_codes_only_the_other_side_sends {
        V5, Server, 0xe0 "8e" => ReasonCode(0x8e), 0x82;
        V5, Client, 0xe0 "04" => ReasonCode(0x04), 0x82;
        V5, Client, 0xf0 "19 05 15 s:mm" => ReasonCode(0x19), 0x82;
    }
    // Table 3-11: Success is sent by the server. [MQTT-3.15.2-1]
    a_client_does_not_say_that_authentication_has_succeeded {
        V5, Server, 0xf0 "" => ReasonCode(0x00), 0x82;
        V5, Server, 0xf0 "00 05 15 s:mm" => ReasonCode(0x00), 0x82;
    }
    // "This is sent only by the Server." (Sections 3.4.2.1, 3.5.2.1)
    a_client_does_not_say_that_nobody_subscribes {
        V5, Server, 0x40 "0001 10" => ReasonCode(0x10), 0x82;
        V5, Server, 0x50 "0001 10 00" => ReasonCode(0x10), 0x82;
    }
    protocol_name_and_level {
        None, Server, 0x10 "s:MQT 04 02 0000 0000" => ProtocolName, 0x84;
        None, Server, 0x10 "s:mqtt 04 02 0000 0000" => ProtocolName, 0x84;
        None, Server, 0x10 "s:MQTT 06 02 0000 0000" => UnsupportedProtocolVersion { level: 6 }, 0x84;
        None, Server, 0x10 "s:MQTT 03 02 0000 0000" => UnsupportedProtocolVersion { level: 3 }, 0x84;
        None, Server, 0x10 "s:MQIsdp 04 02 0000 0000" => UnsupportedProtocolVersion { level: 4 }, 0x84;
        None, Server, 0x10 "s:MQTT 84 02 0000 0000" => UnsupportedProtocolVersion { level: 0x84 }, 0x84;
    }
    connect_flags {
        None, Server, 0x10 "s:MQTT 04 03 0000 0000" => ConnectFlag, 0x81;
        None, Server, 0x10 "s:MQTT 05 01 0000 00 0000" => ConnectFlag, 0x81;
        None, Server, 0x10 "s:MQTT 04 0a 0000 0000" => WillFlags, 0x81;
        None, Server, 0x10 "s:MQTT 05 22 0000 00 0000" => WillFlags, 0x81;
        None, Server, 0x10 "s:MQTT 04 1e 0000 0000 s:a s:b" => WillQoS, 0x81;
        None, Server, 0x10 "s:MQTT 04 42 0000 0000 s:b" => PasswordWithoutUserName, 0x81;
        None, Server, 0x10 "s:MQIsdp 03 42 0000 0000 s:b" => PasswordWithoutUserName, 0x81;
    }
    will_topics {
        None, Server, 0x10 "s:MQTT 04 06 0000 0000 0000 0000" => TopicName(TopicError::Empty), 0x81;
        None, Server, 0x10 "s:MQTT 05 06 0000 00 0000 00 s:a/# 0000" => TopicName(TopicError::Wildcard), 0x81;
    }
    connack_flags {
        V3_1_1, Client, 0x20 "02 00" => ConnackFlags, 0x81;
        V5, Client, 0x20 "81 00 00" => ConnackFlags, 0x81;
        V5, Client, 0x20 "01 87 00" => ConnackFlags, 0x81;
        V3_1_1, Client, 0x20 "01 05" => ConnackFlags, 0x81;
    }
    qos_3 {
        V3_1_1, Server, 0x36 "s:a 0001" => QoS, 0x81;
        V5, Client, 0x3f "s:a 0001 00" => QoS, 0x81;
    }
    dup_with_qos_0 {
        V3_1_1, Server, 0x38 "s:a" => DupWithoutQoS, 0x81;
        V5, Client, 0x39 "s:a 00" => DupWithoutQoS, 0x81;
    }
    topic_names {
        V3_1_1, Server, 0x30 "s:a/+" => TopicName(TopicError::Wildcard), 0x81;
        V5, Server, 0x30 "s:# 00" => TopicName(TopicError::Wildcard), 0x81;
        V3_1_1, Server, 0x30 "0002 6100" => TopicName(TopicError::Nul), 0x81;
        V3_1_1, Server, 0x30 "0001 07" => TopicName(TopicError::ControlCharacter), 0x81;
        V3_1_1, Server, 0x33 "0004 61efbfbf 0001" => TopicName(TopicError::NonCharacter), 0x81;
        V3_1_1, Server, 0x30 "0003 eda080" => TopicName(TopicError::NotUtf8), 0x81;
        V3_1_1, Server, 0x30 "0000" => TopicName(TopicError::Empty), 0x81;
    }
    no_topic_name_and_no_alias {
        V5, Server, 0x30 "0000 00 'payload'" => TopicMissing, 0x82;
        V5, Client, 0x30 "0000 02 0101" => TopicMissing, 0x82;
    }
    response_topics {
        V5, Server, 0x30 "s:a 04 08 s:#" => ResponseTopic(TopicError::Wildcard), 0x82;
        V5, Server, 0x30 "s:a 03 08 0000" => ResponseTopic(TopicError::Empty), 0x82;
        V5, Server, 0x30 "s:a 04 08 0001 ff" => ResponseTopic(TopicError::NotUtf8), 0x81;
    }
    topic_filters {
        V3_1_1, Server, 0x82 "0001 0000 00" => TopicFilter(TopicError::Empty), 0x81;
        V5, Server, 0x82 "0001 00 s:ab/+e 00" => TopicFilter(TopicError::MisplacedWildcard), 0x81;
        V5, Server, 0x82 "0001 00 s:#/a 00" => TopicFilter(TopicError::MisplacedWildcard), 0x81;
        V5, Server, 0xa2 "0001 00 s:a# " => TopicFilter(TopicError::MisplacedWildcard), 0x81;
        V3_1_1, Server, 0xa2 "0001 s:a 0002 6100" => TopicFilter(TopicError::Nul), 0x81;
        V3_1_1, Server, 0x82 "0001 0003 eda080 00" => TopicFilter(TopicError::NotUtf8), 0x81;
        V3_1_1, Server, 0x82 "0001 s:$share/+a/x 00" => TopicFilter(TopicError::MisplacedWildcard), 0x81;
    }
    shared_subscriptions {
        V5, Server, 0x82 "0001 00 s:$share/g 00" => TopicFilter(TopicError::ShareName), 0x81;
        V5, Server, 0x82 "0001 00 s:$share//a 00" => TopicFilter(TopicError::ShareName), 0x81;
        V5, Server, 0xa2 "0001 00 s:$share/+/a" => TopicFilter(TopicError::ShareName), 0x81;
        V5, Server, 0x82 "0001 00 s:$share/g/a 04" => SharedNoLocal, 0x82;
    }
    no_filters {
        V3_1_1, Server, 0x82 "0001" => NoFilters, 0x82;
        V5, Server, 0x82 "0001 00" => NoFilters, 0x82;
        V3_1, Server, 0xa2 "0001" => NoFilters, 0x82;
        V5, Server, 0xa2 "0001 00" => NoFilters, 0x82;
    }
    subscription_options {
        V3_1_1, Server, 0x82 "0001 s:a 03" => SubscriptionOptions, 0x81;
        V3_1_1, Server, 0x82 "0001 s:a 04" => SubscriptionOptions, 0x81;
        V5, Server, 0x82 "0001 00 s:a 03" => SubscriptionOptions, 0x81;
        V5, Server, 0x82 "0001 00 s:a 30" => SubscriptionOptions, 0x81;
        V5, Server, 0x82 "0001 00 s:a 40" => SubscriptionOptions, 0x81;
        V5, Server, 0x82 "0001 00 s:a 80" => SubscriptionOptions, 0x81;
    }
    property_lengths {
        V5, Server, 0x30 "s:a 05 0101" => PropertyLength, 0x81;
        V5, Server, 0x40 "0001 00 01" => PropertyLength, 0x81;
        V5, Server, 0x30 "s:a 8000" => VariableByteInteger, 0x81;
        V5, Server, 0x30 "s:a ffffffff7f" => VariableByteInteger, 0x81;
        V5, Server, 0x30 "s:a" => Truncated, 0x81;
        V5, Server, 0x30 "s:a 80" => Truncated, 0x81;
    }
    unknown_properties {
        V5, Server, 0x30 "s:a 02 0001" => UnknownProperty, 0x81;
        V5, Server, 0x30 "s:a 02 2b01" => UnknownProperty, 0x81;
        V5, Server, 0x30 "s:a 03 810001" => UnknownProperty, 0x81;
    }
    authentication {
        None, Server, 0x10 "s:MQTT 05 02 0000 04 16 s:d 0000" => AuthenticationDataWithoutMethod, 0x82;
        V5, Server, 0xf0 "18 00" => AuthenticationMethodMissing, 0x82;
        V5, Client, 0xf0 "18 04 16 s:d" => AuthenticationMethodMissing, 0x82;
        V5, Server, 0xf0 "18" => Truncated, 0x81;
    }
    bodies_that_end_early {
        None, Server, 0x10 "" => Truncated, 0x81;
        None, Server, 0x10 "s:MQTT" => Truncated, 0x81;
        None, Server, 0x10 "s:MQTT 04 02 0000" => Truncated, 0x81;
        None, Server, 0x10 "s:MQTT 04 c2 0000 0000 s:u" => Truncated, 0x81;
        None, Server, 0x10 "s:MQIsdp 03 c2 0000 0000 0001" => Truncated, 0x81;
        None, Server, 0x10 "s:MQIsdp 03 06 0000 0000" => Truncated, 0x81;
        V3_1_1, Server, 0x30 "" => Truncated, 0x81;
        V3_1_1, Server, 0x30 "0002 61" => Truncated, 0x81;
        V3_1_1, Server, 0x32 "s:a 00" => Truncated, 0x81;
        V3_1_1, Server, 0x40 "00" => Truncated, 0x81;
        V3_1_1, Server, 0x82 "0001 s:a" => Truncated, 0x81;
        V3_1_1, Server, 0xa2 "0001 00" => Truncated, 0x81;
        V3_1_1, Client, 0x90 "0001" => Truncated, 0x81;
        V5, Client, 0xb0 "0001 00" => Truncated, 0x81;
        V5, Client, 0x20 "00 00" => Truncated, 0x81;
    }
    bytes_behind_the_last_field {
        None, Server, 0x10 "s:MQTT 04 02 0000 0000 00" => TrailingBytes, 0x81;
        V3_1_1, Server, 0x40 "0001 00" => TrailingBytes, 0x81;
        V5, Server, 0x40 "0001 00 00 00" => TrailingBytes, 0x81;
        V3_1_1, Client, 0x20 "00 00 00" => TrailingBytes, 0x81;
        V3_1_1, Client, 0xb0 "0001 00" => TrailingBytes, 0x81;
        V5, Server, 0xc0 "00" => TrailingBytes, 0x81;
        V3_1_1, Client, 0xd0 "00" => TrailingBytes, 0x81;
        V3_1_1, Server, 0xe0 "00" => TrailingBytes, 0x81;
        V5, Server, 0xe0 "00 00 00" => TrailingBytes, 0x81;
        V5, Server, 0xf0 "18 04 15 s:m 00" => TrailingBytes, 0x81;
    }
}

#[test]
fn remaining_lengths() {
    for (version, notation) in
        [(V3_1_1, "c0 80808000"), (V3_1_1, "30 ffffffff 01"), (V5, "c0 8000"), (V5, "30 838000 s:a 00")]
    {
        let transcript = read_whole(&bytes(notation), version, Server);
        let valid_before_5 = notation == "c0 80808000";
        assert_eq!(transcript.error, (!valid_before_5).then_some(RemainingLength), "{notation}");
    }
    let connect = bytes("10 8d00 s:MQTT 05 02 0000 00 0000");
    assert_eq!(read_whole(&connect, None, Server).error, Some(RemainingLength));
}

#[test]
fn a_first_byte_is_enough_to_refuse() {
    for first in 0..=0xff_u8 {
        for role in ROLES {
            for version in VERSIONS.map(Some).into_iter().chain([None]) {
                let early = read_whole(&[first], version, role).error;
                let late = read_whole(&[first, 0], version, role).error;
                let of_the_byte = matches!(
                    late,
                    Some(
                        ConnectExpected
                            | SecondConnect
                            | ReservedPacketType
                            | ReservedFlags
                            | UnexpectedPacket
                            | QoS
                            | DupWithoutQoS
                    )
                );
                assert_eq!(early.is_some(), of_the_byte, "{first:02x} {role:?} {version:?}");
                assert!(early.is_none() || early == late);
            }
        }
    }
}
