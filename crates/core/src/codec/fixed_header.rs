//! The Fixed Header: what packet this is, whether it may come, how long it is. (Section 2.1)
use super::primitives::raw_variable_byte_integer;
use super::{DecodeError, Limits, Mode, publish};
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

/// May a packet that begins like this come now?
pub(super) fn check_first(byte: u8, mode: Mode) -> Result<(), DecodeError> {
    let (own, from_client, from_server) = match byte >> 4 {
        1 => (first::CONNECT, true, false),
        2 => (first::CONNACK, false, true),
        3 => (byte, true, true),
        4 => (first::PUBACK, true, true),
        5 => (first::PUBREC, true, true),
        6 => (first::PUBREL, true, true),
        7 => (first::PUBCOMP, true, true),
        8 => (first::SUBSCRIBE, true, false),
        9 => (first::SUBACK, false, true),
        10 => (first::UNSUBSCRIBE, true, false),
        11 => (first::UNSUBACK, false, true),
        12 => (first::PINGREQ, true, false),
        13 => (first::PINGRESP, false, true),
        14 => (first::DISCONNECT, true, mode.version == Some(Version::V5)),
        15 => (first::AUTH, mode.version == Some(Version::V5), mode.version == Some(Version::V5)),
        _ => return Err(DecodeError::ReservedPacketType),
    };
    // [MQTT-3.1.0-1]
    if mode.version.is_none() && (byte >> 4 != 1 || mode.role == Role::Client) {
        return Err(DecodeError::ConnectExpected);
    }
    // [MQTT-2.1.3-1]
    if byte != own {
        return Err(DecodeError::ReservedFlags);
    }
    if byte >> 4 == 3 {
        publish::check_flags(byte)?;
    }
    let may_come = match mode.role {
        Role::Server => from_client,
        Role::Client => from_server,
    };
    if may_come { Ok(()) } else { Err(DecodeError::UnexpectedPacket) }
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

/// The extent of the packet that `bytes` begin with; `None` if more bytes must tell.
#[inline]
pub(super) fn extent(bytes: &[u8], mode: Mode, limits: &Limits) -> Result<Option<Extent>, DecodeError> {
    let [_, length @ ..] = bytes else { return Ok(None) };
    let (remaining, body) = match length {
        [short @ 0..0x80, ..] => (u32::from(*short), 2),
        _ => match long_length(length, mode)? {
            Some(header) => header,
            None => return Ok(None),
        },
    };
    // At most 268,435,455 + 5.
    let end = body + remaining as usize;
    if end > limits.maximum_packet_size as usize {
        return Err(DecodeError::PacketTooLarge);
    }
    if remaining >= limits.streamed_from && bytes[0] >> 4 == first::PUBLISH >> 4 {
        return streamed(bytes, body, remaining, mode, limits);
    }
    Ok(Some(Extent { body, end, streamed: 0 }))
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
) -> Result<Option<Extent>, DecodeError> {
    let whole = Extent { body, end: body + remaining as usize, streamed: 0 };
    let Some(version) = mode.version else { return Ok(Some(whole)) };
    let Some(head) = publish::head_length(bytes[0], &bytes[body..], version, limits)? else {
        return Ok(None);
    };
    let payload = remaining.checked_sub(head).ok_or(DecodeError::Truncated)?;
    if payload == 0 || payload < limits.streamed_from {
        return Ok(Some(whole));
    }
    Ok(Some(Extent { body, end: body + head as usize, streamed: payload }))
}
