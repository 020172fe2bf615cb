//! Overlapping subscriptions of one subscriber, merged into what it is sent.
use super::Subscriber;
use super::subscribers::Subscription;
use crate::qos::QoS;
use alloc::vec::Vec;
use core::ops::Deref;

/// One recipient of a topic: all of its subscriptions that match, as one.
///
/// A subscriber that has both No Local and other subscriptions to a topic has two: what it is sent of
/// others' messages, and what of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) who: Subscriber,
    identifiers: Identifiers,
    /// The greatest of the matching subscriptions. [MQTT-3.3.4-2]
    pub(crate) qos: QoS,
    pub(crate) audience: Audience,
    /// If any of the subscriptions says so.
    pub(crate) retain_as_published: bool,
    /// What the judge said of this subscriber and this topic. Always true for a shard.
    pub(crate) allowed: bool,
}
const _: () = assert!(size_of::<Match>() <= 12); // one per recipient of each remembered topic

/// Whose messages a [`Match`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Everyone,
    /// Not for what the subscriber published itself. [MQTT-3.8.3-3]
    NotSelf,
    /// Only for what the subscriber published itself.
    OnlySelf,
}

impl Audience {
    /// Is it for a message that the subscriber published itself, or did not?
    #[inline]
    pub(crate) fn includes(self, is_own: bool) -> bool {
        match self {
            Self::Everyone => true,
            Self::NotSelf => !is_own,
            Self::OnlySelf => is_own,
        }
    }
}

/// The Subscription Identifiers of a [`Match`], or where they are: 0 for none, the identifier itself, or
/// with the top bit a place in the list, where a count stands before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identifiers(u32);

impl Identifiers {
    const NONE: Self = Self(0);
    const MANY: u32 = 1 << 31;

    fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl Match {
    #[cfg(test)]
    pub(crate) fn has_identifiers(&self) -> bool {
        !self.identifiers.is_none()
    }
}

/// Whom a message goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matches<'a> {
    matches: &'a [Match],
    identifiers: &'a [u32],
}

impl<'a> Matches<'a> {
    pub(crate) fn new(matches: &'a [Match], identifiers: &'a [u32]) -> Self {
        Self { matches, identifiers }
    }

    /// The Subscription Identifiers of one of these, ascending. Where several subscriptions have the same
    /// one, it is there several times, and so it is to be sent. [MQTT-3.3.4-4] [MQTT-3.3.4-3] [MQTT-3.3.4-5]
    pub(crate) fn identifiers<'b>(&'b self, of: &'b Match) -> &'b [u32] {
        let Identifiers(packed) = of.identifiers;
        if packed & Identifiers::MANY != 0 {
            let from = (packed & !Identifiers::MANY) as usize;
            let count = self.identifiers[from] as usize;
            &self.identifiers[from + 1..][..count]
        } else if of.identifiers.is_none() {
            &[]
        } else {
            core::slice::from_ref(&of.identifiers.0)
        }
    }
}

impl Deref for Matches<'_> {
    type Target = [Match];

    fn deref(&self) -> &[Match] {
        self.matches
    }
}

/// Where recipients are worked out; its memory is used again.
#[derive(Debug, Default)]
pub(crate) struct Found {
    subscriptions: Vec<Subscription>,
    matches: Vec<Match>,
    identifiers: Vec<u32>,
}

impl Found {
    /// Where to put all subscriptions that match a topic, for `merge`.
    pub(crate) fn start(&mut self) -> &mut Vec<Subscription> {
        self.subscriptions.clear();
        &mut self.subscriptions
    }

    pub(crate) fn merge(&mut self, mut judge: impl FnMut(u32) -> bool) {
        self.matches.clear();
        self.identifiers.clear();
        let mut subscriptions = core::mem::take(&mut self.subscriptions);
        // A node's own are in order already, and this sort finds such runs.
        subscriptions.sort();
        for own in subscriptions.chunk_by(|a, b| a.who == b.who) {
            let who = own[0].who;
            let allowed = who.as_session().is_none_or(&mut judge);
            let open = own.iter().filter(|s| !s.options.no_local());
            match open.clone().count() {
                n if n == own.len() => self.push(who, Audience::Everyone, allowed, own.iter()),
                0 => self.push(who, Audience::NotSelf, allowed, own.iter()),
                _ => {
                    self.push(who, Audience::NotSelf, allowed, own.iter());
                    self.push(who, Audience::OnlySelf, allowed, open);
                }
            }
        }
        self.subscriptions = subscriptions;
    }

    fn push<'a>(
        &mut self,
        who: Subscriber,
        audience: Audience,
        allowed: bool,
        own: impl Iterator<Item = &'a Subscription> + Clone,
    ) {
        let options = own.map(|s| s.options);
        let qos = options.clone().map(|o| o.qos()).max().unwrap_or_default();
        let retain_as_published = options.clone().any(|o| o.retain_as_published());
        let identifiers = self.note(options.filter_map(|o| o.identifier()).map(u32::from));
        self.matches.push(Match { who, identifiers, qos, audience, retain_as_published, allowed });
    }

    fn note(&mut self, mut identifiers: impl Iterator<Item = u32>) -> Identifiers {
        let Some(first) = identifiers.next() else { return Identifiers::NONE };
        let Some(second) = identifiers.next() else { return Identifiers(first) };
        let from = self.identifiers.len();
        self.identifiers.extend([0, first, second]);
        self.identifiers.extend(identifiers);
        let count = self.identifiers.len() - from - 1;
        self.identifiers[from] = u32::try_from(count).expect("fewer than there are subscriptions");
        self.identifiers[from + 1..].sort_unstable();
        let place = u32::try_from(from).expect("fewer than there are subscriptions");
        assert!(place < Identifiers::MANY, "no topic has 2^31 identifiers");
        Identifiers(Identifiers::MANY | place)
    }

    pub(crate) fn matches(&self) -> Matches<'_> {
        Matches::new(&self.matches, &self.identifiers)
    }

    pub(crate) fn parts(&self) -> (&[Match], &[u32]) {
        (&self.matches, &self.identifiers)
    }
}
