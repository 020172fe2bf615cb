//! A message that is kept whole, for as long as somebody may ask for it.
use super::store::{Content, View};
use crate::id::{IdentityId, MessageId};
use crate::qos::QoS;
use crate::text::Text;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::Bytes;

/// A Retained Message, without its topic, which the index knows.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) id: MessageId,
    pub(crate) origin: IdentityId,
    pub(crate) qos: QoS,
    pub(crate) expires_at: Option<Instant>,
    properties: u32,
    /// Properties, then payload if it is small.
    block: Box<[u8]>,
    chunks: Option<Arc<[Bytes]>>,
}

impl Owned {
    pub(crate) fn new(view: &View<'_>, qos: QoS) -> Self {
        let (payload, chunks) = match view.content {
            Content::Small(bytes) => (bytes, None),
            Content::Large(chunks) => (&[][..], Some(chunks.clone())),
        };
        Self {
            id: view.id,
            origin: view.origin,
            qos,
            expires_at: view.expires_at,
            properties: u32::try_from(view.properties.len()).unwrap_or(u32::MAX),
            block: [view.properties, payload].concat().into(),
            chunks,
        }
    }

    pub(crate) fn view<'a>(&'a self, topic: &'a str) -> View<'a> {
        let (properties, payload) = self.block.split_at(self.properties as usize);
        View {
            id: self.id,
            origin: self.origin,
            expires_at: self.expires_at,
            topic: Text::known_str(topic),
            properties,
            content: self.chunks.as_ref().map_or(Content::Small(payload), Content::Large),
        }
    }
}

/// About what the index itself takes for an entry.
const OVERHEAD: usize = 150;

pub(crate) fn charge(view: &View<'_>) -> usize {
    OVERHEAD + 2 * view.topic.len() + view.properties.len() + view.content.len()
}

/// A message that has perhaps not reached all shards: of QoS 2, or a will.
#[derive(Clone)]
pub(crate) struct Undistributed {
    pub(crate) topic: Box<str>,
    pub(crate) message: Arc<Owned>,
    pub(crate) retain: bool,
    /// It went by the shard that owns its topic.
    pub(crate) by_owner: bool,
    /// It waits for its place, and nobody has it at all.
    pub(crate) waits: bool,
}
