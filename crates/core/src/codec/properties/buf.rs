//! Properties to be sent.
use super::{Properties, Property, bit};
use crate::qos::QoS;
use alloc::vec::Vec;
use bytes::Bytes;

/// Properties under construction, encoded from the start.
///
/// Each may be pushed that the packet may carry; nothing checks that. Strings and data are cut to 65,535 bytes,
/// the most that MQTT has room for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertiesBuf {
    encoded: Vec<u8>,
    present: u64,
}

impl PropertiesBuf {
    /// None yet.
    pub const fn new() -> Self {
        Self { encoded: Vec::new(), present: 0 }
    }

    /// Forgets them all and keeps the memory.
    pub fn clear(&mut self) {
        self.encoded.clear();
        self.present = 0;
    }

    /// Adds one at the end.
    ///
    /// What may not have its value is left out: a Maximum QoS of 2, which is said so, and what may not be zero or,
    /// as a Subscription Identifier, has no room in a Variable Byte Integer.
    pub fn push(&mut self, property: Property<'_>) {
        match property {
            Property::MaximumQoS(QoS::ExactlyOnce)
            | Property::SubscriptionIdentifier(0 | 268_435_456..)
            | Property::ReceiveMaximum(0)
            | Property::TopicAlias(0)
            | Property::MaximumPacketSize(0) => return,
            _ => {}
        }
        self.encoded.push(property.id());
        self.present |= bit(property.id());
        property.write(&mut self.encoded);
    }

    /// None at all?
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// To put into a packet.
    pub fn as_properties(&self) -> Properties<'_> {
        Properties { encoded: &self.encoded, present: self.present }
    }

    /// Encoded, without their length.
    pub fn into_vec(self) -> Vec<u8> {
        self.encoded
    }
}

impl From<Properties<'_>> for PropertiesBuf {
    fn from(properties: Properties<'_>) -> Self {
        Self { encoded: properties.encoded.to_vec(), present: properties.present }
    }
}

impl From<PropertiesBuf> for Vec<u8> {
    fn from(properties: PropertiesBuf) -> Self {
        properties.encoded
    }
}

impl From<PropertiesBuf> for Bytes {
    fn from(properties: PropertiesBuf) -> Self {
        properties.encoded.into()
    }
}

impl<'a> Extend<Property<'a>> for PropertiesBuf {
    fn extend<I: IntoIterator<Item = Property<'a>>>(&mut self, properties: I) {
        for property in properties {
            self.push(property);
        }
    }
}

impl<'a> FromIterator<Property<'a>> for PropertiesBuf {
    fn from_iter<I: IntoIterator<Item = Property<'a>>>(properties: I) -> Self {
        let mut all = Self::new();
        all.extend(properties);
        all
    }
}
