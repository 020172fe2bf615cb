use tidewire_core::codec::{DecodeError, Decoder, Item, Limits, Mode, Packet};
use tidewire_core::version::{Role, Version};

/// Any split of the same bytes gives the same packets, a packet that was read can be written and read again, and
/// nothing panics.
///
/// The first byte chooses who reads which version, the second how many bytes come at a time, the third from where
/// on a payload is streamed.
pub fn decode(input: &[u8]) {
    let [mode, step, streamed_from, stream @ ..] = input else { return };
    let role = if mode & 1 == 0 { Role::Server } else { Role::Client };
    let version =
        [None, Some(Version::V3_1), Some(Version::V3_1_1), Some(Version::V5)][usize::from(mode >> 1 & 3)];
    let mode = Mode { role, version };
    let limits = Limits { streamed_from: u32::from(*streamed_from).max(1), ..Limits::default() };
    let whole = read(mode, &limits, stream, stream.len());
    assert_eq!(whole, read(mode, &limits, stream, usize::from(*step)), "in pieces of {step}");
    assert_eq!(whole, read(mode, &limits, stream, 1), "byte by byte");
}

/// What a stream holds, in a form that does not depend on how it came.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    packets: Vec<String>,
    bodies: Vec<u8>,
    error: Option<DecodeError>,
}

fn read(mode: Mode, limits: &Limits, stream: &[u8], step: usize) -> Seen {
    let mut decoder = Decoder::new(mode);
    let mut seen = Seen::default();
    for mut piece in stream.chunks(step.max(1)) {
        loop {
            match decoder.next(limits, &mut piece) {
                Ok(Some(Item::Packet(packet))) => {
                    seen.packets.push(format!("{packet:?}"));
                    writes_and_reads(&packet, mode);
                }
                Ok(Some(Item::Head(publish))) => seen.packets.push(format!("{publish:?}")),
                Ok(Some(Item::Body(bytes))) => seen.bodies.extend_from_slice(bytes),
                Ok(None) => break,
                Err(error) => {
                    seen.error = Some(error);
                    return seen;
                }
            }
        }
    }
    seen
}

fn writes_and_reads(packet: &Packet<'_>, mode: Mode) {
    let version = match packet {
        Packet::Connect(connect) => connect.version,
        _ => match mode.version {
            Some(version) => version,
            None => return, // known to the decoder only
        },
    };
    let mut bytes = vec![];
    packet.encode(version, u32::MAX, &mut bytes).expect("what was read has room in a packet");
    let limits = Limits { streamed_from: u32::MAX, ..Limits::default() };
    let first = matches!(packet, Packet::Connect(_));
    let mut decoder = Decoder::new(Mode { version: if first { None } else { Some(version) }, ..mode });
    let mut input = &bytes[..];
    let again = decoder.next(&limits, &mut input);
    assert!(
        matches!(&again, Ok(Some(Item::Packet(again))) if again == packet),
        "{packet:?} became {again:?}"
    );
    assert!(input.is_empty(), "something is left of {packet:?}");
}
