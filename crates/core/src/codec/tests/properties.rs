//! Properties by the table: each one everywhere, twice, with each value that matters.
use super::strategies::{self, ids, value};
use super::support::{bytes, packet, read_whole};
use crate::codec::properties::table::{Kind, Places, ROWS, place};
use crate::codec::*;
use crate::qos::QoS;
use crate::text::TextError;
use crate::topic::TopicError;
use crate::version::Role::{self, Client, Server};
use crate::version::Version::V5;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::string::ToString;
use std::vec::Vec;

/// A packet of 5.0 with these properties at that place, and who reads it.
fn with(place: Places, properties: &[u8]) -> (Vec<u8>, Role) {
    let mut block = Vec::new();
    write::put_varint(&mut block, u32::try_from(properties.len()).unwrap());
    block.extend(properties);
    let around = |before: &str, after: &str| [bytes(before), block.clone(), bytes(after)].concat();
    match place {
        place::CONNECT => (packet(0x10, &around("s:MQTT 05 02 0000", "0000")), Server),
        place::WILL => (packet(0x10, &around("s:MQTT 05 06 0000 00 0000", "s:a 0000")), Server),
        place::CONNACK => (packet(0x20, &around("00 00", "")), Client),
        place::PUBLISH_IN => (packet(0x30, &around("s:a", "")), Server),
        place::PUBLISH_OUT => (packet(0x30, &around("s:a", "")), Client),
        place::ACK => (packet(0x62, &around("0001 00", "")), Client),
        place::SUBSCRIBE => (packet(0x82, &around("0001", "s:a 00")), Server),
        place::UNSUBSCRIBE => (packet(0xa2, &around("0001", "s:a")), Server),
        place::SUBACK => (packet(0x90, &around("0001", "00")), Client),
        place::DISCONNECT_IN => (packet(0xe0, &around("00", "")), Server),
        place::DISCONNECT_OUT => (packet(0xe0, &around("00", "")), Client),
        place::AUTH => (packet(0xf0, &around("18", "")), Client),
        _ => panic!("{place:#b} is not one place"),
    }
}

fn error_of(place: Places, properties: &[u8]) -> Option<DecodeError> {
    let (bytes, role) = with(place, properties);
    let version = (bytes[0] != 0x10).then_some(V5);
    read_whole(&bytes, version, role).error
}

fn places() -> impl Iterator<Item = Places> {
    (0..12).map(|bit| 1 << bit)
}

/// The property with some value that it may have.
fn some(id: u8) -> Vec<u8> {
    let strategy = value(ROWS[usize::from(id)].kind);
    let value = strategy.new_tree(&mut TestRunner::deterministic()).unwrap().current();
    [Vec::from([id]), value].concat()
}

fn needs_a_method(place: Places) -> bool {
    place & (place::CONNECT | place::AUTH) != 0
}

/// [MQTT-3.14.2-2]
#[test]
fn each_property_stands_where_the_table_says_and_nowhere_else() {
    for id in ids(place::EVERYWHERE) {
        for place in places() {
            let mut properties = some(id);
            if id != 0x15 && needs_a_method(place) {
                properties.extend(some(0x15));
            }
            let expected = if ROWS[usize::from(id)].places & place != 0 {
                None
            } else if place & (place::SUBSCRIBE | place::UNSUBSCRIBE) != 0 {
                Some(DecodeError::MisplacedSubscribeProperty(id))
            } else {
                Some(DecodeError::MisplacedProperty(id))
            };
            assert_eq!(error_of(place, &properties), expected, "{id:#04x} at {place:#b}");
        }
    }
}

#[test]
fn each_property_comes_once_unless_the_table_says_otherwise() {
    for id in ids(place::EVERYWHERE) {
        for place in places().filter(|place| ROWS[usize::from(id)].places & place != 0) {
            let mut properties = some(id).repeat(2);
            if id != 0x15 && needs_a_method(place) {
                properties.extend(some(0x15));
            }
            let repeats = ROWS[usize::from(id)].repeats & place != 0;
            let expected = (!repeats).then_some(DecodeError::DuplicateProperty(id));
            assert_eq!(error_of(place, &properties), expected, "{id:#04x} at {place:#b}");
        }
    }
}

#[test]
fn each_property_without_its_value_is_malformed_wherever_it_stands() {
    for id in ids(place::EVERYWHERE) {
        for place in places() {
            for end in 1..some(id).len() {
                let error = error_of(place, &some(id)[..end]);
                assert_eq!(error, Some(DecodeError::Truncated), "{id:#04x} at {place:#b}");
            }
        }
    }
}

#[test]
fn values_that_no_property_may_have() {
    for id in ids(place::EVERYWHERE) {
        let row = ROWS[usize::from(id)];
        let value: &[u8] = match row.kind {
            Kind::Bool | Kind::MaximumQoS => &[2],
            Kind::TwoByteNotZero => &[0, 0],
            Kind::FourByteNotZero => &[0, 0, 0, 0],
            Kind::VariableNotZero => &[0],
            _ => continue,
        };
        for place in places().filter(|place| row.places & place != 0) {
            let error = error_of(place, &[&[id], value].concat());
            assert_eq!(error, Some(DecodeError::PropertyValue(id)), "{id:#04x}");
            let reason = if id == 0x23 { 0x94 } else { 0x82 };
            assert_eq!(error.unwrap().reason().byte(), reason);
        }
    }
}

#[test]
fn a_subscription_identifier_has_four_bytes_and_none_too_many() {
    for value in [&[0x80, 0x00][..], &[0xff, 0xff, 0xff, 0xff, 0x01]] {
        let error = error_of(place::SUBSCRIBE, &[&[0x0b], value].concat());
        assert_eq!(error, Some(DecodeError::VariableByteInteger));
    }
}

#[test]
fn identifiers_without_a_property() {
    for id in (0..=0xff).filter(|id| ids(place::EVERYWHERE).all(|known| known != *id)) {
        for place in places() {
            assert_eq!(error_of(place, &[id, 0]), Some(DecodeError::UnknownProperty), "{id:#04x}");
        }
    }
}

#[test]
fn getters_find_what_is_there_and_nothing_else() {
    let mut buf = PropertiesBuf::new();
    buf.extend([
        Property::UserProperty(("k", "1")),
        Property::ContentType("text"),
        Property::SubscriptionIdentifier(300),
        Property::UserProperty(("k", "2")),
        Property::MessageExpiryInterval(0),
        Property::SubscriptionIdentifier(7),
    ])
    .expect("they can be sent");
    let properties = buf.as_properties();
    assert_eq!(properties.content_type(), Some("text"));
    assert_eq!(properties.message_expiry_interval(), Some(0));
    assert_eq!(properties.subscription_identifier(), Some(300));
    assert_eq!(properties.subscription_identifiers().collect::<Vec<_>>(), [300, 7]);
    assert_eq!(properties.user_properties().collect::<Vec<_>>(), [("k", "1"), ("k", "2")]);
    assert_eq!(properties.topic_alias(), None);
    assert_eq!(properties.response_topic(), None);
    assert_eq!(Properties::default().session_expiry_interval(), None);
}

#[test]
fn what_cannot_be_said_is_refused_by_name_and_changes_nothing() {
    let (long, longest) = ("a".repeat(65_536), "a".repeat(65_535));
    let mut buf = PropertiesBuf::new();
    for (property, name, fault) in [
        (Property::MaximumQoS(QoS::ExactlyOnce), "MaximumQoS", PropertyFault::Value),
        (Property::SubscriptionIdentifier(0), "SubscriptionIdentifier", PropertyFault::Value),
        (Property::SubscriptionIdentifier(268_435_456), "SubscriptionIdentifier", PropertyFault::Value),
        (Property::ReceiveMaximum(0), "ReceiveMaximum", PropertyFault::Value),
        (Property::TopicAlias(0), "TopicAlias", PropertyFault::Value),
        (Property::MaximumPacketSize(0), "MaximumPacketSize", PropertyFault::Value),
        (Property::ReasonString(&long), "ReasonString", PropertyFault::TooLong),
        (Property::AuthenticationData(long.as_bytes()), "AuthenticationData", PropertyFault::TooLong),
        (Property::UserProperty(("k", &long)), "UserProperty", PropertyFault::TooLong),
        (Property::ContentType("a\0"), "ContentType", PropertyFault::Text(TextError::Nul)),
        (Property::UserProperty(("\0", "v")), "UserProperty", PropertyFault::Text(TextError::Nul)),
        (Property::ResponseTopic("a/+"), "ResponseTopic", PropertyFault::TopicName(TopicError::Wildcard)),
        (Property::ResponseTopic(""), "ResponseTopic", PropertyFault::TopicName(TopicError::Empty)),
    ] {
        let error = buf.push(property).expect_err(name);
        assert_eq!((error.name(), error.id(), error.fault()), (name, property.id(), fault));
    }
    assert!(buf.is_empty() && buf.as_properties() == Properties::default());
    buf.push(Property::ReasonString(&longest)).expect("it has room");
    assert_eq!(buf.as_properties().reason_string().map(str::len), Some(65_535));
    let again = buf.push(Property::ReasonString("")).expect_err("there is one");
    assert_eq!(again.fault(), PropertyFault::Duplicate);
    assert_eq!(again.to_string(), "ReasonString can't be sent: it is there already");
    buf.clear();
    assert_eq!(buf.as_properties(), Properties::default());
}

proptest! {
    #[test]
    fn what_is_read_is_written_the_same(encoded in strategies::properties(place::CONNACK, V5)) {
        let properties = strategies::decoded(&encoded, place::CONNACK);
        let again = PropertiesBuf::of(properties.iter()).expect("what was read can be sent");
        prop_assert_eq!(again.as_properties(), properties);
        prop_assert_eq!(again.into_vec(), encoded);
    }

    #[test]
    fn what_travels_is_copied_in_its_order(encoded in strategies::properties(place::PUBLISH_OUT, V5)) {
        let properties = strategies::decoded(&encoded, place::PUBLISH_OUT);
        let mut travelling = Vec::from([0xee]);
        properties.travelling(&mut travelling);
        let travels = |property: &Property<'_>| matches!(property.id(), 0x01 | 0x03 | 0x08 | 0x09 | 0x26);
        let expected = PropertiesBuf::of(properties.iter().filter(travels)).expect("they can be sent");
        prop_assert_eq!(&travelling[1..], &expected.into_vec()[..]);
    }
}
