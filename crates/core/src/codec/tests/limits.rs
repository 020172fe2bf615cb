//! Each limit one below, at and one above it.
use super::support::{bytes, decoder, packet, read};
use crate::codec::{DecodeError, Limits};
use crate::topic::TopicError;
use crate::version::Role::{Client, Server};
use crate::version::Version::{self, V3_1_1, V5};
use std::vec::Vec;

#[track_caller]
fn held_to(limits: Limits, version: Version, packet: &[u8], error: Option<DecodeError>) {
    for step in [packet.len(), 7, 1] {
        assert_eq!(read(decoder(version, Server), &limits, packet.chunks(step)).error, error, "{limits:?}");
    }
}

#[test]
fn packet_size() {
    for length in [2_usize, 100, 127, 128, 129, 200, 16_383, 16_384, 20_000] {
        let packet = packet(0x30, &[bytes("s:a"), std::vec![0; length]].concat());
        let size = u32::try_from(packet.len()).unwrap();
        for (maximum_packet_size, error) in
            [(size - 1, Some(DecodeError::PacketTooLarge)), (size, None), (size + 1, None)]
        {
            held_to(Limits { maximum_packet_size, ..Limits::NONE }, V3_1_1, &packet, error);
        }
    }
    assert_eq!(DecodeError::PacketTooLarge.reason().byte(), 0x95);
}

#[test]
fn a_packet_too_large_is_refused_by_its_header() {
    let limits = Limits { maximum_packet_size: 1000, ..Limits::NONE };
    held_to(limits, V5, b"\x30\xff\xff\xff\x7f", Some(DecodeError::PacketTooLarge));
}

#[test]
fn topic_length() {
    let error = |error| Some(DecodeError::TopicName(error));
    for (topic_bytes_max, expected) in [(4, error(TopicError::TooLong)), (5, None), (6, None)] {
        let limits = Limits { topic_bytes_max, ..Limits::NONE };
        held_to(limits, V3_1_1, &packet(0x30, &bytes("s:topic")), expected);
        let filter = expected.map(|_| DecodeError::TopicFilter(TopicError::TooLong));
        held_to(limits, V3_1_1, &packet(0x82, &bytes("0001 s:topic 00")), filter);
        let response = expected.map(|_| DecodeError::ResponseTopic(TopicError::TooLong));
        held_to(limits, V5, &packet(0x30, &bytes("s:a 08 08 s:topic")), response);
    }
    assert_eq!(DecodeError::TopicName(TopicError::TooLong).reason().byte(), 0x90);
    assert_eq!(DecodeError::TopicFilter(TopicError::TooLong).reason().byte(), 0x8f);
}

#[test]
fn topic_levels() {
    for (topic_levels_max, refused) in [(2, true), (3, false), (4, false)] {
        let limits = Limits { topic_levels_max, ..Limits::NONE };
        let name = refused.then_some(DecodeError::TopicName(TopicError::TooManyLevels));
        held_to(limits, V3_1_1, &packet(0x30, &bytes("s:a//")), name);
        let filter = refused.then_some(DecodeError::TopicFilter(TopicError::TooManyLevels));
        held_to(limits, V5, &packet(0xa2, &bytes("0001 00 s:a/+/#")), filter);
    }
}

/// A topic of 65,535 bytes has up to 65,536 levels; 256 MB have room for more Topic Filters and User Properties than
/// 65,535.
#[test]
fn without_limits_all_that_the_protocol_allows_is_accepted() {
    let levels = [bytes("ffff"), std::vec![b'/'; 65_535]].concat();
    held_to(Limits::NONE, V3_1_1, &packet(0x30, &levels), None);
    held_to(Limits::NONE, V3_1_1, &packet(0x82, &[bytes("0001"), levels, bytes("00")].concat()), None);
    let filters = [bytes("0001"), bytes("s:a 00").repeat(65_536)].concat();
    held_to(Limits::NONE, V3_1_1, &packet(0x82, &filters), None);
    let properties = bytes("26 0000 0000").repeat(65_536);
    held_to(Limits::NONE, V5, &packet(0x30, &[bytes("s:a 808014"), properties].concat()), None);
}

#[test]
fn the_properties_of_a_connect_and_of_its_will_are_those_of_one_packet() {
    let connect = packet(0x10, &bytes("s:MQTT 05 06 0000 05 2600000000 0000 05 2600000000 s:t 0000"));
    let limits = Limits { user_properties_max: 1, ..Limits::NONE };
    let transcript = read(decoder(None, Server), &limits, [&connect[..]]);
    assert_eq!(transcript.error, Some(DecodeError::TooManyUserProperties));
}

#[test]
fn property_bytes() {
    for (property_bytes_max, refused) in [(6, true), (7, false), (8, false)] {
        let limits = Limits { property_bytes_max, ..Limits::NONE };
        let error = refused.then_some(DecodeError::PropertiesTooLong);
        held_to(limits, V5, &packet(0x30, &bytes("s:a 07 26 s:k s:v")), error);
        held_to(limits, V5, &packet(0x40, &bytes("0001 00 07 26 s:k s:v")), error);
    }
}

#[test]
fn user_properties() {
    for (user_properties_max, refused) in [(1, true), (2, false), (3, false)] {
        let limits = Limits { user_properties_max, ..Limits::NONE };
        let error = refused.then_some(DecodeError::TooManyUserProperties);
        held_to(limits, V5, &packet(0x30, &bytes("s:a 0e 26 s:k s:v 26 s:k s:v")), error);
    }
    assert_eq!(DecodeError::TooManyUserProperties.reason().byte(), 0x97);
}

#[test]
fn filters() {
    for (filters_max, refused) in [(1, true), (2, false), (3, false)] {
        let limits = Limits { filters_max, ..Limits::NONE };
        let error = refused.then_some(DecodeError::TooManyFilters);
        held_to(limits, V3_1_1, &packet(0x82, &bytes("0001 s:a 00 s:b 00")), error);
        held_to(limits, V5, &packet(0xa2, &bytes("0001 00 s:a s:b")), error);
    }
}

/// The head of a streamed PUBLISH is collected, so it is refused before.
#[test]
fn a_head_too_long_is_not_collected() {
    let limits =
        Limits { streamed_from: 1000, topic_bytes_max: 10, property_bytes_max: 10, ..Limits::default() };
    let topic: Vec<u8> = [&b"\x30\xff\xff\x03"[..], &bytes("000b")].concat();
    let error = DecodeError::TopicName(TopicError::TooLong);
    assert_eq!(read(decoder(V5, Client), &limits, [&topic[..]]).error, Some(error));
    let properties: Vec<u8> = [&b"\x30\xff\xff\x03"[..], &bytes("s:a 0b")].concat();
    let error = DecodeError::PropertiesTooLong;
    assert_eq!(read(decoder(V5, Client), &limits, [&properties[..]]).error, Some(error));
}

#[test]
fn a_head_longer_than_its_packet() {
    let limits = Limits { streamed_from: 10, ..Limits::default() };
    for step in [1, 100] {
        let packet = packet(0x30, &bytes("00ff 'only-so-much'"));
        let transcript = read(decoder(V3_1_1, Server), &limits, packet.chunks(step));
        assert_eq!(transcript.error, Some(DecodeError::Truncated));
    }
    // Neither are the bytes of later packets its own.
    for (version, body) in [(V3_1_1, "00ff 'only-so-much'"), (V5, "0009 'just-all'"), (V5, "s:just-al 80")] {
        let stream = [packet(0x30, &bytes(body)), std::vec![0; 300]].concat();
        for step in [1, 7, 400] {
            let transcript = read(decoder(version, Server), &limits, stream.chunks(step));
            assert_eq!(
                (transcript.error, transcript.items.len()),
                (Some(DecodeError::Truncated), 0),
                "{body}"
            );
        }
    }
}
