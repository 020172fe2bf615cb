//! Retained Messages: kept by topic, the message itself shared by all shards.
use super::Broker;
use super::limits::Limit;
use super::rules::Rule;
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
pub(super) struct Kept {
    pub(super) id: MessageId,
    pub(super) origin: IdentityId,
    pub(super) qos: QoS,
    pub(super) expires_at: Option<Instant>,
    properties: u32,
    /// Properties, then payload if it is small.
    block: Box<[u8]>,
    chunks: Option<Arc<[Bytes]>>,
}

impl Kept {
    pub(super) fn new(view: &View<'_>, qos: QoS) -> Self {
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

    pub(super) fn view<'a>(&'a self, topic: &'a str) -> View<'a> {
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

impl Broker {
    /// Is there room to keep it? Clearing always is.
    pub(super) fn room_to_retain(&self, view: &View<'_>) -> bool {
        let bytes = usize::try_from(self.limits.retained_bytes).unwrap_or(usize::MAX);
        let count = self.limits.retained_messages as usize;
        view.content.len() == 0 || self.retained.room(view.topic.as_str(), charge(view), count, bytes)
    }

    /// Which limit it is that leaves no room.
    pub(super) fn retained_limit(&self) -> Limit {
        if self.retained.len() >= self.limits.retained_messages as usize {
            Limit::retained_messages
        } else {
            Limit::retained_bytes
        }
    }

    /// Takes the place of what was retained for this topic; an empty payload clears it. [MQTT-3.3.1-5]
    /// [MQTT-3.3.1-6] [MQTT-3.3.1-7]
    ///
    /// Returns what is kept, for other shards to keep as well.
    pub(super) fn retain(
        &mut self,
        view: &View<'_>,
        qos: QoS,
        shared: Option<&Arc<Kept>>,
    ) -> Option<Arc<Kept>> {
        let mut now_kept = None;
        if view.content.len() == 0 {
            self.retained.clear(view.topic.as_str());
        } else {
            let kept = shared.map_or_else(|| Arc::new(Kept::new(view, qos)), Arc::clone);
            now_kept = Some(Arc::clone(&kept));
            let mut expires_at = view.expires_at;
            if !self.rules.obeys(Rule::ExpiryByIdentity) {
                expires_at = expires_at.or(self.retained.expires_at(view.topic.as_str()));
            }
            self.retained.set(view.topic.as_str(), kept, charge(view), expires_at);
        }
        self.journal_retained(view, qos);
        now_kept
    }

    /// Forgets Retained Messages that are too old.
    pub(super) fn expire_retained(&mut self, now: Instant) {
        const AT_ONCE: usize = 1000;
        for (topic, _) in self.retained.expire(now, AT_ONCE) {
            self.journal_retained_end(&topic);
        }
    }
}

pub(super) fn charge(view: &View<'_>) -> usize {
    OVERHEAD + 2 * view.topic.len() + view.properties.len() + view.content.len()
}
