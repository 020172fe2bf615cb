//! What the codec takes of the heap: nothing for what comes whole, and little for what comes in pieces.
#[path = "common/packets.rs"]
mod packets;

use allocation_counter::{AllocationInfo, measure};
use packets::{CLIENT_5, PACKETS, SERVER_3_1_1, SERVER_5};
use tidewire_core::codec::catalogue::CATALOGUE;
use tidewire_core::codec::{
    AckKind, Decoder, Delivery, Item, Limits, Packet, Payload, PublishHead, encode_ack,
};
use tidewire_core::id::PacketId;
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::Text;
use tidewire_core::version::Version;

fn publish(topic: &str, payload_len: usize) -> PublishHead<'_> {
    PublishHead {
        delivery: Delivery::AtMostOnce,
        retain: false,
        topic: Text::new(topic).expect("it has no U+0000"),
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
    let mut limits = Limits::default();
    limits.maximum_packet_size = u32::MAX;
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
