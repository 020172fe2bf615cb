//! Who of a group gets a message: of those that take one now.
use super::Place;

/// How a member is chosen. The names are those of the limit `share_strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// One after the other.
    #[default]
    InTurn,
    /// Whoever has the least that it has not acknowledged; of several, in turn.
    LeastLoaded,
    /// Messages of one topic go to one member, as long as that has room and the same members are there.
    ByTopic,
    /// Any of them.
    Random,
}

impl Strategy {
    /// By its number in the limit.
    pub(crate) fn of(number: u8) -> Self {
        match number {
            1 => Self::LeastLoaded,
            2 => Self::ByTopic,
            3 => Self::Random,
            _ => Self::InTurn,
        }
    }
}

/// Where to begin to look for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Behind the one that was offered something last.
    Turn,
    /// At a place that this number stands for.
    Hash(u64),
}

impl Start {
    /// The first place to look at, of so many.
    pub(super) fn place(self, turn: Place, places: usize) -> Place {
        match self {
            Self::Turn => turn + 1,
            Self::Hash(hash) => {
                let at = hash % places.max(1) as u64;
                Place::try_from(at).unwrap_or_default()
            }
        }
    }
}
