//! What a client tells its application.
use super::words::Words;
use crate::codec::{DecodeError, Properties, PropertiesBuf, PropertyError};
use crate::id::{Ticket, Token};
use crate::message::Payload;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::text::TextError;
use crate::topic::{TopicFilter, TopicName};
use alloc::boxed::Box;
use core::fmt;

/// Something that the application may want to know.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server let us in. What it said stands in [`server`](super::Client::server).
    Connected {
        /// It has kept the session.
        session_present: bool,
    },
    /// A connection, or the attempt to make one, has ended. Unless [`Ended`](Self::Ended) follows, there will be
    /// another attempt.
    Disconnected(Cause),
    /// There will be no further attempt, until the application wants one. Every ticket has ended before this, and
    /// nothing is accepted after it.
    Ended(Cause),
    /// How far has come what was asked for under this ticket.
    Progress(Ticket, Stage),
    /// The server has answered each Topic Filter, in their order: the QoS that it granted, or why not.
    Subscribed(Ticket, Box<[ReasonCode]>),
    /// The server has answered each Topic Filter, in their order.
    Unsubscribed(Ticket, Box<[ReasonCode]>),
    /// What the server said in words: of this ticket's next stage or answer, which follows, or of why the connection
    /// ends, which then holds for all that ends with it as well. Most servers say nothing. (5.0)
    Words(Option<Ticket>, Box<Words>),
    /// The server has lost the session, and did not grant this subscription again.
    SubscriptionLost(TopicFilter, ReasonCode),
    /// The other side of an enhanced authentication has spoken. On `ContinueAuthentication` it waits for
    /// [`authenticate`](super::Client::authenticate).
    Auth {
        /// Whether it goes on.
        reason: ReasonCode,
        /// Authentication Data.
        data: Box<[u8]>,
    },
}

/// A message that came.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Where it was published to.
    pub topic: TopicName,
    /// What it says. Large ones come in pieces of 256 KiB.
    pub payload: Payload,
    /// At which it was delivered.
    pub qos: QoS,
    /// It was retained; or it is passed on as it was published, if the subscription wants that.
    pub retain: bool,
    /// It may have come before. (QoS 1)
    pub dup: bool,
    /// What to acknowledge it with, where that is the application's to do. There is none for QoS 0, nor for a message that
    /// came in a session which the server has forgotten since.
    pub token: Option<Token>,
    pub(super) properties: PropertiesBuf,
}

impl Message {
    /// What came with it. (5.0)
    pub fn properties(&self) -> Properties<'_> {
        self.properties.as_properties()
    }

    /// What came with it, for whoever takes the message apart.
    pub fn take_properties(&mut self) -> PropertiesBuf {
        core::mem::take(&mut self.properties)
    }

    /// Bytes of topic, payload and properties: what it is charged with while it waits.
    pub fn size(&self) -> usize {
        self.topic.as_str().len() + self.payload.len() + self.properties.as_properties().as_bytes().len()
    }
}

/// How far a message has come on its way to the server, or a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// QoS 0: it was handed to the transport, which is all that can be known.
    Sent,
    /// The server has it, or refused it. With QoS 2 and a success, `Released` follows.
    Acknowledged(ReasonCode),
    /// QoS 2: the exchange is over, and the server has the message, whatever the reason. It is `PacketIdentifierNotFound`
    /// where the server no longer knew of the exchange: it had ended on an earlier connection, and only PUBCOMP was
    /// lost, or the session has been lost since.
    Released(ReasonCode),
    /// It ended otherwise.
    Failed(Cause),
    /// The client ended, for this reason, before it could.
    Ended(Cause),
}

/// Why something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Nobody could be reached.
    Unreachable,
    /// The server closed the connection without a word.
    Closed,
    /// The line broke.
    Reset,
    /// No CONNACK in time.
    ConnectTimeout,
    /// The server was silent for too long.
    KeepAlive,
    /// The server did not let us in.
    Refused(ReasonCode),
    /// The server said goodbye.
    Disconnected(ReasonCode),
    /// The server sent what is not MQTT.
    Malformed(DecodeError),
    /// The server sent what it may not.
    Violation(ReasonCode),
    /// Nobody said with which credentials to connect.
    NoCredentials,
    /// The application said goodbye.
    Ended,
    /// The application wanted another connection instead.
    Reconnect,
    /// The server could send nothing more, because of messages that were passed over.
    PassedOver,
    /// The server lost the session, and this message with it, perhaps.
    SessionLost,
    /// The message was too old to be sent.
    Expired,
    /// It made room for a newer one.
    MadeRoom,
    /// The server takes no packet of that size.
    TooLarge,
    /// The Client Identifier or the User Name is a text that no packet may have.
    Text(TextError),
    /// A property that the configuration has for CONNECT can't be sent.
    Property(PropertyError),
    /// The server does not support this QoS.
    QoSNotSupported,
    /// The server keeps no Retained Messages.
    RetainNotSupported,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("the server could not be reached"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Reset => f.write_str("the connection broke"),
            Self::ConnectTimeout => f.write_str("the server did not answer in time"),
            Self::KeepAlive => f.write_str("the server was silent for too long"),
            Self::Refused(reason) => write!(f, "the server refused the connection: {reason}"),
            Self::Disconnected(reason) => write!(f, "the server ended the connection: {reason}"),
            Self::Malformed(error) => write!(f, "the server sent what is not MQTT: {error}"),
            Self::Violation(reason) => write!(f, "the server broke the protocol: {reason}"),
            Self::NoCredentials => f.write_str("there are no credentials to connect with"),
            Self::Ended => f.write_str("the client said goodbye"),
            Self::Reconnect => f.write_str("another connection was asked for"),
            Self::PassedOver => f.write_str("too many messages were passed over"),
            Self::SessionLost => f.write_str("the server lost the session"),
            Self::Expired => f.write_str("it expired before it could be sent"),
            Self::MadeRoom => f.write_str("it was dropped for newer messages"),
            Self::TooLarge => f.write_str("it is larger than the server accepts"),
            Self::Property(error) => error.fmt(f),
            Self::Text(error) => write!(f, "the Client Identifier or the User Name can't be sent: {error}"),
            Self::QoSNotSupported => f.write_str("the server does not support this QoS"),
            Self::RetainNotSupported => f.write_str("the server keeps no retained messages"),
        }
    }
}

impl core::error::Error for Cause {}

impl Cause {
    /// The server's Reason Code, where it gave one.
    pub(super) fn reason(self) -> ReasonCode {
        match self {
            Self::Refused(reason) | Self::Disconnected(reason) => reason,
            _ => ReasonCode::UnspecifiedError,
        }
    }
}

/// The application asked for something that it can't have. Nothing has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// The outbox has no room.
    OutboxFull,
    /// No packet can be that large, or none that this server accepts.
    TooLarge,
    /// A property that can't be sent.
    Property(PropertyError),
    /// The server supports no such QoS.
    QoSNotSupported,
    /// The server keeps no Retained Messages.
    RetainNotSupported,
    /// No Local on a Shared Subscription. [MQTT-3.8.3-4]
    SharedNoLocal,
    /// It is 0 or beyond 268,435,455, or the server knows none.
    SubscriptionIdentifier,
    /// At least one Topic Filter.
    NoFilters,
    /// The goodbye wants a session to outlive its connection that CONNECT did not. (Section 3.14.2.2.2)
    SessionExpiry,
    /// More packets are under way than there are Packet Identifiers.
    TooManyRequests,
    /// The client has ended, for this reason, or says goodbye. [`connect`](super::Client::connect) begins anew.
    Ended(Cause),
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutboxFull => f.write_str("too many messages wait to be sent"),
            Self::TooLarge => f.write_str("it is larger than the server accepts"),
            Self::QoSNotSupported => f.write_str("the server does not support this QoS"),
            Self::RetainNotSupported => f.write_str("the server keeps no retained messages"),
            Self::Property(error) => error.fmt(f),
            Self::SharedNoLocal => f.write_str("a shared subscription gets what its own client publishes"),
            Self::SubscriptionIdentifier => f.write_str("the server knows no such subscription identifier"),
            Self::SessionExpiry => {
                f.write_str("a session that ends with its connection can't be kept any more")
            }
            Self::NoFilters => f.write_str("there is no topic filter"),
            Self::TooManyRequests => f.write_str("too many requests wait for an answer"),
            Self::Ended(cause) => cause.fmt(f),
        }
    }
}

impl core::error::Error for Misuse {}
