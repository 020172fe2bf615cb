use arbitrary::Arbitrary;
use std::time::Duration;
use tidewire_conversation::{LineId, Open, Wire, World};

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
    },
    Publish {
        line: u8,
        topic: u8,
        qos: u8,
        retain: bool,
        id: u8,
        expiry: u8,
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

/// Clients of two shards do as they like: nothing panics, and every shard's books balance after every step.
pub fn broker(events: Vec<Event>) {
    let mut stage =
        Stage { world: World::new(2, || Box::new(Open)), lines: [const { None }; LINES as usize] };
    for event in events.into_iter().take(100) {
        stage.play(event);
    }
}

struct Stage {
    world: World,
    /// A connection, and whether it speaks 5.0.
    lines: [Option<(LineId, bool)>; LINES as usize],
}

impl Stage {
    fn play(&mut self, event: Event) {
        match event {
            Event::Wait { seconds } => self.world.wait(Duration::from_secs(seconds.into())),
            Event::End { line, cut } => {
                if let Some((line, _)) = self.lines[usize::from(line % LINES)].take() {
                    self.world.close(line, cut);
                }
            }
            Event::Connect { line, v5, .. } => {
                let slot = usize::from(line % LINES);
                if self.lines[slot].is_none() {
                    self.lines[slot] = Some((self.world.open().expect("memory opens always"), v5));
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
        let Some((line, v5)) = self.lines[usize::from(line % LINES)] else { return };
        self.world.send(line, &bytes(event, v5));
        self.world.receive(line, &mut vec![]);
    }
}

/// The packet of an event. Each is short enough for lengths of one byte.
fn bytes(event: &Event, v5: bool) -> Vec<u8> {
    let mut body = vec![];
    let header = match event {
        Event::Connect { client, clean_start, will, session_expiry_interval, .. } => {
            body.extend(b"\x00\x04MQTT");
            body.push(if v5 { 5 } else { 4 });
            body.push(u8::from(*clean_start) << 1 | u8::from(*will) << 2);
            body.extend([0, 60]);
            let [high, low] = session_expiry_interval.to_be_bytes();
            block(v5, &[0x11, 0, 0, high, low], &mut body);
            text(["c", "d", "e"][usize::from(client % 3)], &mut body);
            if *will {
                block(v5, &[0x18, 0, 0, 0, client >> 4], &mut body);
                text("a", &mut body);
                text("will", &mut body);
            }
            0x10
        }
        Event::Publish { topic, qos, retain, id, expiry, .. } => {
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
    let length = u8::try_from(body.len()).expect("an event's packet is short");
    let mut packet = vec![header, length];
    packet.extend(body);
    packet
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
