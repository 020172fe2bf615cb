//! PUBLISH. (Section 3.3)
use super::fixed_header::Told;
use super::primitives::{binary, packet_id, raw_variable_byte_integer, varint_len};
use super::properties::{self, place};
use super::write::{REMAINING_LENGTH_MAX, put_varint, within};
use super::{Context, DecodeError, Delivery, EncodeError, Limits, Payload, Properties, Publish};
use crate::text::Text;
use crate::topic::{self, TopicError};
use crate::version::{Role, Version};
use alloc::vec::Vec;

/// The flags in the first byte have been checked.
#[inline(always)]
pub(super) fn decode<'a>(
    context: Context<'_>,
    first: u8,
    mut body: &'a [u8],
) -> Result<Publish<'a>, DecodeError> {
    let topic = binary(&mut body)?;
    let dup = first & 0b1000 != 0;
    // [MQTT-2.2.1-2]
    let delivery = match first & 0b0110 {
        0 => Delivery::AtMostOnce,
        0b0010 => Delivery::AtLeastOnce { packet_id: packet_id(&mut body)?, dup },
        _ => Delivery::ExactlyOnce { packet_id: packet_id(&mut body)?, dup },
    };
    let properties =
        if context.version.is_v5() { decode_properties(context, &mut body)? } else { Properties::default() };
    let topic = if topic.is_empty() {
        no_topic(context.version, properties)?
    } else {
        name(topic, context.limits).map_err(DecodeError::TopicName)?
    };
    Ok(Publish { delivery, retain: first & 1 != 0, topic, properties, payload: Payload::Whole(body) })
}

fn decode_properties<'a>(context: Context<'_>, body: &mut &'a [u8]) -> Result<Properties<'a>, DecodeError> {
    let place = match context.role {
        Role::Server => place::PUBLISH_IN,
        Role::Client => place::PUBLISH_OUT,
    };
    properties::decode(place, context.limits, body)
}

/// The Topic Name of a PUBLISH, of a Will, or for an answer. [MQTT-3.3.2-1] [MQTT-3.3.2-2] [MQTT-3.3.2-13]
/// [MQTT-3.3.2-14]
#[inline]
pub(super) fn name<'a>(name: &'a [u8], limits: &Limits) -> Result<Text<'a>, TopicError> {
    if name.len() > usize::from(limits.topic_bytes_max) {
        return Err(TopicError::TooLong);
    }
    let text = topic::check_name(name)?;
    topic::validate_levels(name, limits.topic_levels_max)?;
    Ok(text)
}

/// Only a Topic Alias can stand for it. (Section 3.3.2.1)
#[cold]
fn no_topic(version: Version, properties: Properties<'_>) -> Result<Text<'static>, DecodeError> {
    if properties.has(0x23) {
        Ok(Text::default())
    } else if version.is_v5() {
        Err(DecodeError::TopicMissing)
    } else {
        Err(DecodeError::TopicName(TopicError::Empty))
    }
}

/// How many bytes of a PUBLISH are not payload.
///
/// What is longer than `limits` allow is refused here, before anything is collected.
pub(super) fn head_length(
    first: u8,
    body: &[u8],
    version: Version,
    limits: &Limits,
) -> Result<Told<u32>, DecodeError> {
    let Some((length, _)) = body.split_first_chunk() else { return Ok(Told::Needs(2)) };
    let topic = u16::from_be_bytes(*length);
    if topic > limits.topic_bytes_max {
        return Err(DecodeError::TopicName(TopicError::TooLong));
    }
    let fixed = 2 + usize::from(topic) + if first & 0b0110 == 0 { 0 } else { 2 };
    let mut head = u32::try_from(fixed).unwrap_or(u32::MAX);
    if version.is_v5() {
        let Some((length, minimal)) = raw_variable_byte_integer(body.get(fixed..).unwrap_or_default())?
        else {
            return Ok(Told::Needs(body.len().max(fixed) + 1));
        };
        if !minimal {
            return Err(DecodeError::VariableByteInteger);
        }
        if length > limits.property_bytes_max {
            return Err(DecodeError::PropertiesTooLong);
        }
        head = head.saturating_add(length).saturating_add(u32::try_from(varint_len(length)).unwrap_or(4));
    }
    Ok(Told::All(head))
}

/// What a sender knows of a PUBLISH apart from its payload; what differs by recipient stands beside what does not.
#[derive(Clone, Copy, Debug)]
pub struct PublishHead<'a> {
    /// QoS, DUP and Packet Identifier.
    pub delivery: Delivery,
    /// RETAIN.
    pub retain: bool,
    /// A Topic Name: it is not looked at again. May be empty in 5.0 if there is a Topic Alias.
    pub topic: Text<'a>,
    /// 5.0 only, like all that follow but the last.
    pub topic_alias: Option<u16>,
    /// What is left of it.
    pub message_expiry_interval: Option<u32>,
    /// Those that [travel](Properties::travelling), encoded.
    pub properties: &'a [u8],
    /// Those of all subscriptions the message is sent for. [MQTT-3.3.4-4]
    pub subscription_identifiers: &'a [u32],
    /// How many bytes will follow.
    pub payload_len: usize,
}

/// Beyond the remaining length of any packet, and yet so small that a sum of a few never overflows.
const SANE: usize = 1 << 29;

impl PublishHead<'_> {
    /// The length of the whole packet; `None` if there is no such packet.
    pub fn packet_length(&self, version: Version) -> Option<u32> {
        let (remaining, _) = self.lengths(version)?;
        u32::try_from(1 + varint_len(remaining)).ok().map(|header| header + remaining)
    }

    /// Appends everything up to the payload; the caller puts `payload_len` bytes behind it.
    ///
    /// `limit` is the receiver's Maximum Packet Size, and holds for the whole packet. If that is too large, `out`
    /// is unchanged.
    #[inline(always)] // what the caller knows of the fields then takes away half of the steps
    pub fn encode(&self, version: Version, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Some((remaining, properties)) = self.lengths(version) else { return Err(self.impossible()) };
        within(1 + varint_len(remaining) + remaining as usize, limit)?;
        out.reserve(remaining as usize - self.payload_len + self.payload_len.min(RESERVED_MAX) + 5);
        let [.., high, low] = self.topic.len().to_be_bytes();
        match u8::try_from(remaining) {
            Ok(remaining @ 0..0x80) => out.extend_from_slice(&[self.first(), remaining, high, low]),
            _ => put_long_header(self.first(), remaining, [high, low], out),
        }
        out.extend_from_slice(self.topic.as_bytes());
        if let Some(packet_id) = self.delivery.packet_id() {
            out.extend_from_slice(&packet_id.get().to_be_bytes());
        }
        if version.is_v5() {
            self.put_properties(properties, out);
        }
        Ok(())
    }

    /// Type and flags.
    #[inline]
    fn first(&self) -> u8 {
        let flags = match self.delivery {
            Delivery::AtMostOnce => 0x30,
            Delivery::AtLeastOnce { dup, .. } => 0x32 | u8::from(dup) << 3,
            Delivery::ExactlyOnce { dup, .. } => 0x34 | u8::from(dup) << 3,
        };
        flags | u8::from(self.retain)
    }

    /// Remaining length and Property Length.
    #[inline]
    fn lengths(&self, version: Version) -> Option<(u32, u32)> {
        let properties = if version.is_v5() { self.property_length()? } else { 0 };
        if self.topic.len() > 0xffff || (self.payload_len | properties) >= SANE {
            return None;
        }
        let fixed = 2 + self.topic.len() + if self.delivery.packet_id().is_some() { 2 } else { 0 };
        let properties = u32::try_from(properties).ok()?;
        let block = if version.is_v5() { varint_len(properties) + properties as usize } else { 0 };
        let remaining = u32::try_from(fixed + block + self.payload_len).ok()?;
        (remaining <= REMAINING_LENGTH_MAX).then_some((remaining, properties))
    }

    /// Of what is encoded already [`SANE`] is the most that counts.
    #[inline]
    fn property_length(&self) -> Option<usize> {
        let mut identifiers = 0;
        for id in self.subscription_identifiers {
            if !(1..=REMAINING_LENGTH_MAX).contains(id) {
                return None;
            }
            identifiers += 1 + varint_len(*id);
        }
        let alias = if self.topic_alias.is_some() { 3 } else { 0 };
        let expiry = if self.message_expiry_interval.is_some() { 5 } else { 0 };
        Some(alias + expiry + self.properties.len().min(SANE) + identifiers)
    }

    #[inline]
    fn put_properties(&self, length: u32, out: &mut Vec<u8>) {
        put_varint(out, length);
        if length > 0 {
            self.put_each_property(out);
        }
    }

    fn put_each_property(&self, out: &mut Vec<u8>) {
        if let Some(alias) = self.topic_alias {
            let [high, low] = alias.to_be_bytes();
            out.extend_from_slice(&[0x23, high, low]);
        }
        if let Some(interval) = self.message_expiry_interval {
            let [a, b, c, d] = interval.to_be_bytes();
            out.extend_from_slice(&[0x02, a, b, c, d]);
        }
        out.extend_from_slice(self.properties);
        for identifier in self.subscription_identifiers {
            out.push(0x0b);
            put_varint(out, *identifier);
        }
    }

    #[cold]
    fn impossible(&self) -> EncodeError {
        let length = self.topic.len().saturating_add(self.payload_len).saturating_add(self.properties.len());
        EncodeError::beyond(length.max(REMAINING_LENGTH_MAX as usize + 1), REMAINING_LENGTH_MAX)
    }
}

/// The Fixed Header and the length of the Topic Name, where the remaining length has more than one byte.
fn put_long_header(first: u8, remaining: u32, [high, low]: [u8; 2], out: &mut Vec<u8>) {
    // Seven bits each; all but the last have the eighth set.
    let [a, b, c, d] = [0, 7, 14, 21].map(|shift| (remaining >> shift).to_le_bytes()[0] | 0x80);
    match varint_len(remaining) {
        ..=2 => out.extend_from_slice(&[first, a, b & 0x7f, high, low]),
        3 => out.extend_from_slice(&[first, a, b, c & 0x7f, high, low]),
        _ => out.extend_from_slice(&[first, a, b, c, d & 0x7f, high, low]),
    }
}

/// Room for a payload up to here is made together with that for the head.
const RESERVED_MAX: usize = 16 * 1024;
