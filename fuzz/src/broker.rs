use crate::ear::Ear;
use crate::framed;
use arbitrary::Arbitrary;
use std::collections::BTreeSet;
use std::time::Duration;
use tidewire_conversation::{LineId, Wire, World};
use tidewire_core::broker::policy::Open;
use tidewire_core::codec::Packet;
use tidewire_core::id::PacketId;
use tidewire_core::version::{Role, Version};

/// Something that one of a few clients does. What they have to say to each other needs few names.
#[derive(Arbitrary, Clone, Debug)]
pub enum Event {
    Connect {
        line: u8,
        client: u8,
        clean_start: bool,
        v5: bool,
        will: bool,
        session_expiry_interval: u16,
        receive_maximum: u8,
        packet_bytes: u8,
    },
    Publish {
        line: u8,
        topic: u8,
        qos: u8,
        retain: bool,
        id: u8,
        expiry: u8,
        large: bool,
    },
    Subscribe {
        line: u8,
        filter: u8,
        options: u8,
        id: u8,
    },
    Unsubscribe {
        line: u8,
        filter: u8,
        id: u8,
    },
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Acknowledge {
        line: u8,
        kind: u8,
        id: u8,
    },
    Disconnect {
        line: u8,
    },
    Bytes {
        line: u8,
        bytes: Vec<u8>,
    },
    End {
        line: u8,
        cut: bool,
    },
    Wait {
        seconds: u16,
    },
}

const LINES: u8 = 4;
const TOPICS: [&str; 4] = ["a", "a/b", "b/b", "$a"];
const FILTERS: [&str; 8] = ["a", "a/b", "a/+", "+/b", "#", "a/#", "+", "$share/g/a"];

/// So many bytes are more than are copied, or kept in one piece.
const LARGE: usize = 70_000;

/// Clients of two shards do as they like: nothing panics, every shard's books balance after every step, and what
/// each client is sent is what it may be sent.
pub fn broker(read_bytes: u8, events: Vec<Event>) {
    let world = World::new(2, || Box::new(Open::new()));
    // Packets come whole, or in pieces; rarely byte by byte, which takes long if there are many.
    let pieces = usize::from(read_bytes & 0x7f) * 64 + 1;
    let world = if read_bytes < 0x80 { world } else { world.reading(pieces) };
    let mut stage = Stage { world, lines: [const { None }; LINES as usize] };
    for event in events.into_iter().take(100) {
        stage.play(event);
        stage.listen();
    }
}

struct Stage {
    world: World,
    lines: [Option<Line>; LINES as usize],
}

/// A connection, as its client sees it.
struct Line {
    id: LineId,
    v5: bool,
    ear: Ear,
    receive_maximum: usize,
    /// What is to be acknowledged, as long as that is known.
    in_flight: Option<BTreeSet<PacketId>>,
}

impl Line {
    fn new(id: LineId, connect: &Event) -> Self {
        let Event::Connect { v5, receive_maximum, packet_bytes, .. } = *connect else {
            panic!("a line begins with a CONNECT")
        };
        let version = if v5 { Version::V5 } else { Version::V3_1_1 };
        let packet_bytes = limit(packet_bytes, v5).map_or(u32::MAX, u32::from);
        let ear = Ear::new(Role::Client, Some(version), packet_bytes);
        let receive_maximum = limit(receive_maximum, v5).map_or(usize::MAX, usize::from);
        Self { id, v5, ear, receive_maximum, in_flight: Some(BTreeSet::new()) }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let Self { ear, in_flight, receive_maximum, .. } = self;
        ear.hear(bytes, |packet, is_first| {
            assert_eq!(is_first, matches!(packet, Packet::Connack(_)), "CONNACK comes first: {packet:?}");
            if let Packet::Publish(publish) = packet
                && let (Some(id), Some(in_flight)) = (publish.delivery.packet_id(), in_flight.as_mut())
            {
                assert!(in_flight.insert(id), "{id:?} is in use: {publish:?}");
                assert!(in_flight.len() <= *receive_maximum, "more than the client takes: {publish:?}");
            }
        });
    }

    /// What the client says frees its Packet Identifiers.
    fn say(&mut self, event: &Event) {
        match event {
            Event::Acknowledge { kind, id, .. } if matches!(kind % 4, 0 | 3) => {
                let id = PacketId::new(u16::from(1 + id % 4)).expect("1 to 4");
                self.in_flight.as_mut().map(|in_flight| in_flight.remove(&id));
            }
            // Who knows what that is.
            Event::Bytes { .. } => self.in_flight = None,
            _ => {}
        }
    }
}

/// What a client says that it takes, if it does.
fn limit(n: u8, v5: bool) -> Option<u8> {
    (v5 && n > 0 && n < 0x80).then_some(n)
}

impl Stage {
    fn play(&mut self, event: Event) {
        match event {
            Event::Wait { seconds } => self.world.wait(Duration::from_secs(seconds.into())),
            Event::End { line, cut } => {
                if let Some(line) = self.lines[usize::from(line % LINES)].take() {
                    self.world.close(line.id, cut);
                }
            }
            Event::Connect { line, .. } => {
                let slot = usize::from(line % LINES);
                if self.lines[slot].is_none() {
                    let id = self.world.open().expect("memory opens always");
                    self.lines[slot] = Some(Line::new(id, &event));
                }
                self.send(line, &event);
            }
            Event::Publish { line, .. }
            | Event::Subscribe { line, .. }
            | Event::Unsubscribe { line, .. }
            | Event::Acknowledge { line, .. }
            | Event::Disconnect { line }
            | Event::Bytes { line, .. } => self.send(line, &event),
        }
    }

    fn send(&mut self, line: u8, event: &Event) {
        if let Some(line) = &mut self.lines[usize::from(line % LINES)] {
            line.say(event);
            self.world.send(line.id, &bytes(event, line.v5));
        }
    }

    fn listen(&mut self) {
        for line in self.lines.iter_mut().flatten() {
            let mut heard = vec![];
            self.world.receive(line.id, &mut heard);
            line.hear(&heard);
        }
    }
}

/// The packet of an event.
fn bytes(event: &Event, v5: bool) -> Vec<u8> {
    let mut body = vec![];
    let header = match event {
        Event::Connect {
            client,
            clean_start,
            will,
            session_expiry_interval,
            receive_maximum,
            packet_bytes,
            ..
        } => {
            body.extend(b"\x00\x04MQTT");
            body.push(if v5 { 5 } else { 4 });
            body.push(u8::from(*clean_start) << 1 | u8::from(*will) << 2);
            body.extend([0, 60]);
            let [high, low] = session_expiry_interval.to_be_bytes();
            let mut properties = vec![0x11, 0, 0, high, low];
            properties.extend(limit(*receive_maximum, v5).into_iter().flat_map(|n| [0x21, 0, n]));
            properties.extend(limit(*packet_bytes, v5).into_iter().flat_map(|n| [0x27, 0, 0, 0, n]));
            block(v5, &properties, &mut body);
            text(["c", "d", "e"][usize::from(client % 3)], &mut body);
            if *will {
                block(v5, &[0x18, 0, 0, 0, client >> 4], &mut body);
                text("a", &mut body);
                text("will", &mut body);
            }
            0x10
        }
        Event::Publish { topic, qos, retain, id, expiry, large, .. } => {
            let qos = qos % 3;
            text(TOPICS[usize::from(topic % 4)], &mut body);
            if qos > 0 {
                body.extend([0, 1 + id % 4]);
            }
            let expires = [2, 0, 0, 0, *expiry];
            block(v5, if *expiry > 0 { &expires } else { &[] }, &mut body);
            if topic & 0x80 == 0 {
                body.extend(b"payload");
            }
            if *large {
                body.resize(LARGE, 7);
            }
            0x30 | qos << 1 | u8::from(*retain)
        }
        Event::Subscribe { filter, options, id, .. } => {
            body.extend([0, 1 + id % 4]);
            block(v5, if id & 0x80 == 0 { &[] } else { &[0x0b, 9] }, &mut body);
            text(FILTERS[usize::from(filter % 8)], &mut body);
            body.push((options % 3) | if v5 { options & 0x1c } else { 0 });
            0x82
        }
        Event::Unsubscribe { filter, id, .. } => {
            body.extend([0, 1 + id % 4]);
            block(v5, &[], &mut body);
            text(FILTERS[usize::from(filter % 8)], &mut body);
            0xa2
        }
        Event::Acknowledge { kind, id, .. } => {
            body.extend([0, 1 + id % 4]);
            [0x40, 0x50, 0x62, 0x70][usize::from(kind % 4)]
        }
        Event::Disconnect { .. } => 0xe0,
        Event::Bytes { bytes, .. } => return bytes.clone(),
        Event::End { .. } | Event::Wait { .. } => return vec![],
    };
    framed(header, &body)
}

fn block(v5: bool, properties: &[u8], out: &mut Vec<u8>) {
    if v5 {
        out.push(u8::try_from(properties.len()).expect("an event's properties are short"));
        out.extend(properties);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend([0, u8::try_from(text.len()).expect("an event's names are short")]);
    out.extend(text.bytes());
}
