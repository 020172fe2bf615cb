//! A PUBLISH that can't be handled at once: its payload is large, or somebody has to be waited for.
use crate::codec::{Delivery, Properties, Publish};
use crate::delivery::Assembly;
use crate::message::{self, Publication};
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::topic::TopicName;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;

/// A PUBLISH that is not complete, or not judged.
pub(crate) struct Incoming {
    pub(crate) delivery: Delivery,
    pub(crate) retain: bool,
    pub(crate) topic: Box<str>,
    /// Those that travel with it, encoded.
    pub(crate) properties: Vec<u8>,
    pub(crate) expiry: Option<u32>,
    /// Topic and RETAIN as they came, where the policy wants others.
    asked: Option<(Box<str>, bool)>,
    /// It is not to be delivered: how it is answered when its end has come.
    pub(crate) discard: Option<Discard>,
    pub(crate) payload: Assembly,
}

/// What an incoming message that goes nowhere is answered with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Discard {
    /// It has been delivered before.
    Again,
    /// It may not be published.
    Refused(ReasonCode),
}

impl Incoming {
    pub(crate) fn new(publish: &Publish<'_>) -> Self {
        let mut properties = Vec::new();
        publish.properties.travelling(&mut properties);
        Self {
            delivery: publish.delivery,
            retain: publish.retain,
            topic: publish.topic.into(),
            properties,
            expiry: publish.properties.message_expiry_interval(),
            asked: None,
            discard: None,
            payload: Assembly::new(publish.payload),
        }
    }

    /// Bytes of memory it takes.
    pub(crate) fn held(&self) -> usize {
        self.properties.len() + self.payload.held()
    }

    /// How many bytes of its payload are missing.
    pub(crate) fn left(&self) -> usize {
        self.payload.left()
    }

    /// The rest of the current chunk.
    pub(crate) fn space(&mut self) -> Option<&mut [u8]> {
        if self.discard.is_some() { None } else { self.payload.space() }
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        if self.discard.is_some() { self.payload.skip(bytes.len()) } else { self.payload.append(bytes) }
    }

    pub(crate) fn publication(&self) -> Option<Publication> {
        let mut publication = Publication::new(TopicName::new(&self.topic).ok()?, Bytes::new())
            .qos(self.delivery.qos())
            .retain(self.retain);
        publication.payload = message::Payload::Chunks(self.payload.chunks().into());
        publication.message_expiry_interval = self.expiry;
        publication.properties = Properties::known(&self.properties).into();
        Some(publication)
    }

    /// Topic and RETAIN that its publisher needs the right to.
    pub(crate) fn asked(&self) -> (Text<'_>, bool) {
        let (topic, retain) = self.asked.as_ref().map_or((&self.topic, self.retain), |(t, r)| (t, *r));
        (Text::known_str(topic), retain)
    }

    /// Takes over what the policy wants published instead. QoS and Packet Identifier stay the client's.
    pub(crate) fn change(&mut self, publication: &Publication) {
        let topic = core::mem::replace(&mut self.topic, publication.topic.as_str().into());
        self.asked = Some((topic, core::mem::replace(&mut self.retain, publication.retain)));
        self.properties = publication.properties().as_bytes().to_vec();
        self.expiry = publication.message_expiry_interval;
        if self.left() == 0 {
            self.payload.replace(&publication.payload);
        }
    }
}
