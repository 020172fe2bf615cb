//! What a broker announces, tells and asks.
use super::authority::policy::{AuthStep, Grant, Peer};
use super::base::limits::Limit;
use super::cause::Cause;
use super::messages::ledger::Reason;
use crate::id::{ConnectionId, IdentityId, LocalId, MessageId, QuestionId, ShardId, Ticket, Token};
use crate::message::{Message, Publication};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::version::Version;
use alloc::boxed::Box;

/// Announces what the broker wants done. What has a size is then pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Take output with `poll_transmit` when the socket can take it.
    Transmit(ConnectionId),
    /// Flush, half-close, then read and discard until the peer closes.
    Close(ConnectionId),
    /// Close now; the peer has had its time.
    Abort(ConnectionId),
    /// Leave what this connection sends in the socket until told otherwise.
    Pause(ConnectionId),
    /// Read again, at once.
    Resume(ConnectionId),
    /// Hand the socket to the other shard, with `take_passage`.
    Move {
        /// Whose.
        connection: ConnectionId,
        /// Where its session lives.
        to: ShardId,
    },
    /// Carry what `poll_mail` gives to the other shard.
    Mail(ShardId),
    /// Append what `poll_journal` gives, sync it, then call `handle_durable`.
    Journal,
    /// A local subscriber has something to take with `poll_local`.
    Local(LocalId),
    /// Find the answer to `question`, then call `handle_answer`.
    Ask(QuestionId),
    /// There is something to tell: `poll_event`.
    Event,
}
const _: () = assert!(size_of::<Action>() <= 16); // moved once per announcement; it carries ids, never payloads

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timer {
    /// A CONNECT, and the verdict on it.
    Connect,
    /// The answer to a question.
    Answer,
    /// A sign of life.
    KeepAlive,
    /// The peer's end of a connection that is closed on ours.
    Linger,
    /// A publisher that waits.
    Pause,
    /// A will, or the end of a session without a connection.
    Session,
    /// A Retained Message that gets too old.
    Retained,
    /// The end of what let somebody in.
    Grant,
    /// Progress of those who keep others waiting for room.
    Room,
    /// What else an interrupted session is to get again.
    Resend,
    /// The end of a shutdown.
    Shutdown,
    /// What was counted instead of told.
    Counts,
}

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseCause {
    /// The peer closed it.
    PeerClosed,
    /// It broke.
    Reset,
    /// The system has heard nothing of the peer for too long.
    Vanished,
    /// `Abort` said so, or the peer did not end it in time.
    Linger,
    /// The host stops.
    Shutdown,
}

/// What a policy put off.
#[derive(Debug)]
#[non_exhaustive]
pub enum Question<'a> {
    /// May they come in?
    #[non_exhaustive]
    Authenticate {
        /// Where they come from.
        peer: Peer,
        /// What they said.
        step: &'a AuthStep,
    },
    /// May this be published? Its payload is empty where it is still to come.
    #[non_exhaustive]
    Admit {
        /// Who wants to.
        publisher: &'a Grant,
        /// What.
        publication: &'a Publication,
    },
}

/// Something to tell.
///
/// What answers somebody, and [`Drained`](Self::Drained), is always told. All else is for those who watch: so many
/// events wait at most, and beyond that the oldest of these are lost, and [counted](Self::Missed). What happens to the
/// same client again and again is told at once and then, with the number, every ten seconds at most.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client was let in.
    #[non_exhaustive]
    Connected {
        /// On this connection.
        id: ConnectionId,
        /// From there.
        peer: Peer,
        /// As this.
        client_id: Box<str>,
        /// Who it is.
        identity: IdentityId,
        /// What it speaks.
        version: Version,
        /// In seconds, as CONNACK says it; 0 is none.
        keep_alive: u16,
        /// A session was there and goes on.
        session_present: bool,
    },
    /// A client that was in is gone, or is being closed.
    #[non_exhaustive]
    Disconnected {
        /// On this connection.
        id: ConnectionId,
        /// From there.
        peer: Peer,
        /// As this.
        client_id: Box<str>,
        /// Who it was.
        identity: IdentityId,
        /// As its DISCONNECT or ours said; `UnspecifiedError` where there was none.
        reason: ReasonCode,
        /// Why.
        cause: Cause,
    },
    /// Somebody was not let in.
    #[non_exhaustive]
    Refused {
        /// On this connection.
        id: ConnectionId,
        /// From there.
        peer: Peer,
        /// The Client Identifier that it wanted, if it came to that.
        client_id: Option<Box<str>>,
        /// The User Name that it gave, whether it is that user or not.
        username: Option<Box<str>>,
        /// What it is told, if its version has words for it.
        reason: ReasonCode,
        /// Why.
        cause: Cause,
    },
    /// Messages for a client were dropped; not those that QoS 0 lets go by when nobody is connected.
    #[non_exhaustive]
    Dropped {
        /// For this client; or for a group, `$share/NAME/FILTER`.
        client_id: Box<str>,
        /// Where it is, if it is connected.
        peer: Option<Peer>,
        /// Why.
        reason: Reason,
        /// How many, since it was told last.
        count: u64,
    },
    /// A client may not publish.
    #[non_exhaustive]
    PublishDenied {
        /// This client.
        client_id: Box<str>,
        /// Where it is.
        peer: Option<Peer>,
        /// There; one of them, if there were several.
        topic: Box<str>,
        /// Says this rule of the policy's.
        rule: u32,
        /// How many messages, since it was told last.
        count: u64,
    },
    /// A client may not subscribe.
    #[non_exhaustive]
    SubscribeDenied {
        /// This client.
        client_id: Box<str>,
        /// Where it is.
        peer: Option<Peer>,
        /// To this; one of them, if there were several.
        filter: Box<str>,
        /// Says this rule of the policy's.
        rule: u32,
        /// How often, since it was told last.
        count: u64,
    },
    /// A client asked for more than a limit allows, was told so, and is served on.
    #[non_exhaustive]
    Limited {
        /// This client.
        client_id: Box<str>,
        /// Where it is.
        peer: Option<Peer>,
        /// The limit.
        limit: Limit,
        /// How often, since it was told last.
        count: u64,
    },
    /// A client is not read from for a while, because what it publishes can't be taken as fast.
    #[non_exhaustive]
    Paused {
        /// This client.
        client_id: Box<str>,
        /// Where it is.
        peer: Option<Peer>,
        /// A client that it waits for; none: for another shard, or for room.
        behind: Option<Box<str>>,
        /// How often, since it was told last.
        count: u64,
    },
    /// So many events were lost here, because nobody took them or there were too many kinds to count.
    #[non_exhaustive]
    Missed {
        /// How many.
        count: u64,
    },
    /// A local subscriber's subscription is active everywhere, or was refused.
    #[non_exhaustive]
    Subscribed {
        /// Of `subscribe`.
        ticket: Ticket,
        /// `Success`, or why not.
        reason: ReasonCode,
    },
    /// A local subscriber's subscription is gone everywhere.
    #[non_exhaustive]
    Unsubscribed {
        /// Of `unsubscribe`.
        ticket: Ticket,
        /// `Success`, or `NoSubscriptionExisted`.
        reason: ReasonCode,
    },
    /// What became of a local subscriber's message. With QoS 1 and 2 it is durable, if anything is.
    #[non_exhaustive]
    Acknowledged {
        /// Of `publish`.
        ticket: Ticket,
        /// Its name.
        message: MessageId,
        /// `Success`, `NoMatchingSubscribers`, `QuotaExceeded`; `ServerUnavailable` if the journal has failed, and
        /// `ServerShuttingDown` if the end of a shutdown did not wait for it any more.
        reason: ReasonCode,
    },
    /// A shutdown is done: all connections are gone and all tickets have ended, or the deadline has passed. Comes last.
    Drained,
}

const _: () = assert!(size_of::<Event>() <= 128); // thousands may wait

impl Event {
    /// It answers somebody who waits for it, and must not be lost.
    pub(crate) fn is_owed(&self) -> bool {
        matches!(
            self,
            Self::Subscribed { .. } | Self::Unsubscribed { .. } | Self::Acknowledged { .. } | Self::Drained
        )
    }
}

/// A message for a local subscriber.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received {
    /// What it says.
    pub message: Message,
    /// How it was delivered.
    pub qos: QoS,
    /// What to acknowledge it with, if it is to be.
    pub token: Option<Token>,
}
