//! One client with what its connection needs.
use super::Clients;
use super::error::{Ended, Error};
use super::handle::{Endpoint, Poster};
use super::machine::{ClientId, Matter};
use super::shared::{self, Command, Notice, Shared, Slot};
use crate::dial::Resolver;
use crate::machine::Task;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use tidewire_core::client::{self, Action, Cause, Event, Misuse, Stage};
use tidewire_core::id::Ticket;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;

/// Where the end of something goes.
pub(super) enum Waits {
    Published(Option<Arc<Slot<ReasonCode>>>, usize, QoS),
    Answered(Arc<Slot<Box<[ReasonCode]>>>),
}

/// One client with what its connection needs.
pub(super) struct Member {
    pub(super) client: client::Client,
    pub(super) shared: Arc<Shared>,
    pub(super) servers: Box<[Endpoint]>,
    /// Counts its connections, attempts among them.
    pub(super) generation: u32,
    pub(super) attempt: Attempt,
    /// The last error of the system about its connection.
    pub(super) error: Option<Arc<str>>,
    /// Why its last connection ended, or attempt.
    pub(super) last: Option<Ended>,
    /// Who waits for its tickets.
    pub(super) tickets: BTreeMap<Ticket, Waits>,
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
            waits.end(Err(Error::Gone), &self.shared);
        }
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
            // Nobody can be asked through this handle.
            Action::Credentials => self.client.credentials(now, None),
            // They are taken whenever there is room.
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
        if let Some(address) = endpoint.address() {
            self.attempt = Attempt::Connecting(VecDeque::new());
            let to = SocketAddr::new(address, endpoint.port);
            return tasks.push_back(Task::Connect { connection: id, to });
        }
        self.attempt = Attempt::Resolving;
        let poster = Arc::clone(poster);
        let found = move |found| {
            poster(Box::new(move |clients: &mut Clients, now| clients.resolved(now, id, found)));
        };
        resolver.ask(&endpoint.host, endpoint.port, Box::new(found));
    }

    pub(super) fn obey(&mut self, now: Instant, command: Command) {
        match command {
            Command::Publish(publication, slot) => {
                let (bytes, qos) = (shared::charge(&publication), publication.qos);
                match self.client.publish(now, publication) {
                    Ok(ticket) => drop(self.tickets.insert(ticket, Waits::Published(slot, bytes, qos))),
                    Err(misuse) => {
                        self.shared.ended(bytes);
                        if let Some(slot) = slot {
                            slot.put(Err(self.refused(misuse)));
                        }
                    }
                }
            }
            Command::Subscribe(subscriptions, identifier, slot) => {
                match self.client.subscribe(&subscriptions, identifier) {
                    Ok(ticket) => drop(self.tickets.insert(ticket, Waits::Answered(slot))),
                    Err(misuse) => slot.put(Err(self.refused(misuse))),
                }
            }
            Command::Unsubscribe(filters, slot) => match self.client.unsubscribe(&filters) {
                Ok(ticket) => drop(self.tickets.insert(ticket, Waits::Answered(slot))),
                Err(misuse) => slot.put(Err(self.refused(misuse))),
            },
            Command::Acknowledge(token, reason) => self.client.acknowledge(token, reason),
            Command::Authenticate(reason, data) => {
                // What can be sent to nobody was refused by the handle; for what is too large for this server, its
                // patience ends.
                let _ = self.client.authenticate(reason, &data);
            }
            Command::Disconnect(patience, reason) => {
                self.client.disconnect(now, now.after(patience), reason).expect("a reason alone can be said");
            }
            Command::Connect => self.client.connect(now),
        }
    }

    /// Takes events out of the machine: ends go to those who wait for them, the rest lies ready for the application
    /// as far as there is room.
    pub(super) fn tell(&mut self, now: Instant, notices: &mut Vec<Notice>) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Connected { session_present } => {
                    self.error = None;
                    if let Some(server) = self.client.server() {
                        let server = Box::new(server.clone());
                        notices.push(Notice::Connected { session_present, server });
                    }
                }
                Event::Disconnected(cause) => {
                    let error = self.error.take();
                    self.last = Some(Ended { cause, error: error.clone() });
                    notices.push(Notice::Disconnected { cause, error });
                }
                Event::Ended(cause) => notices.push(Notice::Ended(self.ended(cause))),
                Event::Progress(ticket, stage) => self.progress(ticket, stage),
                Event::Subscribed(ticket, reasons) | Event::Unsubscribed(ticket, reasons) => {
                    if let Some(Waits::Answered(slot)) = self.tickets.remove(&ticket) {
                        slot.put(Ok(reasons));
                    }
                }
                Event::SubscriptionLost(filter, reason) => {
                    notices.push(Notice::SubscriptionLost(filter, reason));
                }
                // No notice has room for them.
                Event::Words(..) => {}
                Event::Auth { reason, data } => notices.push(Notice::Auth { reason, data }),
                // The core and this crate are released together.
                other => debug_assert!(false, "an event that the loop does not know: {other:?}"),
            }
        }
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
        // Whoever hears from a receipt that the client has ended finds all that explains it.
        for (waits, cause) in std::mem::take(&mut self.ended) {
            waits.end(Err(Error::Ended(self.ended(cause))), &self.shared);
        }
    }

    /// This cause of an end, with the system's words for it.
    fn ended(&self, cause: Cause) -> Ended {
        let last = self.last.as_ref().filter(|last| last.cause == cause);
        Ended { cause, error: last.and_then(|last| last.error.clone()) }
    }

    fn refused(&self, misuse: Misuse) -> Error {
        match misuse {
            Misuse::Ended(cause) => Error::Ended(self.ended(cause)),
            misuse => Error::Misuse(misuse),
        }
    }

    fn progress(&mut self, ticket: Ticket, stage: Stage) {
        let end = match stage {
            Stage::Sent => Ok(ReasonCode::Success),
            Stage::Acknowledged(reason) if reason.is_error() => Err(Error::Refused(reason)),
            Stage::Acknowledged(reason) => {
                // With QoS 2 the exchange goes on.
                if matches!(self.tickets.get(&ticket), Some(Waits::Published(_, _, QoS::ExactlyOnce))) {
                    return;
                }
                Ok(reason)
            }
            // The server has the message, whatever became of the exchange.
            Stage::Released(_) => Ok(ReasonCode::Success),
            Stage::Failed(cause) => Err(Error::Failed(cause)),
            Stage::Ended(cause) => {
                self.ended.extend(self.tickets.remove(&ticket).map(|waits| (waits, cause)));
                return;
            }
            _ => return,
        };
        if let Some(waits) = self.tickets.remove(&ticket) {
            waits.end(end, &self.shared);
        }
    }
}

impl Waits {
    /// It ends like this; `Ok` is the end of a message alone.
    fn end(self, end: Result<ReasonCode, Error>, shared: &Shared) {
        match self {
            Self::Published(slot, bytes, _) => {
                shared.ended(bytes);
                if let Some(slot) = slot {
                    slot.put(end);
                }
            }
            Self::Answered(slot) => {
                if let Err(error) = end {
                    slot.put(Err(error));
                }
            }
        }
    }
}
