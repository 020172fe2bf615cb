//! A PUBLISH that can't be handled at once: its payload is large, or somebody has to be waited for.
use super::Broker;
use super::fault::Fault;
use crate::Input;
use crate::codec::{Delivery, Payload, Publish};
use crate::message::{self, Publication};
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::topic::TopicName;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// Large payloads are kept in chunks of this size.
pub(super) const CHUNK: usize = 256 * 1024;

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
    pub(super) chunks: Vec<Bytes>,
    current: BytesMut,
    filled: usize,
    pub(super) left: usize,
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
        let (chunks, left) = match publish.payload {
            Payload::Whole([]) => (Vec::new(), 0),
            Payload::Whole(bytes) => (alloc::vec![Bytes::copy_from_slice(bytes)], 0),
            Payload::Streamed(length) => (Vec::new(), length as usize),
        };
        Self {
            delivery: publish.delivery,
            retain: publish.retain,
            topic: publish.topic.into(),
            properties,
            expiry: publish.properties.message_expiry_interval(),
            discard: None,
            chunks,
            current: BytesMut::new(),
            filled: 0,
            left,
        }
    }

    /// Bytes of memory it takes.
    pub(super) fn held(&self) -> usize {
        self.properties.len() + self.current.len() + self.chunks.iter().map(Bytes::len).sum::<usize>()
    }

    /// The rest of the current chunk.
    pub(super) fn space(&mut self) -> Option<&mut [u8]> {
        if self.left == 0 || self.discard.is_some() {
            return None;
        }
        if self.current.is_empty() {
            self.current = BytesMut::zeroed(self.left.min(CHUNK));
        }
        self.current.get_mut(self.filled..)
    }

    /// So many bytes have been put into `space`; how many that could hold of them.
    pub(super) fn filled(&mut self, n: usize) -> usize {
        let n = n.min(self.current.len() - self.filled);
        self.filled += n;
        self.left -= n;
        if n > 0 && self.filled == self.current.len() {
            self.chunks.push(core::mem::take(&mut self.current).freeze());
            self.filled = 0;
        }
        n
    }

    pub(super) fn append(&mut self, mut bytes: &[u8]) {
        if self.discard.is_some() {
            self.left = self.left.saturating_sub(bytes.len());
            return;
        }
        while let Some(space) = self.space()
            && !bytes.is_empty()
        {
            let n = space.len().min(bytes.len());
            let (now, later) = bytes.split_at(n);
            space[..n].copy_from_slice(now);
            bytes = later;
            self.filled(n);
        }
    }

    pub(super) fn publication(&self) -> Option<Publication> {
        let mut publication = Publication::new(TopicName::new(&self.topic).ok()?, Bytes::new())
            .qos(self.delivery.qos())
            .retain(self.retain);
        publication.payload = message::Payload::Chunks(self.chunks.as_slice().into());
        publication.message_expiry_interval = self.expiry;
        publication.properties = Bytes::copy_from_slice(&self.properties);
        Some(publication)
    }

    /// Takes over what the policy wants published instead. QoS and Packet Identifier stay the client's.
    pub(super) fn change(&mut self, publication: &Publication) {
        self.topic = publication.topic.as_str().into();
        self.retain = publication.retain;
        self.properties = publication.properties.to_vec();
        self.expiry = publication.message_expiry_interval;
        if self.left == 0 {
            self.chunks = publication.payload.pieces().to_vec();
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
        match lane.and_then(|l| l.incoming.take_if(|i| i.left == 0)) {
            Some(incoming) => self.complete(now, index, incoming),
            None => Input::More,
        }
    }

    pub(super) fn complete(&mut self, now: Instant, index: u32, incoming: Box<Incoming>) -> Input {
        if let Some(why) = incoming.discard {
            self.answer_discarded(now, index, incoming.delivery, why);
            return Input::More;
        }
        if self.has_to_wait(&incoming.topic, incoming.retain) {
            return self.postpone(index, incoming);
        }
        self.accept_incoming(now, index, &incoming);
        Input::More
    }
}
