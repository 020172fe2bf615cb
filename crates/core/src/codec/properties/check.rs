//! The one walk over properties that come from a peer.
use super::table::{Kind, Places, ROWS, Row, place};
use super::{Properties, bit, value};
use crate::codec::primitives::{
    binary, byte, bytes, four_byte_integer, string, two_byte_integer, variable_byte_integer,
};
use crate::codec::{DecodeError, Limits, publish};
use crate::version::Version;

/// Takes Property Length and properties off the front of `input`.
#[inline]
pub(crate) fn decode<'a>(
    place: Places,
    limits: &Limits,
    input: &mut &'a [u8],
) -> Result<Properties<'a>, DecodeError> {
    if let Some((0, rest)) = input.split_first() {
        *input = rest;
        return Ok(Properties::default());
    }
    let length = variable_byte_integer(input)?;
    let encoded = bytes(input, length as usize).map_err(|_| DecodeError::PropertyLength)?;
    if length > limits.property_bytes_max {
        return Err(DecodeError::PropertiesTooLong);
    }
    check(place, limits, encoded)
}

/// The same; only 5.0 has them.
#[inline]
pub(crate) fn decode_in<'a>(
    version: Version,
    place: Places,
    limits: &Limits,
    input: &mut &'a [u8],
) -> Result<Properties<'a>, DecodeError> {
    if version.is_v5() { decode(place, limits, input) } else { Ok(Properties::default()) }
}

/// Checks that each property is well-formed, may stand at `place`, and so often.
pub(crate) fn check<'a>(
    place: Places,
    limits: &Limits,
    encoded: &'a [u8],
) -> Result<Properties<'a>, DecodeError> {
    let mut rest = encoded;
    let mut present = 0;
    let mut user_properties = 0;
    while let Some((&id, after)) = rest.split_first() {
        let Some(row) = ROWS.get(usize::from(id)) else { return Err(DecodeError::UnknownProperty) };
        let before = after;
        rest = after;
        if let Err(error) = check_value(row.kind, id, limits, &mut rest) {
            return Err(worst(row, id, place, before, error));
        }
        if row.places & place == 0 {
            return Err(misplaced(id, place));
        }
        if present & bit(id) != 0 && row.repeats & place == 0 {
            return Err(DecodeError::DuplicateProperty(id));
        }
        present |= bit(id);
        if row.kind == Kind::StringPair {
            user_properties += 1;
            if user_properties > limits.user_properties_max {
                return Err(DecodeError::TooManyUserProperties);
            }
        }
    }
    Ok(Properties { encoded, present })
}

#[inline(always)]
fn check_value(kind: Kind, id: u8, limits: &Limits, rest: &mut &[u8]) -> Result<(), DecodeError> {
    let valid = match kind {
        Kind::Bool | Kind::MaximumQoS => byte(rest)? <= 1,
        Kind::TwoByte => two_byte_integer(rest).map(|_| true)?,
        Kind::TwoByteNotZero => two_byte_integer(rest)? != 0,
        Kind::FourByte => four_byte_integer(rest).map(|_| true)?,
        Kind::FourByteNotZero => four_byte_integer(rest)? != 0,
        Kind::VariableNotZero => variable_byte_integer(rest)? != 0,
        Kind::String => string(rest).map(|()| true)?,
        Kind::Binary => binary(rest).map(|_| true)?,
        Kind::StringPair => {
            string(rest)?;
            string(rest).map(|()| true)? // [MQTT-1.5.7-1]
        }
        Kind::TopicName => {
            publish::name(binary(rest)?, limits).map_err(DecodeError::ResponseTopic)?;
            true
        }
        Kind::None => return Err(DecodeError::UnknownProperty),
    };
    if valid { Ok(()) } else { Err(DecodeError::PropertyValue(id)) }
}

/// A property that may not be here is that in the first place, whatever its value; unless it has none.
#[cold]
fn worst(row: &Row, id: u8, place: Places, value: &[u8], error: DecodeError) -> DecodeError {
    if row.kind != Kind::None && row.places & place == 0 && value::skip(id, value).is_some() {
        misplaced(id, place)
    } else {
        error
    }
}

#[cold]
fn misplaced(id: u8, at: Places) -> DecodeError {
    if at & (place::SUBSCRIBE | place::UNSUBSCRIBE) != 0 {
        DecodeError::MisplacedSubscribeProperty(id)
    } else {
        DecodeError::MisplacedProperty(id)
    }
}
