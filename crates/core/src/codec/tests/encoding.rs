//! What only encoders do.
use super::support::{VERSIONS, bytes, read_whole};
use crate::codec::*;
use crate::id::PacketId;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::topic::{TopicError, TopicFilter};
use crate::version::Role::{Client, Server};
use crate::version::Version::{self, V3_1, V3_1_1, V5};
use std::string::String;
use std::vec::Vec;

fn encoded(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, u32::MAX, &mut out).unwrap();
    out
}

fn id() -> PacketId {
    PacketId::new(7).unwrap()
}

#[test]
fn acknowledgements_take_the_shortest_form() {
    let ack = |kind, reason, version| {
        let mut out = Vec::new();
        encode_ack(kind, id(), reason, version, &mut out);
        out
    };
    assert_eq!(ack(AckKind::Puback, ReasonCode::Success, V5), bytes("40 02 0007"));
    assert_eq!(ack(AckKind::Pubrec, ReasonCode::NotAuthorized, V5), bytes("50 03 0007 87"));
    assert_eq!(ack(AckKind::Pubrel, ReasonCode::PacketIdentifierNotFound, V3_1_1), bytes("62 02 0007"));
    assert_eq!(ack(AckKind::Pubcomp, ReasonCode::Success, V3_1), bytes("70 02 0007"));
}

#[test]
fn older_versions_get_their_own_return_codes() {
    use ReasonCode::*;
    for (reason, code) in [
        (Success, 0),
        (UnsupportedProtocolVersion, 1),
        (ClientIdentifierNotValid, 2),
        (ServerUnavailable, 3),
        (ServerBusy, 3),
        (Banned, 3),
        (BadUserNameOrPassword, 4),
        (NotAuthorized, 5),
    ] {
        let connack =
            Packet::Connack(Connack { session_present: false, reason, properties: Properties::default() });
        assert_eq!(encoded(&connack, V3_1_1), [0x20, 2, 0, code]);
        assert_eq!(encoded(&connack, V5), [0x20, 3, 0, reason.byte(), 0]);
    }
    let reasons = &[0, 2, 0x80, 0x87, 0x9e];
    let suback = Packet::Suback(Suback { packet_id: id(), properties: Properties::default(), reasons });
    assert_eq!(encoded(&suback, V3_1), bytes("90 07 0007 0002808080"));
    assert_eq!(encoded(&suback, V5), bytes("90 08 0007 00 000280879e"));
    let reasons = &[0, 0x11];
    let unsuback = Packet::Unsuback(Suback { packet_id: id(), properties: Properties::default(), reasons });
    assert_eq!(encoded(&unsuback, V3_1_1), bytes("b0 02 0007"));
}

#[test]
fn session_present_is_unknown_to_3_1() {
    let reason = ReasonCode::Success;
    let connack =
        Packet::Connack(Connack { session_present: true, reason, properties: Properties::default() });
    assert_eq!(encoded(&connack, V3_1), bytes("20 02 00 00"));
    assert_eq!(encoded(&connack, V3_1_1), bytes("20 02 01 00"));
}

/// [MQTT-2.2.2-1]
#[test]
fn no_properties_are_a_length_of_zero() {
    let mut filters = FilterNamesBuf::new();
    filters.push(&TopicFilter::new("a").expect("a filter"));
    let (packet_id, properties) = (id(), Properties::default());
    let unsubscribe = Unsubscribe { packet_id, properties, filters: filters.as_filters() };
    assert_eq!(encoded(&Packet::Unsubscribe(unsubscribe), V5), bytes("a2 06 0007 00 s:a"));
    let suback = Suback { packet_id, properties, reasons: &[0] };
    assert_eq!(encoded(&Packet::Suback(suback), V5), bytes("90 04 0007 00 00"));
    let connack = Connack { session_present: false, reason: ReasonCode::Success, properties };
    assert_eq!(encoded(&Packet::Connack(connack), V5), bytes("20 03 00 00 00"));
    let mut out = Vec::new();
    let bare = PublishHead { delivery: Delivery::AtMostOnce, retain: false, ..head("a", &[], 0) };
    let bare = PublishHead { message_expiry_interval: None, subscription_identifiers: &[], ..bare };
    PublishHead { topic_alias: None, ..bare }.encode(V5, u32::MAX, &mut out).expect("it has room");
    assert_eq!(out, bytes("30 04 s:a 00"));
}

#[test]
fn properties_are_for_5_only() {
    let mut buf = PropertiesBuf::new();
    buf.push(Property::ReasonString("so")).expect("it can be sent");
    let properties = buf.as_properties();
    let disconnect = Packet::Disconnect(Disconnect { reason: ReasonCode::ServerBusy, properties });
    assert_eq!(encoded(&disconnect, V5), bytes("e0 07 89 05 1f s:so"));
    assert_eq!(encoded(&disconnect, V3_1_1), bytes("e0 00"));
    let puback = Packet::Puback(Ack { packet_id: id(), reason: ReasonCode::Success, properties });
    assert_eq!(encoded(&puback, V5), bytes("40 09 0007 00 05 1f s:so"));
    assert_eq!(encoded(&puback, V3_1_1), bytes("40 02 0007"));
}

#[test]
fn a_string_that_has_no_length_is_too_large() {
    let client_id = "x".repeat(65_536);
    let connect = Packet::Connect(Connect {
        version: V5,
        bridge: false,
        clean_start: true,
        keep_alive: 0,
        properties: Properties::default(),
        client_id: Text::known_str(&client_id),
        will: None,
        username: None,
        password: None,
    });
    let mut out = Vec::from(*b"before");
    assert_eq!(connect.encode(V5, u32::MAX, &mut out), Err(EncodeError::TooLarge { by: 1 }));
    assert_eq!(out, b"before");
}

fn head<'a>(topic: &'a str, properties: &'a [u8], payload_len: usize) -> PublishHead<'a> {
    PublishHead {
        delivery: Delivery::ExactlyOnce { packet_id: id(), dup: true },
        retain: true,
        topic: Text::known_str(topic),
        topic_alias: Some(9),
        message_expiry_interval: Some(60),
        properties,
        subscription_identifiers: &[1, 300],
        payload_len,
    }
}

#[test]
fn what_differs_by_recipient_stands_beside_what_does_not() {
    let properties = bytes("03 s:text");
    let mut out = Vec::new();
    head("a/b", &properties, 3).encode(V5, u32::MAX, &mut out).unwrap();
    assert_eq!(out, bytes("3d 1f s:a/b 0007 14 230009 020000003c 03 s:text 0b01 0bac02 ").as_slice());
    out.extend(b"xyz");
    assert_eq!(head("a/b", &properties, 3).packet_length(V5), u32::try_from(out.len()).ok());
    assert_eq!(read_whole(&out, V5, Client).items.len(), 1);
    let mut out = Vec::new();
    head("a/b", &properties, 3).encode(V3_1_1, u32::MAX, &mut out).unwrap();
    assert_eq!(out, bytes("3d 0a s:a/b 0007"));
}

#[test]
fn a_head_knows_the_length_of_the_whole() {
    for version in VERSIONS {
        for payload in [0, 1, 60, 85, 100, 110, 118, 119, 120, 127, 128, 16_370, 20_000, 70_000, 3_000_000] {
            let head = PublishHead { subscription_identifiers: &[], ..head("topic", &[], payload) };
            let mut out = Vec::new();
            head.encode(version, u32::MAX, &mut out).unwrap();
            out.extend(std::iter::repeat_n(7, payload));
            let length = u32::try_from(out.len()).unwrap();
            assert_eq!(head.packet_length(version), Some(length));
            assert_eq!(read_whole(&out, version, Server).error, None);
            assert_eq!(head.encode(version, length, &mut Vec::new()), Ok(()));
            assert_eq!(
                head.encode(version, length - 1, &mut Vec::new()),
                Err(EncodeError::TooLarge { by: 1 })
            );
        }
    }
}

#[test]
fn what_mqtt_cannot_express_is_too_large() {
    let largest = 268_435_455 - 2 - 1 - 2;
    let largest = PublishHead { topic: Text::known_str("a"), ..head("", &[], largest) };
    assert_eq!(largest.packet_length(V3_1_1), Some(268_435_455 + 5));
    let beyond = PublishHead { payload_len: largest.payload_len + 1, ..largest };
    assert_eq!(beyond.packet_length(V3_1_1), None);
    assert!(beyond.encode(V3_1_1, u32::MAX, &mut Vec::new()).is_err());
    let endless = PublishHead { payload_len: usize::MAX, ..largest };
    assert!(endless.encode(V5, u32::MAX, &mut Vec::new()).is_err());
    let topic = String::from_utf8(std::vec![b'a'; 65_536]).unwrap();
    assert!(head(&topic, &[], 0).encode(V5, u32::MAX, &mut Vec::new()).is_err());
}

#[test]
fn filters_are_read_as_they_were_pushed() {
    let filter = |text| TopicFilter::new(text).unwrap();
    let options = SubscriptionOptions { no_local: true, ..SubscriptionOptions::default() };
    let mut filters = FiltersBuf::new(V5);
    filters.push(&filter("a/+"), options);
    filters.push(&filter("b"), SubscriptionOptions::default());
    let read: Vec<_> = filters.as_filters().iter().collect();
    assert_eq!(read, [("a/+", options), ("b", SubscriptionOptions::default())]);
    assert_eq!((filters.as_filters().len(), filters.as_filters().is_empty()), (2, false));
    let subscribe = |version| {
        let properties = Properties::default();
        encoded(
            &Packet::Subscribe(Subscribe { packet_id: id(), properties, filters: filters.as_filters() }),
            version,
        )
    };
    assert_eq!(subscribe(V5), bytes("82 0d 0007 00 s:a/+ 04 s:b 00"));
    assert_eq!(subscribe(V3_1_1), bytes("82 0c 0007 s:a/+ 00 s:b 00"));
    let mut names = FilterNamesBuf::new();
    names.push(&filter("a/+"));
    assert_eq!(names.as_filters().iter().collect::<Vec<_>>(), ["a/+"]);
    assert_eq!((names.as_filters().len(), names.as_filters().is_empty()), (1, false));
}

#[test]
fn a_head_with_an_identifier_that_there_is_not_is_no_packet_out_of_step() {
    for identifiers in [&[1, u32::MAX][..], &[268_435_456], &[0]] {
        let head = PublishHead { subscription_identifiers: identifiers, ..head("a", &[], 0) };
        let mut out = Vec::new();
        let written =
            std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| head.encode(V5, u32::MAX, &mut out)));
        let written = written.expect("what a caller says is no reason to panic");
        let read = read_whole(&out, V5, Client);
        assert!(written.is_err() || (read.error, read.items.len()) == (None, 1), "{identifiers:?} {out:x?}");
    }
}

#[test]
fn what_is_no_topic_name_is_not_published_to() {
    let text = |topic| Text::new(topic).expect("it has no U+0000");
    for (topic, error) in [("a/#", TopicError::Wildcard), ("+", TopicError::Wildcard)] {
        let publish = Packet::Publish(Publish {
            delivery: Delivery::AtMostOnce,
            retain: false,
            topic: text(topic),
            properties: Properties::default(),
            payload: Payload::Whole(b""),
        });
        let will = Will {
            topic: text(topic),
            payload: b"",
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::default(),
        };
        let connect = Packet::Connect(Connect {
            version: V5,
            clean_start: true,
            keep_alive: 0,
            properties: Properties::default(),
            client_id: text("c"),
            will: Some(will),
            username: None,
            password: None,
            bridge: false,
        });
        for packet in [publish, connect] {
            let mut out = Vec::new();
            assert_eq!(packet.encode(V5, u32::MAX, &mut out), Err(EncodeError::TopicName(error)), "{topic}");
            assert!(out.is_empty());
        }
    }
}

/// What 5.0 has and an older version has not is left out, but never so that nothing valid is left.
#[test]
fn what_an_older_version_cannot_say_is_not_said_wrongly() {
    let mut alias = PropertiesBuf::new();
    alias.push(Property::TopicAlias(1)).expect("it can be sent");
    let mut method = PropertiesBuf::new();
    method.push(Property::AuthenticationMethod("m")).expect("it can be sent");
    let publish = Packet::Publish(Publish {
        delivery: Delivery::AtMostOnce,
        retain: false,
        topic: Text::default(),
        properties: alias.as_properties(),
        payload: Payload::Whole(b"payload"),
    });
    let auth =
        Packet::Auth(Auth { reason: ReasonCode::ContinueAuthentication, properties: method.as_properties() });
    for packet in [publish, auth] {
        let mut out = Vec::new();
        let written = packet.encode(V3_1_1, u32::MAX, &mut out);
        let read = read_whole(&out, V3_1_1, Client);
        assert!(written.is_err() || read.error.is_none(), "{packet:?} became {out:x?}");
    }
}
