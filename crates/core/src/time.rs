//! Time as the caller tells it.
pub use core::time::Duration;

/// A point in time, in microseconds since an origin the caller chose.
///
/// The core never asks what time it is. Every input carries the time it happened at, and times never run
/// backwards. For a [`Broker`](crate::broker::Broker) the origin is the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Later than anything that will be.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// The instant so many microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The instant so many seconds after the origin.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Milliseconds since the origin, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This much later, or [`FAR_FUTURE`](Self::FAR_FUTURE) where that does not exist.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// So many seconds later, or [`FAR_FUTURE`](Self::FAR_FUTURE) where that does not exist.
    #[must_use]
    pub const fn after_secs(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
}

/// When to call `handle_timeout`, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline<T> {
    /// Call then, or soon after.
    pub at: Instant,
    /// What is due first. For logs and tests; callers need not look.
    pub timer: T,
}
