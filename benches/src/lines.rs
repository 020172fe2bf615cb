//! The lines of the codec's table.
use crate::jobs::Bar;
use crate::packets::{self, TOPIC, TOPIC_SHORT};
use bytes::Bytes;
use tidewire_core::version::Version;

#[derive(Clone)]
pub struct Line {
    /// Names it in files.
    pub key: &'static str,
    /// Names it in the table.
    pub title: String,
    /// What Tidewire is to reach.
    pub bar: Bar,
    pub task: Task,
}

/// What is done to packets. The bytes are the same for all who do it.
#[derive(Clone)]
pub enum Task {
    /// Many packets at once.
    Decode { version: Version, look: Look, bytes: Bytes },
    /// The same in pieces.
    Fragments { version: Version, bytes: Bytes },
    /// The PUBLISH that these bytes are.
    Encode { version: Version, bytes: Bytes },
    /// The same PUBLISH, for one subscriber after the other.
    FanOut { version: Version, payload: FanOut, bytes: Bytes },
    /// A client's: a PUBLISH with QoS 1 goes out and its PUBACK comes in, while so many are in flight.
    Publish { in_flight: u16 },
}

/// What is done with a packet when it is decoded.
///
/// Tidewire checks properties and Topic Filters when it decodes, and reads them when they are asked for. Where others
/// have read them into memory already, there is no difference for them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing.
    Decoded,
    /// Each property and each Topic Filter is read once.
    Read,
}

/// Whether each subscriber gets a payload of its own. The others always copy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FanOut {
    /// As the broker does it below 64 KiB.
    Copied,
    /// As it does it from there on.
    Shared,
}

/// So much is decoded at once where the line does not say: it fits into the cache.
const BYTES: usize = 16 * 1024;
const BUFFER: usize = 64 * 1024;

pub fn lines() -> Vec<Line> {
    let mut lines = vec![];
    decoding(&mut lines);
    streams(&mut lines);
    encoding(&mut lines);
    publishing(&mut lines);
    lines
}

fn decoding(lines: &mut Vec<Line>) {
    use Look::{Decoded, Read};
    use Version::{V3_1_1, V5};
    let (long, short) = (TOPIC.len(), TOPIC_SHORT.len());
    for (key, title, bar, version, look, packet) in [
        (
            "decode-publish-0",
            &*format!("decode PUBLISH QoS 0, 64 B, 3.1.1, topic of {long} B"),
            250,
            V3_1_1,
            Decoded,
            packets::publish_0(TOPIC),
        ),
        (
            "decode-publish-0-short",
            &format!("the same, topic of {short} B"),
            250,
            V3_1_1,
            Decoded,
            packets::publish_0(TOPIC_SHORT),
        ),
        (
            "decode-publish-1",
            "decode PUBLISH QoS 1, 5.0, 4 properties",
            750,
            V5,
            Decoded,
            packets::publish_1(),
        ),
        ("read-publish-1", "the same, and its properties read", 0, V5, Read, packets::publish_1()),
        ("decode-connect", "decode CONNECT 5.0, full", 1900, V5, Decoded, packets::connect()),
        ("read-connect", "the same, and its properties read", 0, V5, Read, packets::connect()),
        ("decode-subscribe", "decode SUBSCRIBE × 10, 5.0", 3400, V5, Decoded, packets::subscribe(V5)),
        ("read-subscribe", "the same, and its filters read", 0, V5, Read, packets::subscribe(V5)),
        (
            "decode-subscribe-3",
            "decode SUBSCRIBE × 10, 3.1.1",
            3400,
            V3_1_1,
            Decoded,
            packets::subscribe(V3_1_1),
        ),
        ("decode-puback", "decode PUBACK, 3.1.1", 120, V3_1_1, Decoded, packets::puback()),
    ] {
        let instructions = if bar == 0 { None } else { Some(bar) };
        lines.push(Line {
            key,
            title: title.to_owned(),
            bar: Bar { instructions, allocations: Some(0), ..Bar::default() },
            task: Task::Decode { version, look, bytes: repeated(&packet, BYTES) },
        });
    }
}

/// A buffer full of small packets. 75 M/s are 13.3 ns for each.
fn streams(lines: &mut Vec<Line>) {
    let version = Version::V3_1_1;
    for (key, key_of_pieces, topic) in
        [("buffer", "fragments", TOPIC), ("buffer-short", "fragments-short", TOPIC_SHORT)]
    {
        let bytes = repeated(&packets::publish_0(topic), BUFFER);
        let length = topic.len();
        lines.push(Line {
            key,
            title: format!("64 KiB of PUBLISH QoS 0, 64 B, topic of {length} B"),
            bar: Bar { nanoseconds: Some(13.3), allocations: Some(0), ..Bar::default() },
            task: Task::Decode { version, look: Look::Decoded, bytes: bytes.clone() },
        });
        lines.push(Line {
            key: key_of_pieces,
            title: "the same in fragments of 1 to 1,460 B".to_owned(),
            bar: Bar { nanoseconds: Some(18.0), ..Bar::default() },
            task: Task::Fragments { version, bytes },
        });
    }
}

fn encoding(lines: &mut Vec<Line>) {
    use Version::{V3_1_1, V5};
    for (key, title, bar, version, packet) in [
        ("encode-publish-0", "encode PUBLISH QoS 0, 64 B, 3.1.1", 9.0, V3_1_1, packets::publish_0(TOPIC)),
        ("encode-publish-1", "encode PUBLISH QoS 1, 5.0, 4 properties", 15.0, V5, packets::publish_1()),
    ] {
        lines.push(Line {
            key,
            title: title.to_owned(),
            bar: Bar { nanoseconds: Some(bar), ..Bar::default() },
            task: Task::Encode { version, bytes: packet.into() },
        });
    }
    for (key, title, length, payload, bar) in [
        ("fan-out-64", "fan-out, 64 B, per subscriber", 64, FanOut::Copied, Some(10.0)),
        ("fan-out-16k", "the same, 16 KiB, copied", 16 * 1024, FanOut::Copied, None),
        ("fan-out-16k-shared", "the same, 16 KiB, shared", 16 * 1024, FanOut::Shared, Some(10.0)),
    ] {
        let bytes = packets::publish(TOPIC, length).into();
        lines.push(Line {
            key,
            title: title.to_owned(),
            bar: Bar { nanoseconds: bar, ..Bar::default() },
            task: Task::FanOut { version: V3_1_1, payload, bytes },
        });
    }
}

fn publishing(lines: &mut Vec<Line>) {
    for (key, in_flight) in [("publish-1", 1), ("publish-1000", 1000), ("publish-60000", 60_000)] {
        lines.push(Line {
            key,
            title: format!("publish QoS 1 and PUBACK, with codec, {in_flight} under way"),
            bar: Bar { nanoseconds: Some(60.0), allocations: Some(1), ..Bar::default() },
            task: Task::Publish { in_flight },
        });
    }
}

/// As many of them as go into so many bytes.
fn repeated(packet: &[u8], bytes: usize) -> Bytes {
    packet.repeat(bytes / packet.len()).into()
}
