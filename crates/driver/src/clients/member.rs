//! One client with what its connection needs.
use super::command::{Command, Follow, Leaving};
use super::credentials::Asking;
use super::error::{Ended, Error, Refusal};
use super::fate::End;
use super::handle::Endpoint;
use super::inbox::Inbox;
use super::machine::{ClientId, Matter};
use super::reach::{Poster, call};
use super::requests::Requests;
use super::resident::Resident;
use super::shared::{self, Charge, Notice, Shared};
use super::slot::Slot;
use super::tickets::{Published, Tickets};
use super::untold::{Place, Untold};
use crate::dial::Resolver;
use crate::machine::Task;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tidewire_core::client::{self, Action, Cause, Event, Misuse, Stage, Words};
use tidewire_core::id::Ticket;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;

/// No packet has more bytes.
const LARGEST: u32 = 268_435_455;

/// Where the end of something goes.
pub(super) enum Waits {
    Published(Published),
    /// The request of that number.
    Requested(u64, usize, QoS),
    Answered(Arc<Slot<Box<[ReasonCode]>>>),
    /// A subscription whose messages go to a stream.
    Granted(Box<Follow>),
    /// The end of some.
    Left(Box<Leaving>),
}

/// One client with what its connection needs.
pub(super) struct Member {
    pub(super) client: client::Client,
    pub(super) shared: Arc<Shared>,
    pub(super) servers: Box<[Endpoint]>,
    /// Counts its connections, attempts among them.
    pub(super) generation: u32,
    pub(super) attempt: Attempt,
    /// From where it connects, if somebody has chosen that.
    pub(super) from: Option<IpAddr>,
    /// The last error of the system about its connection.
    pub(super) error: Option<Arc<str>>,
    /// Why its last connection ended, or attempt.
    pub(super) last: Option<Ended>,
    /// Who waits for its tickets.
    pub(super) tickets: Tickets,
    /// The ends of messages, as the handles will hear them.
    pub(super) untold: Untold,
    /// Messages that have ended, until that is told, once their room is free.
    pub(super) done: Vec<(Place, End)>,
    /// Their room.
    pub(super) freed: Charge,
    /// Those that the client's end has ended, until that is told.
    pub(super) ended: Vec<(Waits, Cause)>,
    /// When it is to be looked at, as the table of deadlines knows.
    pub(super) armed: Option<Instant>,
    /// The first of a name's addresses that is tried: another one each time that none answers.
    pub(super) turn: usize,
    /// No handle is left.
    pub(super) abandoned: bool,
    /// A shutdown waits for its end.
    pub(super) awaited: bool,
    pub(super) taker: Taker,
    /// What there is for streams.
    pub(super) inbox: Inbox,
    pub(super) requests: Requests,
    /// What the server said besides the answer that follows.
    pub(super) words: Option<(Ticket, Box<Words>)>,
    /// What it said of why the connection ends.
    pub(super) last_words: Option<Box<Words>>,
    /// Who is asked with what to connect.
    pub(super) asking: Option<Box<Asking>>,
}

/// Who takes what comes for a client.
pub(super) enum Taker {
    /// Its handle, all in one order.
    Handle,
    Streams,
    Resident(Box<dyn Resident>),
}

impl Taker {
    pub(super) fn of(resident: Option<Box<dyn Resident>>, by_streams: bool) -> Self {
        match resident {
            Some(resident) => Self::Resident(resident),
            None if by_streams => Self::Streams,
            None => Self::Handle,
        }
    }
}

/// How far a connection has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    None,
    /// The name is being looked up.
    Resolving,
    /// One address is tried; these are left.
    Connecting(VecDeque<SocketAddr>),
    Connected,
}

impl Member {
    /// Receipts that somebody still waits for.
    pub(super) fn end_all(&mut self) {
        for waits in std::mem::take(&mut self.tickets).into_values() {
            self.end(waits, Err(Error::Gone.into()));
        }
        self.tell_ends();
        self.requests.end_all(&Error::Gone);
    }

    /// Messages that have ended make room, all at once, and then whoever waits for them hears it.
    fn tell_ends(&mut self) {
        if self.freed.messages > 0 {
            self.shared.make_free(std::mem::take(&mut self.freed));
        }
        for (place, end) in self.done.drain(..) {
            self.untold.tell(place, end);
        }
        self.untold.shrink();
    }

    /// Does what the machine has announced.
    pub(super) fn perform(
        &mut self,
        now: Instant,
        index: u32,
        action: Action,
        resolver: &mut Resolver,
        poster: &Poster,
        tasks: &mut VecDeque<Task<ClientId, Matter>>,
    ) {
        let id = ClientId { index, generation: self.generation };
        match action {
            Action::Open(server) => {
                self.generation = self.generation.wrapping_add(1);
                self.error = None;
                let id = ClientId { index, generation: self.generation };
                self.dial(id, server, resolver, poster, tasks);
            }
            Action::Transmit => tasks.push_back(Task::Transmit(id)),
            Action::Close => tasks.push_back(Task::Close(id)),
            // A name that is looked up has no connection that could be dropped.
            Action::Abort if self.attempt == Attempt::Resolving => {
                self.attempt = Attempt::None;
                self.generation = self.generation.wrapping_add(1);
                self.client.handle_close(now, Cause::Unreachable);
            }
            Action::Abort => {
                if let Attempt::Connecting(left) = &mut self.attempt {
                    left.clear();
                }
                tasks.push_back(Task::Abort(id));
            }
            Action::Resume => tasks.push_back(Task::Resume(id)),
            Action::Credentials => self.ask_for_credentials(now),
            // Whoever takes them is told.
            Action::Event | Action::Message => {}
            // The core and this crate are released together.
            other => debug_assert!(false, "an action that the loop does not know: {other:?}"),
        }
    }

    /// Begins an attempt.
    pub(super) fn dial(
        &mut self,
        id: ClientId,
        server: u16,
        resolver: &mut Resolver,
        poster: &Poster,
        tasks: &mut VecDeque<Task<ClientId, Matter>>,
    ) {
        let endpoint = &self.servers[usize::from(server) % self.servers.len()];
        self.from = endpoint.from;
        if let Some(address) = endpoint.address() {
            self.attempt = Attempt::Connecting(VecDeque::new());
            let to = SocketAddr::new(address, endpoint.port);
            return tasks.push_back(Task::Connect { connection: id, to, from: self.from });
        }
        self.attempt = Attempt::Resolving;
        let poster = Arc::clone(poster);
        let found = move |found| {
            call(&poster, move |clients, now| clients.resolved(now, id, found));
        };
        resolver.ask(&endpoint.host, endpoint.port, Box::new(found));
    }

    pub(super) fn obey(&mut self, now: Instant, command: Command) {
        match command {
            Command::Publish(publication) => self.publish(now, publication),
            Command::Follow(follow) => self.follow(follow),
            Command::Leave(leaving) => self.leave(leaving),
            Command::Answer(token, outcome) => self.answer(now, token, outcome),
            Command::Withdraw { message, even_if_sent, slot } => {
                self.withdraw(now, &message, even_if_sent, slot);
            }
            Command::Request(publication, timeout, slot) => self.request(now, publication, timeout, slot),
            Command::ForgetRequest(slot) => self.forget_request(now, &slot),
            Command::Reconnect(slot) => self.reconnect(now, slot),
            Command::Subscribe(subscriptions, identifier, slot) => {
                match self.client.subscribe(&subscriptions, identifier) {
                    Ok(ticket) => self.tickets.insert(ticket, Waits::Answered(slot)),
                    Err(misuse) => slot.put(Err(self.refused(misuse))),
                }
            }
            Command::Unsubscribe(filters, slot) => match self.client.unsubscribe(&filters) {
                Ok(ticket) => self.tickets.insert(ticket, Waits::Answered(slot)),
                Err(misuse) => slot.put(Err(self.refused(misuse))),
            },
            Command::Acknowledge(token, reason) => self.client.acknowledge(token, reason),
            Command::Authenticate(reason, data) => {
                // What can be sent to nobody was refused by the handle; for what is too large for this server, its
                // patience ends.
                let _ = self.client.authenticate(reason, &data);
            }
            Command::Disconnect(patience, goodbye) => {
                self.client
                    .disconnect(now, now.after(patience), goodbye)
                    .expect("handles say what can be said");
            }
            Command::Connect => self.client.connect(now),
        }
    }

    fn publish(&mut self, now: Instant, publication: Publication) {
        let (bytes, qos) = (shared::charge(&publication), publication.qos);
        let Some(place) = self.untold.take() else {
            return debug_assert!(false, "each message comes with its fate");
        };
        match self.client.publish(now, publication) {
            Ok(ticket) => {
                self.untold.waits_for(&place, ticket);
                self.tickets.insert_published(ticket, Published { place, bytes, qos });
            }
            Err(misuse) => {
                self.shared.make_free(Charge::of(bytes));
                self.untold.tell(place, Err(self.refused_message(misuse, bytes).into()));
            }
        }
    }

    /// When it wants to be looked at though nothing happens.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let machine = self.client.poll_timeout().map(|deadline| deadline.at);
        let others = match &self.taker {
            Taker::Resident(resident) => [resident.poll_timeout(), None],
            Taker::Handle | Taker::Streams => [self.inbox.poll_timeout(), self.requests.poll_timeout()],
        };
        machine.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Takes events out of the machine: ends go to those who wait for them, the rest lies ready for the application
    /// as far as there is room.
    pub(super) fn tell(&mut self, now: Instant, notices: &mut Vec<Notice>) {
        if let Taker::Resident(resident) = &mut self.taker {
            return resident.turn(now, &mut self.client, self.error.as_deref());
        }
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Connected { session_present } => {
                    self.error = None;
                    if let Some(asking) = &mut self.asking {
                        asking.connected();
                    }
                    if let Some(server) = self.client.server() {
                        let server = Box::new(server.clone());
                        notices.push(Notice::Connected { session_present, server });
                    }
                }
                Event::Disconnected(cause) => {
                    let error = self.error.take();
                    if let Some(asking) = &mut self.asking {
                        asking.ended(cause);
                    }
                    let words = self.last_words.take();
                    let said = words.as_ref().map(|words| Arc::from(words.to_string()));
                    self.last = Some(Ended { cause, error: error.clone(), words });
                    notices.push(Notice::Disconnected { cause, error: error.or(said) });
                }
                Event::Ended(cause) => notices.push(Notice::Ended(self.ended(cause))),
                Event::Progress(ticket, stage) => self.progress(ticket, stage),
                Event::Subscribed(ticket, reasons) | Event::Unsubscribed(ticket, reasons) => {
                    self.answered(ticket, reasons);
                }
                Event::SubscriptionLost(filter, reason) => {
                    notices.push(Notice::SubscriptionLost(filter, reason));
                }
                Event::Words(None, words) => self.last_words = Some(words),
                Event::Words(Some(ticket), words) => self.words = Some((ticket, words)),
                Event::Auth { reason: ReasonCode::ContinueAuthentication, data }
                    if self.takes_challenge(&data) => {}
                Event::Auth { reason, data } => notices.push(Notice::Auth { reason, data }),
                // The core and this crate are released together.
                other => debug_assert!(false, "an event that the loop does not know: {other:?}"),
            }
        }
        self.tell_ends();
        let ended = std::mem::take(&mut self.ended);
        if matches!(self.taker, Taker::Streams) {
            self.give_all(now, &ended, notices);
        } else {
            self.notify(now, notices);
        }
        // Whoever hears from a receipt that the client has ended finds all that explains it.
        for (waits, cause) in ended {
            let error = Error::Ended(self.ended(cause));
            self.end(waits, Err(error.into()));
        }
        self.tell_ends();
        if !self.requests.is_empty() && self.client.is_ended() {
            let error = self.shared.state().error().unwrap_or(Error::Gone);
            self.requests.end_all(&error);
        }
    }

    /// News to all who listen, and messages to streams and to those who have asked.
    fn give_all(&mut self, now: Instant, ended: &[(Waits, Cause)], notices: &mut Vec<Notice>) {
        let counts = |waits: &Waits| matches!(waits, Waits::Published(..) | Waits::Requested(..));
        let unfinished = ended.iter().filter(|(waits, _)| counts(waits)).count();
        if self.client.is_ended() {
            // What came last is there before the end is told.
            self.give(now);
        }
        self.announce(now, unfinished, notices);
        self.give(now);
        while self.take_replies(now) {
            self.give(now);
        }
    }

    /// They lie ready, and messages behind them, as far as there is room.
    fn notify(&mut self, now: Instant, notices: &mut Vec<Notice>) {
        let mut room = self.shared.room(notices);
        while room.is_left() {
            let Some(message) = self.client.poll_message(now) else {
                self.shared.no_more();
                break;
            };
            room.take(&message);
            notices.push(Notice::Message(message));
        }
        self.shared.notify(notices, self.client.is_ended());
    }

    /// The server has answered each Topic Filter.
    fn answered(&mut self, ticket: Ticket, reasons: Box<[ReasonCode]>) {
        match self.tickets.remove(ticket) {
            Some(Waits::Answered(slot)) => slot.put(Ok(reasons)),
            Some(Waits::Granted(follow)) => self.followed(ticket, &follow, &reasons),
            Some(Waits::Left(leaving)) => self.left(*leaving, &reasons),
            Some(Waits::Published(..) | Waits::Requested(..)) | None => {}
        }
    }

    /// This cause of an end, with the system's words for it.
    pub(super) fn ended(&self, cause: Cause) -> Ended {
        let last = self.last.as_ref().filter(|last| last.cause == cause);
        last.cloned().unwrap_or(Ended { cause, error: None, words: None })
    }

    pub(super) fn refused_message(&self, misuse: Misuse, bytes: usize) -> Error {
        match misuse {
            Misuse::TooLarge => {
                let limit = self.client.server().map_or(LARGEST, |server| server.maximum_packet_size);
                Error::TooLarge { bytes, limit: limit.min(LARGEST) }
            }
            misuse => self.refused(misuse),
        }
    }

    pub(super) fn refused(&self, misuse: Misuse) -> Error {
        match misuse {
            Misuse::Ended(cause) => Error::Ended(self.ended(cause)),
            misuse => Error::Misuse(misuse),
        }
    }

    /// What the server said besides its answer to this.
    pub(super) fn words_of(&mut self, ticket: Ticket) -> Option<Box<Words>> {
        self.words.take().filter(|(about, _)| *about == ticket).map(|(_, words)| words)
    }

    fn progress(&mut self, ticket: Ticket, stage: Stage) {
        let end = match stage {
            Stage::Sent => Ok(ReasonCode::Success),
            Stage::Acknowledged(reason) if reason.is_error() => {
                Err(Error::Refused(Refusal { reason, words: self.words_of(ticket) }).into())
            }
            Stage::Acknowledged(reason) => {
                // With QoS 2 the exchange goes on.
                if self.tickets.qos(ticket) == Some(QoS::ExactlyOnce) {
                    return;
                }
                Ok(reason)
            }
            // The server has the message, whatever became of the exchange.
            Stage::Released(_) => Ok(ReasonCode::Success),
            Stage::Failed(cause) => Err(Error::Failed(cause).into()),
            Stage::Ended(cause) => {
                self.ended.extend(self.tickets.remove(ticket).map(|waits| (waits, cause)));
                return;
            }
            _ => return,
        };
        if let Some(published) = self.tickets.remove_published(ticket) {
            self.published(published, end);
        } else if let Some(waits) = self.tickets.remove_other(ticket) {
            self.end(waits, end);
        }
    }

    #[inline]
    fn published(&mut self, published: Published, end: End) {
        self.freed.add(published.bytes);
        self.done.push((published.place, end));
    }

    /// It ends like this; `Ok` is the end of a message alone.
    fn end(&mut self, waits: Waits, end: End) {
        match waits {
            Waits::Published(published) => self.published(published, end),
            Waits::Requested(number, bytes, _) => {
                self.freed.add(bytes);
                self.requested(number, end);
            }
            Waits::Answered(slot) => {
                if let Err(error) = end {
                    slot.put(Err(*error));
                }
            }
            Waits::Granted(follow) => {
                if let Err(error) = end {
                    self.follow_failed(&follow, *error);
                }
            }
            Waits::Left(leaving) => {
                if let Err(error) = end {
                    self.leaving_failed(*leaving, &error);
                }
            }
        }
    }
}
