//! CONNECT. (Section 3.1)
use super::encode::put_properties;
use super::fixed_header::are_flags_fine;
use super::primitives::{binary, byte, bytes, end, two_byte_integer, variable_byte_integer};
use super::properties::{self, place};
use super::write::put_binary;
use super::{Connect, DecodeError, EncodeError, Leniency, Limits, Properties, Will, publish};
use crate::qos::QoS;
use crate::text::{self, Text};
use crate::version::Version;
use alloc::vec::Vec;

const RESERVED: u8 = 1;
const CLEAN_START: u8 = 1 << 1;
const WILL: u8 = 1 << 2;
const WILL_QOS: u8 = 3 << 3;
const WILL_RETAIN: u8 = 1 << 5;
const PASSWORD: u8 = 1 << 6;
const USER_NAME: u8 = 1 << 7;

const MAXIMUM_PACKET_SIZE: u8 = 0x27;
const USER_PROPERTY: u8 = 0x26;

#[inline(always)]
pub(super) fn decode<'a>(
    limits: &Limits,
    header: &[u8],
    mut body: &'a [u8],
) -> Result<Connect<'a>, DecodeError> {
    let (version, bridge) = protocol(&mut body, limits.lenient)?;
    check_header(header, version, limits.lenient)?;
    let flags = byte(&mut body)?;
    check_flags(flags, version)?;
    let keep_alive = two_byte_integer(&mut body)?;
    let properties = properties::decode_in(version, place::CONNECT, limits, &mut body)?;
    // [MQTT-3.1.3-1] [MQTT-3.1.3-3]
    let client_id = text::check_name(binary(&mut body)?).map_err(DecodeError::ClientId)?;
    let will = if flags & WILL != 0 {
        Some(will(flags, version, &left_of(limits, properties), &mut body)?)
    } else {
        None
    };
    // In 3.1 the remaining length takes precedence over these two flags. (Section 3.1 of 3.1)
    let is_there = |flag, body: &[u8]| flags & flag != 0 && !(version == Version::V3_1 && body.is_empty());
    let username = if is_there(USER_NAME, body) { Some(user_name(&mut body)?) } else { None };
    // [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19]
    let password = if is_there(PASSWORD, body) { Some(binary(&mut body)?) } else { None };
    end(body)?;
    if properties.has(0x16) && !properties.has(0x15) {
        return Err(DecodeError::AuthenticationDataWithoutMethod);
    }
    let clean_start = flags & CLEAN_START != 0;
    Ok(Connect { version, clean_start, keep_alive, properties, client_id, will, username, password, bridge })
}

/// Now that the version is known, its rules for the fixed header. [MQTT-2.1.3-1] [MQTT-1.5.5-1]
fn check_header(header: &[u8], version: Version, lenient: Leniency) -> Result<(), DecodeError> {
    if !are_flags_fine(header[0], Some(version), lenient) {
        return Err(DecodeError::ReservedFlags);
    }
    let is_longer_than_needed = header.len() > 2 && header.last() == Some(&0);
    if version.is_v5() && is_longer_than_needed { Err(DecodeError::RemainingLength) } else { Ok(()) }
}

/// The version that a CONNECT is of, whatever else is wrong with it.
pub(super) fn version(mut body: &[u8], lenient: Leniency) -> Result<Version, DecodeError> {
    protocol(&mut body, lenient).map(|(version, _)| version)
}

/// Is it known of a CONNECT with whatever fault that it names no Maximum Packet Size?
pub(super) fn takes_any_size(body: &[u8], lenient: Leniency) -> bool {
    properties_in(body, lenient).is_some_and(|encoded| !properties::may_have(MAXIMUM_PACKET_SIZE, encoded))
}

fn properties_in(mut body: &[u8], lenient: Leniency) -> Option<&[u8]> {
    let (version, _) = protocol(&mut body, lenient).ok()?;
    let _flags_and_keep_alive = bytes(&mut body, 3).ok()?;
    let length = if version.is_v5() { variable_byte_integer(&mut body).ok()? } else { 0 };
    bytes(&mut body, length as usize).ok()
}

/// The bit of a mosquitto bridge in the Protocol Level.
const BRIDGE: u8 = 0x80;

/// Protocol Name and Protocol Level, and whether that has the bit of a bridge. [MQTT-3.1.2-1] [MQTT-3.1.2-2]
fn protocol(body: &mut &[u8], lenient: Leniency) -> Result<(Version, bool), DecodeError> {
    let name = binary(body)?;
    if !matches!(name, b"MQTT" | b"MQIsdp") {
        return Err(DecodeError::ProtocolName);
    }
    let level = byte(body)?;
    let bridge = lenient.bridge_level && level & BRIDGE != 0;
    let version = match (name, if bridge { level & !BRIDGE } else { level }) {
        (b"MQIsdp", 3) => Version::V3_1,
        (b"MQTT", 4) => Version::V3_1_1,
        (b"MQTT", 5) => Version::V5,
        _ => return Err(DecodeError::UnsupportedProtocolVersion { level }),
    };
    Ok((version, bridge))
}

fn check_flags(flags: u8, version: Version) -> Result<(), DecodeError> {
    // [MQTT-3.1.2-3] 3.1 leaves it open.
    if flags & RESERVED != 0 && version > Version::V3_1 {
        return Err(DecodeError::ConnectFlag);
    }
    // [MQTT-3.1.2-11] [MQTT-3.1.2-13] 3.1 disregards them.
    if flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0 && version > Version::V3_1 {
        return Err(DecodeError::WillFlags);
    }
    // [MQTT-3.1.2-12]
    if flags & WILL != 0 && flags & WILL_QOS == WILL_QOS {
        return Err(DecodeError::WillQoS);
    }
    // [MQTT-3.1.2-22 of 3.1.1]; 5.0 has lifted it.
    if !version.is_v5() && flags & PASSWORD != 0 && flags & USER_NAME == 0 {
        return Err(DecodeError::PasswordWithoutUserName);
    }
    Ok(())
}

/// [MQTT-3.1.3-12] [MQTT-3.1.2-16] [MQTT-3.1.2-17]
fn user_name<'a>(body: &mut &'a [u8]) -> Result<Text<'a>, DecodeError> {
    text::check_name(binary(body)?).map_err(DecodeError::Text)
}

/// What a packet's properties leave of its limits to those of its Will.
fn left_of(limits: &Limits, properties: Properties<'_>) -> Limits {
    let bytes = u32::try_from(properties.as_bytes().len()).unwrap_or(u32::MAX);
    let user = properties.count(USER_PROPERTY);
    Limits {
        property_bytes_max: limits.property_bytes_max.saturating_sub(bytes),
        user_properties_max: limits.user_properties_max.saturating_sub(user),
        ..*limits
    }
}

/// [MQTT-3.1.2-9] [MQTT-3.1.3-11]
fn will<'a>(
    flags: u8,
    version: Version,
    limits: &Limits,
    body: &mut &'a [u8],
) -> Result<Will<'a>, DecodeError> {
    let qos = QoS::from_bits((flags & WILL_QOS) >> 3).ok_or(DecodeError::WillQoS)?;
    let properties = properties::decode_in(version, place::WILL, limits, body)?;
    let topic = publish::name(binary(body)?, limits).map_err(DecodeError::TopicName)?;
    let payload = binary(body)?;
    Ok(Will { topic, payload, qos, retain: flags & WILL_RETAIN != 0, properties })
}

pub(super) fn encode(connect: &Connect<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let version = connect.version;
    put_binary(out, if version == Version::V3_1 { b"MQIsdp" } else { b"MQTT" })?;
    let level = version.level() | if connect.bridge { BRIDGE } else { 0 };
    out.extend_from_slice(&[level, flags(connect)]);
    out.extend_from_slice(&connect.keep_alive.to_be_bytes());
    put_properties(connect.properties, version, out)?;
    // [MQTT-3.1.3-3]
    put_binary(out, connect.client_id.as_bytes())?;
    if let Some(will) = &connect.will {
        put_properties(will.properties, version, out)?;
        crate::topic::check_name(will.topic.as_bytes()).map_err(EncodeError::TopicName)?;
        put_binary(out, will.topic.as_bytes())?;
        put_binary(out, will.payload)?;
    }
    if let Some(username) = connect.username {
        put_binary(out, username.as_bytes())?;
    }
    if let Some(password) = connect.password {
        put_binary(out, password)?;
    }
    Ok(())
}

fn flags(connect: &Connect<'_>) -> u8 {
    let mut flags = 0;
    if connect.clean_start {
        flags |= CLEAN_START;
    }
    if let Some(will) = &connect.will {
        flags |= WILL | will.qos.bits() << 3 | if will.retain { WILL_RETAIN } else { 0 };
    }
    if connect.username.is_some() {
        flags |= USER_NAME;
    }
    if connect.password.is_some() {
        flags |= PASSWORD;
    }
    flags
}
