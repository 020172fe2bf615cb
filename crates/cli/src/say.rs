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
    /// It ends with a code of its own.
    Code(u8, String),
    /// The same, and there is nothing to say.
    Quiet(u8),
}

impl Failure {
    /// Says it, and with what code to end.
    pub(crate) fn report(&self) -> ExitCode {
        self.say();
        ExitCode::from(self.code())
    }

    /// Says it.
    pub(crate) fn say(&self) {
        match self {
            Self::Usage(text) | Self::Machine(text) | Self::Code(_, text) => error_line(text),
            Self::Quiet(_) => {}
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Machine(_) => 1,
            Self::Code(code, _) | Self::Quiet(code) => *code,
        }
    }

    /// The same, and where it was.
    pub(crate) fn at(self, place: impl fmt::Display) -> Self {
        let at = |text: String| format!("{place}: {text}");
        match self {
            Self::Usage(text) => Self::Usage(at(text)),
            Self::Machine(text) => Self::Machine(at(text)),
            Self::Code(code, text) => Self::Code(code, at(text)),
            Self::Quiet(code) => Self::Quiet(code),
        }
    }

    /// To end with the same code and say nothing.
    pub(crate) fn quiet(&self) -> Self {
        Self::Quiet(self.code())
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
