//! Properties to be sent.
use super::table::{ROWS, place};
#[cfg(feature = "client")]
use super::value;
use super::{Properties, Property, PropertyError, PropertyFault, bit};
use alloc::vec::Vec;
use bytes::Bytes;

/// Properties under construction, encoded from the start.
///
/// What is wrong by itself is refused; that its packet may carry a property is for the caller to see to.
/// (Section 2.2.2.2)
/// ```
/// use tidewire_core::codec::{PropertiesBuf, Property, PropertyFault};
///
/// let mut properties = PropertiesBuf::new();
/// properties.push(Property::ContentType("text/plain"))?;
/// let zero = properties.push(Property::TopicAlias(0)).unwrap_err();
/// assert_eq!((zero.name(), zero.fault()), ("TopicAlias", PropertyFault::Value));
/// # Ok::<(), tidewire_core::codec::PropertyError>(())
/// ```
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PropertiesBuf {
    encoded: Vec<u8>,
    present: u64,
}

impl Clone for PropertiesBuf {
    #[inline]
    fn clone(&self) -> Self {
        // Most messages have none, and then there is nothing to copy.
        if self.is_empty() { Self::new() } else { Self { encoded: self.encoded.clone(), ..*self } }
    }
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

    /// Those, in their order.
    ///
    /// # Errors
    /// The first that can't be [pushed](Self::push).
    pub fn of<'a>(properties: impl IntoIterator<Item = Property<'a>>) -> Result<Self, PropertyError> {
        let mut all = Self::new();
        all.extend(properties)?;
        Ok(all)
    }

    /// Those that came, but for this one.
    #[cfg(feature = "client")]
    pub(crate) fn without(id: u8, properties: Properties<'_>) -> Self {
        let (mut encoded, mut rest) = (Vec::new(), properties.encoded);
        while let Some((found, value)) = rest.split_first() {
            let after = value::skip(*found, value).unwrap_or_default();
            if *found != id {
                encoded.extend_from_slice(&rest[..rest.len() - after.len()]);
            }
            rest = after;
        }
        Self { encoded, present: properties.present & !bit(id) }
    }

    /// Adds one at the end.
    ///
    /// # Errors
    /// It can't be sent, whatever the packet: it may not have this value, is no text or no Topic Name, has more than
    /// 65,535 bytes, or is there already and may not be there twice. Nothing was added then.
    pub fn push(&mut self, property: Property<'_>) -> Result<(), PropertyError> {
        let id = property.id();
        let again = self.present & bit(id) != 0 && ROWS[usize::from(id)].repeats == place::NOWHERE;
        let checked = if again { Err(PropertyFault::Duplicate) } else { property.check() };
        checked.map_err(|fault| PropertyError::of(&property, fault))?;
        self.encoded.push(id);
        self.present |= bit(id);
        property.write(&mut self.encoded);
        Ok(())
    }

    /// Adds those at the end, in their order.
    ///
    /// # Errors
    /// The first that can't be [pushed](Self::push); those before it were added.
    pub fn extend<'a>(
        &mut self,
        properties: impl IntoIterator<Item = Property<'a>>,
    ) -> Result<(), PropertyError> {
        properties.into_iter().try_for_each(|property| self.push(property))
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
