//! The data types of section 1.5, appended to a buffer.
use super::EncodeError;
use super::primitives::varint_len;
use alloc::vec::Vec;

/// The greatest remaining length there is.
pub(super) const REMAINING_LENGTH_MAX: u32 = 268_435_455;

/// `value` is at most [`REMAINING_LENGTH_MAX`].
#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, value: u32) {
    debug_assert!(value <= REMAINING_LENGTH_MAX);
    let [low, ..] = value.to_le_bytes();
    if value < 0x80 {
        return out.push(low);
    }
    out.push(low | 0x80);
    put_varint_rest(out, value >> 7);
}

fn put_varint_rest(out: &mut Vec<u8>, mut value: u32) {
    while value > 0x7f {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Binary Data or a string, which has at most 65,535 bytes.
#[inline]
pub(super) fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), EncodeError> {
    let length = u16::try_from(bytes.len()).map_err(|_| EncodeError::beyond(bytes.len(), 65_535))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends a packet whose body `write` appends; if that fails or is too long, `out` is as before.
pub(super) fn packet(
    out: &mut Vec<u8>,
    first: u8,
    limit: u32,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    // Most packets have a remaining length of one byte. The others move to make room.
    out.extend_from_slice(&[first, 0]);
    let written = write(out).and_then(|()| close(out, start, limit));
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Fills in the remaining length of the packet that begins at `start`.
fn close(out: &mut Vec<u8>, start: usize, limit: u32) -> Result<(), EncodeError> {
    let body = out.len() - start - 2;
    let remaining = remaining_length(body)?;
    let length_bytes = varint_len(remaining);
    within(1 + length_bytes + body, limit)?;
    if length_bytes > 1 {
        let end = out.len();
        out.resize(end + length_bytes - 1, 0);
        out.copy_within(start + 2..end, start + 1 + length_bytes);
    }
    let mut value = remaining;
    for byte in &mut out[start + 1..start + 1 + length_bytes] {
        *byte = value.to_le_bytes()[0] & 0x7f | if value > 0x7f { 0x80 } else { 0 };
        value >>= 7;
    }
    Ok(())
}

/// `body` as a remaining length.
#[inline]
pub(super) fn remaining_length(body: usize) -> Result<u32, EncodeError> {
    match u32::try_from(body) {
        Ok(length) if length <= REMAINING_LENGTH_MAX => Ok(length),
        _ => Err(EncodeError::beyond(body, REMAINING_LENGTH_MAX)),
    }
}

/// Is a packet of `length` bytes within the receiver's limit? [MQTT-3.1.2-24] [MQTT-3.2.2-15]
#[inline]
pub(super) fn within(length: usize, limit: u32) -> Result<(), EncodeError> {
    if u32::try_from(length).is_ok_and(|length| length <= limit) {
        Ok(())
    } else {
        Err(EncodeError::beyond(length, limit))
    }
}
