//! The application's end of a client.
use super::Clients;
use super::command::Command;
use super::credentials::{CredentialsFrom, StepsFrom};
use super::error::Error;
use super::fate::{Fate, MessageReceipt};
use super::reach::{Poster, Reach, call};
use super::resident::Resident;
use super::shared::{Notice, Shared, State, charge};
use super::slot::{Receipt, Slot};
use super::streams::Terms;
use crate::Post;
use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, MutexGuard, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidewire_core::client::{Acknowledge, Cause, Config, Misuse, OutboxFull, Subscription};
use tidewire_core::codec::{PropertiesBuf, Property};
use tidewire_core::id::Token;
use tidewire_core::message::Publication;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_core::topic::{TopicFilter, TopicName};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name, or an address.
    pub host: Box<str>,
    /// Usually 1883.
    pub port: u16,
    /// The address of ours to connect from; if there is none, the system chooses.
    pub from: Option<IpAddr>,
}

impl Endpoint {
    /// A name or an address, and a port.
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.into(), port, from: None }
    }

    /// The same, from this address of ours.
    pub fn from(self, address: IpAddr) -> Self {
        Self { from: Some(address), ..self }
    }

    /// If it is an address, nothing has to be looked up.
    pub(super) fn address(&self) -> Option<IpAddr> {
        IpAddr::from_str(&self.host).ok()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Makes clients in a loop.
#[derive(Clone)]
pub struct Maker {
    poster: Poster,
    /// As long as the loop.
    alive: Weak<()>,
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maker").finish_non_exhaustive()
    }
}

impl Maker {
    pub(super) fn new(poster: Poster, alive: Weak<()>) -> Self {
        Self { poster, alive }
    }

    /// A client of these servers, which are tried in turn. It connects at once.
    ///
    /// Messages are acknowledged when [`recv`](Client::recv) gives them out, unless the configuration wants that to
    /// be done by token. `seed` is where its delays are drawn from.
    ///
    /// # Panics
    /// Without a server.
    pub fn client(&self, config: Config, servers: Vec<Endpoint>, seed: [u8; 32]) -> Client {
        Client { inner: Arc::new(self.make(config, servers, seed, Face::default())) }
    }

    /// A client whose messages go to streams, if there are terms for these.
    pub(crate) fn make(
        &self,
        mut config: Config,
        servers: Vec<Endpoint>,
        seed: [u8; 32],
        face: Face,
    ) -> Handle {
        let shared = Shared::new(face.streams);
        // Handles wait for room, and the machine has it for all that they let in; unless the oldest make room there.
        let (messages, bytes) = (&mut config.outbox_messages, &mut config.outbox_bytes);
        let most = (*messages, *bytes);
        let (limits, makes_room) = match config.outbox_full {
            OutboxFull::DropOldest => ((usize::MAX, usize::MAX), Some(most)),
            _ => {
                (*messages, *bytes) = (usize::MAX, usize::MAX);
                (most, None)
            }
        };
        let acknowledge = std::mem::replace(&mut config.acknowledge, Acknowledge::ByToken);
        config.servers = number_of(&servers);
        let id = Arc::new(std::sync::OnceLock::new());
        let (unmade, place) = (Unmade(Some(Arc::clone(&shared))), Arc::clone(&id));
        self.call(move |clients, now| {
            let Some(shared) = { unmade }.0.take() else { return };
            let id = clients.add(now, config, servers, &seed, shared, face);
            let _ = place.set(id);
            clients.knocked(now, id);
        });
        let reach = Arc::new(Reach::new(shared, Arc::clone(&self.poster), id));
        Handle { reach, limits, makes_room, acknowledge }
    }

    pub(super) fn call(&self, what: impl FnOnce(&mut Clients, Instant) + Send + 'static) {
        call(&self.poster, what);
    }

    /// The loop ends when it has no client any more.
    fn end_when_empty(&self) {
        self.call(|clients, now| clients.end_when_empty(now));
    }

    /// The loop has ended, with the runtime that it was on or by itself.
    pub(crate) fn is_over(&self) -> bool {
        self.alive.strong_count() == 0
    }

    /// All clients say goodbye, after `grace` at the latest, and the loop ends; then this is done.
    pub fn shutdown(&self, grace: Duration) -> Receipt<()> {
        let slot = Slot::new();
        let over = Over::of(&slot);
        let poster = Arc::clone(&self.poster);
        self.call(move |clients, now| {
            clients.over.push(over);
            poster(Post::Shutdown(now.after(grace)));
        });
        Receipt { slot }
    }
}

/// How many the machine tries in turn.
pub(super) fn number_of(servers: &[Endpoint]) -> u16 {
    assert!(!servers.is_empty(), "a client has at least one server");
    u16::try_from(servers.len()).unwrap_or(u16::MAX)
}

/// A loop that lasts as long as this, or as its last client.
pub(crate) struct Lasting(pub(crate) Maker);

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.end_when_empty();
    }
}

/// Tells of the end of what has it, when that is dropped; it may have been before.
pub(crate) struct Over(Arc<Slot<()>>);

impl Over {
    /// There it is told.
    pub(crate) fn of(slot: &Arc<Slot<()>>) -> Self {
        Self(Arc::clone(slot))
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        self.0.put(Ok(()));
    }
}

/// A client on its way into the loop. If that has ended, nobody is to wait for it.
struct Unmade(Option<Arc<Shared>>);

impl Drop for Unmade {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.close();
        }
    }
}

/// A handle of one client. Copies are handles of the same one; when the last is dropped, it says goodbye.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Handle>,
}

/// What keeps a client going. It says goodbye when this is dropped.
pub(crate) struct Handle {
    pub(crate) reach: Arc<Reach>,
    /// What may be open, in messages and bytes: beyond that whoever publishes waits.
    limits: (usize, usize),
    /// What may wait for the loop, where the oldest make room. What it has taken, the machine bounds in the same way.
    makes_room: Option<(usize, usize)>,
    acknowledge: Acknowledge,
}

/// What is done for a client beyond its machine.
#[derive(Default)]
pub(crate) struct Face {
    /// Messages go to streams.
    pub(crate) streams: Option<Terms>,
    /// There is no handle.
    pub(crate) resident: Option<Box<dyn Resident>>,
    pub(crate) credentials_from: Option<CredentialsFrom>,
    pub(crate) steps_from: Option<StepsFrom>,
    pub(crate) response_topic: Option<TopicName>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.inner.reach.id()).finish_non_exhaustive()
    }
}

/// A place among those that wait for room, until it is given up.
struct Queue<'a> {
    shared: &'a Shared,
    place: Option<u64>,
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.shared.leave(place);
        }
    }
}

/// How long a client that nobody holds any more goes on with what it has accepted.
const FAREWELL: Duration = Duration::from_secs(5);

impl Drop for Handle {
    fn drop(&mut self) {
        // One that is under way has its own time.
        if !self.reach.shared.state().is_leaving {
            let _ = self.reach.command(Command::Disconnect(FAREWELL, ReasonCode::Success.into()));
        }
        self.reach.abandon();
    }
}

impl Handle {
    pub(crate) fn poll_publish(
        &self,
        cx: &mut Context<'_>,
        publication: &mut Option<Publication>,
        place: &mut Option<u64>,
    ) -> Poll<Result<Fate, Error>> {
        let mut state = self.reach.shared.state();
        let bytes = publication.as_ref().map_or(0, charge);
        ready!(Shared::poll_room(&mut state, bytes, self.limits, place, cx));
        let Some(publication) = publication.take() else { return Poll::Pending };
        Poll::Ready(self.accept(state, publication, bytes))
    }

    /// The same, if there is room now.
    pub(crate) fn try_publish(&self, publication: Publication) -> Result<Fate, Error> {
        let state = self.reach.shared.state();
        let bytes = charge(&publication);
        if Shared::has_room(&state, bytes, self.limits) {
            self.accept(state, publication, bytes)
        } else {
            Err(Error::Misuse(Misuse::OutboxFull))
        }
    }

    fn accept(
        &self,
        mut state: MutexGuard<'_, State>,
        publication: Publication,
        bytes: usize,
    ) -> Result<Fate, Error> {
        if let Some(error) = state.error() {
            return Err(error);
        }
        let (fate, knock) = state.accept(publication, bytes);
        let oldest = self.makes_room.map_or_else(Vec::new, |most| state.make_room(bytes, most));
        drop(state);
        oldest.iter().for_each(|fate| fate.put(Err(Error::Failed(Cause::MadeRoom).into())));
        if knock {
            self.reach.knock();
        }
        Ok(fate)
    }
}

impl Client {
    /// Hands a message over, as soon as there is room for it. Then it is accepted: it goes its way whether or not
    /// anybody waits for the receipt.
    ///
    /// The receipt is what the server said: `Success`, or with QoS 1 `NoMatchingSubscribers`. With QoS 0 it comes when
    /// the message was sent.
    pub async fn publish(&self, publication: Publication) -> Result<MessageReceipt, Error> {
        let mut publication = Some(publication);
        let mut queue = Queue { shared: &self.inner.reach.shared, place: None };
        let fate = poll_fn(|cx| self.inner.poll_publish(cx, &mut publication, &mut queue.place)).await?;
        Ok(MessageReceipt { fate })
    }

    /// Subscribes. The receipt has an answer for each Topic Filter: the QoS that was granted, or why not.
    ///
    /// `identifier` comes back with each message that is sent for one of them. (5.0)
    pub fn subscribe(
        &self,
        subscriptions: &[Subscription],
        identifier: Option<u32>,
    ) -> Result<Receipt<Box<[ReasonCode]>>, Error> {
        let slot = Slot::new();
        self.inner.reach.command(Command::Subscribe(subscriptions.into(), identifier, Arc::clone(&slot)))?;
        Ok(Receipt { slot })
    }

    /// Ends subscriptions. The receipt has an answer for each Topic Filter.
    pub fn unsubscribe(&self, filters: &[TopicFilter]) -> Result<Receipt<Box<[ReasonCode]>>, Error> {
        let slot = Slot::new();
        self.inner.reach.command(Command::Unsubscribe(filters.into(), Arc::clone(&slot)))?;
        Ok(Receipt { slot })
    }

    /// The next thing to know: a message, most of the time. `None` once there will be nothing more: behind
    /// [`Notice::Ended`], until [`connect`](Self::connect).
    ///
    /// Dropping the future loses nothing.
    pub async fn recv(&self) -> Option<Notice> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The same, for whoever polls.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        let (mut notice, knock) = ready!(self.inner.reach.shared.poll_notice(cx));
        if knock {
            self.inner.reach.knock();
        }
        if let Some(Notice::Message(message)) = &mut notice
            && self.inner.acknowledge == Acknowledge::WhenTaken
            && let Some(token) = message.token.take()
        {
            // A loop that is gone acknowledges nothing, and the server will send it again.
            let _ = self.inner.reach.command(Command::Acknowledge(token, ReasonCode::Success));
        }
        Poll::Ready(notice)
    }

    /// A message that came with a token is in safe hands, or is refused.
    pub fn acknowledge(&self, token: Token, reason: ReasonCode) -> Result<(), Error> {
        self.inner.reach.command(Command::Acknowledge(token, reason))
    }

    /// The next step of an authentication, or the first one of another. `data` has at most 65,535 bytes.
    pub fn authenticate(&self, reason: ReasonCode, data: &[u8]) -> Result<(), Error> {
        PropertiesBuf::of([Property::AuthenticationData(data)])
            .map_err(|error| Error::Misuse(Misuse::Property(error)))?;
        self.inner.reach.command(Command::Authenticate(reason, data.into()))
    }

    /// Says goodbye when everything that was accepted has ended, at the latest after `patience`, when what is left ends
    /// with it; the last notice is then `Ended`. `DisconnectWithWill` has the will published. A client that has ended
    /// stays so.
    ///
    /// Messages are waited for over any number of connections; subscriptions only while there is one. If nothing is
    /// open, it ends at once, whether or not a server has answered.
    pub fn disconnect(&self, patience: Duration, reason: ReasonCode) -> Result<(), Error> {
        self.inner.reach.command(Command::Disconnect(patience, reason.into()))
    }

    /// Connects again after `Ended`, or once a goodbye that is under way has been said.
    pub fn connect(&self) -> Result<(), Error> {
        self.inner.reach.command(Command::Connect)
    }
}
