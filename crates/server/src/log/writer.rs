//! A thread that writes lines, so that nobody else waits for a full pipe or disk.
use super::{Counter, Format, Log};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// So many bytes of lines wait at most.
const BYTES: usize = 1024 * 1024;

/// Where lines are handed in. Never waits: what finds no room is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// All of it has been written.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines that found no room, or that could not be written.
    lost: u64,
    /// Some are being written just now.
    writing: bool,
    ended: bool,
}

impl Lines {
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In place of a line that is too many, one is counted.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.bytes + line.len() > BYTES {
            state.lost += 1;
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.to_vec());
        drop(state);
        self.shared.filled.notify_one();
    }

    /// Waits until all is written, but no longer than that.
    pub(crate) fn flush(&self, patience: Duration) {
        let state = self.state();
        let is_busy = |state: &mut State| state.writing || !state.lines.is_empty();
        // Who does not read gets no more.
        drop(self.shared.emptied.wait_timeout_while(state, patience, is_busy));
    }

    /// Nothing more will come: the thread ends when it has written what there is.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.shared.filled.notify_one();
    }

    /// Writes until it is ended. `format` is how it says that lines were lost.
    pub(crate) fn write_to(&self, inner: impl Write, format: Format, counter: &Counter) {
        let mut sink = Sink { inner, is_torn: false };
        loop {
            // What was left out and can't wait any longer.
            let rest = counter.tell();
            let mut state = self.state();
            if state.lines.is_empty() && !state.ended {
                state = match rest {
                    None => self.shared.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                    Some(time) => {
                        let waited = self.shared.filled.wait_timeout(state, time);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                };
            }
            if state.lines.is_empty() {
                if state.ended {
                    return;
                }
                continue;
            }
            let lines = std::mem::take(&mut state.lines);
            state.bytes = 0;
            state.writing = true;
            drop(state);
            let all: Vec<u8> = lines.into_iter().flatten().collect();
            let lost = sink.write(&all);
            self.written(lost, &mut sink, format);
        }
    }

    fn written(&self, not_written: u64, sink: &mut Sink<impl Write>, format: Format) {
        let mut state = self.state();
        if not_written > 0 {
            state.lost += not_written;
        } else if state.lost > 0 {
            let lost = std::mem::take(&mut state.lost);
            drop(state);
            let is_lost = sink.write(Log::lost(format, lost).as_bytes()) > 0;
            state = self.state();
            state.lost += if is_lost { lost } else { 0 };
        }
        state.writing = false;
        if state.lines.is_empty() {
            self.shared.emptied.notify_all();
        }
    }
}

/// Where lines go. It may take the beginning of one and then nothing more.
struct Sink<W> {
    inner: W,
    /// It has the beginning of a line without its end.
    is_torn: bool,
}

impl<W: Write> Sink<W> {
    /// How many of these lines it has not taken as a whole. What comes after one that is torn is a line of its own.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if self.is_torn && self.taken(b"\n") == 0 {
            return ends(lines);
        }
        self.is_torn = false;
        let taken = self.taken(lines);
        let (whole, rest) = lines.split_at(taken);
        self.is_torn = whole.last().is_some_and(|byte| *byte != b'\n');
        ends(rest)
    }

    /// So many bytes are taken before it fails.
    fn taken(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.inner.write(&bytes[taken..]) {
                Ok(0) => break,
                Ok(more) => taken += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // A sink that keeps something back is one that has it.
        let _ = self.inner.flush();
        taken
    }
}

fn ends(lines: &[u8]) -> u64 {
    lines.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Each call is one line.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
