//! Why something came to nothing.
use crate::clients::{self, Refusal};
use crate::serve::StartError;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use tidewire_core::client::{Cause, Misuse};
use tidewire_core::codec::PropertyError;
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::TextError;
use tidewire_core::topic::TopicError;

/// What the calls of a client give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something came to nothing. Its `Debug` is the same line as its `Display`: that is what a program prints whose
/// `main` ends with it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// It makes no sense, whatever the server says. Nothing was sent.
    Invalid(Invalid),
    /// This server, or the version that it speaks, does not have it. Nothing was sent.
    Unsupported(Feature),
    /// No packet may be so large, or none that this server takes. Nothing was sent.
    TooLarge {
        /// Of topic, payload and properties.
        bytes: usize,
        /// Bytes that a packet may have.
        limit: u32,
    },
    /// There is no room, and `try_enqueue` does not wait.
    OutboxFull,
    /// The server said no: to a connection, a message or a subscription.
    Refused(Refusal),
    /// Nobody let us in on the first round through the servers: why, in the system's words where it has some.
    Unreachable(Arc<str>),
    /// A message or a request ended before the server could say anything.
    Failed(Cause),
    /// The goodbye's time was up: so many messages had not ended.
    Unfinished(usize),
    /// Nobody answered the request in time.
    TimedOut,
    /// The client has ended: it said goodbye, or the server turned it away for good.
    Ended(Cause),
    /// There is no loop: no runtime here, no thread to be had, or it has ended.
    NoLoop(Arc<str>),
    /// A broker can't be started: what stands in its way, and what to do.
    NotServed(Arc<str>),
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// This program's: the call is to be mended.
    Program,
    /// The server's, or its rules'.
    Server,
    /// That of what lies between.
    Network,
}

/// What makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// It is no Topic Name, or no Topic Filter.
    Topic(TopicError),
    /// It is no server's URL: what is wrong with it, and what would be right.
    Url(Box<str>),
    /// An option of this name has a value that it can't have.
    Option(&'static str),
    /// A property that can't be sent.
    Property(PropertyError),
    /// At least one Topic Filter.
    NoFilters,
    /// No Local on a Shared Subscription. [MQTT-3.8.3-4]
    SharedNoLocal,
    /// The message does not say where it wants to be answered, or there is no such topic.
    NoResponseTopic,
    /// A stream of this process has that subscription: it is the stream's to end.
    HasStream,
    /// The payload is no text.
    NotText,
    /// More requests are under way than there are Packet Identifiers.
    TooManyRequests,
}

/// What a server may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// MQTT 5.0.
    Version5,
    /// So high a QoS.
    QoS,
    /// Retained Messages.
    Retain,
    /// Subscription Identifiers.
    SubscriptionIdentifiers,
    /// TLS: this client has none.
    Tls,
    /// WebSocket: this client has none.
    WebSocket,
}

impl Error {
    /// Whose it is; of what ended, whose the cause names.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Invalid(_)
            | Self::TooLarge { .. }
            | Self::OutboxFull
            | Self::NoLoop(_)
            | Self::NotServed(_) => Fault::Program,
            Self::Unsupported(Feature::Tls | Feature::WebSocket) => Fault::Program,
            Self::Unsupported(_) | Self::Refused(_) => Fault::Server,
            Self::Failed(cause) | Self::Ended(cause) => match cause {
                Cause::MadeRoom | Cause::Ended | Cause::Text(_) | Cause::Property(_) => Fault::Program,
                Cause::Unreachable
                | Cause::Closed
                | Cause::Reset
                | Cause::ConnectTimeout
                | Cause::KeepAlive
                | Cause::Expired => Fault::Network,
                _ => Fault::Server,
            },
            Self::Unreachable(_) | Self::Unfinished(_) | Self::TimedOut => Fault::Network,
        }
    }

    /// The server's Reason Code, if it gave one.
    pub fn reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.reason),
            Self::Failed(Cause::Refused(reason) | Cause::Disconnected(reason))
            | Self::Ended(Cause::Refused(reason) | Cause::Disconnected(reason)) => Some(*reason),
            _ => None,
        }
    }

    /// The loop could not be started.
    pub fn no_loop(error: impl fmt::Display) -> Self {
        Self::NoLoop(error.to_string().into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Unsupported(feature) => feature.fmt(f),
            Self::TooLarge { bytes, limit } => {
                write!(f, "it has {bytes} bytes, and no packet may have more than {limit}: send less at once")
            }
            Self::OutboxFull => f.write_str("too many messages wait to be sent; `enqueue` waits for room"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unreachable(words) => write!(f, "no server let us in: {words}"),
            Self::Failed(cause) => cause.fmt(f),
            Self::Unfinished(messages) => {
                write!(f, "{messages} messages had not ended when the time for the goodbye was up")
            }
            Self::TimedOut => f.write_str("nobody answered in time"),
            Self::Ended(cause) => write!(f, "the client has ended: {cause}"),
            Self::NoLoop(words) => write!(f, "there is no loop for the client: {words}"),
            Self::NotServed(words) => f.write_str(words),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(error) => error.fmt(f),
            Self::Url(words) => f.write_str(words),
            Self::Option(name) => write!(f, "the option {name} can't have this value"),
            Self::Property(error) => error.fmt(f),
            Self::NoFilters => f.write_str("there is no Topic Filter"),
            Self::SharedNoLocal => f.write_str("a shared subscription gets what its own client publishes"),
            Self::NoResponseTopic => f.write_str("there is no topic where the answer could go"),
            Self::HasStream => f.write_str("a stream has that subscription: use its unsubscribe or remove"),
            Self::NotText => f.write_str("the payload is not UTF-8 text"),
            Self::TooManyRequests => f.write_str("too many subscriptions wait for an answer"),
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version5 => "it needs MQTT 5.0, which this server does not speak",
            Self::QoS => "the server does not support this QoS",
            Self::Retain => "the server keeps no retained messages",
            Self::SubscriptionIdentifiers => "the server knows no Subscription Identifiers",
            Self::Tls => "this client has no TLS: use mqtt://",
            Self::WebSocket => "this client has no WebSocket: use mqtt://",
        })
    }
}

impl From<clients::Error> for Error {
    fn from(error: clients::Error) -> Self {
        match error {
            clients::Error::Misuse(misuse) => misuse.into(),
            clients::Error::Refused(refusal) => Self::Refused(refusal),
            clients::Error::Failed(cause) => Self::Failed(cause),
            clients::Error::Ended(ended) => Self::Ended(ended.cause),
            clients::Error::Unfinished(messages) => Self::Unfinished(messages),
            clients::Error::TooLarge { bytes, limit } => Self::TooLarge { bytes, limit },
            clients::Error::TimedOut => Self::TimedOut,
            clients::Error::NeedsVersion5 => Self::Unsupported(Feature::Version5),
            clients::Error::NoResponseTopic => Self::Invalid(Invalid::NoResponseTopic),
            clients::Error::Gone => Self::no_loop("it has ended"),
        }
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::NotServed(error.to_string().into())
    }
}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        match misuse {
            Misuse::OutboxFull => Self::OutboxFull,
            Misuse::Property(error) => error.into(),
            Misuse::QoSNotSupported => Self::Unsupported(Feature::QoS),
            Misuse::RetainNotSupported => Self::Unsupported(Feature::Retain),
            Misuse::SharedNoLocal => Self::Invalid(Invalid::SharedNoLocal),
            Misuse::SubscriptionIdentifier => Self::Unsupported(Feature::SubscriptionIdentifiers),
            Misuse::SessionExpiry => Self::Invalid(Invalid::Option("session_expiry")),
            Misuse::NoFilters => Self::Invalid(Invalid::NoFilters),
            Misuse::TooManyRequests => Self::Invalid(Invalid::TooManyRequests),
            Misuse::Ended(cause) => Self::Ended(cause),
            _ => Self::Failed(Cause::TooLarge),
        }
    }
}

impl From<TopicError> for Error {
    fn from(error: TopicError) -> Self {
        Self::Invalid(Invalid::Topic(error))
    }
}

impl From<PropertyError> for Error {
    fn from(error: PropertyError) -> Self {
        Self::Invalid(Invalid::Property(error))
    }
}

impl From<TextError> for Error {
    fn from(_: TextError) -> Self {
        Self::Invalid(Invalid::NotText)
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
