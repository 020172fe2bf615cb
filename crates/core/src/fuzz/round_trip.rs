//! What was accepted is written, and read again.
use super::{FORGIVING, mode_of};
use crate::codec::{
    Ack, AckKind, Decoder, Delivery, EncodeError, FilterNamesBuf, Filters, FiltersBuf, Item, Leniency,
    Limits, Mode, Packet, Payload, Properties, PropertiesBuf, Publish, PublishHead, encode_ack,
};
use crate::topic::TopicFilter;
use crate::version::{Role, Version};
use alloc::vec::Vec;

const BEFORE: &[u8] = b"before";

/// A packet that was read can be written and is read again as the same; in bytes that are the same each time, and
/// no more than there were; within a limit or not at all.
///
/// The first byte chooses who reads which version and what they forgive, the rest is what they read.
pub fn round_trip(input: &[u8]) {
    let [first, stream @ ..] = input else { return };
    let lenient = if first & 8 == 0 { Leniency::NONE } else { FORGIVING };
    let limits = Limits { lenient, ..Limits::NONE };
    let mut decoder = Decoder::new(mode_of(*first));
    let mut stream = stream;
    loop {
        let (mode, before) = (decoder.mode(), stream.len());
        let Ok(Some(Item::Packet(packet))) = decoder.next(&limits, &mut stream) else { return };
        let length = before - stream.len();
        let version = match &packet {
            Packet::Connect(connect) => connect.version,
            _ => mode.version.expect("nothing else comes before it is known"),
        };
        comes_back(&packet, mode.role, version, length);
    }
}

fn comes_back(packet: &Packet<'_>, role: Role, version: Version, length: usize) {
    let bytes = written(packet, version);
    assert!(bytes.len() <= length, "{packet:?} takes more than it took");
    let mut input = &bytes[..];
    let is_connect = matches!(packet, Packet::Connect(_));
    let mut decoder = Decoder::new(Mode { role, version: (!is_connect).then_some(version) });
    // A bridge says so when it is written, too, and that is forgiven or not. Nothing else of what was forgiven is left.
    let bridge_level = matches!(packet, Packet::Connect(connect) if connect.bridge);
    let limits = Limits { lenient: Leniency { bridge_level, ..Leniency::NONE }, ..Limits::NONE };
    let Ok(Some(Item::Packet(again))) = decoder.next(&limits, &mut input) else {
        panic!("{packet:?} is not read again from {bytes:x?}")
    };
    assert_eq!(again, *packet, "what was read is what was written");
    assert_eq!(input, b"", "nothing is left of it");
    assert_eq!(written(&again, version), bytes, "there is one form to write it in");
    keeps_to_its_limit(packet, version, &bytes);
    other_ways_to_write(packet, version, &bytes);
}

fn written(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::from(BEFORE);
    packet.encode(version, u32::MAX, &mut out).expect("what was read has room in a packet");
    assert!(out.starts_with(BEFORE), "a packet is appended");
    out.split_off(BEFORE.len())
}

fn keeps_to_its_limit(packet: &Packet<'_>, version: Version, bytes: &[u8]) {
    let limit = u32::try_from(bytes.len()).expect("an input is not that long");
    let mut out = Vec::from(BEFORE);
    assert_eq!(
        packet.encode(version, limit - 1, &mut out),
        Err(EncodeError::TooLarge { by: 1 }),
        "{packet:?}"
    );
    assert_eq!(out, BEFORE, "what is too large is not written");
    assert_eq!(packet.encode(version, limit, &mut out), Ok(()), "{packet:?}");
    assert_eq!(&out[BEFORE.len()..], bytes, "a limit that is not reached changes nothing");
}

/// What is written most often has ways of its own, and what is sent is put together from parts.
fn other_ways_to_write(packet: &Packet<'_>, version: Version, bytes: &[u8]) {
    match packet {
        Packet::Publish(publish) => {
            head_and_payload(publish, version, bytes);
            properties_from_parts(publish.properties);
        }
        Packet::Puback(ack) => short_ack(AckKind::Puback, ack, version, bytes),
        Packet::Pubrec(ack) => short_ack(AckKind::Pubrec, ack, version, bytes),
        Packet::Pubrel(ack) => short_ack(AckKind::Pubrel, ack, version, bytes),
        Packet::Pubcomp(ack) => short_ack(AckKind::Pubcomp, ack, version, bytes),
        Packet::Connect(connect) => {
            properties_from_parts(connect.properties);
            if let Some(will) = &connect.will {
                properties_from_parts(will.properties);
            }
        }
        Packet::Connack(connack) => properties_from_parts(connack.properties),
        Packet::Subscribe(subscribe) => filters_from_parts(subscribe.filters, version),
        Packet::Unsubscribe(unsubscribe) => {
            let mut names = FilterNamesBuf::new();
            let filters: Option<Vec<_>> =
                unsubscribe.filters.iter().map(|f| TopicFilter::new(f).ok()).collect();
            // Before 5.0 `$share` needs no form, which a `TopicFilter` has.
            let Some(filters) = filters else { return };
            filters.iter().for_each(|filter| names.push(filter));
            assert_eq!(names.as_filters(), unsubscribe.filters);
            assert_eq!(filters.len(), unsubscribe.filters.len());
        }
        Packet::Suback(_) | Packet::Unsuback(_) | Packet::Auth(_) | Packet::Disconnect(_) => {}
        Packet::Pingreq | Packet::Pingresp => assert_eq!(bytes.len(), 2),
    }
}

fn head_and_payload(publish: &Publish<'_>, version: Version, bytes: &[u8]) {
    let Payload::Whole(payload) = publish.payload else { panic!("nothing is streamed: {publish:?}") };
    let mut travelling = Vec::new();
    publish.properties.travelling(&mut travelling);
    let identifiers: Vec<u32> = publish.properties.subscription_identifiers().collect();
    let head = PublishHead {
        delivery: publish.delivery,
        retain: publish.retain,
        topic: publish.topic,
        topic_alias: publish.properties.topic_alias(),
        message_expiry_interval: publish.properties.message_expiry_interval(),
        properties: &travelling,
        subscription_identifiers: &identifiers,
        payload_len: payload.len(),
    };
    let mut out = Vec::new();
    head.encode(version, u32::MAX, &mut out).expect("it has room");
    out.extend_from_slice(payload);
    assert_eq!(out.len(), bytes.len(), "the parts of {publish:?} are all of it");
    assert_eq!(head.packet_length(version), u32::try_from(bytes.len()).ok());
    assert!(publish.delivery != Delivery::AtMostOnce || out[0] & 0b1000 == 0, "DUP is for QoS 1 and 2");
}

fn short_ack(kind: AckKind, ack: &Ack<'_>, version: Version, bytes: &[u8]) {
    if ack.properties.is_empty() {
        let mut out = Vec::new();
        encode_ack(kind, ack.packet_id, ack.reason, version, &mut out);
        assert_eq!(out, bytes, "an acknowledgement without properties has one form");
    }
}

fn properties_from_parts(properties: Properties<'_>) {
    let parts = PropertiesBuf::of(properties.iter()).expect("what was read can be said");
    assert_eq!(parts.as_properties(), properties, "properties are all that they consist of");
}

fn filters_from_parts(filters: Filters<'_>, version: Version) {
    let mut parts = FiltersBuf::new(version);
    for (filter, options) in filters.iter() {
        // Before 5.0 `$share` needs no form, which a `TopicFilter` has.
        let Ok(filter) = TopicFilter::new(filter) else { return };
        parts.push(&filter, options);
    }
    assert_eq!(parts.as_filters(), filters, "filters are all that they consist of");
    assert_eq!(filters.iter().count(), filters.len());
}
