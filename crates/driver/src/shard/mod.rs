//! One loop over one broker, turned by every runtime.
//!
//! A turn takes mail first, then timers and sockets; then it posts all its mail, and only then does it write to
//! sockets: no packet overtakes the mail that it rests on.
//!
//! | what came | reading | writing |
//! |---|---|---|
//! | `Connect` | not yet | not yet |
//! | `Input::Hold`, `Pause` | held: bytes, and the end, stay in the socket | goes on |
//! | `Resume` | at once: no edge will come for what lies there already | goes on |
//! | `Input::Done` | to the end, thrown away | goes on |
//! | `Close` | to the end, thrown away | everything, then half-closed |
//! | `Abort` | over | over |
//! | the peer's end, an error of a read | over, once this turn has written | over |
//! | an error of a write | goes on to its own end | over |
#[cfg(test)]
mod bench;
mod inward;
mod outward;
mod sockets;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod tests;

use crate::machine::Task;
use crate::mailbox::{Letter, MailboxOf};
use crate::{Clock, Host, Journal, Machine, Place, Post, Reactor, Synced};
use inward::ReadBuffer;
use outward::Spares;
use sockets::{Reading, Socket, Sockets, Writing};
use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;
use tidewire_core::broker::policy::Peer;
use tidewire_core::broker::{Broker, CloseCause, Config, Restore};
use tidewire_core::id::{Position, ShardId};
use tidewire_core::time::Instant;

/// How one shard of a server is set up, ready to cross to its thread.
#[non_exhaustive]
pub struct ShardSetup {
    begins: Begins,
    /// The program around it.
    pub host: Box<dyn Host + Send>,
    journal: Option<Box<dyn Journal + Send>>,
}

/// What its broker knows at first.
enum Begins {
    New(Box<Config>),
    Restored(Box<Restore>),
}

impl ShardSetup {
    /// A shard whose host wants to know nothing, without a journal.
    pub fn new(config: Config) -> Self {
        Self { begins: Begins::New(Box::new(config)), host: Box::new(()), journal: None }
    }

    /// A shard that knows what was recorded, and whose records go there. Its clock is [not
    /// before](Clock::not_before) the [newest](Restore::newest) of all shards.
    pub fn restored(restore: Restore, journal: Box<dyn Journal + Send>) -> Self {
        Self { begins: Begins::Restored(Box::new(restore)), host: Box::new(()), journal: Some(journal) }
    }

    /// Which one it is.
    pub fn shard(&self) -> ShardId {
        match &self.begins {
            Begins::New(config) => config.shard,
            Begins::Restored(restore) => restore.shard(),
        }
    }
}

impl fmt::Debug for ShardSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardSetup").field("shard", &self.shard()).finish_non_exhaustive()
    }
}

/// What to do after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// Look for readiness without waiting, then turn again.
    Again,
    /// Wait for readiness or the mailbox, no longer than until then; without end if there is no time.
    Wait(Option<Instant>),
    /// A shutdown is done: drop the shard.
    Ended,
}

/// A broker, its sockets, and the loop that serves them.
pub struct Shard<R: Reactor, M: Machine = Broker> {
    me: ShardId,
    machine: M,
    reactor: R,
    host: Box<M::Host>,
    journal: Option<Box<dyn Journal + Send>>,
    /// Into all shards, this one among them.
    mailboxes: Vec<MailboxOf<R, M>>,
    sockets: Sockets<M::Id, R::Stream>,
    /// Those that may have bytes to read, each once.
    unread: VecDeque<Place>,
    /// Those that may have something to send, each once.
    unwritten: VecDeque<Place>,
    /// Those whose end was read in this turn.
    ended: Vec<(Place, CloseCause)>,
    buffer: ReadBuffer,
    spares: Spares,
    records: Vec<u8>,
    letters: Vec<Letter<M, R::Socket>>,
    accepted: Vec<(R::Socket, Peer)>,
    shutdown: Option<Shutdown>,
    /// How many other shards have nothing left to send before the end.
    others_quiet: usize,
}

/// An orderly end that has begun.
struct Shutdown {
    deadline: Instant,
    /// The broker has nothing left to send.
    drained: bool,
    /// All other shards know that this one has nothing left to send.
    told: bool,
}

impl<R: Reactor, M: Machine> fmt::Debug for Shard<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("me", &self.me).finish_non_exhaustive()
    }
}

impl<R: Reactor, M: Machine> Drop for Shard<R, M> {
    /// Nobody is to wait for a loop that is gone.
    fn drop(&mut self) {
        self.mailbox().close();
    }
}

impl<R: Reactor> Shard<R> {
    /// The shard that `setup` describes, its mailbox among all shards' mailboxes.
    pub fn start(setup: ShardSetup, clock: Clock, reactor: R, mailboxes: Vec<MailboxOf<R, Broker>>) -> Self
    where
        R::Socket: Send + 'static,
    {
        let me = setup.shard();
        let (mut whole, mut journal) = (Position(0), setup.journal);
        let broker = match setup.begins {
            Begins::New(config) => Broker::new(clock.now(), *config),
            Begins::Restored(restore) => {
                whole = restore.read_up_to();
                restore.finish(clock.now())
            }
        };
        if let Some(journal) = &mut journal {
            let mailbox = mailboxes[me.index()].clone();
            let synced = Synced::new(move |up_to| {
                mailbox.post(up_to.map_or(Post::JournalFailed, Post::Durable));
            });
            journal.begin(whole, synced);
        }
        Self::new(me, broker, reactor, setup.host, journal, mailboxes)
    }
}

impl<R: Reactor, M: Machine> Shard<R, M> {
    /// A shard without connections. `mailboxes` are those of all shards, its own among them.
    pub fn new(
        me: ShardId,
        machine: M,
        reactor: R,
        host: Box<M::Host>,
        journal: Option<Box<dyn Journal + Send>>,
        mailboxes: Vec<MailboxOf<R, M>>,
    ) -> Self {
        assert!(me.index() < mailboxes.len(), "each shard has a mailbox");
        Self {
            me,
            machine,
            reactor,
            host,
            journal,
            mailboxes,
            sockets: Sockets::default(),
            unread: VecDeque::new(),
            unwritten: VecDeque::new(),
            ended: Vec::new(),
            buffer: ReadBuffer::new(),
            spares: Spares::default(),
            records: Vec::new(),
            letters: Vec::new(),
            accepted: Vec::new(),
            shutdown: None,
            others_quiet: 0,
        }
    }

    /// The mailbox into this shard.
    pub fn mailbox(&self) -> &MailboxOf<R, M> {
        &self.mailboxes[self.me.index()]
    }

    /// Whoever turns it is woken by this from now on, when a mail comes or the reactor has news.
    pub fn wake_with(&mut self, waker: &Waker) {
        self.mailbox().wake_with(waker);
        self.reactor.wake_with(waker);
    }

    /// The runtime's side.
    pub fn reactor(&self) -> &R {
        &self.reactor
    }

    /// The same, to wait with.
    pub fn reactor_mut(&mut self) -> &mut R {
        &mut self.reactor
    }

    /// Does what can be done without waiting, within a bound.
    pub fn turn(&mut self) -> Turn {
        let now = self.reactor.now();
        self.take_letters(now);
        if self.machine.poll_timeout().is_some_and(|at| at <= now) {
            self.machine.handle_timeout(now);
        }
        self.notice_ready(now);
        self.read(now);
        self.act(now);
        self.rest(now)
    }

    fn take_letters(&mut self, now: Instant) {
        let mut letters = std::mem::take(&mut self.letters);
        let mut accepted = std::mem::take(&mut self.accepted);
        self.mailbox().take(&mut letters, &mut accepted);
        for letter in letters.drain(..) {
            self.handle_letter(now, letter);
        }
        for (socket, peer) in accepted.drain(..) {
            // Accepted just before the listeners were closed.
            if self.shutdown.is_none()
                && let Some(id) = self.machine.handle_open(now, peer)
            {
                self.settle_in(now, id, socket);
            }
        }
        self.letters = letters;
        self.accepted = accepted;
    }

    fn handle_letter(&mut self, now: Instant, letter: Letter<M, R::Socket>) {
        match letter {
            Letter::Post(post) => self.handle_post(now, post),
            Letter::Passage { socket, passage } => {
                let id = self.machine.handle_passage(now, passage);
                self.settle_in(now, id, socket);
            }
            Letter::Mail { from, mail } => self.machine.handle_mail(now, from, mail),
            Letter::Quiet => self.others_quiet += 1,
        }
    }

    fn handle_post(&mut self, now: Instant, post: Post<M>) {
        match post {
            Post::Answer(question, answer) => self.machine.handle_answer(now, question, answer),
            Post::Durable(up_to) => self.machine.handle_durable(now, up_to),
            Post::JournalFailed => self.machine.handle_journal_failed(now),
            Post::Shutdown(deadline) => self.shut_down(now, deadline),
            Post::Call(call) => call(&mut self.machine, now),
        }
    }

    /// Gives the socket of a connection that the broker knows its place.
    fn settle_in(&mut self, now: Instant, id: M::Id, socket: R::Socket) {
        match self.reactor.attach(id.into(), socket) {
            Ok(stream) => self.sockets.insert(Socket::new(id, stream)),
            Err(_) => self.machine.handle_close(now, id, CloseCause::Reset),
        }
    }

    fn shut_down(&mut self, now: Instant, deadline: Instant) {
        if self.shutdown.is_none() {
            self.shutdown = Some(Shutdown { deadline, drained: false, told: false });
            self.machine.shutdown(now, deadline);
        }
    }

    /// Mail out, then sockets; again as long as that makes the broker announce more.
    fn act(&mut self, now: Instant) {
        self.carry(now);
        // What a socket may not send in this turn any more, for the sake of the others.
        let mut later = VecDeque::new();
        while !self.unwritten.is_empty() || !self.ended.is_empty() {
            self.write(now, &mut later);
            self.bury(now);
            self.carry(now);
        }
        self.unwritten.append(&mut later);
    }

    /// Takes what the broker announces until there is nothing: mail and records leave at once, sockets are only
    /// noted down to be written.
    fn carry(&mut self, now: Instant) {
        while let Some(task) = self.machine.poll_task() {
            match task {
                Task::Mail(to) => self.post_mail(to),
                Task::Journal => self.append_records(now),
                Task::Move { connection, to } => self.send_away(connection, to),
                Task::Transmit(id) => self.want_write(id.into()),
                Task::Close(id) => self.close(id.into()),
                Task::Abort(id) => self.lose(now, id.into(), CloseCause::Linger),
                Task::Pause(id) => self.hold(id.into()),
                Task::Resume(id) => self.resume(id.into()),
                Task::Connect { connection, to, from } => self.connect(now, connection, to, from),
                Task::Attend(matter) => {
                    let drained = self.machine.attend(now, matter, &mut self.host);
                    if let Some(shutdown) = &mut self.shutdown {
                        shutdown.drained |= drained;
                    }
                }
            }
        }
    }

    /// Begins a connection that the machine wants.
    fn connect(&mut self, now: Instant, id: M::Id, to: SocketAddr, from: Option<IpAddr>) {
        let stream = self.reactor.connect(to, from).and_then(|socket| self.reactor.attach(id.into(), socket));
        match stream {
            Ok(stream) => {
                self.sockets.insert(Socket { reading: Reading::Connecting, ..Socket::new(id, stream) });
                self.see_connected(now, id.into());
            }
            Err(error) => {
                self.machine.note_error(id, &error);
                self.machine.handle_close(now, id, CloseCause::Reset);
            }
        }
    }

    /// A connection that was begun may be there by now.
    fn see_connected(&mut self, now: Instant, place: Place) {
        let Some(socket) = self.sockets.get_mut(place) else { return };
        match self.reactor.connected(&mut socket.stream) {
            Ok(false) => {}
            Ok(true) => {
                socket.reading = Reading::Open;
                self.machine.handle_connected(now, socket.id);
                self.want_read(place);
            }
            Err(error) => {
                // The system says so once.
                socket.reading = Reading::Held;
                self.machine.note_error(socket.id, &error);
                self.ended.push((place, CloseCause::Reset));
            }
        }
    }

    fn post_mail(&mut self, to: ShardId) {
        while let Some(mail) = self.machine.poll_mail(to) {
            self.mailboxes[to.index()].put(Letter::Mail { from: self.me, mail });
        }
    }

    fn append_records(&mut self, now: Instant) {
        while let Some(up_to) = self.machine.poll_journal(&mut self.records) {
            match &mut self.journal {
                Some(journal) => journal.append(&self.records, up_to),
                None => self.machine.handle_journal_failed(now),
            }
            self.records.clear();
        }
    }

    /// Hands a connection to the shard that its session lives on; what lies unread in the socket goes along.
    fn send_away(&mut self, id: M::Id, to: ShardId) {
        let Some(passage) = self.machine.take_passage(id) else { return };
        let Some(socket) = self.sockets.remove(id.into()) else { return };
        // A socket that can't be detached is lost, and nobody was promised anything on it yet.
        if let Ok(socket) = self.reactor.detach(socket.stream) {
            self.mailboxes[to.index()].put(Letter::Passage { socket, passage });
        }
    }

    /// Everything out that is there, then half-closed; what the peer still sends is thrown away meanwhile, so
    /// that it can't be stuck in writing and never read our last words.
    fn close(&mut self, place: Place) {
        let Some(socket) = self.sockets.get_mut(place) else { return };
        if socket.writing == Writing::Open {
            socket.writing = Writing::Closing;
        }
        socket.reading = Reading::Discarding;
        self.want_write(place);
        self.want_read(place);
    }

    fn hold(&mut self, place: Place) {
        if let Some(socket) = self.sockets.get_mut(place)
            && socket.reading == Reading::Open
        {
            socket.reading = Reading::Held;
        }
    }

    fn resume(&mut self, place: Place) {
        if let Some(socket) = self.sockets.get_mut(place)
            && socket.reading == Reading::Held
        {
            socket.reading = Reading::Open;
        }
        self.want_read(place);
    }

    /// Tells the broker of those whose end was read; after this turn's writes, because a peer that has only
    /// half-closed still hears what it asked for.
    fn bury(&mut self, now: Instant) {
        let mut ended = std::mem::take(&mut self.ended);
        for (place, cause) in ended.drain(..) {
            self.lose(now, place, cause);
        }
        self.ended = ended;
    }

    /// The only place where a connection ends that did not move.
    fn lose(&mut self, now: Instant, place: Place, cause: CloseCause) {
        if let Some(socket) = self.sockets.remove(place) {
            if let Some(unsent) = socket.unsent {
                self.spares.give_back(unsent);
            }
            self.machine.handle_close(now, socket.id, cause);
        }
    }

    fn rest(&mut self, now: Instant) -> Turn {
        if self.is_over(now) {
            self.end(now);
            return Turn::Ended;
        }
        let deadlines =
            [self.machine.poll_timeout(), self.shutdown.as_ref().map(|shutdown| shutdown.deadline)];
        let next = deadlines.into_iter().flatten().min();
        let busy = !self.unread.is_empty() || !self.unwritten.is_empty() || next.is_some_and(|at| at <= now);
        if busy || !self.mailbox().sleep() { Turn::Again } else { Turn::Wait(next) }
    }

    /// Whether a shutdown is done: everybody has nothing left to send, or the time is up.
    fn is_over(&mut self, now: Instant) -> bool {
        let Some(shutdown) = &mut self.shutdown else { return false };
        if now >= shutdown.deadline {
            return true;
        }
        let quiet = shutdown.drained && self.sockets.is_empty();
        if quiet && !shutdown.told {
            shutdown.told = true;
            let me = self.me.index();
            for (_, other) in self.mailboxes.iter().enumerate().filter(|(i, _)| *i != me) {
                other.put(Letter::Quiet);
            }
        }
        quiet && self.others_quiet + 1 >= self.mailboxes.len()
    }

    fn end(&mut self, now: Instant) {
        self.mailbox().close();
        for socket in self.sockets.take_all() {
            self.machine.handle_close(now, socket.id, CloseCause::Shutdown);
        }
        self.carry(now);
    }

    /// What holds between two turns.
    #[cfg(test)]
    fn check(&self) {
        self.sockets.check();
        assert!(self.ended.is_empty(), "an end is told in the turn it was read in");
        let queued = |queue: &VecDeque<Place>, flag: fn(&Socket<M::Id, R::Stream>) -> bool| {
            let flagged = self.sockets.iter().filter(|socket| flag(socket)).map(|socket| socket.id.into());
            let mut flagged: Vec<Place> = flagged.collect();
            let alive = |place: &&Place| self.sockets.iter().any(|socket| socket.id.into() == **place);
            let mut queued: Vec<Place> = queue.iter().filter(alive).copied().collect();
            flagged.sort_unstable();
            queued.sort_unstable();
            assert_eq!(flagged, queued, "each is queued once, or not at all");
        };
        queued(&self.unread, |socket| socket.unread);
        queued(&self.unwritten, |socket| socket.unwritten);
    }
}
