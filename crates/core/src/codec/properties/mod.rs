//! Properties of MQTT 5.0: walked where they lie, never collected into a list.
mod buf;
mod check;
mod error;
pub(super) mod table;
mod value;

pub use buf::PropertiesBuf;
pub use error::{PropertyError, PropertyFault};
pub use table::Property;

#[cfg(test)]
pub(super) use check::check;
pub(super) use check::{decode, decode_in};
pub(super) use table::place;

use crate::qos::QoS;
use alloc::vec::Vec;
use core::fmt;

/// The properties of a packet or of a Will.
///
/// Checked once when decoded, then read straight from the packet's bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Properties<'a> {
    encoded: &'a [u8],
    /// The bit of each identifier that occurs, so that asking for what is not there costs nothing.
    present: u64,
}

/// Those of a message that go on to its subscribers unchanged. [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16]
/// [MQTT-3.3.2-17] [MQTT-3.3.2-20]
const TRAVELLING: u64 = bit(0x01) | bit(0x03) | bit(0x08) | bit(0x09) | bit(0x26);

const fn bit(id: u8) -> u64 {
    1 << (id & 0x3f)
}

/// Does a block of properties that was not checked have this one, or something that can't be read?
pub(super) fn may_have(id: u8, mut rest: &[u8]) -> bool {
    while let Some((found, value)) = rest.split_first() {
        match value::skip(*found, value) {
            Some(after) if *found != id => rest = after,
            _ => return true,
        }
    }
    false
}

impl Property<'_> {
    /// May a message carry it on to its subscribers, unchanged?
    pub(crate) fn check_travels(&self) -> Result<(), PropertyError> {
        match bit(self.id()) & TRAVELLING {
            0 => Err(PropertyError::of(self, PropertyFault::Misplaced)),
            _ => Ok(()),
        }
    }
}

impl<'a> Properties<'a> {
    /// As they stand in the packet, without their length.
    pub fn as_bytes(self) -> &'a [u8] {
        self.encoded
    }

    /// None at all?
    #[inline]
    pub fn is_empty(self) -> bool {
        self.encoded.is_empty()
    }

    /// All, in the order they came.
    pub fn iter(self) -> impl Iterator<Item = Property<'a>> {
        let mut rest = self.encoded;
        core::iter::from_fn(move || {
            let (id, value) = rest.split_first()?;
            rest = value;
            Property::read(*id, &mut rest)
        })
    }

    /// Appends, encoded, those of a message that are forwarded unchanged and in their order: Payload Format
    /// Indicator, Content Type, Response Topic, Correlation Data, User Properties. [MQTT-3.3.2-18] [MQTT-3.1.3-10]
    pub fn travelling(self, out: &mut Vec<u8>) {
        if self.present & !TRAVELLING == 0 {
            return out.extend_from_slice(self.encoded);
        }
        let mut rest = self.encoded;
        while let Some((id, value)) = rest.split_first() {
            let Some(after) = value::skip(*id, value) else { return };
            if bit(*id) & TRAVELLING != 0 {
                out.extend_from_slice(&rest[..rest.len() - after.len()]);
            }
            rest = after;
        }
    }

    /// Those of a message that were checked when they came in.
    #[cfg(feature = "broker")]
    pub(crate) fn known(encoded: &'a [u8]) -> Self {
        let (mut rest, mut present) = (encoded, 0);
        while let Some((id, value)) = rest.split_first() {
            present |= bit(*id);
            rest = value::skip(*id, value).unwrap_or_default();
        }
        Self { encoded, present }
    }

    #[inline]
    pub(crate) fn has(self, id: u8) -> bool {
        self.present & bit(id) != 0
    }

    #[inline]
    fn get<T>(self, id: u8, read: impl Fn(&mut &'a [u8]) -> Option<T>) -> Option<T> {
        if self.has(id) { read(&mut self.find(id)?) } else { None }
    }

    /// How often it occurs.
    pub(super) fn count(self, id: u8) -> u32 {
        let (mut rest, mut count) = (if self.has(id) { self.encoded } else { &[] }, 0);
        while let Some((found, value)) = rest.split_first() {
            count += u32::from(*found == id);
            rest = value::skip(*found, value).unwrap_or_default();
        }
        count
    }

    /// What stands behind the first identifier `id`.
    fn find(self, id: u8) -> Option<&'a [u8]> {
        let mut rest = self.encoded;
        loop {
            let (found, value) = rest.split_first()?;
            if *found == id {
                return Some(value);
            }
            rest = value::skip(*found, value)?;
        }
    }
}

/// One by one. What each means stands at [`Property`].
impl<'a> Properties<'a> {
    /// PUBLISH, Will.
    pub fn payload_format_indicator(self) -> Option<bool> {
        self.get(0x01, value::Bool::read)
    }

    /// PUBLISH, Will.
    pub fn message_expiry_interval(self) -> Option<u32> {
        self.get(0x02, value::FourByte::read)
    }

    /// PUBLISH, Will.
    pub fn content_type(self) -> Option<&'a str> {
        self.get(0x03, value::String::read)
    }

    /// PUBLISH, Will: a valid Topic Name.
    pub fn response_topic(self) -> Option<&'a str> {
        self.get(0x08, value::TopicName::read)
    }

    /// PUBLISH, Will.
    pub fn correlation_data(self) -> Option<&'a [u8]> {
        self.get(0x09, value::Binary::read)
    }

    /// SUBSCRIBE; the first one of a PUBLISH to a client.
    pub fn subscription_identifier(self) -> Option<u32> {
        self.get(0x0b, value::VariableNotZero::read)
    }

    /// PUBLISH to a client.
    pub fn subscription_identifiers(self) -> impl Iterator<Item = u32> {
        self.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(identifier) => Some(identifier),
            _ => None,
        })
    }

    /// CONNECT, CONNACK, DISCONNECT from a client.
    pub fn session_expiry_interval(self) -> Option<u32> {
        self.get(0x11, value::FourByte::read)
    }

    /// CONNACK.
    pub fn assigned_client_identifier(self) -> Option<&'a str> {
        self.get(0x12, value::String::read)
    }

    /// CONNACK.
    pub fn server_keep_alive(self) -> Option<u16> {
        self.get(0x13, value::TwoByte::read)
    }

    /// CONNECT, CONNACK, AUTH.
    pub fn authentication_method(self) -> Option<&'a str> {
        self.get(0x15, value::String::read)
    }

    /// CONNECT, CONNACK, AUTH.
    pub fn authentication_data(self) -> Option<&'a [u8]> {
        self.get(0x16, value::Binary::read)
    }

    /// CONNECT.
    pub fn request_problem_information(self) -> Option<bool> {
        self.get(0x17, value::Bool::read)
    }

    /// Will.
    pub fn will_delay_interval(self) -> Option<u32> {
        self.get(0x18, value::FourByte::read)
    }

    /// CONNECT.
    pub fn request_response_information(self) -> Option<bool> {
        self.get(0x19, value::Bool::read)
    }

    /// CONNACK.
    pub fn response_information(self) -> Option<&'a str> {
        self.get(0x1a, value::String::read)
    }

    /// CONNACK, DISCONNECT.
    pub fn server_reference(self) -> Option<&'a str> {
        self.get(0x1c, value::String::read)
    }

    /// All that answer.
    pub fn reason_string(self) -> Option<&'a str> {
        self.get(0x1f, value::String::read)
    }

    /// CONNECT, CONNACK.
    pub fn receive_maximum(self) -> Option<u16> {
        self.get(0x21, value::TwoByteNotZero::read)
    }

    /// CONNECT, CONNACK.
    pub fn topic_alias_maximum(self) -> Option<u16> {
        self.get(0x22, value::TwoByte::read)
    }

    /// PUBLISH.
    pub fn topic_alias(self) -> Option<u16> {
        self.get(0x23, value::TwoByteNotZero::read)
    }

    /// CONNACK.
    pub fn maximum_qos(self) -> Option<QoS> {
        self.get(0x24, value::MaximumQoS::read)
    }

    /// CONNACK.
    pub fn retain_available(self) -> Option<bool> {
        self.get(0x25, value::Bool::read)
    }

    /// All packets: names and values in the order they came.
    pub fn user_properties(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(pair) => Some(pair),
            _ => None,
        })
    }

    /// CONNECT, CONNACK.
    pub fn maximum_packet_size(self) -> Option<u32> {
        self.get(0x27, value::FourByteNotZero::read)
    }

    /// CONNACK.
    pub fn wildcard_subscription_available(self) -> Option<bool> {
        self.get(0x28, value::Bool::read)
    }

    /// CONNACK.
    pub fn subscription_identifier_available(self) -> Option<bool> {
        self.get(0x29, value::Bool::read)
    }

    /// CONNACK.
    pub fn shared_subscription_available(self) -> Option<bool> {
        self.get(0x2a, value::Bool::read)
    }
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
