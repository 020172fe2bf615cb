//! Why something that a handle asked for came to nothing.
use std::fmt;
use tidewire_core::client::{Cause, Misuse};
use tidewire_core::reason::ReasonCode;

/// Why something that a handle asked for came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// It can't be had, whatever the server says.
    Misuse(Misuse),
    /// The server refused it.
    Refused(ReasonCode),
    /// It ended before the server could say anything.
    Failed(Cause),
    /// The client's loop has ended.
    Gone,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::Refused(reason) => write!(f, "the server refused it: {reason}"),
            Self::Failed(cause) => cause.fmt(f),
            Self::Gone => f.write_str("the client's loop has ended"),
        }
    }
}

impl std::error::Error for Error {}
