//! The one place that asks what time it is.
use tidewire_core::time::Instant;

/// Microseconds since the Unix epoch that never run backwards.
///
/// The wall clock is read once, when the clock is made; from then on only the monotonic one is, so nobody who
/// sets the wall clock moves a deadline. On Linux the time that the machine was suspended counts. Copies agree
/// with each other: all shards of a server share one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// What to add to the monotonic clock's microseconds.
    offset: u64,
    #[cfg(not(target_os = "linux"))]
    base: std::time::Instant,
}

#[cfg(target_os = "linux")]
impl Clock {
    /// A clock whose origin is the epoch as the machine knows it now.
    pub fn start() -> Self {
        Self { offset: wall_micros().saturating_sub(monotonic_micros()) }
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        Instant::from_micros(self.offset.saturating_add(monotonic_micros()))
    }
}

#[cfg(target_os = "linux")]
fn monotonic_micros() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(nanos / 1000)
}

#[cfg(not(target_os = "linux"))]
impl Clock {
    /// A clock whose origin is the epoch as the machine knows it now.
    #[expect(clippy::disallowed_methods, reason = "this is the driver's clock")]
    pub fn start() -> Self {
        Self { offset: wall_micros(), base: std::time::Instant::now() }
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        let elapsed = u64::try_from(self.base.elapsed().as_micros()).unwrap_or(u64::MAX);
        Instant::from_micros(self.offset.saturating_add(elapsed))
    }
}

impl Clock {
    /// The same, or one that begins then, if that is later: what was recorded before has been.
    #[must_use]
    pub fn not_before(mut self, earliest: Instant) -> Self {
        let behind = earliest.as_micros().saturating_sub(self.now().as_micros());
        self.offset = self.offset.saturating_add(behind);
        self
    }

    /// What the wall clock says at this moment, set as it may have been since the start: for what people compare with
    /// other clocks, and never for a deadline.
    pub fn wall() -> Instant {
        Instant::from_micros(wall_micros())
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the driver's clock")]
fn wall_micros() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_agree_and_time_never_runs_backwards() {
        let clock = Clock::start();
        let copy = clock;
        let mut last = clock.now();
        for _ in 0..1000 {
            let next = copy.now();
            assert!(next >= last);
            last = next;
        }
        assert!(last.as_micros() >= 1_600_000_000_000_000, "the origin is the Unix epoch");
    }

    #[test]
    fn it_does_not_begin_before_what_was_recorded() {
        let clock = Clock::start();
        let recorded = clock.now().after_secs(1000);
        let later = clock.not_before(recorded);
        assert!(later.now() >= recorded && later.now() < recorded.after_secs(500));
        assert!(
            clock.not_before(Instant::from_secs(1)).now() < recorded,
            "where nothing is recorded it is as it was"
        );
    }
}
