//! Packets to bytes.
use super::fixed_header::first;
use super::write::{REMAINING_LENGTH_MAX, packet, put_varint};
use super::{AckKind, Packet, Payload, Properties, Publish, PublishHead, ack, connack, connect, disconnect};
use super::{suback, subscribe};
use crate::topic::{self, TopicError};
use crate::version::Version;
use alloc::vec::Vec;
use core::fmt;

/// A packet can't be sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// It is longer than its receiver accepts, or than MQTT can express.
    TooLarge {
        /// By so many bytes.
        by: u32,
    },
    /// The version has no such packet, such as AUTH before 5.0, or a PUBLISH without a Topic Name.
    NotInThisVersion,
    /// What a PUBLISH or a Will is to be published to is no Topic Name. [MQTT-3.3.2-2]
    TopicName(TopicError),
}

impl EncodeError {
    #[cold]
    pub(super) fn beyond(length: usize, limit: u32) -> Self {
        Self::TooLarge { by: u32::try_from(length).unwrap_or(u32::MAX).saturating_sub(limit) }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { by } => write!(f, "the packet is {by} bytes too large"),
            Self::NotInThisVersion => f.write_str("this version of MQTT has no such packet"),
            Self::TopicName(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for EncodeError {}

impl Packet<'_> {
    /// Appends the packet to `out`, or says why it can't be sent; then `out` is unchanged.
    ///
    /// `limit` is the receiver's Maximum Packet Size, `u32::MAX` if there is none. A string or data of more than
    /// 65,535 bytes is too large as well. Of a PUBLISH with a streamed payload only the head is appended.
    ///
    /// Properties are written for 5.0 only. Older versions get the nearest Reason Code they have. A CONNECT says
    /// itself of which version it is.
    pub fn encode(&self, version: Version, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Connect(connect) => packet(out, first::CONNECT, limit, |out| connect::encode(connect, out)),
            Self::Connack(connack) => {
                packet(out, first::CONNACK, limit, |out| connack::encode(connack, version, out))
            }
            Self::Publish(publish) => encode_publish(publish, version, limit, out),
            Self::Puback(puback) => ack::encode(AckKind::Puback, puback, version, limit, out),
            Self::Pubrec(pubrec) => ack::encode(AckKind::Pubrec, pubrec, version, limit, out),
            Self::Pubrel(pubrel) => ack::encode(AckKind::Pubrel, pubrel, version, limit, out),
            Self::Pubcomp(pubcomp) => ack::encode(AckKind::Pubcomp, pubcomp, version, limit, out),
            Self::Subscribe(subscribe) => packet(out, first::SUBSCRIBE, limit, |out| {
                subscribe::encode_subscribe(subscribe, version, out)
            }),
            Self::Suback(suback) => {
                packet(out, first::SUBACK, limit, |out| suback::encode_suback(suback, version, out))
            }
            Self::Unsubscribe(unsubscribe) => packet(out, first::UNSUBSCRIBE, limit, |out| {
                subscribe::encode_unsubscribe(unsubscribe, version, out)
            }),
            Self::Unsuback(unsuback) => {
                packet(out, first::UNSUBACK, limit, |out| suback::encode_unsuback(unsuback, version, out))
            }
            Self::Pingreq => packet(out, first::PINGREQ, limit, |_| Ok(())),
            Self::Pingresp => packet(out, first::PINGRESP, limit, |_| Ok(())),
            Self::Disconnect(disconnect) => packet(out, first::DISCONNECT, limit, |out| {
                disconnect::encode_disconnect(disconnect, version, out)
            }),
            Self::Auth(_) if !version.is_v5() => Err(EncodeError::NotInThisVersion),
            Self::Auth(auth) => packet(out, first::AUTH, limit, |out| disconnect::encode_auth(auth, out)),
        }
    }
}

fn encode_publish(
    publish: &Publish<'_>,
    version: Version,
    limit: u32,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    // Empty where there is a Topic Alias.
    if !publish.topic.is_empty() {
        topic::check_name(publish.topic.as_bytes()).map_err(EncodeError::TopicName)?;
    } else if !version.is_v5() {
        return Err(EncodeError::NotInThisVersion);
    }
    let (payload, payload_len) = match publish.payload {
        Payload::Whole(payload) => (payload, payload.len()),
        Payload::Streamed(length) => (&[][..], length as usize),
    };
    let head = PublishHead {
        delivery: publish.delivery,
        retain: publish.retain,
        topic: publish.topic,
        topic_alias: None,
        message_expiry_interval: None,
        properties: publish.properties.as_bytes(),
        subscription_identifiers: &[],
        payload_len,
    };
    head.encode(version, limit, out)?;
    out.extend_from_slice(payload);
    Ok(())
}

/// Property Length and properties, which only 5.0 has. [MQTT-2.2.2-1]
pub(super) fn put_properties(
    properties: Properties<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if version.is_v5() {
        let encoded = properties.as_bytes();
        let length = match u32::try_from(encoded.len()) {
            Ok(length) if length <= REMAINING_LENGTH_MAX => length,
            _ => return Err(EncodeError::beyond(encoded.len(), REMAINING_LENGTH_MAX)),
        };
        put_varint(out, length);
        out.extend_from_slice(encoded);
    }
    Ok(())
}
