//! What the server says of itself, for whoever runs it.
//!
//! One [`Occurrence`] is one line. It is emitted by `tracing`, so a program around this library can have its own
//! subscriber; [`Logging`] is the one of `tidewire broker`: text for people, or flat JSON. Nothing here waits: what is
//! too much is counted, and the count is said.
mod fields;
mod host;
mod occurrence;
mod subscriber;
#[cfg(test)]
mod tests;
mod thrift;
mod words;
mod writer;

pub(crate) use host::LogHost;
pub use occurrence::{Act, Occurrence, Who};
pub use subscriber::{Format, UnknownFormat};

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use thrift::{Kind, LeftOut, Thrift, Verdict};
use tidewire_core::time::Instant;
use tidewire_driver::Clock;
pub use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level};
use words::Line;
use writer::Lines;

/// The target of all that is emitted here, for filters.
pub const TARGET: &str = "tidewire";

/// The line that counts others.
const LEFT_OUT: &str = "left-out";

/// Where occurrences are told. Copies are the same log.
///
/// By itself it emits to whatever subscriber of `tracing` there is, if any.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None`: that of the thread that tells.
    dispatch: Option<Dispatch>,
    level: LevelFilter,
    clock: Clock,
    thrift: Mutex<Thrift>,
}

impl Default for Log {
    fn default() -> Self {
        Self::with(None, LevelFilter::TRACE)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("level", &self.inner.level).finish_non_exhaustive()
    }
}

impl Log {
    /// One that is never read.
    pub fn off() -> Self {
        Self::with(None, LevelFilter::OFF)
    }

    fn with(dispatch: Option<Dispatch>, level: LevelFilter) -> Self {
        let (clock, thrift) = (Clock::start(), Mutex::default());
        Self { inner: Arc::new(Inner { dispatch, level, clock, thrift }) }
    }

    /// Whether anybody reads what is as important as this.
    pub fn has(&self, level: Level) -> bool {
        // Of all subscribers there are.
        level <= self.inner.level && level <= LevelFilter::current()
    }

    /// Writes it, or counts it.
    pub fn tell(&self, occurrence: Occurrence) {
        if self.has(occurrence.level()) {
            self.inner.tell(occurrence);
        }
    }

    /// Says now what was left out so far, and would be said later.
    pub fn tell_rest(&self) {
        let now = self.inner.clock.now();
        let mut thrift = self.inner.thrift();
        let (last, beyond) = (thrift.last(now), thrift.take_beyond(now));
        drop(thrift);
        self.inner.say(last, beyond);
    }

    /// The line that says that lines were lost on their way to wherever they are written.
    fn lost(format: Format, lines: u64) -> String {
        let mut line = Line::new(Level::WARN, LEFT_OUT);
        line.count = Some(lines);
        line.why = "so many lines could not be written".into();
        line.remedy = Some("see that whoever reads the log keeps up, and that its disk is not full".into());
        format.render(&line)
    }
}

impl Inner {
    fn thrift(&self) -> MutexGuard<'_, Thrift> {
        self.thrift.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, occurrence: Occurrence) {
        let now = self.clock.now();
        let kind = occurrence.kind();
        let mut thrift = self.thrift();
        let verdict = thrift.judge(now, &kind, occurrence.weight());
        let beyond = thrift.beyond(now);
        drop(thrift);
        self.say(Vec::new(), beyond);
        if let Verdict::Say(left_out) = verdict {
            self.emit(&occurrence.line(left_out));
        }
    }

    /// Says what has been left out for long enough; how long from now the next may be due.
    fn tell_overdue(&self) -> Option<Duration> {
        let now = self.clock.now();
        let mut thrift = self.thrift();
        let (overdue, beyond) = (thrift.overdue(now), thrift.beyond(now));
        let next = thrift.next();
        drop(thrift);
        self.say(overdue, beyond);
        next.map(|at: Instant| at.saturating_duration_since(now))
    }

    /// Lines about lines.
    fn say(&self, left_out: Vec<(Kind, LeftOut)>, beyond: Option<LeftOut>) {
        let lines = left_out.into_iter().map(|(kind, left_out)| counted(&kind, left_out));
        lines.chain(beyond.map(too_many)).for_each(|line| self.emit(&line));
    }

    fn emit(&self, line: &Line) {
        match &self.dispatch {
            Some(dispatch) => tracing::dispatcher::with_default(dispatch, || line.emit()),
            None => line.emit(),
        }
    }
}

/// A line for several of a kind that had none.
fn counted(kind: &Kind, left_out: LeftOut) -> Line {
    let level = if kind.is_warning { Level::WARN } else { Level::INFO };
    let mut line = Line::new(level, kind.what);
    line.from = kind.from.map(|from| from.to_string());
    line.left_out = left_out;
    line
}

fn too_many(left_out: LeftOut) -> Line {
    let mut line = Line::new(Level::WARN, LEFT_OUT);
    line.count = Some(left_out.lines);
    line.why = format!("so many were too many to be told one by one, in {} s", left_out.seconds);
    line
}

/// A [`Log`] with a subscriber and a thread that writes. Dropping it waits for the last lines, a second at most.
#[derive(Debug)]
pub struct Logging {
    log: Log,
    lines: Lines,
}

impl Logging {
    /// Lines from this level on, written to `sink` by a thread of their own.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(format: Format, level: LevelFilter, sink: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Lines::default();
        let dispatch = subscriber::dispatch(format, level, lines.clone());
        let log = Log::with(Some(dispatch), level);
        let counter = Counter(Arc::downgrade(&log.inner));
        let writer = lines.clone();
        let write = move || writer.write_to(sink, format, &counter);
        // It ends by itself once the last lines are written, if whoever reads them takes them.
        std::thread::Builder::new().name("log".into()).spawn(write)?;
        Ok(Self { log, lines })
    }

    /// Where to tell.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// Waits until all that was told is written, but no longer than that.
    pub fn flush(&self, patience: Duration) {
        self.lines.flush(patience);
    }

    /// Says what was left out so far, and waits until all is written, a second at most.
    pub fn finish(&self) {
        self.log.tell_rest();
        self.flush(Duration::from_secs(1));
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.finish();
        self.lines.end();
    }
}

/// The standard error, by a handle of its own: who prints there otherwise doesn't wait for a log that nobody reads.
///
/// # Errors
/// The system gives no other handle.
#[cfg(unix)]
pub fn standard_error() -> io::Result<impl Write + Send + 'static> {
    use std::os::fd::AsFd;
    Ok(std::fs::File::from(io::stderr().as_fd().try_clone_to_owned()?))
}

/// The standard error.
///
/// # Errors
/// None on this system.
#[cfg(not(unix))]
pub fn standard_error() -> io::Result<impl Write + Send + 'static> {
    Ok(io::stderr())
}

/// Who sees to it that what was left out is said. It doesn't keep the log alive.
struct Counter(Weak<Inner>);

impl Counter {
    /// How long from now the next may be due.
    fn tell(&self) -> Option<Duration> {
        self.0.upgrade()?.tell_overdue()
    }
}
