//! Values of properties that were checked before: how each [`Kind`] is read, skipped and written.
use super::table::{Kind, ROWS};
use crate::codec::primitives::{
    binary, byte, bytes, four_byte_integer, two_byte_integer, variable_byte_integer,
};
use crate::codec::write::put_varint;
use crate::qos::QoS;
use alloc::vec::Vec;

pub(super) struct Bool;
pub(super) struct MaximumQoS;
pub(super) struct TwoByte;
pub(super) type TwoByteNotZero = TwoByte;
pub(super) struct FourByte;
pub(super) type FourByteNotZero = FourByte;
pub(super) struct VariableNotZero;
pub(super) struct String;
pub(super) type TopicName = String;
pub(super) struct Binary;
pub(super) struct StringPair;

impl Bool {
    pub(super) fn read(input: &mut &[u8]) -> Option<bool> {
        Some(byte(input).ok()? != 0)
    }

    pub(super) fn write(value: bool, out: &mut Vec<u8>) {
        out.push(u8::from(value));
    }
}

impl MaximumQoS {
    pub(super) fn read(input: &mut &[u8]) -> Option<QoS> {
        QoS::from_bits(byte(input).ok()?)
    }

    pub(super) fn write(value: QoS, out: &mut Vec<u8>) {
        out.push(value.bits());
    }
}

impl TwoByte {
    pub(super) fn read(input: &mut &[u8]) -> Option<u16> {
        two_byte_integer(input).ok()
    }

    pub(super) fn write(value: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

impl FourByte {
    pub(super) fn read(input: &mut &[u8]) -> Option<u32> {
        four_byte_integer(input).ok()
    }

    pub(super) fn write(value: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

impl VariableNotZero {
    pub(super) fn read(input: &mut &[u8]) -> Option<u32> {
        variable_byte_integer(input).ok()
    }

    pub(super) fn write(value: u32, out: &mut Vec<u8>) {
        put_varint(out, value);
    }
}

impl Binary {
    pub(super) fn read<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
        binary(input).ok()
    }

    /// Cuts what is too long.
    pub(super) fn write(value: &[u8], out: &mut Vec<u8>) {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&value[..usize::from(length)]);
    }
}

impl String {
    pub(super) fn read<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
        core::str::from_utf8(binary(input).ok()?).ok()
    }

    /// Cuts what is too long, between two characters.
    pub(super) fn write(value: &str, out: &mut Vec<u8>) {
        let mut end = value.len().min(usize::from(u16::MAX));
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        Binary::write(&value.as_bytes()[..end], out);
    }
}

impl StringPair {
    pub(super) fn read<'a>(input: &mut &'a [u8]) -> Option<(&'a str, &'a str)> {
        Some((String::read(input)?, String::read(input)?))
    }

    pub(super) fn write((name, value): (&str, &str), out: &mut Vec<u8>) {
        String::write(name, out);
        String::write(value, out);
    }
}

/// What follows the value of property `id`.
#[inline]
pub(super) fn skip(id: u8, mut input: &[u8]) -> Option<&[u8]> {
    match ROWS.get(usize::from(id))?.kind {
        Kind::None => return None,
        Kind::Bool | Kind::MaximumQoS => bytes(&mut input, 1).ok()?,
        Kind::TwoByte | Kind::TwoByteNotZero => bytes(&mut input, 2).ok()?,
        Kind::FourByte | Kind::FourByteNotZero => bytes(&mut input, 4).ok()?,
        Kind::VariableNotZero => {
            variable_byte_integer(&mut input).ok()?;
            &[]
        }
        Kind::String | Kind::TopicName | Kind::Binary => binary(&mut input).ok()?,
        Kind::StringPair => {
            binary(&mut input).ok()?;
            binary(&mut input).ok()?
        }
    };
    Some(input)
}
