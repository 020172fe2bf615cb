//! Whom a message goes to: a trie of subscriptions, and the topics whose recipients are remembered.
//!
//! A look-up costs a comparison where the publisher's last topic comes again, a hash where the topic is
//! remembered, and a walk through the trie otherwise.
mod matches;
mod remembered;
mod subscribers;
#[cfg(test)]
pub(crate) mod tests;
mod trie;

#[cfg(any(test, feature = "_fuzz"))]
pub(crate) use matches::Audience;
pub(crate) use matches::{Match, Matches};

use crate::id::ShardId;
use crate::qos::QoS;
use crate::text::Text;
use alloc::string::String;
use core::num::NonZeroU32;
use matches::Found;
use remembered::Remembered;
use subscribers::Subscription;
use trie::Trie;

/// Who subscribes: a session of this shard, a group, or another shard as a whole.
///
/// Groups sort behind all sessions, and shards behind all groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Subscriber(u32);

impl Subscriber {
    const SHARD: u32 = 1 << 31;
    const GROUP: u32 = 1 << 30;

    pub(crate) fn session(session: u32) -> Self {
        assert!(session < Self::GROUP, "a shard has fewer than 2^30 sessions");
        Self(session)
    }

    pub(crate) fn group(group: u32) -> Self {
        assert!(group < Self::GROUP, "a shard has fewer than 2^30 groups");
        Self(Self::GROUP | group)
    }

    pub(crate) fn shard(shard: ShardId) -> Self {
        Self(Self::SHARD | u32::from(shard.0))
    }

    pub(crate) fn is_shard(self) -> bool {
        self.0 & Self::SHARD != 0
    }

    pub(crate) fn as_session(self) -> Option<u32> {
        (self.0 < Self::GROUP).then_some(self.0)
    }

    pub(crate) fn as_group(self) -> Option<u32> {
        (self.0 & (Self::GROUP | Self::SHARD) == Self::GROUP).then_some(self.0 ^ Self::GROUP)
    }

    pub(crate) fn as_shard(self) -> Option<ShardId> {
        let number = u16::try_from(self.0 ^ Self::SHARD).ok()?;
        Some(ShardId(number))
    }
}

/// Where in the trie a filter ends. Good for as long as somebody subscribes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

/// What was asked for with a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    /// At most 268,435,455, which is what the wire can say.
    pub(crate) identifier: Option<NonZeroU32>,
}

impl Options {
    /// As each message was published: what its recipients have asked for is theirs to say.
    pub(crate) const AS_PUBLISHED: Self =
        Self { qos: QoS::ExactlyOnce, no_local: false, retain_as_published: true, identifier: None };
}

/// Whether this subscriber had subscribed to this very filter before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replaced(pub(crate) bool);

/// The subscriptions of one shard, and what they mean for the topics in use.
#[derive(Debug)]
pub(crate) struct Router {
    trie: Trie,
    remembered: Remembered,
    /// What was found last, for topics that are not remembered. Kept for its memory.
    found: Found,
    subscriptions: usize,
    /// Where the last topic that did not come from a connection was remembered.
    pub(crate) inner_hint: u32,
}

impl Router {
    /// Remembers the recipients of `remembered_max` topics at most.
    pub(crate) fn new(seed: u64, remembered_max: usize) -> Self {
        Self {
            trie: Trie::new(seed),
            remembered: Remembered::new(seed, remembered_max),
            found: Found::default(),
            subscriptions: 0,
            inner_hint: u32::MAX,
        }
    }

    /// Adds or replaces. The filter is valid already.
    pub(crate) fn subscribe(
        &mut self,
        filter: &str,
        who: Subscriber,
        options: Options,
    ) -> (NodeId, Replaced) {
        let node = self.trie.grow_to(filter);
        let options = options.into();
        let old = self.trie.subscribers_mut(node).insert(Subscription { who, options });
        self.subscriptions += usize::from(old.is_none());
        // Clients that come back say again what they said before; that changes nobody's recipients.
        if old != Some(options) {
            self.forget(filter);
        }
        (NodeId(node), Replaced(old.is_some()))
    }

    pub(crate) fn find(&self, filter: &str) -> Option<NodeId> {
        let node = self.trie.find(filter)?;
        (!self.trie.subscribers(node)?.is_empty()).then_some(NodeId(node))
    }

    /// False if there was none.
    pub(crate) fn unsubscribe(&mut self, node: NodeId, who: Subscriber) -> bool {
        if self.options(node, who).is_none() {
            return false;
        }
        let filter = self.trie.filter(node.0);
        self.trie.subscribers_mut(node.0).remove(who);
        self.trie.prune(node.0);
        self.subscriptions -= 1;
        self.forget(&filter);
        true
    }

    pub(crate) fn options(&self, node: NodeId, who: Subscriber) -> Option<Options> {
        self.trie.subscribers(node.0)?.get(who).map(Options::from)
    }

    /// The filter that ends here, put together from its levels.
    pub(crate) fn filter(&self, node: NodeId) -> String {
        self.trie.filter(node.0)
    }

    /// How many sessions and groups subscribe to exactly this filter; shards do not count.
    pub(crate) fn subscribers_at(&self, node: NodeId) -> usize {
        self.trie.subscribers(node.0).map_or(0, subscribers::Subscribers::sessions)
    }

    /// Whom a message goes to: sessions by number, then shards.
    ///
    /// `hint` is where this publisher's last topic was found; it starts as `u32::MAX`. `judge` answers "may
    /// this session receive this topic?" and is asked once per session when recipients are worked out; the
    /// answer is remembered with them.
    #[inline]
    pub(crate) fn resolve(
        &mut self,
        topic: Text<'_>,
        hint: &mut u32,
        judge: impl FnMut(u32) -> bool,
    ) -> Matches<'_> {
        // The place may have been given to another topic meanwhile, so the topic is compared.
        if self.remembered.is_current(*hint, topic) {
            return self.remembered.take_up(*hint);
        }
        self.look_up(topic, hint, judge)
    }

    #[inline(never)]
    fn look_up(&mut self, topic: Text<'_>, hint: &mut u32, judge: impl FnMut(u32) -> bool) -> Matches<'_> {
        let hash = self.remembered.hash(topic);
        let known = self.remembered.find(hash, topic);
        if let Some(place) = known
            && self.remembered.is_current(place, topic)
        {
            *hint = place;
            return self.remembered.take_up(place);
        }
        self.trie.collect(topic, self.found.start());
        self.found.merge(judge);
        match self.remembered.keep(known, hash, topic, &self.found) {
            Some(place) => {
                *hint = place;
                self.remembered.take_up(place)
            }
            None => self.found.matches(),
        }
    }

    /// Rights have changed: all that was judged must be judged again.
    pub(crate) fn forget_all(&mut self) {
        self.remembered.forget_all();
    }

    fn forget(&mut self, filter: &str) {
        // Without wildcards it is one topic that it can mean.
        if filter.contains(['+', '#']) {
            self.remembered.forget_all();
        } else {
            self.remembered.forget(Text::known_str(filter));
        }
    }

    #[cfg(test)]
    /// Nodes in use; the root is always one.
    pub(crate) fn nodes(&self) -> usize {
        self.trie.len()
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    #[cfg(test)]
    /// Heap that the trie and the remembered topics occupy, to within what the allocator adds.
    pub(crate) fn bytes_estimate(&self) -> usize {
        self.trie.bytes_estimate() + self.remembered.bytes_estimate()
    }

    /// States what must hold between two calls.
    ///
    /// # Panics
    /// Where it does not.
    pub(crate) fn check(&self) {
        assert_eq!(self.trie.check(), self.subscriptions, "each subscription is counted once");
        self.remembered.check();
    }
}
