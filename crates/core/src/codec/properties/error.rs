//! Why a property can't be sent.
use super::{Property, table};
use crate::text::TextError;
use crate::topic::TopicError;
use core::fmt;

/// A property can't be sent: which one, and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyError {
    id: u8,
    fault: PropertyFault,
}

const _: () = assert!(size_of::<PropertyError>() <= 4); // a part of what each receipt may say

impl PropertyError {
    #[cold]
    pub(super) fn of(property: &Property<'_>, fault: PropertyFault) -> Self {
        Self { id: property.id(), fault }
    }

    /// Its Property Identifier.
    pub fn id(&self) -> u8 {
        self.id
    }

    /// Its [name](Property::name).
    pub fn name(&self) -> &'static str {
        table::name(self.id)
    }

    /// What is wrong with it.
    pub fn fault(&self) -> PropertyFault {
        self.fault
    }
}

/// What is wrong with a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PropertyFault {
    /// It may not have this value: zero, a Maximum QoS of 2, a Subscription Identifier beyond 268,435,455.
    Value,
    /// A string or data of more than 65,535 bytes. (Sections 1.5.4 and 1.5.6)
    TooLong,
    /// Not a UTF-8 Encoded String.
    Text(TextError),
    /// Not a Topic Name. [MQTT-3.3.2-14]
    TopicName(TopicError),
    /// It is there already, and no packet may have it twice.
    Duplicate,
    /// No message carries it to its subscribers.
    Misplaced,
}

impl fmt::Display for PropertyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} can't be sent: {}", self.name(), self.fault)
    }
}

impl fmt::Display for PropertyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value => f.write_str("it may not have this value"),
            Self::TooLong => f.write_str("it has more than 65,535 bytes"),
            Self::Text(error) => error.fmt(f),
            Self::TopicName(error) => error.fmt(f),
            Self::Duplicate => f.write_str("it is there already"),
            Self::Misplaced => f.write_str("no message carries it"),
        }
    }
}

impl core::error::Error for PropertyError {}
