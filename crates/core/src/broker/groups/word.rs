//! What a member's shard says to the group.

/// A session becomes a member, or has been one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Join<'a> {
    /// Share Name, `/`, Topic Filter.
    pub(crate) name: &'a str,
    pub(crate) member: u64,
    pub(crate) epoch: u64,
    /// It takes so many at a time.
    pub(crate) quota: u16,
    /// It may be offered something at once; otherwise it says when.
    pub(crate) is_open: bool,
}

/// What is said of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It is done with this offer, however that ended.
    Done { number: u64 },
    /// It gives this offer back, after having taken it.
    Back { number: u64 },
    /// It refuses this offer of the epoch, and all after it in the same.
    Refused { epoch: u64, first: u64 },
    /// It has room for so many at a time, from this epoch on.
    Room { epoch: u64, quota: u16 },
    /// It is a member no more, and answers only what it has.
    Leave,
}

impl Word {
    /// As numbers.
    pub(crate) fn parts(self) -> (u8, u64, u64) {
        match self {
            Self::Done { number } => (0, number, 0),
            Self::Back { number } => (1, number, 0),
            Self::Refused { epoch, first } => (2, epoch, first),
            Self::Room { epoch, quota } => (3, epoch, quota.into()),
            Self::Leave => (4, 0, 0),
        }
    }

    pub(crate) fn from_parts(what: u8, a: u64, b: u64) -> Option<Self> {
        Some(match what {
            0 => Self::Done { number: a },
            1 => Self::Back { number: a },
            2 => Self::Refused { epoch: a, first: b },
            3 => Self::Room { epoch: a, quota: u16::try_from(b).ok()? },
            4 => Self::Leave,
            _ => return None,
        })
    }
}
