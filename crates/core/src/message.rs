//! Application Messages as they leave the machine, or enter it from the host.
use crate::id::{IdentityId, MessageId};
use crate::qos::QoS;
use crate::time::Instant;
use crate::topic::TopicName;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

/// What an application wants published: a builder.
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
    /// Drop it if it was not sent within so many seconds.
    pub message_expiry_interval: Option<u32>,
    /// The other properties that travel with it, encoded as in a PUBLISH of 5.0, without their length.
    pub properties: Bytes,
}

impl Publication {
    /// QoS 0, not retained, no expiry, no properties.
    pub fn new(topic: TopicName, payload: impl Into<Bytes>) -> Self {
        Self {
            topic,
            payload: Payload::Whole(payload.into()),
            qos: QoS::AtMostOnce,
            retain: false,
            message_expiry_interval: None,
            properties: Bytes::new(),
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
    pub fn len(&self) -> usize {
        self.pieces().iter().map(Bytes::len).sum()
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
    /// The other properties that travel with it, encoded as in a PUBLISH of 5.0, without their length.
    pub properties: Bytes,
}
