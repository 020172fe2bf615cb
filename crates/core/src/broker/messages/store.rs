//! Messages that are kept: once each, whatever the fan-out.
use super::owned::Owned;
use crate::id::{IdentityId, MessageId};
use crate::qos::QoS;
use crate::text::Text;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

/// A message in the store, counted. Whoever drops one without [`Store::release`] has a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MessageRef(pub(crate) u32);

/// An Application Message on its way, as it arrived or as it lies in the store. It never changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) id: MessageId,
    pub(crate) origin: IdentityId,
    pub(crate) expires_at: Option<Instant>,
    pub(crate) topic: Text<'a>,
    /// The properties that travel with it, encoded.
    pub(crate) properties: &'a [u8],
    pub(crate) content: Content<'a>,
}

/// A payload: small ones are copied, large ones shared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    Small(&'a [u8]),
    Large(&'a Arc<[Bytes]>),
}

impl<'a> Content<'a> {
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Small(bytes) => bytes.len(),
            Self::Large(chunks) => chunks.iter().map(Bytes::len).sum(),
        }
    }

    fn small(self) -> &'a [u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(_) => &[],
        }
    }
}

impl View<'_> {
    /// What it is charged with: about what it takes.
    pub(crate) fn size(&self) -> usize {
        size_of::<Slot>() + self.topic.len() + self.properties.len() + self.content.len()
    }
}

struct Slot {
    id: MessageId,
    /// Topic, then properties, then payload.
    block: Vec<u8>,
    /// What few messages have.
    rare: Option<Box<Rare>>,
    refs: u32,
    origin: IdentityId,
    topic: u16,
    properties: u32,
}
const _: () = assert!(size_of::<Slot>() <= 80); // one for each queued message, besides its block

#[derive(Default)]
struct Rare {
    expires_at: Option<Instant>,
    chunks: Option<Arc<[Bytes]>>,
    /// What the journal calls it, if it is one of several copies.
    name: Option<MessageId>,
}

/// A freed slot keeps a block of at most this size for the next message: heap that goes back to the system
/// faults in again.
const KEEP: usize = 16 * 1024;
/// Freed slots keep at most so many bytes together.
const KEPT: usize = 2 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct Store {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Bytes in the blocks of freed slots.
    kept: usize,
    /// What all messages here are charged with.
    bytes: usize,
}

impl Store {
    /// Keeps a copy, with one reference.
    pub(crate) fn put(&mut self, view: &View<'_>) -> MessageRef {
        let place = self.slot();
        let slot = &mut self.slots[place as usize];
        let payload = view.content.small();
        let needs = view.topic.len() + view.properties.len() + payload.len();
        let has = slot.block.capacity();
        self.kept -= has;
        if has < needs || has > 2 * needs + 256 {
            slot.block = Vec::with_capacity(needs);
        }
        slot.block.clear();
        slot.block.extend_from_slice(view.topic.as_bytes());
        slot.block.extend_from_slice(view.properties);
        slot.block.extend_from_slice(payload);
        slot.id = view.id;
        slot.origin = view.origin;
        slot.topic = u16::try_from(view.topic.len()).unwrap_or(u16::MAX);
        slot.properties = u32::try_from(view.properties.len()).unwrap_or(u32::MAX);
        slot.refs = 1;
        let chunks = match view.content {
            Content::Large(chunks) => Some(chunks.clone()),
            Content::Small(_) => None,
        };
        if view.expires_at.is_some() || chunks.is_some() {
            slot.rare = Some(Box::new(Rare { expires_at: view.expires_at, chunks, name: None }));
        }
        self.bytes += view.size();
        MessageRef(place)
    }

    /// Keeps it once more, to be called by another name; with one reference.
    pub(crate) fn copy(&mut self, message: MessageRef) -> MessageRef {
        let view = self.get(message);
        let topic: Box<str> = view.topic.into();
        let owned = Owned::new(&view, QoS::AtMostOnce);
        self.put(&owned.view(&topic))
    }

    fn slot(&mut self) -> u32 {
        if let Some(place) = self.free.pop() {
            return place;
        }
        if self.slots.len() == self.slots.capacity() {
            // An eighth at a time: doubling would waste up to half of what many queued messages take.
            self.slots.reserve_exact((self.slots.len() / 8).max(64));
        }
        self.slots.push(Slot {
            id: MessageId::default(),
            block: Vec::new(),
            rare: None,
            refs: 0,
            origin: IdentityId(0),
            topic: 0,
            properties: 0,
        });
        u32::try_from(self.slots.len() - 1).expect("four billion messages don't fit into memory")
    }

    /// One more that needs it.
    pub(crate) fn share(&mut self, message: MessageRef) -> MessageRef {
        self.slots[message.0 as usize].refs += 1;
        message
    }

    /// One fewer that needs it.
    pub(crate) fn release(&mut self, message: MessageRef) {
        let slot = &mut self.slots[message.0 as usize];
        slot.refs -= 1;
        if slot.refs > 0 {
            return;
        }
        let charged = self.get(message).size();
        self.bytes -= charged;
        let slot = &mut self.slots[message.0 as usize];
        slot.rare = None;
        let size = slot.block.capacity();
        if size <= KEEP && self.kept + size <= KEPT {
            self.kept += size;
        } else {
            slot.block = Vec::new();
        }
        self.free.push(message.0);
    }

    #[inline]
    pub(crate) fn get(&self, message: MessageRef) -> View<'_> {
        let slot = &self.slots[message.0 as usize];
        let (topic, rest) = slot.block.split_at(usize::from(slot.topic));
        let (properties, payload) = rest.split_at(slot.properties as usize);
        let rare = slot.rare.as_deref();
        View {
            id: slot.id,
            origin: slot.origin,
            expires_at: rare.and_then(|m| m.expires_at),
            topic: Text::known(topic),
            properties,
            content: match rare.and_then(|m| m.chunks.as_ref()) {
                Some(chunks) => Content::Large(chunks),
                None => Content::Small(payload),
            },
        }
    }

    pub(crate) fn id(&self, message: MessageRef) -> MessageId {
        self.slots[message.0 as usize].id
    }

    /// Gives a copy a name of its own: the same message may stand in the same queue already.
    pub(crate) fn set_name(&mut self, message: MessageRef, name: MessageId) {
        self.slots[message.0 as usize].rare.get_or_insert_default().name = Some(name);
    }

    /// What the journal calls it.
    pub(crate) fn name(&self, message: MessageRef) -> MessageId {
        let slot = &self.slots[message.0 as usize];
        slot.rare.as_deref().and_then(|rare| rare.name).unwrap_or(slot.id)
    }

    /// What all messages here are charged with.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many messages are kept.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn check(&self) {
        let kept = |s: &&Slot| s.refs > 0;
        let (live, freed): (Vec<_>, Vec<_>) = self.slots.iter().partition(kept);
        assert_eq!(freed.len(), self.free.len(), "what nobody needs is free");
        let blocks: usize = freed.iter().map(|s| s.block.capacity()).sum();
        assert!(blocks == self.kept && blocks <= KEPT, "freed slots keep little, and it is counted");
        let sizes = self.references().map(|(message, _)| self.get(message).size());
        assert_eq!((live.len(), sizes.sum()), (self.len(), self.bytes), "what is kept is charged");
    }

    /// How many references there are to each message, for [`check`](crate::broker::Broker::check).
    pub(crate) fn references(&self) -> impl Iterator<Item = (MessageRef, u32)> {
        (0..).zip(&self.slots).filter(|(_, s)| s.refs > 0).map(|(i, s)| (MessageRef(i), s.refs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(payload: &[u8]) -> View<'_> {
        View {
            id: MessageId(7),
            origin: IdentityId(3),
            expires_at: Some(Instant::from_secs(9)),
            topic: Text::known_str("a/b"),
            properties: &[1, 1],
            content: Content::Small(payload),
        }
    }

    #[test]
    fn what_is_kept_reads_as_it_came() {
        let mut store = Store::default();
        let kept = store.put(&view(b"hello"));
        let read = store.get(kept);
        assert_eq!(
            (read.topic, read.properties, read.content.small()),
            (Text::known_str("a/b"), &[1, 1][..], &b"hello"[..])
        );
        assert_eq!(
            (read.id, read.origin, read.expires_at),
            (MessageId(7), IdentityId(3), Some(Instant::from_secs(9)))
        );
    }

    #[test]
    fn a_freed_slot_keeps_small_blocks_only() {
        let mut store = Store::default();
        let large = store.put(&view(&[0; KEEP + 1]));
        store.share(large);
        store.release(large);
        assert_eq!(store.len(), 1);
        store.release(large);
        assert_eq!((store.len(), store.kept), (0, 0));
        let small = store.put(&view(b"x"));
        assert_eq!(small, large, "the slot is used again");
        store.release(small);
        assert!(store.kept > 0);
        let next = store.put(&view(b"y"));
        assert_eq!(store.kept, 0);
        assert_eq!(store.get(next).content.small(), b"y");
    }
}
