//! Why something that a handle asked for came to nothing.
use std::fmt;
use std::sync::Arc;
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
    /// It came to nothing by itself: it expired, for example, or is too large for this server.
    Failed(Cause),
    /// The client ended before it could be done, or had ended already. [`connect`](super::Client::connect) begins
    /// anew.
    Ended(Ended),
    /// The client's loop has ended.
    Gone,
}

/// Why a client has ended: there will be no further attempt to connect. Its text is a line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// The end of its last connection, or attempt; `Ended`, if it said goodbye.
    pub cause: Cause,
    /// The same in the system's words, where it has some: "Connection refused" and the like.
    pub error: Option<Arc<str>>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => write!(f, "{}: {error}", self.cause),
            None => self.cause.fmt(f),
        }
    }
}

impl std::error::Error for Ended {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::Refused(reason) => write!(f, "the server refused it: {reason}"),
            Self::Failed(cause) => cause.fmt(f),
            Self::Ended(ended) => ended.fmt(f),
            Self::Gone => f.write_str("the client's loop has ended"),
        }
    }
}

impl std::error::Error for Error {}
