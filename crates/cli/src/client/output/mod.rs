//! The standard output, as messages go there.
mod format;
mod json;

use crate::say::{self, Failure, given};
use format::{Format, Printed};
use jiff::Zoned;
use std::io::{self, BufWriter, ErrorKind, Stdout, Write};
use tidewire_core::client::Message;
use tidewire_core::id::Token;
use tokio::sync::oneshot;

/// How to print messages.
#[derive(clap::Args)]
pub(crate) struct Printing {
    /// Print the topic before each payload
    #[arg(short, long)]
    verbose: bool,

    /// How to print a message, as in '%t %p'; a wrong letter is answered with all that there are
    #[arg(short = 'F', value_name = "FORMAT", allow_hyphen_values = true)]
    format: Option<String>,

    /// No end of line after each message
    #[arg(short = 'N')]
    no_newline: bool,
}

enum Style {
    Payload,
    /// Its topic first.
    Verbose,
    Format(Format),
}

pub(crate) struct Output {
    style: Style,
    newline: bool,
    out: BufWriter<Stdout>,
}

/// Why something could not be printed.
pub(crate) enum Unprinted {
    /// The pipe has no other end any more.
    NobodyReads,
    Failed(Failure),
}

/// Resolves when nobody can read the standard output any more, also while there is nothing to print.
#[cfg(unix)]
pub(crate) fn unread() -> Result<oneshot::Receiver<()>, Failure> {
    use rustix::event::{PollFd, PollFlags, poll};
    let (gone, unread) = oneshot::channel();
    let wait = move || {
        let stdout = io::stdout();
        // Of errors poll tells unasked; a file has none.
        let mut pipe = [PollFd::new(&stdout, PollFlags::empty())];
        while let Err(rustix::io::Errno::INTR) = poll(&mut pipe, None) {}
        if pipe[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            // If nobody waits for it, the end has come already.
            let _ = gone.send(());
        }
    };
    match std::thread::Builder::new().name("output".into()).spawn(wait) {
        Ok(_) => Ok(unread),
        Err(error) => Err(Failure::Machine(format!("can't start a thread: {error}; raise ulimit -u"))),
    }
}

/// Here it is noticed when something is printed.
#[cfg(not(unix))]
pub(crate) fn unread() -> Result<oneshot::Receiver<()>, Failure> {
    Ok(oneshot::channel().1)
}

impl Output {
    pub(crate) fn new(printing: &Printing) -> Result<Self, Failure> {
        let style = match &printing.format {
            Some(format) => Style::Format(
                Format::parse(format)
                    .map_err(|error| Failure::Usage(format!("-F '{}': {error}", given(format))))?,
            ),
            None if printing.verbose => Style::Verbose,
            None => Style::Payload,
        };
        Ok(Self { style, newline: !printing.no_newline, out: BufWriter::new(io::stdout()) })
    }

    /// It may lie here until it is flushed.
    pub(crate) fn print(&mut self, message: &Message, token: Option<&Token>) -> Result<(), Unprinted> {
        self.write(message, token).map_err(|error| Unprinted::of(&error))
    }

    pub(crate) fn flush(&mut self) -> Result<(), Unprinted> {
        self.out.flush().map_err(|error| Unprinted::of(&error))
    }

    fn write(&mut self, message: &Message, token: Option<&Token>) -> io::Result<()> {
        let pieces = message.payload.pieces();
        match &self.style {
            // An empty payload is not even a line.
            Style::Payload if message.payload.is_empty() => return Ok(()),
            Style::Verbose if message.payload.is_empty() && !self.newline => return Ok(()),
            Style::Verbose if message.payload.is_empty() => write!(self.out, "{} (null)", message.topic)?,
            Style::Payload => pieces.iter().try_for_each(|piece| self.out.write_all(piece))?,
            Style::Verbose => {
                write!(self.out, "{} ", message.topic)?;
                pieces.iter().try_for_each(|piece| self.out.write_all(piece))?;
            }
            Style::Format(format) => {
                let printed = Printed {
                    topic: message.topic.as_str(),
                    payload: &message.payload,
                    qos: message.qos,
                    retain: message.retain,
                    packet_id: token.map_or(0, |token| token.packet_id().0.get()),
                    properties: message.properties(),
                };
                if format.check(&printed).is_err() {
                    say::error_line(format_args!(
                        "{}: the payload is not JSON, as %J wants it; %j prints any",
                        given(message.topic.as_str())
                    ));
                    return Ok(());
                }
                format.print(&printed, &Zoned::now(), &mut self.out)?;
            }
        }
        if self.newline { self.out.write_all(b"\n") } else { Ok(()) }
    }
}

impl Unprinted {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(Failure::Machine(format!("standard output: {error}; is the disk full?"))),
        }
    }
}
