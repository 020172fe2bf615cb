//! The bytes that are decoded.
use tidewire_core::codec::{
    Connect, Delivery, FiltersBuf, Packet, PropertiesBuf, Property, PublishHead, Subscribe,
    SubscriptionOptions, Will,
};
use tidewire_core::id::PacketId;
use tidewire_core::qos::QoS;
use tidewire_core::text::Text;
use tidewire_core::topic::TopicFilter;
use tidewire_core::version::Version;

pub const TOPIC: &str = "sensors/house/7/temperature";
pub const TOPIC_SHORT: &str = "a/b/c/d1";

const PAYLOAD: usize = 64;

pub fn publish_0(topic: &str) -> Vec<u8> {
    publish(topic, PAYLOAD)
}

/// 3.1.1, QoS 0.
pub fn publish(topic: &str, payload_len: usize) -> Vec<u8> {
    let head = head(topic, Delivery::AtMostOnce, &[], payload_len);
    with_payload(&head, Version::V3_1_1)
}

/// Message Expiry Interval, Content Type, Correlation Data and a User Property.
pub fn publish_1() -> Vec<u8> {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::ContentType("text/plain")).expect("it can be sent");
    properties.push(Property::CorrelationData(&[1, 2, 3, 4])).expect("it can be sent");
    properties.push(Property::UserProperty(("unit", "C"))).expect("it can be sent");
    let properties = properties.into_vec();
    let delivery = Delivery::AtLeastOnce { packet_id: id(7), dup: false };
    let head =
        PublishHead { message_expiry_interval: Some(60), ..head(TOPIC, delivery, &properties, PAYLOAD) };
    with_payload(&head, Version::V5)
}

fn head<'a>(topic: &'a str, delivery: Delivery, properties: &'a [u8], payload_len: usize) -> PublishHead<'a> {
    PublishHead {
        delivery,
        retain: false,
        topic: Text::new(topic).expect("it has no U+0000"),
        topic_alias: None,
        message_expiry_interval: None,
        properties,
        subscription_identifiers: &[],
        payload_len,
    }
}

fn with_payload(head: &PublishHead<'_>, version: Version) -> Vec<u8> {
    let mut bytes = vec![];
    head.encode(version, u32::MAX, &mut bytes).expect("it is small");
    bytes.resize(bytes.len() + head.payload_len, b'x');
    bytes
}

/// With a will, both kinds of properties, user name and password.
pub fn connect() -> Vec<u8> {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::SessionExpiryInterval(3600)).expect("it can be sent");
    properties.push(Property::ReceiveMaximum(100)).expect("it can be sent");
    properties.push(Property::MaximumPacketSize(1 << 20)).expect("it can be sent");
    properties.push(Property::TopicAliasMaximum(10)).expect("it can be sent");
    properties.push(Property::UserProperty(("site", "north"))).expect("it can be sent");
    let mut of_will = PropertiesBuf::new();
    of_will.push(Property::WillDelayInterval(30)).expect("it can be sent");
    of_will.push(Property::MessageExpiryInterval(600)).expect("it can be sent");
    of_will.push(Property::ContentType("text/plain")).expect("it can be sent");
    let will = Will {
        topic: Text::new("sensors/house/7/status").expect("it has no U+0000"),
        payload: b"offline",
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: of_will.as_properties(),
    };
    let connect = Connect {
        version: Version::V5,
        bridge: false,
        clean_start: true,
        keep_alive: 60,
        properties: properties.as_properties(),
        client_id: Text::new("sensor-house-7").expect("it has no U+0000"),
        will: Some(will),
        username: Some(Text::new("sensor").expect("it has no U+0000")),
        password: Some(b"correct horse battery"),
    };
    encoded(&Packet::Connect(connect), Version::V5)
}

/// With 10 filters, three of which have wildcards.
pub fn subscribe(version: Version) -> Vec<u8> {
    let mut filters = FiltersBuf::new(version);
    for name in [
        "sensors/house/7/temperature",
        "sensors/house/7/humidity",
        "sensors/house/+/alarm",
        "sensors/garden/1/moisture",
        "actuators/house/7/#",
        "actuators/house/7/valve",
        "status/+/gateway",
        "status/broker/uptime",
        "commands/house/7/reset",
        "commands/house/7/update",
    ] {
        let filter = TopicFilter::new(name).expect("a Topic Filter");
        filters.push(&filter, SubscriptionOptions { qos: QoS::AtLeastOnce, ..Default::default() });
    }
    let properties = PropertiesBuf::new();
    let subscribe =
        Subscribe { packet_id: id(7), properties: properties.as_properties(), filters: filters.as_filters() };
    encoded(&Packet::Subscribe(subscribe), version)
}

pub fn puback() -> Vec<u8> {
    vec![0x40, 2, 0, 7]
}

fn encoded(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = vec![];
    packet.encode(version, u32::MAX, &mut bytes).expect("it is small");
    bytes
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).expect("it is not 0")
}

/// Cuts `bytes` into pieces of 1 to 1,460: always the same ones.
pub fn fragments(bytes: &[u8]) -> Vec<&[u8]> {
    let mut random: u32 = 1;
    let mut rest = bytes;
    let mut pieces = vec![];
    while !rest.is_empty() {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = 1 + (random >> 16) as usize % 1460;
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
