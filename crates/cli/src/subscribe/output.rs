//! The standard output, as messages go there.
use super::format::{Format, Printed};
use crate::say::{self, Failure, given};
use jiff::Zoned;
use std::io::{self, BufWriter, ErrorKind, Stdout, Write};
use tidewire_core::client::Message;
use tidewire_core::id::Token;

enum Style {
    Payload,
    /// Its topic first.
    Verbose,
    Format(Format),
}

pub(super) struct Output {
    style: Style,
    newline: bool,
    out: BufWriter<Stdout>,
}

/// Why something could not be printed.
pub(super) enum Unprinted {
    /// The pipe has no other end any more.
    NobodyReads,
    Failed(Failure),
}

impl Output {
    pub(super) fn new(format: Option<&str>, verbose: bool, newline: bool) -> Result<Self, Failure> {
        let style = match format {
            Some(format) => Style::Format(
                Format::parse(format)
                    .map_err(|error| Failure::Usage(format!("-F '{}': {error}", given(format))))?,
            ),
            None if verbose => Style::Verbose,
            None => Style::Payload,
        };
        Ok(Self { style, newline, out: BufWriter::new(io::stdout()) })
    }

    /// It may lie here until it is flushed.
    pub(super) fn print(&mut self, message: &Message, token: Option<&Token>) -> Result<(), Unprinted> {
        self.write(message, token).map_err(|error| Unprinted::of(&error))
    }

    pub(super) fn flush(&mut self) -> Result<(), Unprinted> {
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
