//! The data types of section 1.5, taken off the front of a packet's body.
//!
//! A body is whole before it is looked at, so a short read is an error and never a wish for more.
use super::DecodeError;
use crate::id::PacketId;
use crate::text;
use nom::number::complete::{be_u8, be_u16, be_u32};

/// Moves `input` to what a parser left, or says that something is missing.
#[inline(always)]
fn advance<'a, T>(input: &mut &'a [u8], parsed: nom::IResult<&'a [u8], T, ()>) -> Result<T, DecodeError> {
    match parsed {
        Ok((rest, value)) => {
            *input = rest;
            Ok(value)
        }
        Err(_) => Err(DecodeError::Truncated),
    }
}

#[inline(always)]
pub(super) fn byte(input: &mut &[u8]) -> Result<u8, DecodeError> {
    let parsed = be_u8(*input);
    advance(input, parsed)
}

#[inline(always)]
pub(super) fn two_byte_integer(input: &mut &[u8]) -> Result<u16, DecodeError> {
    let parsed = be_u16(*input);
    advance(input, parsed)
}

#[inline(always)]
pub(super) fn four_byte_integer(input: &mut &[u8]) -> Result<u32, DecodeError> {
    let parsed = be_u32(*input);
    advance(input, parsed)
}

/// What nom calls `take`, without what that costs here: an eighth of a PUBLISH with properties.
#[inline(always)]
pub(super) fn bytes<'a>(input: &mut &'a [u8], count: usize) -> Result<&'a [u8], DecodeError> {
    let Some((head, rest)) = input.split_at_checked(count) else { return Err(DecodeError::Truncated) };
    *input = rest;
    Ok(head)
}

/// At most four bytes, and no more than needed. [MQTT-1.5.5-1]
#[inline]
pub(super) fn variable_byte_integer(input: &mut &[u8]) -> Result<u32, DecodeError> {
    match raw_variable_byte_integer(input)? {
        Some((value, minimal)) if minimal => {
            *input = &input[varint_len(value)..];
            Ok(value)
        }
        Some(_) => Err(DecodeError::VariableByteInteger),
        None => Err(DecodeError::Truncated),
    }
}

/// The value that `input` begins with and whether it has no byte too many; `None` if it is not all there.
#[inline]
pub(super) fn raw_variable_byte_integer(input: &[u8]) -> Result<Option<(u32, bool)>, DecodeError> {
    let mut value = 0;
    for (i, byte) in input.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * i);
        if *byte < 0x80 {
            return Ok(Some((value, *byte != 0 || i == 0)));
        }
    }
    if input.len() < 4 { Ok(None) } else { Err(DecodeError::VariableByteInteger) }
}

/// How many bytes a Variable Byte Integer takes.
#[inline]
pub(super) const fn varint_len(value: u32) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// Binary Data, and what a string is before it is checked.
#[inline(always)]
pub(super) fn binary<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = two_byte_integer(input)?;
    bytes(input, usize::from(length))
}

/// Checks a UTF-8 Encoded String and passes it by.
#[inline]
pub(super) fn string(input: &mut &[u8]) -> Result<(), DecodeError> {
    text::check(binary(input)?).map(|_| ()).map_err(DecodeError::Text)
}

#[inline(always)]
pub(super) fn packet_id(input: &mut &[u8]) -> Result<PacketId, DecodeError> {
    PacketId::new(two_byte_integer(input)?).ok_or(DecodeError::PacketIdZero)
}

/// Nothing may be left.
#[inline(always)]
pub(super) fn end(input: &[u8]) -> Result<(), DecodeError> {
    if input.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
}
