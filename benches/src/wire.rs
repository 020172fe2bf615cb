//! What clients of 3.1.1 say, as bytes, and how they answer. All of it is short, so that a length is one byte.
use tidewire_core::output::Output;
use tidewire_core::time::Instant;

/// When it happens.
pub(crate) const EPOCH: Instant = Instant::from_secs(1_800_000_000);
/// As the driver asks for it.
pub(crate) const TRANSMIT_BYTES: usize = 64 * 1024;

/// Encoded by hand, so that it costs next to nothing beside what is measured.
fn packet(first: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let length = u8::try_from(body.len()).ok().filter(|length| *length < 0x80);
    let mut packet = vec![first, length.expect("it is short")];
    packet.extend(body);
    packet
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("it is short");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// Without a Keep Alive. With Clean Session 0, if the session is to be kept.
pub(crate) fn connect(client_id: &str, is_kept: bool) -> Vec<u8> {
    let flags = if is_kept { 0 } else { 2 };
    packet(0x10, &[b"\0\x04MQTT\x04", &[flags], b"\0\0", &text(client_id)])
}

pub(crate) fn disconnect() -> Vec<u8> {
    packet(0xe0, &[])
}

pub(crate) fn subscribe(filter: &str, qos: u8) -> Vec<u8> {
    packet(0x82, &[b"\0\x01", &text(filter), &[qos]])
}

pub(crate) fn unsubscribe(filter: &str) -> Vec<u8> {
    packet(0xa2, &[b"\0\x01", &text(filter)])
}

const PAYLOAD: [u8; 64] = [b'x'; 64];

/// So many PUBLISHes, with Packet Identifiers from 1 on.
pub(crate) fn publishes(count: u16, topic: &str, qos: u8) -> Vec<u8> {
    let one = |packet_id: u16| {
        let packet_id = packet_id.to_be_bytes();
        let packet_id = if qos == 0 { &[][..] } else { &packet_id };
        packet(0x30 | qos << 1, &[&text(topic), packet_id, &PAYLOAD])
    };
    (1..=count).flat_map(one).collect()
}

/// With QoS 0.
pub(crate) fn retained(topic: &str) -> Vec<u8> {
    packet(0x31, &[&text(topic), &PAYLOAD])
}

/// What came to clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) connacks: usize,
    pub(crate) publishes: usize,
    /// PUBACKs and PUBCOMPs: the last that a publisher hears of a message.
    pub(crate) receipts: usize,
    pub(crate) subacks: usize,
}

impl Heard {
    /// Takes whole packets, and says what a client answers at once.
    #[inline]
    pub(crate) fn hear(&mut self, mut bytes: &[u8], answer: &mut Vec<u8>) {
        while let [first, length, rest @ ..] = bytes {
            let (body, behind) = rest.split_at(usize::from(*length));
            match first >> 4 {
                2 => self.connacks += 1,
                3 => {
                    self.publishes += 1;
                    let id_at = 2 + usize::from(body[1]);
                    match first >> 1 & 3 {
                        0 => {}
                        1 => answer.extend([0x40, 2, body[id_at], body[id_at + 1]]),
                        _ => answer.extend([0x50, 2, body[id_at], body[id_at + 1]]),
                    }
                }
                4 | 7 => self.receipts += 1,
                5 => answer.extend([0x62, 2, body[0], body[1]]),
                6 => answer.extend([0x70, 2, body[0], body[1]]),
                9 => self.subacks += 1,
                _ => {}
            }
            bytes = behind;
        }
        assert!(bytes.is_empty(), "output is whole packets");
    }
}

/// Empties it, slice by slice.
pub(crate) fn take(output: &mut Output, mut hear: impl FnMut(&[u8])) {
    while !output.is_empty() {
        let mut slices: [&[u8]; 1] = [&[]];
        output.slices(&mut slices);
        let written = slices[0].len();
        hear(slices[0]);
        output.advance(written);
    }
}
