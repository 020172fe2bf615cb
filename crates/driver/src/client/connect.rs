//! A client that is to be made.
use super::{
    Ask, Challenge, Client, Error, Invalid, Pending, Publication, Refusal, Result, Server, TopicName, Version,
};
use crate::clients::{self, CredentialsFrom, Endpoint, Face, Lasting, Maker, Slot, StepsFrom, Terms};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidewire_core::client::{Authentication, Backoff, Cause, Config, OutboxFull, SessionLost, Will};
use tidewire_core::codec::{Property, PropertyError};

/// What an adapter does for a client: it starts a loop, on a task or a thread.
pub type Launch = fn() -> Result<Maker>;

/// What is said to whoever gives another one.
const ONE_SERVER: &str =
    "a client of a broker in this process has no other server; `connect` with a URL makes one that has";

/// In which loop a client is made.
enum Loop {
    /// One of its own.
    Own(Launch),
    Shared(Arc<Lasting>),
    /// That of a server in this process, which is the only one that it reaches.
    Within(Result<Arc<Lasting>>),
}

/// A client that is to be made: options, and then `.await`, which ends when a server has let it in, or
/// [`start`](Self::start).
#[must_use = "nothing happens until it is awaited, or started"]
pub struct Connect {
    runs: Loop,
    pub(super) servers: Vec<Endpoint>,
    pub(super) config: Config,
    inbox_bytes: usize,
    pub(super) clean_start: Option<bool>,
    pub(super) session: Expiry,
    will_delay: Duration,
    credentials_from: Option<CredentialsFrom>,
    steps_from: Option<StepsFrom>,
    response_topic: Option<TopicName>,
    error: Option<Error>,
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("servers", &self.servers).finish_non_exhaustive()
    }
}

/// How long a server keeps the session without a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// The session ends with the connection.
    #[default]
    AtClose,
    /// In whole seconds, rounded up. Before 5.0 it is for ever.
    After(Duration),
    /// For ever.
    Never,
}

impl From<Duration> for Expiry {
    fn from(time: Duration) -> Self {
        if time.is_zero() { Self::AtClose } else { Self::After(time) }
    }
}

impl Expiry {
    pub(super) fn seconds(self) -> u32 {
        match self {
            Self::AtClose => 0,
            Self::After(time) => whole_seconds(time).min(u32::MAX - 1),
            Self::Never => u32::MAX,
        }
    }
}

/// After which ends there is another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reconnect {
    /// After none.
    Never,
    /// Not after a refusal that would be repeated, nor after another client has taken the session.
    #[default]
    UnlessRefused,
    /// Also after another client has taken the session.
    Always,
}

fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

impl Connect {
    /// For adapters.
    #[doc(hidden)]
    pub fn new(launch: Launch, url: &str) -> Self {
        Self::on(Loop::Own(launch), Vec::new()).server(url)
    }

    /// A client of the server in this process whose clients' loop that is.
    pub(crate) fn within(lasting: Result<Arc<Lasting>>) -> Self {
        // Wherever that is, it is not looked at.
        Self::on(Loop::Within(lasting), vec![Endpoint::new("127.0.0.1", 0)])
    }

    fn on(runs: Loop, servers: Vec<Endpoint>) -> Self {
        let config = Config::default();
        let inbox_bytes = config.inbox_bytes;
        Self {
            runs,
            servers,
            config,
            inbox_bytes,
            clean_start: None,
            session: Expiry::AtClose,
            will_delay: Duration::ZERO,
            credentials_from: None,
            steps_from: None,
            response_topic: None,
            error: None,
        }
    }

    /// One more server, tried when those before it can't be reached. Its URL may have options, too.
    pub fn server(mut self, url: impl AsRef<str>) -> Self {
        let applied = match self.runs {
            Loop::Within(_) => Err(Error::Invalid(Invalid::Url(ONE_SERVER.into()))),
            _ => self.apply(url.as_ref()),
        };
        if let Err(error) = applied {
            // It is told when the client is to be made.
            self.error.get_or_insert(error);
        }
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// The Client Identifier. Without one the server gives one; a session that outlives its connection needs one.
    pub fn client_id(self, id: impl Into<Box<str>>) -> Self {
        self.with(|config| config.client_id = id.into())
    }

    /// User Name and Password.
    pub fn credentials(self, username: impl Into<Box<str>>, password: impl Into<Box<[u8]>>) -> Self {
        self.with(|config| {
            (config.username, config.password) = (Some(username.into()), Some(password.into()));
        })
    }

    /// Asked for both before each attempt, on the loop, so it must not block: it answers at once, or hands the question to
    /// whoever answers later. Tokens expire, so a server's no to these does not end the client: the next attempt asks again.
    pub fn credentials_from(mut self, ask: impl FnMut(Ask) + Send + 'static) -> Self {
        self.config.ask_credentials = true;
        self.credentials_from = Some(Box::new(ask));
        self
    }

    /// An authentication in several steps, by this Authentication Method: `step` is asked for the first before each attempt,
    /// and for the next whenever the server wants one, on the loop, as with [`credentials_from`](Self::credentials_from).
    /// It needs 5.0. (Section 4.12)
    ///
    /// As with credentials that are asked for, a no to who this is does not end the client: the next attempt may have another
    /// proof. What the server says with its CONNACK stands in the [`Server`]'s properties; a server that has to prove who it
    /// is with that has got by then what was waiting to be sent.
    /// ```
    /// # type Scram = Box<dyn FnMut(bool, &[u8]) -> Vec<u8> + Send>;
    /// # fn with(connect: tidewire_driver::client::Connect, mut scram: Scram) -> tidewire_driver::client::Connect {
    /// connect.authentication("SCRAM-SHA-256", move |challenge| {
    ///     let said = scram(challenge.is_first, &challenge.data);
    ///     challenge.answer(said);
    /// })
    /// # }
    /// ```
    pub fn authentication(
        mut self,
        method: impl Into<Box<str>>,
        step: impl FnMut(Challenge) + Send + 'static,
    ) -> Self {
        self.steps_from = Some(Box::new(step));
        self.with(|config| {
            config.ask_credentials = true;
            config.authentication = Some(Authentication { method: method.into(), data: None });
        })
    }

    /// Where answers to [requests](Client::request) are to go, instead of the server's Response Information, or
    /// `reply/<client id>`. (5.0)
    pub fn response_topic(mut self, topic: impl TryInto<TopicName, Error: Into<Error>>) -> Self {
        match topic.try_into() {
            Ok(topic) => self.response_topic = Some(topic),
            Err(error) => drop(self.error.get_or_insert(error.into())),
        }
        self
    }

    /// The version to speak. If nothing is said: 5.0, and 3.1.1 with a server that does not know it.
    pub fn version(self, version: Version) -> Self {
        self.with(|config| config.version = Some(version))
    }

    /// Whether the first connection begins with a new session. If nothing is said, it does unless the session is to
    /// outlive its connections.
    pub fn clean_start(mut self, clean_start: bool) -> Self {
        self.clean_start = Some(clean_start);
        self
    }

    /// How long the server keeps the session without a connection: not at all, if nothing is said.
    pub fn session_expiry(mut self, expiry: impl Into<Expiry>) -> Self {
        self.session = expiry.into();
        self
    }

    /// The server hears from us at least so often, in whole seconds: 60, if nothing is said; `None` turns it off. A
    /// line on which nothing comes for so long is given up.
    pub fn keep_alive(self, time: impl Into<Option<Duration>>) -> Self {
        let seconds = time.into().map_or(0, whole_seconds);
        self.with(|config| config.keep_alive_seconds = u16::try_from(seconds).unwrap_or(u16::MAX))
    }

    /// Published by the server if the connection ends without goodbye.
    pub fn will(self, will: Publication) -> Self {
        self.with(|config| config.will = Some(Will { publication: will, delay_seconds: 0 }))
    }

    /// The server waits so long before it publishes the will, and does not if we are back by then. (5.0)
    pub fn will_delay(mut self, time: Duration) -> Self {
        self.will_delay = time;
        self
    }

    /// One more name and value in CONNECT. (5.0)
    pub fn user_property(mut self, name: &str, value: &str) -> Self {
        let pushed: Result<(), PropertyError> =
            self.config.properties.push(Property::UserProperty((name, value)));
        if let Err(error) = pushed {
            self.error.get_or_insert(error.into());
        }
        self
    }

    /// The largest packet that may come: 16 MiB, if nothing is said.
    pub fn maximum_packet_size(self, bytes: u32) -> Self {
        self.with(|config| config.maximum_packet_size = bytes)
    }

    /// Messages of QoS 1 and 2 that may be here and not acknowledged: 1,024, if nothing is said.
    pub fn receive_maximum(self, messages: u16) -> Self {
        self.with(|config| config.receive_maximum = messages.max(1))
    }

    /// Topic Aliases that a server may use, and that are used for topics that come again: 32 each, if nothing is said.
    pub fn topic_aliases(self, incoming: u16, outgoing: u16) -> Self {
        self.with(|config| (config.topic_alias_maximum, config.topic_aliases) = (incoming, outgoing))
    }

    /// Bytes of all messages that wait in streams: 16 MiB, if nothing is said. One may go beyond it.
    pub fn inbox_bytes(mut self, bytes: usize) -> Self {
        self.inbox_bytes = bytes;
        self
    }

    /// Messages that are sent and not acknowledged: 1,024, if nothing is said, or as many as the server takes.
    pub fn in_flight(self, messages: u16) -> Self {
        self.with(|config| config.in_flight = messages.max(1))
    }

    /// Messages that are accepted and have not ended, and their bytes: 10,000 and 64 MiB, if nothing is said.
    pub fn outbox(self, messages: usize, bytes: usize) -> Self {
        self.with(|config| (config.outbox_messages, config.outbox_bytes) = (messages.max(1), bytes))
    }

    /// What happens beyond that. If nothing is said, `publish` and `enqueue` wait, and `try_enqueue` says so.
    pub fn outbox_full(self, what: OutboxFull) -> Self {
        self.with(|config| config.outbox_full = what)
    }

    /// Topic Filters in one packet: 8, if nothing is said. Some services close at nine.
    pub fn filters_per_packet(self, filters: u16) -> Self {
        self.with(|config| config.filters_per_packet = filters.max(1))
    }

    /// What becomes of QoS 2 messages when the server has lost the session: they are sent as new, if nothing is said.
    pub fn session_lost(self, what: SessionLost) -> Self {
        self.with(|config| config.session_lost = what)
    }

    /// After which ends there is another attempt.
    pub fn reconnect(self, when: Reconnect) -> Self {
        self.with(|config| {
            config.reconnect = when != Reconnect::Never;
            config.fight_for_session = when == Reconnect::Always;
        })
    }

    /// How long to wait before another round through the servers: from half a second, doubling to a minute, if nothing is
    /// said; each drawn from the upper half.
    pub fn backoff(self, first: Duration, most: Duration) -> Self {
        self.with(|config| config.backoff = Backoff { first, most })
    }

    /// From the beginning of an attempt to CONNACK: 30 s, if nothing is said.
    pub fn connect_timeout(self, time: Duration) -> Self {
        self.with(|config| config.connect_seconds = whole_seconds(time))
    }

    /// Makes the client and lets it connect by itself, for as long as it takes.
    ///
    /// # Errors
    /// Only for what is wrong here: nobody is asked.
    pub fn start(self) -> Result<Client> {
        self.make(true)
    }

    fn make(mut self, persists: bool) -> Result<Client> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let lives_on = self.session != Expiry::AtClose;
        let config = &mut self.config;
        if self.steps_from.is_some() && !config.version.get_or_insert(Version::V5).is_v5() {
            return Err(Error::Invalid(Invalid::Option("authentication")));
        }
        config.session_expiry_seconds = self.session.seconds();
        config.clean_start = self.clean_start.unwrap_or(!lives_on);
        config.reconnect_at_first = persists;
        config.inbox_bytes = self.inbox_bytes;
        if let Some(will) = &mut config.will {
            will.delay_seconds = whole_seconds(self.will_delay);
        }
        let terms = Terms {
            bytes: self.inbox_bytes,
            receive_maximum: config.receive_maximum.into(),
            session_lives_on: lives_on,
            session_is_resumed: lives_on || !config.clean_start,
        };
        let lasting = match self.runs {
            Loop::Own(launch) => Arc::new(Lasting(launch()?)),
            Loop::Shared(lasting) => lasting,
            Loop::Within(lasting) => lasting?,
        };
        let face = Face {
            streams: Some(terms),
            credentials_from: self.credentials_from,
            steps_from: self.steps_from,
            response_topic: self.response_topic,
            resident: None,
        };
        let handle = lasting.0.make(self.config, self.servers, clients::seed(), face);
        Ok(Client { handle: Arc::new(handle) })
    }
}

impl IntoFuture for Connect {
    type Output = Result<Client>;
    type IntoFuture = Connecting;

    fn into_future(self) -> Connecting {
        match self.make(false) {
            Ok(client) => {
                let slot = client.handle.reach.shared.state().hope();
                Connecting { client: Ok(Some(client)), slot }
            }
            Err(error) => Connecting { client: Err(error), slot: Slot::new() },
        }
    }
}

/// A client that connects for the first time. Dropped before, the attempt is given up.
#[must_use = "dropping it gives the attempt up"]
pub struct Connecting {
    client: Result<Option<Client>>,
    slot: Arc<Slot<Arc<Server>>>,
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").finish_non_exhaustive()
    }
}

impl Future for Connecting {
    type Output = Result<Client>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Client>> {
        let Self { client, slot } = &mut *self;
        let client = match client {
            Ok(client) => client,
            Err(error) => return Poll::Ready(Err(error.clone())),
        };
        match ready!(slot.poll_end(cx)) {
            Ok(_) => match client.take() {
                Some(client) => Poll::Ready(Ok(client)),
                None => Poll::Pending,
            },
            Err(error) => {
                *client = None;
                Poll::Ready(Err(at_first(error)))
            }
        }
    }
}

/// Why nobody let us in for the first time.
fn at_first(error: clients::Error) -> Error {
    let clients::Error::Ended(ended) = &error else { return error.into() };
    match ended.cause {
        Cause::Refused(reason) => {
            let mut refusal = Refusal::from(reason);
            refusal.words = ended.words.clone();
            Error::Refused(refusal)
        }
        Cause::Unreachable | Cause::Closed | Cause::Reset | Cause::ConnectTimeout | Cause::KeepAlive => {
            Error::Unreachable(ended.to_string().into())
        }
        cause => Error::Ended(cause),
    }
}

/// A loop that many clients share.
pub struct Clients {
    lasting: Arc<Lasting>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// For adapters.
    #[doc(hidden)]
    pub fn new(launch: Launch) -> Result<Self> {
        Ok(Self { lasting: Arc::new(Lasting(launch()?)) })
    }

    #[cfg(test)]
    pub(crate) fn of(maker: Maker) -> Self {
        Self { lasting: Arc::new(Lasting(maker)) }
    }

    /// A client in it.
    pub fn connect(&self, url: impl AsRef<str>) -> Connect {
        Connect::on(Loop::Shared(Arc::clone(&self.lasting)), Vec::new()).server(url)
    }

    /// All say goodbye once what they have accepted has ended, after `grace` at the latest. Dropped, it goes on until the
    /// last of its clients is gone.
    pub fn shutdown(self, grace: Duration) -> Pending<()> {
        Pending::of(self.lasting.0.shutdown(grace))
    }
}
