//! The server's side of the protocol: a [`Broker`] is one shard of a server.
//!
//! Put in what happened (`handle_*`), take out what to do (`poll_*`). After any call that takes `&mut self`, take
//! actions until there are none and do what they announce; then wait until [`poll_timeout`](Broker::poll_timeout)
//! or until there is news. Extra calls are harmless.
mod authority;
mod base;
mod connection;
mod groups;
pub(crate) mod journal;
pub(crate) mod messages;
pub(crate) mod retained;
pub(crate) mod router;
mod session;
mod shards;

mod accept;
mod acks;
mod after;
mod again;
mod announce;
mod answer;
mod breaches;
mod cause;
mod check;
mod commit;
mod config;
mod connect;
mod deliver;
mod ending;
mod handles;
mod inbound;
mod leaving;
mod lent;
mod local;
mod mail;
mod passage;
mod pause;
mod publish;
mod replay;
mod restore;
mod revoke;
mod room;
mod share;
mod snapshot;
mod spread;
mod subscribe;
mod tell;
mod timing;
mod trace;
mod transmit;
mod verdict;
mod watch;

pub use announce::{Action, CloseCause, Event, Question, Received, Timer};
pub use authority::policy;
pub use base::limits::{self, Limit, LimitError, Limits};
#[cfg(feature = "_rules")]
pub use base::rules::Rule;
pub use cause::{Cause, ProtocolError};
pub use config::Config;
pub use connection::passage::Passage;
pub use journal::RestoreError;
pub use messages::ledger;
pub use restore::Restore;
pub use shards::Mail;
pub use trace::{Standing, Stats, Trace};

use crate::Input;
use crate::id::{ConnectionId, IdentityId, LocalId, MessageId, Position, QuestionId, ShardId, Ticket, Token};
use crate::message::Publication;
use crate::output::Output;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::seed::Random;
use crate::time::{Deadline, Instant};
use crate::topic::TopicFilter;
use after::After;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use authority::grants::Grants;
use authority::questions::Questions;
use base::actions::Actions;
use base::here::Here;
use base::rules::Rules;
use base::tickets::Tickets;
use base::timers::Timers;
use connection::Connections;
use connection::room::Room;
use core::fmt;
use groups::{Groups, Strategy};
use journal::Journal;
use messages::Messages;
use messages::wire::Wire;
use policy::{Answer, Grant, Peer, Policy};
use retained::Retained;
use router::Router;
use session::Sessions;
use shards::Shards;

/// So many topics are remembered with their recipients.
const REMEMBERED: usize = 65_536;
/// Each of the two rings of fates.
const RING_BYTES: usize = 4 * 1024 * 1024;

/// One shard of a server: with `shards: 1`, all of it.
///
/// ```
/// use tidewire_core::broker::policy::{Open, Peer};
/// use tidewire_core::broker::{Action, Broker, Config};
/// use tidewire_core::output::Output;
/// use tidewire_core::time::Instant;
/// use tidewire_core::Input;
///
/// let now = Instant::from_secs(1_700_000_000); // since 1970, by whatever clock the host has
/// let mut broker = Broker::new(now, Config::new(Box::new(Open::new()), [2; 32]));
///
/// // What happened goes in: a connection, and a CONNECT of 3.1.1 on it.
/// let alice = broker.handle_open(now, Peer::new(([127, 0, 0, 1], 50_000).into(), 0));
/// let connect = b"\x10\x11\0\x04MQTT\x04\x02\0\x3c\0\x05alice";
/// assert_eq!(broker.handle_bytes(now, alice, connect), Input::More);
///
/// // What to do comes out: to send a CONNACK.
/// let mut output = Output::default();
/// while let Some(action) = broker.poll_action() {
///     match action {
///         Action::Transmit(id) => while broker.poll_transmit(now, id, 65_536, &mut output) {},
///         Action::Event => while broker.poll_event().is_some() {},
///         // And whatever else is announced: examples/broker.rs does it all.
///         _ => {}
///     }
/// }
/// let mut slices: [&[u8]; 1] = [&[]];
/// output.slices(&mut slices);
/// assert_eq!(slices, [[0x20, 2, 0, 0]]);
/// ```
pub struct Broker {
    limits: Limits,
    rules: Rules,
    here: Here,
    actions: Actions,
    timers: Timers,
    after: After,
    messages: Messages,
    policy: Box<dyn Policy + Send>,
    grants: Grants,
    questions: Questions,
    tickets: Tickets,
    router: Router,
    retained: Retained,
    groups: Groups,
    sessions: Sessions,
    connections: Connections,
    shards: Shards,
    journal: Journal,
    shutdown: Shutdown,
    scratch: Scratch,
}

/// Whether the shard is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    Running,
    /// Everybody is told to go, and has to be gone by then.
    Until(Instant),
    Over,
}

impl Shutdown {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(at) => Some(at),
            Self::Running | Self::Over => None,
        }
    }
}

/// Memory that is used again; it says nothing between two calls.
#[derive(Default)]
struct Scratch {
    wire: Wire,
    properties: Vec<u8>,
    shards: Vec<ShardId>,
}

impl Scratch {
    fn check(&self) {
        assert!(self.shards.is_empty(), "what is used again is left empty");
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("shard", &self.shards.me())
            .field("connections", &self.connections.len())
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// A shard that knows nothing yet. `now` is its clock's first reading, counted from 1970: what expires does so while no
    /// broker runs, too.
    pub fn new(now: Instant, config: Config) -> Self {
        let Config { shard, shards, placement, seed, incarnation, durable, limits, lenient, policy } = config;
        let strategy = Strategy::of(limits.share_strategy());
        let shards = Shards::new(shard, shards, placement);
        let mut random = Random::new(&seed);
        let sessions = Sessions::new(random.next());
        let router = Router::new(random.next(), REMEMBERED);
        let connections = Connections::new(random.next(), Room::new(&limits, lenient));
        Self {
            limits,
            rules: Rules::default(),
            here: Here::new(shards.me(), random, incarnation),
            actions: Actions::default(),
            timers: Timers::new(now),
            after: After::default(),
            messages: Messages::new(RING_BYTES, durable),
            policy,
            grants: Grants::default(),
            questions: Questions::default(),
            tickets: Tickets::default(),
            router,
            retained: Retained::new(),
            groups: Groups::new(strategy),
            sessions,
            connections,
            shards,
            journal: Journal::new(durable, now),
            shutdown: Shutdown::Running,
            scratch: Scratch::default(),
        }
    }

    /// A connection was accepted.
    pub fn handle_open(&mut self, now: Instant, peer: Peer) -> ConnectionId {
        self.act(now, |b| b.open(now, now, &peer, true))
    }

    /// Bytes came. Those that can't be handled yet are kept, and `Hold` says to read no more until
    /// [`Action::Resume`].
    pub fn handle_bytes(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) -> Input {
        self.act(now, |b| b.feed(now, id, bytes))
    }

    /// The rest of the current chunk of a large payload, if one is under way: read straight into this, and say so
    /// by [`handle_payload`](Self::handle_payload).
    pub fn payload_space(&mut self, id: ConnectionId) -> Option<&mut [u8]> {
        self.space(id)
    }

    /// So many bytes were read into [`payload_space`](Self::payload_space).
    pub fn handle_payload(&mut self, now: Instant, id: ConnectionId, n: usize) -> Input {
        self.act(now, |b| b.on_payload(now, id, n))
    }

    /// The socket takes no more; so many bytes of output wait. Holds until the next
    /// [`poll_transmit`](Self::poll_transmit), which is due once they are out, although nothing announces it.
    pub fn handle_blocked(&mut self, now: Instant, id: ConnectionId, unsent: usize) {
        self.act(now, |b| b.on_blocked(id, unsent));
    }

    /// A connection is gone. Once for each id, after every byte that was read; not after a `Move`.
    pub fn handle_close(&mut self, now: Instant, id: ConnectionId, cause: CloseCause) {
        self.act(now, |b| b.on_close(now, id, cause));
    }

    /// Time has passed. Call it when [`poll_timeout`](Self::poll_timeout) says so.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.act(now, |b| b.on_timeout(now));
    }

    /// A connection comes from another shard: its session lives here. Read its socket at once.
    #[expect(clippy::needless_pass_by_value, reason = "a passage is taken once, and handed in once")]
    pub fn handle_passage(&mut self, now: Instant, passage: Passage) -> ConnectionId {
        self.act(now, |b| b.unpack(now, &passage))
    }

    /// What another shard had to say. Hand it in in the order in which it was polled there.
    #[expect(clippy::needless_pass_by_value, reason = "mail is carried by value, and handed in once")]
    pub fn handle_mail(&mut self, now: Instant, from: ShardId, mail: Mail) {
        self.act(now, |b| b.on_mail(now, from, &mail));
    }

    /// The answer to a question. One that comes too late, or twice, does nothing.
    pub fn handle_answer(&mut self, now: Instant, question: QuestionId, answer: Answer) {
        self.act(now, |b| b.on_answer(now, question, answer));
    }

    /// The journal is durable up to there.
    pub fn handle_durable(&mut self, now: Instant, up_to: Position) {
        self.act(now, |b| b.on_durable(up_to));
    }

    /// The journal can take no more: nothing that needs it is promised from here on.
    pub fn handle_journal_failed(&mut self, now: Instant) {
        self.act(now, |b| {
            b.journal.fail();
            b.tell_tickets();
        });
    }

    /// Somebody's rights have changed. They hold from here on for what is live, queued and retained alike.
    #[expect(clippy::needless_pass_by_value, reason = "what was granted before is replaced by it")]
    pub fn handle_grant(&mut self, now: Instant, grant: Grant) {
        self.act(now, |b| b.on_grant(now, &grant));
    }

    /// What let somebody in is no more: its connections end, for this reason.
    pub fn handle_revoked(&mut self, now: Instant, identity: IdentityId, reason: ReasonCode) {
        self.act(now, |b| b.on_revoked(now, identity, reason));
    }

    /// A session without a socket, by a name of its own. One that exists is opened again, and has this grant from here on.
    ///
    /// It is never journaled, and ends with this broker.
    #[expect(clippy::needless_pass_by_value, reason = "it is the session's from here on")]
    pub fn open_local(&mut self, now: Instant, name: &str, grant: Grant) -> LocalId {
        self.act(now, |b| b.new_local(name, &grant))
    }

    /// Ends a local subscriber's session.
    pub fn close_local(&mut self, now: Instant, id: LocalId) {
        self.act(now, |b| b.end_local(now, id));
    }

    /// Subscribes a local subscriber; active everywhere when [`Event::Subscribed`] says so.
    pub fn subscribe(&mut self, now: Instant, id: LocalId, filter: &TopicFilter, qos: QoS) -> Ticket {
        self.act(now, |b| b.subscribe_local(id, filter, qos))
    }

    /// Ends a subscription of a local subscriber; everywhere when [`Event::Unsubscribed`] says so.
    pub fn unsubscribe(&mut self, now: Instant, id: LocalId, filter: &TopicFilter) -> Ticket {
        self.act(now, |b| b.unsubscribe_local(id, filter))
    }

    /// Publishes for a local subscriber. [`Event::Acknowledged`] tells what became of it.
    ///
    /// # Errors
    /// The Reason Code of a refusal: `NotAuthorized`, `UnspecifiedError` where there is no such subscriber, or
    /// `ServerShuttingDown` after [`Event::Drained`].
    pub fn publish(
        &mut self,
        now: Instant,
        id: LocalId,
        publication: &Publication,
    ) -> Result<Ticket, ReasonCode> {
        self.act(now, |b| b.publish_local(now, id, publication))
    }

    /// The next message for a local subscriber. With QoS 1 or 2 it is to be acknowledged.
    pub fn poll_local(&mut self, now: Instant, id: LocalId) -> Option<Received> {
        self.tick(now);
        let received = self.next_local(now, id);
        self.tell_room_of_local(id);
        self.serve_groups(now);
        received
    }

    /// A local subscriber is done with a message; a Reason Code of 0x80 or above refuses it.
    #[expect(clippy::needless_pass_by_value, reason = "a token is used once")]
    pub fn acknowledge(&mut self, now: Instant, id: LocalId, token: Token, reason: ReasonCode) {
        self.act(now, |b| b.acknowledge_local(id, &token, reason));
    }

    /// Where a message is, or what became of it, as far as this shard remembers.
    pub fn trace(&self, message: MessageId) -> Trace {
        self.trace_message(message)
    }

    /// Says goodbye to all (0x8B) and drains until the deadline; then [`Event::Drained`]. Said once more, the deadline is
    /// another.
    pub fn shutdown(&mut self, now: Instant, deadline: Instant) {
        self.act(now, |b| b.begin_shutdown(now, deadline));
    }

    /// Ends a connection for this reason; its session lives on as agreed.
    pub fn disconnect(&mut self, now: Instant, id: ConnectionId, reason: ReasonCode) {
        self.act(now, |b| b.end_for(now, id, reason));
    }

    /// What to do next. Mail and the like come before output.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.tell_tallies();
        let other = self.actions.next_other();
        other
            .or_else(|| self.next_mail())
            .or_else(|| self.next_journal())
            .or_else(|| self.connections.next_announced(&mut self.actions).map(Action::Transmit))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, at the latest.
    ///
    /// May change after any call that takes `&mut self`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline<Timer>> {
        self.next_timeout()
    }

    /// Fills `out` with some `limit` copied bytes; true if more waits.
    ///
    /// A packet that is larger is begun only on an empty `out`, and then comes whole.
    pub fn poll_transmit(&mut self, now: Instant, id: ConnectionId, limit: usize, out: &mut Output) -> bool {
        self.tick(now);
        self.transmit(now, id, limit, out)
    }

    /// All that waits for another shard.
    pub fn poll_mail(&mut self, to: ShardId) -> Option<Mail> {
        self.take_mail(to)
    }

    /// Appends what is to be journaled; the position is where it ends. `None` if there is nothing.
    pub fn poll_journal(&mut self, out: &mut Vec<u8>) -> Option<Position> {
        self.take_journal(out)
    }

    /// Appends the next piece of the whole state as journal bytes, some `limit` of them, while life goes on; true
    /// while more is to come.
    ///
    /// What was polled by [`poll_journal`](Self::poll_journal) since the first piece belongs behind the last.
    pub fn poll_snapshot(&mut self, now: Instant, limit: usize, out: &mut Vec<u8>) -> bool {
        self.tick(now);
        self.snapshot(now, limit, out)
    }

    /// The next event, after [`Action::Event`].
    pub fn poll_event(&mut self) -> Option<Event> {
        self.actions.next_event()
    }

    /// The connection that a `Move` is about, for the other shard. Its id is nobody's from here on.
    pub fn take_passage(&mut self, id: ConnectionId) -> Option<Passage> {
        self.pack(id)
    }

    /// What to find the answer to; `None` if nobody needs it any more.
    pub fn question(&self, id: QuestionId) -> Option<Question<'_>> {
        self.open_question(id)
    }

    /// Counts, as they are now.
    pub fn stats(&self) -> Stats {
        self.count()
    }

    /// Nothing is on its way to other shards, and they owe us no word.
    pub fn is_settled(&self) -> bool {
        self.shards.is_quiet()
    }

    /// States what must hold between two calls; panics where it does not. For tests, fuzzing and simulation.
    pub fn check(&self) {
        self.check_all();
    }

    /// From here on this shard breaks a rule. For tests.
    #[cfg(feature = "_rules")]
    pub fn without_rule(&mut self, rule: Rule) {
        self.rules.leave_out(rule);
        self.shards.rules = self.rules;
    }
}

// Shards move between threads with everything in them.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Broker>();
    is_send::<Mail>();
    is_send::<Passage>();
    is_send::<Arc<[u8]>>();
};
