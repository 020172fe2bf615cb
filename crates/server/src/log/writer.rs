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
    pub(crate) fn write_to(&self, mut sink: impl Write, format: Format, counter: &Counter) {
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
            let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
            let all: Vec<u8> = lines.into_iter().flatten().collect();
            let written = sink.write_all(&all).and_then(|()| sink.flush());
            self.written(&written, count, &mut sink, format);
        }
    }

    fn written(&self, written: &io::Result<()>, count: u64, sink: &mut impl Write, format: Format) {
        let mut state = self.state();
        if written.is_err() {
            state.lost += count;
        } else if state.lost > 0 {
            let lost = std::mem::take(&mut state.lost);
            drop(state);
            let said = sink.write_all(Log::lost(format, lost).as_bytes());
            state = self.state();
            state.lost += if said.is_err() { lost } else { 0 };
        }
        state.writing = false;
        if state.lines.is_empty() {
            self.shared.emptied.notify_all();
        }
    }
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
