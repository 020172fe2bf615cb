//! A PUBLISH that can't be handled at once: its payload is large, or somebody has to be waited for.
use super::Broker;
use super::fault::Fault;
use crate::Input;
use crate::codec::{Delivery, Properties, Publish};
use crate::delivery::Assembly;
use crate::message::{self, Publication};
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::time::Instant;
use crate::topic::TopicName;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;

/// A PUBLISH that is not complete, or not judged.
pub(super) struct Incoming {
    pub(super) delivery: Delivery,
    pub(super) retain: bool,
    pub(super) topic: Box<str>,
    /// Those that travel with it, encoded.
    pub(super) properties: Vec<u8>,
    pub(super) expiry: Option<u32>,
    /// It is not to be delivered: how it is answered when its end has come.
    pub(super) discard: Option<Discard>,
    pub(super) payload: Assembly,
}

/// What an incoming message that goes nowhere is answered with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Discard {
    /// It has been delivered before.
    Again,
    /// It may not be published.
    Refused(ReasonCode),
}

impl Incoming {
    pub(super) fn new(publish: &Publish<'_>) -> Self {
        let mut properties = Vec::new();
        publish.properties.travelling(&mut properties);
        Self {
            delivery: publish.delivery,
            retain: publish.retain,
            topic: publish.topic.into(),
            properties,
            expiry: publish.properties.message_expiry_interval(),
            discard: None,
            payload: Assembly::new(publish.payload),
        }
    }

    /// Bytes of memory it takes.
    pub(super) fn held(&self) -> usize {
        self.properties.len() + self.payload.held()
    }

    /// How many bytes of its payload are missing.
    pub(super) fn left(&self) -> usize {
        self.payload.left()
    }

    /// The rest of the current chunk.
    pub(super) fn space(&mut self) -> Option<&mut [u8]> {
        if self.discard.is_some() { None } else { self.payload.space() }
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.discard.is_some() { self.payload.skip(bytes.len()) } else { self.payload.append(bytes) }
    }

    pub(super) fn publication(&self) -> Option<Publication> {
        let mut publication = Publication::new(TopicName::new(&self.topic).ok()?, Bytes::new())
            .qos(self.delivery.qos())
            .retain(self.retain);
        publication.payload = message::Payload::Chunks(self.payload.chunks().into());
        publication.message_expiry_interval = self.expiry;
        publication.properties = Properties::known(&self.properties).into();
        Some(publication)
    }

    /// Takes over what the policy wants published instead. QoS and Packet Identifier stay the client's.
    pub(super) fn change(&mut self, publication: &Publication) {
        self.topic = publication.topic.as_str().into();
        self.retain = publication.retain;
        self.properties = publication.properties().as_bytes().to_vec();
        self.expiry = publication.message_expiry_interval;
        if self.left() == 0 {
            self.payload.replace(&publication.payload);
        }
    }
}

impl Broker {
    /// A piece of a large payload.
    pub(super) fn on_body(&mut self, now: Instant, index: u32, bytes: &[u8]) -> Result<Input, Fault> {
        let Some(incoming) =
            self.connections[index].lane.as_deref_mut().and_then(|l| l.incoming.as_deref_mut())
        else {
            return Ok(Input::More);
        };
        incoming.append(bytes);
        Ok(self.complete_if_all(now, index))
    }

    /// The last piece has come.
    pub(super) fn complete_if_all(&mut self, now: Instant, index: u32) -> Input {
        let lane = self.connections[index].lane.as_deref_mut();
        match lane.and_then(|l| l.incoming.take_if(|i| i.left() == 0)) {
            Some(incoming) => self.complete(now, index, incoming),
            None => Input::More,
        }
    }

    pub(super) fn complete(&mut self, now: Instant, index: u32, incoming: Box<Incoming>) -> Input {
        if let Some(why) = incoming.discard {
            self.answer_discarded(index, incoming.delivery, why);
            return Input::More;
        }
        if self.has_to_wait(Text::known_str(&incoming.topic), incoming.retain) {
            return self.postpone(index, incoming);
        }
        self.accept_incoming(now, index, &incoming);
        Input::More
    }
}
