//! The client's side of the protocol.
//!
//! A [`Client`] is one client for all its connections: it says when to open one, what to send on it, and what came.
//! Whoever drives it has a socket and a clock:
//! - After any call that takes `&mut self`, take [actions](Client::poll_action) until there are none, and do what
//!   they announce.
//! - Then wait for the socket, or until [`poll_timeout`](Client::poll_timeout).
//!
//! What the application asks for is answered under a [`Ticket`], exactly once for the last time: a [`Stage`], or the
//! server's answer to each Topic Filter. That holds over any number of connections, and if the server loses the
//! session. A call that fails has done nothing.
//!
//! | asked for | ends with |
//! |---|---|
//! | QoS 0 | `Sent` |
//! | QoS 1 | `Acknowledged` |
//! | QoS 2 | `Acknowledged` with an error, or `Released` |
//! | subscribe, unsubscribe | `Subscribed`, `Unsubscribed` |
//! | any | `Failed`, also if the server ends ten connections in a row at it, or answers it as if it had another QoS |
//! | any | `Ended`, if the client ends first |
//! | what is withdrawn | the answer of [`withdraw`](Client::withdraw) |
mod actions;
mod answers;
mod check;
mod config;
mod connect;
mod end;
mod event;
mod goodbye;
mod inbound;
mod inbox;
mod link;
mod outbound;
mod outbox;
mod publish;
mod requests;
mod server;
mod stats;
mod strange;
mod suspect;
mod timing;
mod withdraw;
mod words;

pub use config::{
    Acknowledge, Authentication, Backoff, Config, Credentials, OutboxFull, SessionLost, Subscription, Will,
};
pub use event::{Cause, Event, Message, Misuse, Stage};
pub use goodbye::Goodbye;
pub use server::Server;
pub use stats::Stats;
pub use withdraw::Withdrawn;
pub use words::Words;

use crate::Input;
use crate::delivery::{Receiver, Sender};
use crate::id::{PacketId, Ticket, Token};
use crate::message::Publication;
use crate::output::Output;
use crate::reason::ReasonCode;
use crate::seed::Random;
use crate::time::{Deadline, Instant};
use crate::topic::{TopicFilter, TopicName};
use crate::version::Version;
use actions::Actions;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::fmt;
use inbox::Inbox;
use link::Link;
use outbox::Outbox;
use requests::Requests;
use strange::Strange;
use suspect::Suspect;

/// Announces what the client wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Connect to the server of this number, counted from 0; then call `handle_open`, or `handle_close`.
    Open(u16),
    /// There is something to send: call `poll_transmit`.
    Transmit,
    /// Send what there is, half-close, and read until the server closes; then call `handle_close`.
    Close,
    /// Drop the connection; then call `handle_close`.
    Abort,
    /// Find out with which credentials to connect; then call `credentials`. The server waits for CONNECT meanwhile.
    Credentials,
    /// Read at once, what came before `Hold` among it.
    Resume,
    /// There is something to know: call `poll_event`.
    Event,
    /// A message has come: call `poll_message`.
    Message,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timer {
    /// The server has not answered CONNECT.
    Connect,
    /// It is time for a PINGREQ.
    KeepAlive,
    /// The server has not answered one.
    PingResponse,
    /// It is time for another attempt.
    Reconnect,
    /// The server has not acknowledged what had to be before the goodbye.
    Drain,
    /// The server has not closed.
    Linger,
}

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No connection is wanted.
    Idle,
    /// The next attempt waits until then.
    Waiting(Instant),
    /// A connection is to be opened, until then.
    Opening(Instant),
    /// It is there, and the application is asked for credentials; CONNACK is to come until then.
    Asking(Instant),
    /// CONNECT is out; CONNACK is to come until then.
    Greeting(Instant),
    Up,
    /// We have closed; the server is to do so until then.
    Closing(Instant),
    /// It has not.
    Aborted,
}

/// What comes after a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another attempt, if the application wants such.
    Reconnect,
    /// Another attempt at once, with the other version.
    OtherVersion,
    /// Another attempt at once, as the application wants it.
    AtOnce,
    /// Another attempt after a while, with the same server.
    Again,
    /// Nothing: it would be in vain.
    Stop,
}

/// A goodbye under way.
#[derive(Debug)]
struct Leaving {
    deadline: Instant,
    goodbye: Goodbye,
}

/// A QoS 2 message between its PUBLISH and our PUBREC, over any number of connections.
#[derive(Debug)]
struct Holding {
    number: u32,
    answer: Option<ReasonCode>,
}

/// One client of one server, or of several that stand in for each other.
///
/// ```
/// use tidewire_core::client::{Action, Client, Config, Event, Stage};
/// use tidewire_core::message::Publication;
/// use tidewire_core::output::Output;
/// use tidewire_core::qos::QoS;
/// use tidewire_core::reason::ReasonCode;
/// use tidewire_core::time::Instant;
/// use tidewire_core::topic::TopicName;
///
/// let now = Instant::default();
/// let mut client = Client::new(Config::default(), &[7; 32]);
/// client.connect(now);
/// let reading = Publication::new(TopicName::new("sensors/7")?, "21.5").qos(QoS::AtLeastOnce);
/// let ticket = client.publish(now, reading)?;
///
/// // Connect, and say so.
/// assert_eq!(client.poll_action(), Some(Action::Open(0)));
/// client.handle_open(now);
/// let (mut output, mut events) = (Output::default(), Vec::new());
/// // What this server says: CONNACK with a name for the client, and PUBACK.
/// for bytes in [&b"\x20\x07\0\0\x04\x12\0\x01c"[..], b"\x40\x02\0\x01"] {
///     while let Some(action) = client.poll_action() {
///         match action {
///             Action::Transmit => while client.poll_transmit(now, 65_536, &mut output) {},
///             Action::Event => events.extend(std::iter::from_fn(|| client.poll_event())),
///             // And whatever else is announced: examples/blocking.rs does it all.
///             _ => {}
///         }
///     }
///     // To the socket with it.
///     output.advance(output.unsent());
///     let _ = client.handle_bytes(now, bytes);
/// }
/// events.extend(std::iter::from_fn(|| client.poll_event()));
/// assert_eq!(events, [
///     Event::Connected { session_present: false },
///     Event::Progress(ticket, Stage::Acknowledged(ReasonCode::Success)),
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    config: Config,
    random: Random,
    phase: Phase,
    link: Link,
    /// Why the connection that is being closed ends.
    cause: Option<Cause>,
    next: Next,
    leaving: Option<Leaving>,
    /// The application has said goodbye, and then changed its mind.
    again: bool,
    /// Why no connection is wanted any more, once one was.
    ended: Option<Cause>,
    /// What it speaks, or tries to.
    version: Version,
    /// A server has let us in with it.
    version_known: bool,
    /// A server has refused 5.0, in so many words.
    refused_5: bool,
    /// A server has let us in before: the session that it has is ours.
    knows_session: bool,
    /// It asks for a session that may be there.
    resuming: bool,
    /// Which server.
    server: u16,
    /// Attempts in a row that came to nothing.
    attempts: u32,
    sender: Sender<u32>,
    receiver: Receiver,
    outbox: Outbox,
    requests: Requests,
    inbox: Inbox,
    actions: Actions,
    /// The server may hold QoS 2 identifiers of a session that we know nothing of.
    strange: Option<Strange>,
    /// At which the server has closed, perhaps.
    suspect: Option<Suspect>,
    /// What the server has called us.
    assigned: Option<Box<str>>,
    /// QoS 2 messages that the application has, or that wait for it, without an answer.
    holding: BTreeMap<PacketId, Holding>,
    /// Messages that were given a number to be acknowledged by.
    numbered: u32,
    last_topic: Option<TopicName>,
    tickets: u64,
    stats: Stats,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("client_id", &self.config.client_id)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that has done nothing yet. Its delays are drawn from `seed`, and nothing else is.
    pub fn new(config: Config, seed: &[u8; 32]) -> Self {
        let version = config.version.unwrap_or(Version::V5);
        Self {
            random: Random::new(seed),
            phase: Phase::Idle,
            link: Link::new(Instant::default(), version),
            cause: None,
            next: Next::Reconnect,
            leaving: None,
            again: false,
            ended: None,
            version,
            version_known: config.version.is_some(),
            refused_5: false,
            knows_session: false,
            resuming: !config.clean_start,
            server: 0,
            attempts: 0,
            sender: Sender::default(),
            receiver: Receiver::default(),
            outbox: Outbox::default(),
            requests: Requests::default(),
            inbox: Inbox::default(),
            actions: Actions::default(),
            strange: None,
            suspect: None,
            assigned: None,
            holding: BTreeMap::new(),
            numbered: 0,
            last_topic: None,
            tickets: 0,
            stats: Stats::default(),
            config,
        }
    }

    /// Wants a connection from now on, until `disconnect` or an end that [`Event::Ended`] tells. During a goodbye it
    /// waits for the end of that.
    pub fn connect(&mut self, now: Instant) {
        self.begin(now);
    }

    /// Gives up this connection, or the wait for the next attempt, and connects now, to the same server: the network may
    /// be another one. The session and all that is open go on, and no will is published. Does nothing during a goodbye,
    /// or if no connection is wanted.
    pub fn reconnect(&mut self, now: Instant) {
        self.renew(now);
    }

    /// The connection that `Open` asked for is there.
    pub fn handle_open(&mut self, now: Instant) {
        self.opened(now);
    }

    /// With what to connect, as [`Action::Credentials`] has asked; `None` gives the attempt up, also where it is the
    /// application's turn in an authentication. Nothing of it is kept. Does nothing if nobody has asked: that attempt has
    /// ended.
    pub fn credentials(&mut self, now: Instant, credentials: Option<Credentials>) {
        self.on_credentials(now, credentials);
    }

    /// Bytes came. On `Hold` they are kept and no more are to be read, until `Resume`.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> Input {
        self.feed(now, bytes)
    }

    /// The rest of the current chunk of a large payload, if one is under way: read straight into this, and say so
    /// by [`handle_payload`](Self::handle_payload).
    pub fn payload_space(&mut self) -> Option<&mut [u8]> {
        self.space()
    }

    /// So many bytes were read into [`payload_space`](Self::payload_space).
    pub fn handle_payload(&mut self, now: Instant, n: usize) -> Input {
        self.on_payload(now, n)
    }

    /// The connection is gone, or could not be made. Once for each `Open`, after every byte that was read.
    ///
    /// `cause` is `Closed`, `Reset` or `Unreachable`, as the transport says.
    pub fn handle_close(&mut self, now: Instant, cause: Cause) {
        self.on_close(now, cause);
    }

    /// Time has passed. Call it when [`poll_timeout`](Self::poll_timeout) says so.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.on_timeout(now);
    }

    /// Publishes a message: now, or as soon as there is a connection. It may be called at any time, also in answer
    /// to an event.
    pub fn publish(&mut self, now: Instant, publication: Publication) -> Result<Ticket, Misuse> {
        self.accept(now, publication)
    }

    /// Takes a message back: what was never sent is as if it had never been published, what was sent is not sent again on
    /// a later connection. Unless it is `Unknown`, the ticket has ended with this answer, and no event tells of it; with
    /// QoS 2 an `Acknowledged` from before may still be among those that were not polled.
    pub fn withdraw(&mut self, now: Instant, ticket: Ticket) -> Withdrawn {
        self.take_back(now, ticket)
    }

    /// Does the message of this ticket wait to be sent for the first time?
    pub fn is_unsent(&self, ticket: Ticket) -> bool {
        self.outbox.is_unsent(ticket)
    }

    /// Subscribes, with an answer for each Topic Filter, in their order, in however many packets they are asked for: one
    /// that needs a larger packet than the server takes is answered with `PacketTooLarge`. `identifier` comes back with
    /// each message that is sent for one of them. (5.0)
    pub fn subscribe(
        &mut self,
        subscriptions: &[Subscription],
        identifier: Option<u32>,
    ) -> Result<Ticket, Misuse> {
        self.ask_subscribe(subscriptions, identifier)
    }

    /// Ends subscriptions, with an answer for each Topic Filter, in the same way.
    pub fn unsubscribe(&mut self, filters: &[TopicFilter]) -> Result<Ticket, Misuse> {
        self.ask_unsubscribe(filters)
    }

    /// A message that came with a token is in safe hands; or it is refused, which before 5.0 can't be said, so that
    /// it is [passed over](Self::pass_over).
    ///
    /// Acknowledgements leave in the order in which the messages came, whatever order they are given in.
    #[expect(clippy::needless_pass_by_value, reason = "a token is used up")]
    pub fn acknowledge(&mut self, token: Token, reason: ReasonCode) {
        self.answer(&token, reason);
    }

    /// Nobody will say what becomes of a message that came with a token, at least not now. It is not acknowledged on this
    /// connection, and those behind it are. The server goes on to count it against the Receive Maximum, and sends it again
    /// on the next connection, if the session lives so long; then it has another token.
    ///
    /// In 5.0, when the server may send nothing more because of such messages alone, another connection is made, after a
    /// while, unless [`reconnect`](Config::reconnect) is off. Before 5.0 nobody knows how many a server sends, so that is
    /// left to [`reconnect`](Self::reconnect).
    #[expect(clippy::needless_pass_by_value, reason = "a token is used up")]
    pub fn pass_over(&mut self, now: Instant, token: Token) {
        self.pass(now, &token);
    }

    /// The next step of an authentication that the server has asked for by [`Event::Auth`]; or, while connected, the
    /// first step of another one, with `ReAuthenticate`. Does nothing without [`Config::authentication`].
    ///
    /// # Errors
    /// `data` has more than 65,535 bytes, or its packet more than the server takes: nothing was sent.
    pub fn authenticate(&mut self, reason: ReasonCode, data: &[u8]) -> Result<(), Misuse> {
        self.send_auth(reason, data)
    }

    /// Says goodbye when everything that was accepted has ended, or at `deadline`, when what has not ends with the
    /// client. Nothing more is accepted.
    ///
    /// Messages are waited for over any number of connections; subscriptions only while there is one. With nothing to
    /// wait for it ends at once, wherever it stands: a server that has never answered is not waited for, and one that
    /// has is given twice the time of its first answer to close (100 ms at least, `linger_seconds` at most).
    ///
    /// # Errors
    /// A session that ends with its connection can't be made to outlive it now.
    pub fn disconnect(
        &mut self,
        now: Instant,
        deadline: Instant,
        goodbye: impl Into<Goodbye>,
    ) -> Result<(), Misuse> {
        self.leave(now, deadline, goodbye.into())
    }

    /// What to do now.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop()
    }

    /// Appends to `out` what may be sent, until about `limit` bytes are there; true if there is more.
    pub fn poll_transmit(&mut self, now: Instant, limit: usize, out: &mut Output) -> bool {
        self.transmit(now, limit, out)
    }

    /// Something to know. It never waits behind messages.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.actions.heard();
        self.inbox.events.pop_front()
    }

    /// A message that came. It is acknowledged by being taken here, unless that is done by token. Whoever takes none
    /// for a while gets no more: reading stops, and the server hears no acknowledgements.
    pub fn poll_message(&mut self, now: Instant) -> Option<Message> {
        self.take_message(now)
    }

    /// When to call `handle_timeout`, and what for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline<Timer>> {
        self.due()
    }

    /// What the server said when it let us in; `None` while it has not.
    pub fn server(&self) -> Option<&Server> {
        (self.phase == Phase::Up).then_some(&self.link.server)
    }

    /// What the server knows us by: as it was configured, or as the server has said; empty before that.
    pub fn client_id(&self) -> &str {
        self.assigned.as_deref().unwrap_or(&self.config.client_id)
    }

    /// Is no connection wanted? So it is at first, and after [`Event::Ended`].
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Counts.
    pub fn stats(&self) -> Stats {
        self.count()
    }

    /// States what must hold between two calls; panics where it does not. For tests, fuzzing and simulation.
    pub fn check(&self) {
        self.check_all();
    }
}
