//! The server's side of the protocol: a [`Broker`] is one shard of a server.
//!
//! Put in what happened (`handle_*`), take out what to do (`poll_*`). After any call that takes `&mut self`, take
//! actions until there are none and do what they announce; then wait until [`poll_timeout`](Broker::poll_timeout)
//! or until there is news. Extra calls are harmless.
pub mod ledger;
pub mod limits;
pub mod policy;

mod acks;
mod actions;
mod announce;
mod answers;
mod cause;
mod check;
mod config;
mod connack;
mod connect;
mod connection;
mod depot;
mod ending;
mod fault;
mod grants;
mod inbound;
mod incoming;
pub(crate) mod journal;
mod local;
mod mail;
mod outbound;
mod passage;
mod pause;
mod postponed;
mod publish;
mod questions;
mod replay;
mod retain;
pub(crate) mod retained;
mod revoke;
mod room;
mod route;
pub(crate) mod router;
mod rules;
mod session;
mod settle;
mod store;
mod subscribe;
mod table;
mod tally;
mod timers;
mod timing;
mod trace;
mod usage;
mod will;

pub use announce::{Action, CloseCause, Event, Question, Received, Timer};
pub use cause::{Cause, ProtocolError};
pub use config::Config;
pub use journal::RestoreError;
pub use limits::{Limit, LimitError, Limits};
pub use mail::Mail;
pub use passage::Passage;
#[cfg(feature = "_rules")]
pub use rules::Rule;
pub use trace::{Standing, Stats, Trace};

use crate::Input;
use crate::codec;
use crate::id::{
    ConnectionId, IdentityId, LocalId, MessageId, PacketId, Position, QuestionId, ShardId, Ticket, Token,
};
use crate::message::Publication;
use crate::output::Output;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::seed::Random;
use crate::time::{Deadline, Instant};
use crate::topic::TopicFilter;
use actions::Actions;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use policy::{Answer, Grant, Peer, Policy};

/// Payloads from this length on are shared, not copied, and come in chunks.
pub(crate) const LARGE: usize = 64 * 1024;
/// So many topics are remembered with their recipients.
const REMEMBERED: usize = 65_536;
/// Each of the two rings of fates.
const RING_BYTES: usize = 4 * 1024 * 1024;

/// One shard of a server: with `shards: 1`, all of it.
pub struct Broker {
    shard: ShardId,
    shards: u16,
    placement: [u8; 16],
    incarnation: u32,
    limits: Limits,
    decode_limits: codec::Limits,
    stranger_limits: codec::Limits,
    policy: Box<dyn Policy + Send>,
    random: Random,
    connections: connection::Connections,
    sessions: session::Sessions,
    grants: grants::Grants,
    router: router::Router,
    retained: retained::Retained<replay::Shared>,
    replays: replay::Replays,
    depot: depot::Depot,
    timers: timers::Timers,
    actions: Actions,
    questions: questions::Questions,
    settlements: settle::Settlements,
    post: mail::Post,
    roads: mail::Roads,
    journal: journal::Journal,
    locals: local::Locals,
    /// The QoS 2 message that is being routed: its receipt goes into the same record.
    receipt: Option<(u32, PacketId)>,
    snapshot: Option<journal::Snapshot>,
    restoring: Option<Box<journal::Restoring>>,
    /// QoS 2 messages of publishers here that have not reached all shards durably.
    undistributed: BTreeMap<MessageId, journal::Left>,
    /// The message that is being routed goes to other shards, or came from one that may mail it again.
    mailing: bool,
    came_by_mail: bool,
    /// QoS 2 messages that came by mail and are in the journal, until their publishers' shards forget them.
    mailed_here: BTreeSet<MessageId>,
    /// After a restart: the shards whose interest is not known yet.
    awaited: BTreeSet<ShardId>,
    /// Restored sessions that were connected when their journal ended.
    cut: Vec<u32>,
    usage: usage::Usage,
    /// Messages with RETAIN that wait until direct ones on their topics have arrived.
    postponed: postponed::Queue,
    /// Sessions that are to be disconnected because they are too slow.
    slow: Vec<u32>,
    /// When everybody has to be gone, once a shutdown has begun.
    ends_at: Option<Instant>,
    /// A shutdown is over.
    drained: bool,
    /// For unfinished input.
    room: room::Room,
    /// Messages that were given an id.
    published: u32,
    /// Where the last topic that did not come from a connection was remembered.
    hint: u32,
    wire: route::Wire,
    scratch: Vec<u8>,
    shard_list: Vec<ShardId>,
    rules: rules::Rules,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("shard", &self.shard)
            .field("connections", &self.connections.len())
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// A shard that knows nothing yet. `now` is its clock's first reading.
    pub fn new(now: Instant, config: Config) -> Self {
        let Config { shard, shards, placement, seed, incarnation, durable, limits, lenient, policy } = config;
        // A shard is one of those that there are.
        let shards = shards.max(shard.0.saturating_add(1));
        let shard = ShardId(shard.0.min(shards - 1));
        let mut random = Random::new(&seed);
        let up = config::decode_limits(&limits, lenient);
        let stranger =
            codec::Limits { maximum_packet_size: limits.connect_bytes.min(limits.packet_bytes), ..up };
        Self {
            shard,
            shards,
            placement,
            incarnation,
            decode_limits: up,
            stranger_limits: stranger,
            policy,
            connections: connection::Connections::default(),
            sessions: session::Sessions::new(random.next()),
            grants: grants::Grants::new(random.next()),
            router: router::Router::new(random.next(), REMEMBERED),
            retained: retained::Retained::new(),
            replays: replay::Replays::default(),
            depot: depot::Depot::new(RING_BYTES, durable),
            timers: timers::Timers::new(now),
            actions: Actions::default(),
            questions: questions::Questions::default(),
            settlements: settle::Settlements::default(),
            post: mail::Post::new(shard, shards),
            roads: mail::Roads::default(),
            journal: journal::Journal::new(durable, now),
            locals: local::Locals::default(),
            receipt: None,
            snapshot: None,
            restoring: None,
            undistributed: BTreeMap::new(),
            mailing: false,
            came_by_mail: false,
            mailed_here: BTreeSet::new(),
            awaited: BTreeSet::new(),
            cut: Vec::new(),
            usage: usage::Usage::new(random.next()),
            postponed: postponed::Queue::new(),
            slow: Vec::new(),
            ends_at: None,
            drained: false,
            room: room::Room::default(),
            published: 0,
            hint: connection::NONE,
            wire: route::Wire::default(),
            scratch: Vec::new(),
            shard_list: Vec::new(),
            rules: rules::Rules::default(),
            limits,
            random,
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
    /// [`poll_transmit`](Self::poll_transmit).
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
        self.act(now, Self::on_journal_failed);
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

    /// A session without a socket, by a name of its own. One that exists is opened again.
    pub fn open_local(&mut self, now: Instant, name: &str, grant: Grant) -> LocalId {
        self.act(now, |b| b.new_local(name, grant))
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
    /// The Reason Code of a refusal: `NotAuthorized`, or `UnspecifiedError` where there is no such subscriber.
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
        self.next_local(now, id)
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

    /// Says goodbye to all (0x8B) and drains until the deadline; then [`Event::Drained`].
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
            .or_else(|| self.actions.next_touched(&mut self.connections))
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

    /// Replays what an earlier broker had journaled, whatever its number of shards; call it piece by piece, before
    /// anything else.
    ///
    /// The clock starts at the instant returned: the wall clock, or the newest record if that is later.
    ///
    /// # Errors
    /// Where the bytes are no journal, and from where on: what came before has been restored. Or that it is too late.
    pub fn restore(&mut self, wall: Instant, journal: &[u8]) -> Result<Instant, RestoreError> {
        self.replay(wall, journal)
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

    /// States what must hold between two calls; panics where it does not. For tests, fuzzing and simulation.
    pub fn check(&self) {
        self.check_all();
    }

    /// What a verb does, and what follows from it: nothing is left for the next call.
    fn act<T>(&mut self, now: Instant, what: impl FnOnce(&mut Self) -> T) -> T {
        self.tick(now);
        let done = what(self);
        self.end_slow(now);
        done
    }

    fn tick(&mut self, now: Instant) {
        if self.restoring.is_some() {
            self.finish_restore(now);
            self.end_slow(now);
        }
        self.journal.begun = true;
        self.depot.books.millis = now.as_millis() & 0xffff_ffff_ffff;
    }

    fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn event(&mut self, event: Event) {
        self.actions.event(event);
    }

    fn announce(&mut self, index: u32) {
        self.actions.announce(&mut self.connections, index);
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
