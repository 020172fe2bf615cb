//! Why something that a handle asked for came to nothing.
use std::fmt;
use std::sync::Arc;
use tidewire_core::client::{Cause, Misuse, Words};
use tidewire_core::reason::ReasonCode;

/// Why something that a handle asked for came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// It can't be had, whatever the server says.
    Misuse(Misuse),
    /// The server refused it.
    Refused(Refusal),
    /// It came to nothing by itself: it expired, for example, or is too large for this server.
    Failed(Cause),
    /// The client ended before it could be done, or had ended already. [`connect`](super::Client::connect) begins
    /// anew.
    Ended(Ended),
    /// The goodbye's time was up, and so many messages had not ended.
    Unfinished(usize),
    /// No packet may be so large, or none that this server takes.
    TooLarge {
        /// Of topic, payload and properties.
        bytes: usize,
        /// Bytes that a packet may have.
        limit: u32,
    },
    /// Nobody answered the request in time.
    TimedOut,
    /// The server speaks an older version.
    NeedsVersion5,
    /// The Client Identifier makes no Topic Name where answers could go.
    NoResponseTopic,
    /// The client's loop has ended.
    Gone,
}

/// A no of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Why.
    pub reason: ReasonCode,
    /// What the server said besides. (5.0)
    pub words: Option<Box<Words>>,
}

impl From<ReasonCode> for Refusal {
    fn from(reason: ReasonCode) -> Self {
        Self { reason, words: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused it: {}", self.reason)?;
        match &self.words {
            Some(words) => write!(f, " ({words})"),
            None => Ok(()),
        }
    }
}

/// Why a client has ended: there will be no further attempt to connect. Its text is a line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// The end of its last connection, or attempt; `Ended`, if it said goodbye.
    pub cause: Cause,
    /// The same in the system's words, where it has some: "Connection refused" and the like.
    pub error: Option<Arc<str>>,
    /// And in the server's. (5.0)
    pub words: Option<Box<Words>>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)?;
        if let Some(error) = &self.error {
            write!(f, ": {error}")?;
        }
        match &self.words {
            Some(words) => write!(f, " ({words})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Ended {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Failed(cause) => cause.fmt(f),
            Self::Ended(ended) => ended.fmt(f),
            Self::Unfinished(messages) => write!(f, "{messages} messages had not ended when the time was up"),
            Self::TooLarge { bytes, limit } => {
                write!(f, "it has {bytes} bytes, and no packet may have more than {limit}")
            }
            Self::TimedOut => f.write_str("nobody answered in time"),
            Self::NeedsVersion5 => f.write_str("it needs MQTT 5.0, which this server does not speak"),
            Self::NoResponseTopic => f.write_str("there is no topic where an answer could go"),
            Self::Gone => f.write_str("the client's loop has ended"),
        }
    }
}

impl std::error::Error for Error {}
