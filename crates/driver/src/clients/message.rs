//! A message that came, and what it is acknowledged with.
use super::reach::Reach;
use super::window::Outcome;
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tidewire_core::client;
use tidewire_core::codec::{Properties, PropertiesBuf};
use tidewire_core::message::Payload;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::TextError;
use tidewire_core::topic::TopicName;

/// A message that came.
#[derive(Debug)]
#[non_exhaustive]
pub struct Message {
    /// Where it was published to.
    pub topic: TopicName,
    /// What it says. Large ones come in pieces of 256 KiB.
    pub payload: Payload,
    /// At which it was delivered.
    pub qos: QoS,
    /// It was retained; or it is passed on as it was published, if the subscription wants that.
    pub retain: bool,
    /// It may have come before. (QoS 1)
    pub dup: bool,
    properties: PropertiesBuf,
    ack: Option<Ack>,
}

impl Message {
    pub(super) fn of(mut message: client::Message) -> Self {
        let properties = message.take_properties();
        let client::Message { topic, payload, qos, retain, dup, .. } = message;
        Self { topic, payload, qos, retain, dup, properties, ack: None }
    }

    /// The same, for one more stream.
    pub(super) fn copy(&self) -> Self {
        Self {
            topic: self.topic.clone(),
            payload: self.payload.clone(),
            properties: self.properties.clone(),
            ack: None,
            ..*self
        }
    }

    pub(super) fn size(&self) -> usize {
        self.topic.as_str().len() + self.payload.len() + self.properties.as_properties().as_bytes().len()
    }

    pub(super) fn wants_ack(&mut self, reach: &Arc<Reach>, place: u64) {
        self.ack = Some(Ack { reach: Some(Arc::clone(reach)), place });
    }

    /// The payload in one piece: shared, unless it came in several.
    pub fn bytes(&self) -> Bytes {
        self.payload.bytes()
    }

    /// The payload as text.
    ///
    /// # Errors
    /// It is none.
    pub fn text(&self) -> Result<Cow<'_, str>, TextError> {
        self.payload.text()
    }

    /// All that came with it. (5.0)
    pub fn properties(&self) -> Properties<'_> {
        self.properties.as_properties()
    }

    /// What the payload is, often a MIME type. (5.0)
    pub fn content_type(&self) -> Option<&str> {
        self.properties().content_type()
    }

    /// Where an answer is expected. (5.0)
    pub fn response_topic(&self) -> Option<&str> {
        self.properties().response_topic()
    }

    /// What the answer is to carry. (5.0)
    pub fn correlation_data(&self) -> Option<&[u8]> {
        self.properties().correlation_data()
    }

    /// The first value of that name. (5.0)
    pub fn user_property(&self, name: &str) -> Option<&str> {
        self.user_properties().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Names and values, in their order. (5.0)
    pub fn user_properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties().user_properties()
    }

    /// How long it is still worth something, as the server counted. (5.0)
    pub fn expiry(&self) -> Option<Duration> {
        self.properties().message_expiry_interval().map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// It is in safe hands. Does nothing where that was said by taking it.
    pub fn ack(mut self) {
        if let Some(ack) = self.ack.take() {
            ack.ack();
        }
    }

    /// It is not wanted, and why: with 5.0 the server hears so and does not send it again; before, it is passed over.
    pub fn refuse(mut self, reason: ReasonCode) {
        if let Some(ack) = self.ack.take() {
            ack.refuse(reason);
        }
    }

    /// The message, and what to acknowledge it with, later and elsewhere.
    pub fn split(mut self) -> (Self, Ack) {
        let ack = self.ack.take().unwrap_or(Ack { reach: None, place: 0 });
        (self, ack)
    }
}

/// What a message is acknowledged with, once. If it is dropped, the message is passed over: it is not acknowledged, those
/// behind it are, and it comes again on the next connection, if the session lives on. Until then it keeps its place in the
/// server's window; when the window holds nothing else, the client connects anew by itself. (Before 5.0 nobody knows the
/// window.)
#[must_use = "if it is dropped, the message comes again on the next connection"]
pub struct Ack {
    reach: Option<Arc<Reach>>,
    place: u64,
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack").field("is_open", &self.reach.is_some()).finish_non_exhaustive()
    }
}

impl Ack {
    /// It is in safe hands.
    pub fn ack(mut self) {
        self.say(Outcome::Accepted);
    }

    /// It is not wanted, and why.
    pub fn refuse(mut self, reason: ReasonCode) {
        self.say(Outcome::Refused(reason));
    }

    fn say(&mut self, outcome: Outcome) {
        if let Some(reach) = self.reach.take() {
            reach.answer(self.place, outcome);
        }
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        self.say(Outcome::PassedOver);
    }
}
