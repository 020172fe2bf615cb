//! Whom a timer is for.
use super::Key;

/// No timer is set for longer than so many seconds: who waits longer sets it again.
pub(crate) const HORIZON: u64 = 3600;

/// Whom a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Connection,
    Session,
    Answer,
    Pause,
    Grant,
    Room,
    Resend,
}

impl Kind {
    pub(crate) fn of(key: Key) -> Self {
        match key.kind() {
            0 => Self::Connection,
            1 => Self::Session,
            2 => Self::Answer,
            3 => Self::Pause,
            4 => Self::Grant,
            5 => Self::Room,
            _ => Self::Resend,
        }
    }
}
