//! Application Messages as they leave the machine, or enter it from the host.
use crate::codec::{Properties, PropertiesBuf, Property, PropertyError};
use crate::id::{IdentityId, MessageId};
use crate::qos::QoS;
use crate::text::TextError;
use crate::time::Instant;
use crate::topic::TopicName;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

/// What an application wants published: a builder.
///
/// Each property of MQTT 5.0 that a message may carry has a setter, which refuses what can't be sent; the standard has a
/// message carry them all the way to its subscribers. Where 3.x is spoken they are left out. (Section 3.3.2.3)
/// ```
/// use tidewire_core::message::Publication;
/// use tidewire_core::qos::QoS;
/// use tidewire_core::topic::TopicName;
///
/// let answer_here = TopicName::new("answers/7")?;
/// let publication = Publication::new(TopicName::new("pumps/3/start")?, "now")
///     .qos(QoS::AtLeastOnce)
///     .message_expiry_interval(60)
///     .payload_format_indicator(true)
///     .content_type("text/plain")?
///     .response_topic(&answer_here)
///     .correlation_data(&[0, 7])?
///     .user_property("site", "north")?;
/// assert_eq!(publication.properties().content_type(), Some("text/plain"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Publication {
    /// Where to.
    pub topic: TopicName,
    /// What it says.
    pub payload: Payload,
    /// How hard to try.
    pub qos: QoS,
    /// Keep it as the topic's Retained Message.
    pub retain: bool,
    /// Drop it if it was not sent within so many seconds. (Section 3.3.2.3.3)
    pub message_expiry_interval: Option<u32>,
    /// The others, and nothing else: those that travel with a message.
    pub(crate) properties: PropertiesBuf,
}

impl Publication {
    /// QoS 0, not retained, no expiry, no properties.
    pub fn new(topic: TopicName, payload: impl Into<Payload>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            message_expiry_interval: None,
            properties: PropertiesBuf::new(),
        }
    }

    /// With another QoS.
    #[must_use]
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// To be kept, or not.
    #[must_use]
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// To be dropped if it was not sent within so many seconds; subscribers are told what is left of them.
    /// [MQTT-3.3.2-5] [MQTT-3.3.2-6]
    #[must_use]
    pub fn message_expiry_interval(mut self, seconds: u32) -> Self {
        self.message_expiry_interval = Some(seconds);
        self
    }

    /// The payload is UTF-8 text (true), or bytes of whatever kind (false), which is what it is if nothing is said.
    /// Nobody looks whether that is so before a receiver does. (Section 3.3.2.3.2)
    #[must_use]
    pub fn payload_format_indicator(mut self, is_text: bool) -> Self {
        self.replace(Property::PayloadFormatIndicator(is_text)).expect("a bool can always be sent");
        self
    }

    /// What the payload is, often a MIME type. (Section 3.3.2.3.9)
    ///
    /// # Errors
    /// It contains U+0000, or has more than 65,535 bytes. [MQTT-3.3.2-19]
    pub fn content_type(self, content_type: &str) -> Result<Self, PropertyError> {
        self.property(Property::ContentType(content_type))
    }

    /// Where an answer is expected: the message is a request. (Section 3.3.2.3.5)
    #[must_use]
    pub fn response_topic(mut self, topic: &TopicName) -> Self {
        let replaced = self.replace(Property::ResponseTopic(topic.as_str()));
        replaced.expect("a Topic Name can always be sent");
        self
    }

    /// What its answer is to carry, so that it is known for that. (Section 3.3.2.3.6)
    ///
    /// # Errors
    /// More than 65,535 bytes.
    pub fn correlation_data(self, data: &[u8]) -> Result<Self, PropertyError> {
        self.property(Property::CorrelationData(data))
    }

    /// One more name and value, whatever the two sides have agreed on; their order is kept. (Section 3.3.2.3.7)
    /// [MQTT-3.3.2-18]
    ///
    /// # Errors
    /// One of the two contains U+0000, or has more than 65,535 bytes.
    pub fn user_property(self, name: &str, value: &str) -> Result<Self, PropertyError> {
        self.property(Property::UserProperty((name, value)))
    }

    /// With this property, which takes the place of one of its kind; User Properties are added.
    ///
    /// # Errors
    /// It can't be sent, or is none that a message carries: a Topic Alias belongs to a connection, and a Subscription
    /// Identifier to who receives.
    pub fn property(mut self, property: Property<'_>) -> Result<Self, PropertyError> {
        if let Property::MessageExpiryInterval(seconds) = property {
            self.message_expiry_interval = Some(seconds);
        } else {
            self.replace(property)?;
        }
        Ok(self)
    }

    /// Those that were set, but for the Message Expiry Interval.
    pub fn properties(&self) -> Properties<'_> {
        self.properties.as_properties()
    }

    fn replace(&mut self, property: Property<'_>) -> Result<(), PropertyError> {
        property.check_travels()?;
        let id = property.id();
        if !self.properties.as_properties().has(id) || matches!(property, Property::UserProperty(_)) {
            return self.properties.push(property);
        }
        let others = self.properties.as_properties();
        let others = others.iter().filter(|other| other.id() != id);
        self.properties = PropertiesBuf::of(others.chain([property]))?;
        Ok(())
    }
}

/// A payload: in one piece, or as the chunks it was received in. Large ones are never copied together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// In one piece.
    Whole(Bytes),
    /// In several, none of them empty.
    Chunks(Arc<[Bytes]>),
}

impl Payload {
    /// How many bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Chunks(chunks) => chunks.iter().map(Bytes::len).sum(),
        }
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Bytes] {
        match self {
            Self::Whole(bytes) => core::slice::from_ref(bytes),
            Self::Chunks(chunks) => chunks,
        }
    }

    /// Copied together.
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces().concat()
    }

    /// In one piece: shared, unless it came in several.
    pub fn bytes(&self) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes.clone(),
            Self::Chunks(chunks) => chunks.concat().into(),
        }
    }

    /// As text: borrowed, unless it came in several pieces.
    ///
    /// # Errors
    /// [`NotUtf8`](TextError::NotUtf8). Text of a payload may have any characters.
    pub fn text(&self) -> Result<Cow<'_, str>, TextError> {
        let text = match self {
            Self::Whole(bytes) => core::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Self::Chunks(chunks) => String::from_utf8(chunks.concat()).ok().map(Cow::Owned),
        };
        text.ok_or(TextError::NotUtf8)
    }
}

/// What is borrowed is copied, once; what is owned is taken.
macro_rules! payload_from {
    ($($given:ty => $bytes:expr;)*) => {
        $(impl From<$given> for Payload {
            fn from(given: $given) -> Self {
                Self::Whole($bytes(given))
            }
        })*
    };
}

payload_from! {
    Bytes => core::convert::identity;
    Vec<u8> => Bytes::from;
    Box<[u8]> => Bytes::from;
    String => Bytes::from;
    &str => |given: &str| Bytes::copy_from_slice(given.as_bytes());
    &String => |given: &String| Bytes::copy_from_slice(given.as_bytes());
    &[u8] => Bytes::copy_from_slice;
    &Vec<u8> => |given: &Vec<u8>| Bytes::copy_from_slice(given);
}

impl<const N: usize> From<&[u8; N]> for Payload {
    fn from(given: &[u8; N]) -> Self {
        Self::Whole(Bytes::copy_from_slice(given))
    }
}

/// An accepted Application Message, as subscribers in this process see it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Names it for good.
    pub id: MessageId,
    /// Whose right to publish it rests on.
    pub origin: IdentityId,
    /// Where it was published to.
    pub topic: TopicName,
    /// What it says.
    pub payload: Payload,
    /// It was retained before the subscription was made.
    pub retain: bool,
    /// When it is too old to be sent.
    pub expires_at: Option<Instant>,
    pub(crate) properties: PropertiesBuf,
}

impl Message {
    /// What its publisher said of it, but for the Message Expiry Interval: Payload Format Indicator, Content Type,
    /// Response Topic, Correlation Data and User Properties, in their order. (5.0, section 3.3.2.3)
    pub fn properties(&self) -> Properties<'_> {
        self.properties.as_properties()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::PropertyFault;
    use crate::text::TextError;

    fn publication() -> Publication {
        Publication::new(TopicName::new("a").expect("a Topic Name"), "")
    }

    #[test]
    fn a_property_takes_the_place_of_its_kind_and_user_properties_are_added() {
        let made = publication()
            .user_property("k", "1")
            .and_then(|p| p.content_type("text"))
            .and_then(|p| p.user_property("k", "2"))
            .and_then(|p| p.content_type("binary"))
            .expect("they can be sent")
            .payload_format_indicator(true)
            .payload_format_indicator(false);
        let properties = made.properties();
        assert_eq!(properties.content_type(), Some("binary"));
        assert_eq!(properties.payload_format_indicator(), Some(false));
        assert_eq!(properties.user_properties().collect::<Vec<_>>(), [("k", "1"), ("k", "2")]);
        assert_eq!(properties.iter().count(), 4);
    }

    #[test]
    fn a_payload_is_made_of_whatever_std_has_for_bytes() {
        let (text, bytes) = (String::from("21.5"), b"21.5".to_vec());
        let borrowed =
            [Payload::from("21.5"), (&text).into(), b"21.5".into(), bytes.as_slice().into(), (&bytes).into()];
        let owned = [
            Payload::from(text.clone()),
            bytes.clone().into(),
            bytes.clone().into_boxed_slice().into(),
            Bytes::from(bytes.clone()).into(),
        ];
        assert!(
            borrowed.iter().chain(&owned).all(|payload| *payload == Payload::Whole(bytes.clone().into()))
        );
        let place = bytes.as_ptr();
        assert_eq!(Payload::from(bytes).bytes().as_ptr(), place, "what is owned is never copied");
    }

    #[test]
    fn a_payload_is_bytes_and_text_in_one_piece_or_in_several() {
        let whole = Payload::from("\u{e4}\0");
        let chunks = Payload::Chunks([&b"\xc3"[..], b"\xa4\0"].map(Bytes::copy_from_slice).into());
        for payload in [&whole, &chunks] {
            assert_eq!(payload.bytes(), "\u{e4}\0".as_bytes());
            assert_eq!(payload.text(), Ok(Cow::Borrowed("\u{e4}\0")));
        }
        assert!(matches!(whole.text(), Ok(Cow::Borrowed(_))));
        let Payload::Whole(bytes) = &whole else { panic!("one piece") };
        assert_eq!(whole.bytes().as_ptr(), bytes.as_ptr());
        assert_eq!(Payload::from(b"\xc3").text(), Err(TextError::NotUtf8));
    }

    #[test]
    fn what_no_message_carries_is_refused_and_the_expiry_has_a_place_of_its_own() {
        for property in
            [Property::TopicAlias(1), Property::SubscriptionIdentifier(1), Property::WillDelayInterval(1)]
        {
            let error = publication().property(property).expect_err("it is none of a message");
            assert_eq!((error.name(), error.fault()), (property.name(), PropertyFault::Misplaced));
        }
        let nul = publication().content_type("\0").expect_err("no text");
        assert_eq!(nul.fault(), PropertyFault::Text(TextError::Nul));
        let made = publication().property(Property::MessageExpiryInterval(7)).expect("a message has it");
        assert!(made.message_expiry_interval == Some(7) && made.properties().is_empty());
    }
}
