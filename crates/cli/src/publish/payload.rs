//! Where the payload comes from.
use crate::say::{Failure, given};
use std::ffi::OsString;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;
use tidewire_core::bytes::Bytes;
use tokio::sync::mpsc::{Receiver, channel};

/// Lines that were read ahead, at most.
const AHEAD: usize = 256;

/// One of these.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(super) struct Source {
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
pub(super) type Line = io::Result<Vec<u8>>;

pub(super) enum Payload {
    One(Bytes),
    Lines(Receiver<Line>),
}

impl Source {
    pub(super) fn payload(&self) -> Result<Payload, Failure> {
        if let Some(text) = &self.message {
            return Ok(Payload::One(text.as_encoded_bytes().to_vec().into()));
        }
        if let Some(file) = &self.file {
            return match std::fs::read(file) {
                Ok(bytes) => Ok(Payload::One(bytes.into())),
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
                Ok(_) => Ok(Payload::One(bytes.into())),
                Err(error) => Err(Failure::Machine(format!("-s: {error}"))),
            };
        }
        if self.stdin_line {
            return Ok(Payload::Lines(lines()?));
        }
        if self.null_message {
            return Ok(Payload::One(Bytes::new()));
        }
        Err(Failure::Usage("pub: what? -m TEXT, -f FILE, -l or -s (standard input) or -n (nothing)".into()))
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
