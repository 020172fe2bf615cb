//! Lines for people.
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// Why a command could not be carried out: one line that says where, why, and what to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was said wrongly.
    Usage(String),
    /// It was said well, but this machine won't.
    Machine(String),
}

impl Failure {
    /// Says it, and with what code to end.
    pub(crate) fn report(&self) -> ExitCode {
        let (text, code) = match self {
            Self::Usage(text) => (text, 2),
            Self::Machine(text) => (text, 1),
        };
        error_line(text);
        ExitCode::from(code)
    }
}

/// What was asked for. A reader that has gone away is no reason to complain.
pub(crate) fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// What has to be told.
pub(crate) fn error_line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "tidewire: {text}");
}
