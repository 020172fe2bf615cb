//! Reads bytes and says what came of it.
use crate::codec::*;
use crate::version::{Role, Version};
use std::format;
use std::string::String;
use std::vec::Vec;

pub(super) const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5];
pub(super) const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// What a stream turned out to be: items as they print, with bodies joined, and the error at its end.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Transcript {
    pub(super) items: Vec<String>,
    pub(super) bodies: Vec<Vec<u8>>,
    pub(super) error: Option<DecodeError>,
}

pub(super) fn decoder(version: impl Into<Option<Version>>, role: Role) -> Decoder {
    Decoder::new(Mode { role, version: version.into() })
}

/// Reads `pieces` one after the other.
pub(super) fn read<'p>(
    mut decoder: Decoder,
    limits: &Limits,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Transcript {
    let mut transcript = Transcript::default();
    for mut piece in pieces {
        loop {
            match decoder.next(limits, &mut piece) {
                Ok(Some(Item::Packet(packet))) => transcript.items.push(format!("{packet:?}")),
                Ok(Some(Item::Head(head))) => {
                    transcript.items.push(format!("{head:?}"));
                    transcript.bodies.push(Vec::new());
                }
                Ok(Some(Item::Body(body))) => transcript.bodies.last_mut().unwrap().extend(body),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(limits, &mut piece), Err(error), "an error is final");
                    transcript.error = Some(error);
                    return transcript;
                }
            }
        }
        assert!(piece.is_empty(), "None means that the input is used up");
    }
    transcript
}

pub(super) fn read_whole(bytes: &[u8], version: impl Into<Option<Version>>, role: Role) -> Transcript {
    read(decoder(version, role), &Limits::default(), [bytes])
}

/// Bytes from notation: `s:text` with its length in front, `'text'` without, all else hexadecimal.
pub(super) fn bytes(notation: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in notation.split_whitespace() {
        if let Some(text) = word.strip_prefix("s:") {
            bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            bytes.extend(text.as_bytes());
        } else if let Some(text) = word.strip_prefix('\'') {
            bytes.extend(text.strip_suffix('\'').unwrap().as_bytes());
        } else {
            let digits = word.as_bytes().chunks(2);
            bytes.extend(digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()));
        }
    }
    bytes
}

/// A packet of that first byte and body.
pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = Vec::from([first]);
    write::put_varint(&mut packet, u32::try_from(body.len()).unwrap());
    packet.extend(body);
    packet
}
