//! Our decoder beside a peer's, that of the crate `mqtt-proto`: where they disagree, it is known why.
mod class;
#[cfg(test)]
mod tests;

pub use class::Class;

use mqtt_proto::{v3, v5};
use tidewire_core::codec::{DecodeError, Decoder, Item, Limits, Mode, Packet};
use tidewire_core::version::{Role, Version};

/// Both decoders judge one packet; each disagreement falls into a [`Class`].
///
/// The first byte chooses the version, which a CONNECT says itself; then comes a packet, whole.
pub fn differential(input: &[u8]) {
    let Some((version, packet)) = one_packet(input) else { return };
    let verdicts = Verdicts::of(version, packet);
    if verdicts.disagree() {
        let class = Class::of(version, packet, &verdicts);
        assert!(class.is_some(), "nobody knows why: {version:?} {packet:x?} {verdicts:?}");
    }
}

/// The version, and the first packet as far as its own length says.
fn one_packet(input: &[u8]) -> Option<(Version, &[u8])> {
    let (first, stream) = input.split_first()?;
    let version = [Version::V3_1, Version::V3_1_1, Version::V5][usize::from(first % 3)];
    let header = 1 + 1 + stream.get(1..)?.iter().take(3).take_while(|byte| **byte >= 0x80).count();
    let length = stream.get(1..header)?.iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
    Some((version, stream.get(..header + length)?))
}

/// What each makes of a packet: what it writes for what it has read, or why it refuses.
#[derive(Debug)]
struct Verdicts {
    ours: Result<Vec<u8>, DecodeError>,
    peers: Result<Vec<u8>, v5::ErrorV5>,
}

impl Verdicts {
    fn of(version: Version, packet: &[u8]) -> Self {
        Self { ours: ours(version, packet), peers: peers(version, packet) }
    }

    /// One accepts what the other refuses, or reads something else. The peer writes properties in an order of its
    /// own, so it is the same bytes in any order that count.
    fn disagree(&self) -> bool {
        match (&self.ours, &self.peers) {
            (Ok(ours), Ok(peers)) => sorted(ours) != sorted(peers),
            (ours, peers) => ours.is_ok() != peers.is_ok(),
        }
    }
}

fn sorted(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.sort_unstable();
    bytes
}

/// The peer does not ask who sent it: what one of the two sides may send is accepted.
fn ours(version: Version, packet: &[u8]) -> Result<Vec<u8>, DecodeError> {
    use DecodeError::{MisplacedProperty, ReasonCode, UnexpectedPacket};
    match as_read_by(Role::Server, version, packet) {
        // What a client may not send.
        Err(UnexpectedPacket | MisplacedProperty(_) | ReasonCode(_)) => {
            as_read_by(Role::Client, version, packet)
        }
        as_server => as_server,
    }
}

fn as_read_by(role: Role, version: Version, packet: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let is_connect = packet[0] >> 4 == 1;
    let mut decoder =
        Decoder::new(Mode { role, version: (!is_connect || role == Role::Client).then_some(version) });
    let mut input = packet;
    match decoder.next(&Limits::NONE, &mut input)? {
        Some(Item::Packet(read)) => {
            let version = if let Packet::Connect(connect) = &read { connect.version } else { version };
            let mut written = vec![];
            read.encode(version, u32::MAX, &mut written).expect("what was read has room in a packet");
            Ok(written)
        }
        other => panic!("a packet that is whole is read or refused: {other:?}"),
    }
}

fn peers(version: Version, packet: &[u8]) -> Result<Vec<u8>, v5::ErrorV5> {
    let is_connect = packet[0] >> 4 == 1;
    let cut_off = || mqtt_proto::Error::IoError(mqtt_proto::IoErrorKind::UnexpectedEof);
    if version.is_v5() || is_connect {
        match v5::Packet::decode(packet) {
            Err(v5::ErrorV5::Common(mqtt_proto::Error::UnexpectedProtocol(_))) => {}
            Ok(read) => return Ok(read.ok_or_else(cut_off)?.encode()?.as_ref().to_vec()),
            Err(error) => return Err(error),
        }
    }
    let read = v3::Packet::decode(packet)?.ok_or_else(cut_off)?;
    Ok(read.encode()?.as_ref().to_vec())
}
