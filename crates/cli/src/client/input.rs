//! Where the payloads come from.
use crate::say::{Failure, given};
use std::ffi::OsString;
use std::future::Future;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidewire_core::bytes::Bytes;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::Sleep;

/// Lines that were read ahead, at most.
const AHEAD: usize = 256;

/// One of these.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct Source {
    /// Publish this
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    message: Option<OsString>,

    /// Publish what is in this file
    #[arg(short, long, value_name = "FILE", allow_hyphen_values = true)]
    file: Option<PathBuf>,

    /// Publish each line of the standard input
    #[arg(short = 'l', long)]
    stdin_line: bool,

    /// Publish the whole of the standard input
    #[arg(short, long)]
    stdin_file: bool,

    /// Publish an empty payload
    #[arg(short, long)]
    null_message: bool,
}

/// A line without its end, or why there is none.
type Line = io::Result<Vec<u8>>;

/// What is to be published, one after the other.
pub(crate) enum Input {
    Repeated(Repeated),
    Lines(Receiver<Line>),
}

/// The same, so many times.
pub(crate) struct Repeated {
    payload: Bytes,
    left: u64,
    delay: Duration,
    /// Until the next one.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Input {
    /// The next payload; `None` once there is no other.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match self {
            Self::Repeated(repeated) => repeated.poll_next(cx).map(|payload| payload.map(Ok)),
            Self::Lines(lines) => lines.poll_recv(cx).map(|line| line.map(|line| line.map(Bytes::from))),
        }
    }

    /// One has ended.
    pub(crate) fn ended(&mut self) {
        if let Self::Repeated(repeated) = self {
            repeated.ended();
        }
    }

    /// How many there are still to be, where that is known.
    pub(crate) fn left(&self) -> u64 {
        match self {
            Self::Repeated(repeated) => repeated.left,
            Self::Lines(_) => 0,
        }
    }

    /// One at a time, and the first that fails is the last.
    pub(crate) fn is_repeated(&self) -> bool {
        matches!(self, Self::Repeated(_))
    }
}

impl Repeated {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
        }
        self.left -= 1;
        self.pause = None;
        Poll::Ready(Some(self.payload.clone()))
    }

    /// One has ended: the next one waits from now on.
    fn ended(&mut self) {
        if !self.delay.is_zero() {
            self.pause = Some(Box::pin(tokio::time::sleep(self.delay)));
        }
    }
}

impl Source {
    /// What it says, so many times and so far apart; or the lines of the standard input.
    pub(crate) fn input(&self, tool: &str, times: u64, delay: Duration) -> Result<Input, Failure> {
        if self.stdin_line {
            return Ok(Input::Lines(lines()?));
        }
        let payload = self.payload(tool)?;
        Ok(Input::Repeated(Repeated { payload, left: times, delay, pause: None }))
    }

    fn payload(&self, tool: &str) -> Result<Bytes, Failure> {
        if let Some(text) = &self.message {
            return Ok(text.as_encoded_bytes().to_vec().into());
        }
        if let Some(file) = &self.file {
            return match std::fs::read(file) {
                Ok(bytes) => Ok(bytes.into()),
                Err(error) => Err(Failure::Machine(format!(
                    "-f {}: {error}; is there such a file, and may it be read?",
                    given(&file.to_string_lossy())
                ))),
            };
        }
        if self.stdin_file {
            let mut bytes = Vec::new();
            return match io::stdin().read_to_end(&mut bytes) {
                // More often a mistake than meant; a file was at least chosen.
                Ok(0) => Err(Failure::Machine(
                    "-s: there is nothing in the standard input; -n publishes an empty payload".into(),
                )),
                Ok(_) => Ok(bytes.into()),
                Err(error) => Err(Failure::Machine(format!("-s: {error}"))),
            };
        }
        if self.null_message {
            return Ok(Bytes::new());
        }
        Err(Failure::Usage(format!(
            "{tool}: what? -m TEXT, -f FILE, -l or -s (standard input) or -n (nothing)"
        )))
    }
}

/// Reads on a thread of its own, which may wait as long as it likes.
fn lines() -> Result<Receiver<Line>, Failure> {
    let (sender, receiver) = channel(AHEAD);
    let read = move || {
        for line in io::stdin().lock().split(b'\n') {
            // Nobody publishes any more.
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    };
    match std::thread::Builder::new().name("lines".into()).spawn(read) {
        Ok(_) => Ok(receiver),
        Err(error) => Err(Failure::Machine(format!("can't start a thread: {error}; raise ulimit -u"))),
    }
}
