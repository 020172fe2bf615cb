//! Who subscribes at one node, with what options.
use super::{Options, Subscriber};
use crate::qos::QoS;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;

/// [`Options`] in four bytes: identifier 28 bits (0 for none) | retain as published | no local | QoS 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Packed(u32);

impl Packed {
    const NO_LOCAL: u32 = 1 << 2;
    const RETAIN_AS_PUBLISHED: u32 = 1 << 3;
    const IDENTIFIER: u32 = 4;

    pub(crate) fn qos(self) -> QoS {
        match self.0 & 3 {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }
    }

    pub(crate) fn no_local(self) -> bool {
        self.0 & Self::NO_LOCAL != 0
    }

    pub(crate) fn retain_as_published(self) -> bool {
        self.0 & Self::RETAIN_AS_PUBLISHED != 0
    }

    pub(crate) fn identifier(self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.0 >> Self::IDENTIFIER)
    }
}

impl From<Options> for Packed {
    fn from(options: Options) -> Self {
        let identifier = options.identifier.map_or(0, NonZeroU32::get);
        assert!(identifier < 1 << 28, "four bytes on the wire hold no more than 28 bits");
        Self(
            u32::from(options.qos.bits())
                | if options.no_local { Self::NO_LOCAL } else { 0 }
                | if options.retain_as_published { Self::RETAIN_AS_PUBLISHED } else { 0 }
                | (identifier << Self::IDENTIFIER),
        )
    }
}

impl From<Packed> for Options {
    fn from(packed: Packed) -> Self {
        Self {
            qos: packed.qos(),
            no_local: packed.no_local(),
            retain_as_published: packed.retain_as_published(),
            identifier: packed.identifier(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subscription {
    pub(crate) who: Subscriber,
    pub(crate) options: Packed,
}

/// Most nodes have nobody or one; those that have many are kept in order.
#[derive(Debug, Default)]
pub(crate) enum Subscribers {
    #[default]
    None,
    One(Subscription),
    Many(Box<Many>),
}

#[derive(Debug)]
pub(crate) enum Many {
    Few(Vec<Subscription>),
    /// So many that moving half of them for each newcomer would cost.
    Crowd(BTreeMap<Subscriber, Packed>),
}

const FEW: usize = 32;

impl Subscribers {
    /// Adds or replaces; returns what was there.
    pub(crate) fn insert(&mut self, new: Subscription) -> Option<Packed> {
        match self {
            Self::None => {
                *self = Self::One(new);
                None
            }
            Self::One(old) if old.who == new.who => Some(core::mem::replace(&mut old.options, new.options)),
            Self::One(old) => {
                let pair = if old.who < new.who { vec![*old, new] } else { vec![new, *old] };
                *self = Self::Many(Box::new(Many::Few(pair)));
                None
            }
            Self::Many(many) => many.insert(new),
        }
    }

    pub(crate) fn remove(&mut self, who: Subscriber) {
        match self {
            Self::One(one) if one.who == who => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(many) => {
                many.remove(who);
                if many.is_empty() {
                    *self = Self::None;
                }
            }
        }
    }

    pub(crate) fn get(&self, who: Subscriber) -> Option<Packed> {
        match self {
            Self::None => None,
            Self::One(one) => (one.who == who).then_some(one.options),
            Self::Many(many) => many.get(who),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    pub(crate) fn sessions(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(one) => usize::from(!one.who.is_shard()),
            Self::Many(many) => many.sessions(),
        }
    }

    /// In order of their numbers.
    pub(crate) fn append_to(&self, found: &mut Vec<Subscription>) {
        match self {
            Self::None => {}
            Self::One(one) => found.push(*one),
            Self::Many(many) => many.append_to(found),
        }
    }

    #[cfg(test)]
    pub(crate) fn bytes_estimate(&self) -> usize {
        let Self::Many(many) = self else { return 0 };
        size_of::<Many>()
            + match &**many {
                Many::Few(few) => few.capacity() * size_of::<Subscription>(),
                // A B-tree's leaves are two thirds full and have a header.
                Many::Crowd(crowd) => crowd.len() * 14,
            }
    }
}

impl Many {
    fn insert(&mut self, new: Subscription) -> Option<Packed> {
        match self {
            Self::Few(few) => match few.binary_search_by_key(&new.who, |s| s.who) {
                Ok(at) => return Some(core::mem::replace(&mut few[at].options, new.options)),
                Err(at) => few.insert(at, new),
            },
            Self::Crowd(crowd) => return crowd.insert(new.who, new.options),
        }
        if let Self::Few(few) = self
            && few.len() > FEW
        {
            *self = Self::Crowd(few.iter().map(|s| (s.who, s.options)).collect());
        }
        None
    }

    fn remove(&mut self, who: Subscriber) {
        match self {
            Self::Few(few) => {
                if let Ok(at) = few.binary_search_by_key(&who, |s| s.who) {
                    few.remove(at);
                }
            }
            Self::Crowd(crowd) => {
                crowd.remove(&who);
            }
        }
    }

    fn get(&self, who: Subscriber) -> Option<Packed> {
        match self {
            Self::Few(few) => few.binary_search_by_key(&who, |s| s.who).ok().map(|at| few[at].options),
            Self::Crowd(crowd) => crowd.get(&who).copied(),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Few(few) => few.is_empty(),
            Self::Crowd(crowd) => crowd.is_empty(),
        }
    }

    fn sessions(&self) -> usize {
        match self {
            Self::Few(few) => few.partition_point(|s| !s.who.is_shard()),
            // Shards are last, and there are few of them.
            Self::Crowd(crowd) => crowd.len() - crowd.keys().rev().take_while(|who| who.is_shard()).count(),
        }
    }

    fn append_to(&self, found: &mut Vec<Subscription>) {
        match self {
            Self::Few(few) => found.extend_from_slice(few),
            Self::Crowd(crowd) => {
                found.extend(crowd.iter().map(|(&who, &options)| Subscription { who, options }));
            }
        }
    }
}
