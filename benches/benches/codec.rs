//! Decoding and encoding single packets, and a read buffer full of small ones.
#![forbid(unsafe_code)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tidewire_core::codec::{Decoder, Delivery, Item, Limits, Mode, Packet, PublishHead};
use tidewire_core::id::PacketId;
use tidewire_core::version::{Role, Version};

const TOPIC: &str = "sensors/house/7/temperature";

fn publish_3_1_1() -> Vec<u8> {
    let mut bytes = Vec::new();
    let head = PublishHead {
        delivery: Delivery::AtMostOnce,
        retain: false,
        topic: TOPIC.as_bytes(),
        topic_alias: None,
        message_expiry_interval: None,
        properties: &[],
        subscription_identifiers: &[],
        payload_len: 64,
    };
    head.encode(Version::V3_1_1, u32::MAX, &mut bytes).expect("it is small");
    bytes.extend([b'x'; 64]);
    bytes
}

/// Content Type, Correlation Data and a User Property beside the expiry.
const PROPERTIES: &[u8] = b"\x03\x00\x0atext/plain\x09\x00\x04\x01\x02\x03\x04\x26\x00\x04unit\x00\x01C";

fn publish_5() -> Vec<u8> {
    let mut bytes = Vec::new();
    head_5().encode(Version::V5, u32::MAX, &mut bytes).expect("it is small");
    bytes.extend([b'x'; 64]);
    bytes
}

fn head_5() -> PublishHead<'static> {
    PublishHead {
        delivery: Delivery::AtLeastOnce { packet_id: PacketId::new(7).expect("it is not 0"), dup: false },
        retain: false,
        topic: TOPIC.as_bytes(),
        topic_alias: None,
        message_expiry_interval: Some(60),
        properties: PROPERTIES,
        subscription_identifiers: &[],
        payload_len: 64,
    }
}

/// Reads all, and of each what a broker would look at first; returns how many there were.
fn packets(decoder: &mut Decoder, limits: &Limits, mut input: &[u8]) -> usize {
    let mut packets = 0;
    while let Some(item) = decoder.next(limits, &mut input).expect("the packets are valid") {
        match item {
            Item::Packet(Packet::Publish(publish)) => {
                black_box((publish.topic.as_bytes().as_ptr(), publish.topic.len(), publish.delivery.packet_id()));
                black_box(publish.properties.message_expiry_interval());
            }
            Item::Packet(Packet::Puback(puback)) => {
                black_box(puback.packet_id);
            }
            _ => {}
        }
        packets += 1;
    }
    packets
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let limits = Limits::default();
    for (name, version, bytes) in [
        ("PUBLISH QoS 0, 64 B, 3.1.1", Version::V3_1_1, publish_3_1_1()),
        ("PUBLISH QoS 1, 4 properties, 5.0", Version::V5, publish_5()),
        ("PUBACK, 3.1.1", Version::V3_1_1, vec![0x40, 2, 0, 7]),
        (
            "64 KiB of PUBLISH, 3.1.1",
            Version::V3_1_1,
            publish_3_1_1().repeat(64 * 1024 / publish_3_1_1().len()),
        ),
    ] {
        let mut decoder = Decoder::new(Mode { role: Role::Server, version: Some(version) });
        let count = packets(&mut decoder, &limits, &bytes);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |b| b.iter(|| packets(&mut decoder, &limits, black_box(&bytes))));
    }
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    let mut out = Vec::with_capacity(1024);
    let plain = PublishHead {
        delivery: Delivery::AtMostOnce,
        message_expiry_interval: None,
        properties: &[],
        ..head_5()
    };
    for (name, version, head) in [
        ("PUBLISH QoS 0, 64 B, 3.1.1", Version::V3_1_1, plain),
        ("PUBLISH QoS 1, 4 properties, 5.0", Version::V5, head_5()),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                black_box(head).encode(version, u32::MAX, &mut out).expect("it is small");
                out.extend_from_slice(black_box(&[b'x'; 64]));
                black_box(out.len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
