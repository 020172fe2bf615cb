//! The Fixed Header: what packet this is, whether it may come, how long it is. (Section 2.1)
use super::primitives::raw_variable_byte_integer;
use super::{DecodeError, Leniency, Limits, Mode, connect, publish};
use crate::version::{Role, Version};

/// Type and flags of each packet, as the first byte shows them.
pub(super) mod first {
    pub(in crate::codec) const CONNECT: u8 = 0x10;
    pub(in crate::codec) const CONNACK: u8 = 0x20;
    /// And all up to 0x3F, whose flags mean something.
    pub(in crate::codec) const PUBLISH: u8 = 0x30;
    pub(in crate::codec) const PUBACK: u8 = 0x40;
    pub(in crate::codec) const PUBREC: u8 = 0x50;
    pub(in crate::codec) const PUBREL: u8 = 0x62;
    pub(in crate::codec) const PUBCOMP: u8 = 0x70;
    pub(in crate::codec) const SUBSCRIBE: u8 = 0x82;
    pub(in crate::codec) const SUBACK: u8 = 0x90;
    pub(in crate::codec) const UNSUBSCRIBE: u8 = 0xa2;
    pub(in crate::codec) const UNSUBACK: u8 = 0xb0;
    pub(in crate::codec) const PINGREQ: u8 = 0xc0;
    pub(in crate::codec) const PINGRESP: u8 = 0xd0;
    pub(in crate::codec) const DISCONNECT: u8 = 0xe0;
    pub(in crate::codec) const AUTH: u8 = 0xf0;
}

/// The flags of a PUBLISH. [MQTT-3.3.1-4] [MQTT-3.3.1-2]
fn check_publish(byte: u8, lenient: Leniency) -> Result<(), DecodeError> {
    match byte & 0b1110 {
        0b1000 if !lenient.dup_without_qos => Err(DecodeError::DupWithoutQoS),
        0b0110 | 0b1110 => Err(DecodeError::QoS),
        _ => Ok(()),
    }
}

/// May a packet that begins like this come now?
pub(super) fn check_first(byte: u8, mode: Mode, lenient: Leniency) -> Result<(), DecodeError> {
    let v5 = mode.version == Some(Version::V5);
    let (from_client, from_server) = match byte >> 4 {
        0 => return Err(DecodeError::ReservedPacketType),
        1 | 8 | 10 | 12 => (true, false),
        2 | 9 | 11 | 13 => (false, true),
        14 => (true, v5),
        15 => (v5, v5),
        _ => (true, true),
    };
    // [MQTT-3.1.0-1]
    if mode.version.is_none() && (byte >> 4 != 1 || mode.role == Role::Client) {
        return Err(DecodeError::ConnectExpected);
    }
    // [MQTT-3.1.0-2]
    if mode.version.is_some() && byte >> 4 == 1 && mode.role == Role::Server {
        return Err(DecodeError::SecondConnect);
    }
    if byte >> 4 == 3 {
        check_publish(byte, lenient)?;
    } else if !are_flags_fine(byte, mode.version, lenient) {
        return Err(DecodeError::ReservedFlags);
    }
    let may_come = match mode.role {
        Role::Server => from_client,
        Role::Client => from_server,
    };
    if may_come { Ok(()) } else { Err(DecodeError::UnexpectedPacket) }
}

/// Are these the flags that a packet other than PUBLISH must have? [MQTT-2.1.3-1]
/// [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1]
///
/// Most flags are not used in 3.1, so there they may be anything: RETAIN and DUP always, and the QoS too, where it
/// is not 1. (Sections 3.1 to 3.14 of 3.1) In which version a CONNECT is, its first byte doesn't say.
pub(super) fn are_flags_fine(byte: u8, version: Option<Version>, lenient: Leniency) -> bool {
    let own = as_it_must_be(byte);
    byte == own
        || lenient.fixed_header_flags
        || match version {
            None => true,
            Some(Version::V3_1) => own & 0x0f == 0 || byte & 0b0110 == 0b0010,
            Some(_) => false,
        }
}

/// The first byte with the flags that such a packet must have. A PUBLISH with QoS 0 is no repetition.
/// [MQTT-4.3.1-1]
pub(super) fn as_it_must_be(byte: u8) -> u8 {
    match byte >> 4 {
        3 if byte & 0b0110 == 0 => byte & !0b1000,
        3 => byte,
        6 | 8 | 10 => byte & 0xf0 | 0b0010,
        _ => byte & 0xf0,
    }
}

/// What the bytes that are there tell of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told<T> {
    All(T),
    /// So many must be there to tell more.
    Needs(usize),
}

/// How a packet lies in the bytes that begin with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where its body begins.
    pub(super) body: usize,
    /// Where that ends which must be in one piece.
    pub(super) end: usize,
    /// How much payload follows in any number of pieces.
    pub(super) streamed: u32,
}

/// The extent of the packet that `bytes` begin with.
#[inline]
pub(super) fn extent(bytes: &[u8], mode: Mode, limits: &Limits) -> Result<Told<Extent>, DecodeError> {
    let [_, length @ ..] = bytes else { return Ok(Told::Needs(2)) };
    let (remaining, body) = match length {
        [short @ 0..0x80, ..] => (u32::from(*short), 2),
        _ => match long_length(length, mode)? {
            Some(header) => header,
            None => return Ok(Told::Needs(bytes.len() + 1)),
        },
    };
    // At most 268,435,455 + 5.
    let end = body + remaining as usize;
    if end > limits.maximum_packet_size as usize {
        return too_large(bytes, body, end, mode, limits.lenient);
    }
    if remaining >= limits.streamed_from && bytes[0] >> 4 == first::PUBLISH >> 4 {
        return streamed(bytes, body, remaining, mode, limits);
    }
    Ok(Told::All(Extent { body, end, streamed: 0 }))
}

/// What is longer than is accepted. Of a CONNECT as much is awaited as says its version, so that its sender can be told.
#[cold]
fn too_large(
    bytes: &[u8],
    body: usize,
    end: usize,
    mode: Mode,
    lenient: Leniency,
) -> Result<Told<Extent>, DecodeError> {
    let own = &bytes[body..bytes.len().min(end)];
    // Two bytes of length, the six of the longest name that there is, and the level.
    let may_say_more = mode.version.is_none() && body + own.len() < end && own.len() < 9;
    match connect::version(own, lenient) {
        Err(DecodeError::Truncated) if may_say_more => Ok(Told::Needs(bytes.len() + 1)),
        _ => Err(DecodeError::PacketTooLarge),
    }
}

/// The version of the CONNECT that `bytes` begin with, if they say it.
pub(super) fn version_of_connect(bytes: &[u8], lenient: Leniency) -> Option<Version> {
    let header = 2 + bytes.iter().skip(1).take_while(|byte| **byte >= 0x80).count();
    connect::version(bytes.get(header..)?, lenient).ok()
}

/// A remaining length of more than one byte, and where the body begins.
fn long_length(length: &[u8], mode: Mode) -> Result<Option<(u32, usize)>, DecodeError> {
    let Some((remaining, minimal)) =
        raw_variable_byte_integer(length).map_err(|_| DecodeError::RemainingLength)?
    else {
        return Ok(None);
    };
    // Only 5.0 demands the shortest form. [MQTT-1.5.5-1]
    if !minimal && mode.version == Some(Version::V5) {
        return Err(DecodeError::RemainingLength);
    }
    let bytes = length.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    Ok(Some((remaining, 1 + bytes)))
}

#[cold]
fn streamed(
    bytes: &[u8],
    body: usize,
    remaining: u32,
    mode: Mode,
    limits: &Limits,
) -> Result<Told<Extent>, DecodeError> {
    let whole = Extent { body, end: body + remaining as usize, streamed: 0 };
    let Some(version) = mode.version else { return Ok(Told::All(whole)) };
    // What comes behind the packet is not its head.
    let own = &bytes[body..bytes.len().min(whole.end)];
    let payload = match publish::head_length(bytes[0], own, version, limits)? {
        Told::All(head) => remaining.checked_sub(head),
        Told::Needs(more) if more <= remaining as usize => return Ok(Told::Needs(body + more)),
        Told::Needs(_) => None,
    };
    let payload = payload.ok_or(DecodeError::Truncated)?;
    if payload == 0 || payload < limits.streamed_from {
        return Ok(Told::All(whole));
    }
    Ok(Told::All(Extent { end: whole.end - payload as usize, streamed: payload, ..whole }))
}
