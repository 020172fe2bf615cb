//! What the codec takes of the heap: nothing for what comes whole, and little for what comes in pieces.
use allocation_counter::{AllocationInfo, measure};
use tidewire_core::codec::catalogue::CATALOGUE;
use tidewire_core::codec::{
    AckKind, Decoder, Delivery, Item, Limits, Mode, Packet, Payload, PublishHead, encode_ack,
};
use tidewire_core::id::PacketId;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::{Role, Version};

const fn read_by(role: Role, version: Version) -> Mode {
    Mode { role, version: Some(version) }
}

const SERVER: Mode = Mode { role: Role::Server, version: None };
const SERVER_3_1_1: Mode = read_by(Role::Server, Version::V3_1_1);
const SERVER_5: Mode = read_by(Role::Server, Version::V5);
const CLIENT_5: Mode = read_by(Role::Client, Version::V5);

/// One of each kind, those of 5.0 with properties.
const PACKETS: &[(Mode, &[u8])] = &[
    (SERVER, b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c"),
    (
        SERVER,
        b"\x10\x3d\0\x04MQTT\x05\xee\0\x3c\x08\x11\0\0\0\x01\x21\0\x05\0\x02me\x09\x26\0\x01k\0\x01v\x01\x01\
          \0\x04will\0\x04gone\0\x04user\0\x08password",
    ),
    (CLIENT_5, b"\x20\x07\0\0\x04\x25\0\x24\x01"),
    (SERVER_3_1_1, b"\x30\x0b\0\x05topicdata"),
    (SERVER_5, b"\x3d\x16\0\x05topic\0\x07\x09\x02\0\0\0\x09\x03\0\x01tdata"),
    (SERVER_3_1_1, b"\x40\x02\0\x07"),
    (SERVER_5, b"\x50\x0b\0\x07\x10\x07\x1f\0\x04none"),
    (SERVER_5, b"\x62\x03\0\x07\x92"),
    (CLIENT_5, b"\x70\x02\0\x07"),
    (SERVER_5, b"\x82\x13\0\x07\x02\x0b\x05\0\x01a\x01\0\x03b/+\x02\0\x01#\x00"),
    (CLIENT_5, b"\x90\x06\0\x07\0\x01\x02\x87"),
    (SERVER_3_1_1, b"\xa2\x08\0\x07\0\x01a\0\x01#"),
    (CLIENT_5, b"\xb0\x05\0\x07\0\0\x11"),
    (SERVER_5, b"\xc0\0"),
    (CLIENT_5, b"\xd0\0"),
    (CLIENT_5, b"\xe0\x09\x8b\x07\x1f\0\x04late"),
    (CLIENT_5, b"\xf0\x0b\x18\x09\x15\0\x01m\x16\0\x02xy"),
];

fn publish(topic: &str, payload_len: usize) -> PublishHead<'_> {
    PublishHead {
        delivery: Delivery::AtMostOnce,
        retain: false,
        topic: topic.as_bytes(),
        topic_alias: None,
        message_expiry_interval: None,
        properties: &[],
        subscription_identifiers: &[],
        payload_len,
    }
}

#[test]
fn a_packet_that_comes_whole_is_decoded_and_encoded_without_the_heap() {
    let mut out = Vec::with_capacity(1000);
    for (mode, bytes) in PACKETS {
        let taken = measure(|| {
            let mut decoder = Decoder::new(*mode);
            let mut input = *bytes;
            let Ok(Some(Item::Packet(packet))) = decoder.next(&Limits::default(), &mut input) else {
                panic!("{bytes:x?} is one packet")
            };
            out.clear();
            packet.encode(mode.version.unwrap_or(Version::V5), u32::MAX, &mut out).expect("it is small");
            // What there is to know of it can be asked for without the heap, too.
            if let Packet::Publish(publish) = &packet {
                assert!(publish.topic.as_str() == "topic" && publish.properties.iter().count() < 3);
            }
        });
        assert_eq!(taken.count_total, 0, "{bytes:x?}: {taken:?}");
    }
}

#[test]
fn an_acknowledgement_and_a_head_are_encoded_without_the_heap() {
    let mut out = Vec::with_capacity(1000);
    let id = PacketId::new(7).expect("it is not 0");
    let taken = measure(|| {
        encode_ack(AckKind::Pubrec, id, ReasonCode::NotAuthorized, Version::V5, &mut out);
        publish("a/b", 64).encode(Version::V5, u32::MAX, &mut out).expect("it is small");
    });
    assert_eq!(taken.count_total, 0, "{taken:?}");
}

#[test]
fn what_is_refused_costs_nothing_either() {
    for specimen in CATALOGUE {
        let taken = measure(|| {
            let mut input = specimen.bytes;
            let mut decoder = Decoder::new(specimen.mode);
            let _ = decoder.next(&tidewire_core::codec::catalogue::LIMITS, &mut input);
        });
        assert_eq!(taken.count_total, 0, "{}: {taken:?}", specimen.error.code());
    }
}

/// The place for what is unfinished, its header, and the rest once that has told how much it is.
#[test]
fn a_packet_in_pieces_takes_three_allocations_at_most() {
    for (mode, bytes) in PACKETS {
        for step in 1..bytes.len() {
            let mut packets = 0;
            let taken = measure(|| {
                let mut decoder = Decoder::new(*mode);
                for mut piece in bytes.chunks(step) {
                    let item = decoder.next(&Limits::default(), &mut piece);
                    packets += usize::from(matches!(item, Ok(Some(_))));
                }
            });
            assert!(packets == 1 && taken.count_total <= 3, "{bytes:x?} in pieces of {step}: {taken:?}");
            assert_eq!(taken.bytes_current, 0, "and gives them back");
        }
    }
}

#[test]
fn a_claim_of_256_megabytes_costs_nothing() {
    for (mode, first) in [(SERVER_5, 0x30), (SERVER_3_1_1, 0x82), (CLIENT_5, 0x90)] {
        let taken = measure(|| {
            let mut decoder = Decoder::new(mode);
            for byte in [first, 0xff, 0xff, 0xff, 0x7f, 0] {
                assert_eq!(decoder.next(&Limits::NONE, &mut &[byte][..]), Ok(None));
            }
        });
        assert!(taken.bytes_max < 1024, "{taken:?}");
    }
}

/// Decodes what `read` gives, piece by piece, and encodes it again; returns how much payload there was.
fn pass_on(mut read: impl FnMut(&mut [u8]) -> usize, mut write: impl FnMut(&[u8])) -> u64 {
    let limits = Limits { maximum_packet_size: u32::MAX, ..Limits::default() };
    let mut decoder = Decoder::new(SERVER_5);
    let mut buffer = vec![0; 64 * 1024];
    let mut out = Vec::new();
    let mut payload = 0;
    loop {
        let length = read(&mut buffer);
        if length == 0 {
            return payload;
        }
        let mut input = &buffer[..length];
        while let Some(item) = decoder.next(&limits, &mut input).expect("it is valid") {
            match item {
                Item::Packet(packet) => packet.encode(Version::V5, u32::MAX, &mut out).expect("it was one"),
                Item::Head(head) => {
                    assert!(matches!(head.payload, Payload::Streamed(_)));
                    Packet::Publish(head).encode(Version::V5, u32::MAX, &mut out).expect("it was one");
                }
                Item::Body(body) => {
                    payload += body.len() as u64;
                    write(body);
                }
            }
            write(&out);
            out.clear();
        }
    }
}

#[test]
fn a_publish_of_256_megabytes_passes_through_with_little_memory() {
    const LARGEST: usize = 268_435_455;
    let head = publish("topic", LARGEST - 2 - 5 - 1);
    let mut begin = Vec::new();
    head.encode(Version::V5, u32::MAX, &mut begin).expect("there is no larger one, but this one is fine");
    let (mut left, mut written) = (LARGEST + 5, 0);
    let mut payload = 0;
    let taken: AllocationInfo = measure(|| {
        let read = |buffer: &mut [u8]| {
            let at = LARGEST + 5 - left;
            let length = buffer.len().min(left);
            let header = begin.get(at..).unwrap_or_default();
            let header = &header[..header.len().min(length)];
            buffer[..header.len()].copy_from_slice(header);
            left -= length;
            length
        };
        payload = pass_on(read, |bytes| written += bytes.len());
    });
    assert_eq!((payload, written), (head.payload_len as u64, LARGEST + 5));
    assert!(taken.bytes_max < 1024 * 1024, "{} bytes at once", taken.bytes_max);
    assert!(taken.count_total < 10, "{taken:?}");
}
