//! Values of properties that were checked before: how each [`Kind`] is read, skipped and written.
use super::PropertyFault;
use super::table::{Kind, ROWS};
use crate::codec::primitives::{
    binary, byte, bytes, four_byte_integer, two_byte_integer, variable_byte_integer,
};
use crate::codec::write::{REMAINING_LENGTH_MAX, put_varint};
use crate::qos::QoS;
use crate::text::Text;
use crate::topic;
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

    pub(super) fn write(value: &[u8], out: &mut Vec<u8>) {
        let length = u16::try_from(value.len()).expect("what is too long is refused before it is written");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(value);
    }
}

impl String {
    pub(super) fn read<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
        core::str::from_utf8(binary(input).ok()?).ok()
    }

    pub(super) fn write(value: &str, out: &mut Vec<u8>) {
        Binary::write(value.as_bytes(), out);
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

/// What can be a value of a property, if it is one that may be sent.
pub(super) trait Checked {
    fn check(self, kind: Kind) -> Result<(), PropertyFault>;
}

/// That, or not with this value.
fn valid(is: bool) -> Result<(), PropertyFault> {
    if is { Ok(()) } else { Err(PropertyFault::Value) }
}

impl Checked for bool {
    fn check(self, _: Kind) -> Result<(), PropertyFault> {
        Ok(())
    }
}

impl Checked for QoS {
    fn check(self, _: Kind) -> Result<(), PropertyFault> {
        valid(self != Self::ExactlyOnce)
    }
}

impl Checked for u16 {
    fn check(self, kind: Kind) -> Result<(), PropertyFault> {
        valid(self > 0 || kind != Kind::TwoByteNotZero)
    }
}

impl Checked for u32 {
    fn check(self, kind: Kind) -> Result<(), PropertyFault> {
        valid(match kind {
            Kind::VariableNotZero => (1..=REMAINING_LENGTH_MAX).contains(&self),
            kind => self > 0 || kind != Kind::FourByteNotZero,
        })
    }
}

impl Checked for &[u8] {
    fn check(self, _: Kind) -> Result<(), PropertyFault> {
        if self.len() > usize::from(u16::MAX) { Err(PropertyFault::TooLong) } else { Ok(()) }
    }
}

impl Checked for &str {
    fn check(self, kind: Kind) -> Result<(), PropertyFault> {
        self.as_bytes().check(kind)?;
        if kind == Kind::TopicName {
            topic::check_name(self.as_bytes()).map_err(PropertyFault::TopicName)?;
        } else {
            Text::new(self).map_err(PropertyFault::Text)?;
        }
        Ok(())
    }
}

impl Checked for (&str, &str) {
    fn check(self, kind: Kind) -> Result<(), PropertyFault> {
        self.0.check(kind)?;
        self.1.check(kind) // [MQTT-1.5.7-1]
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
