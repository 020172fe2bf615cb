//! One client, as whoever uses it sees it; the same on every runtime.
//!
//! Each call makes a value that does nothing yet and takes options; it is done by `.await`, or by `.wait()` where a
//! thread blocks. No state of the protocol lives in these values, so dropping one loses nothing.
mod connect;
mod error;
mod event;
mod pending;
mod publish;
mod request;
mod subscribe;
#[cfg(test)]
mod tests;
mod url;

pub use crate::clients::{Ack, Ask, Challenge, Event, Message, Refusal};
pub use crate::serve::{Running, Serve};
pub use bytes::{self, Bytes};
pub use connect::{Clients, Connect, Connecting, Expiry, Launch, Reconnect};
pub use error::{Error, Fault, Feature, Invalid, Result};
pub use event::Events;
pub use pending::Pending;
pub use publish::{Enqueue, Publish, Published, Publishing, Receipt, Withdraw, Withdrawn};
pub use request::{Request, Requesting};
pub use std::time::Duration;
pub use subscribe::{Add, Messages, Subscribe, Subscribing};
pub use tidewire_core::client::{Cause, Credentials, OutboxFull, Server, SessionLost, Stats, Words};
pub use tidewire_core::codec::RetainHandling;
pub use tidewire_core::message::{Payload, Publication};
pub use tidewire_core::qos::QoS;
pub use tidewire_core::reason::ReasonCode;
pub use tidewire_core::topic::{TopicError, TopicFilter, TopicName};
pub use tidewire_core::version::Version;

use crate::clients::{Command, Handle, Slot};
use std::fmt;
use std::sync::Arc;
use tidewire_core::client::Goodbye;

/// How long a goodbye takes at most, if nothing is said.
const PATIENCE: Duration = Duration::from_secs(5);

/// A handle of one client. Copies are handles of the same one; it goes on as long as a handle, or a stream of its
/// messages, is there, and then says goodbye by itself, within five seconds.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Publishes a message; done when the server has it.
    pub fn publish(
        &self,
        topic: impl TryInto<TopicName, Error: Into<Error>>,
        payload: impl Into<Payload>,
    ) -> Publish {
        let topic = topic.try_into().map_err(Into::into);
        let publication = topic.map(|topic| Publication::new(topic, payload).qos(QoS::AtLeastOnce));
        Publish::new(self.clone(), publication)
    }

    /// Publishes a message that was made elsewhere.
    pub fn send(&self, publication: Publication) -> Publish {
        Publish::new(self.clone(), Ok(publication))
    }

    /// Answers a request, where it wants to be answered and with its Correlation Data. (5.0)
    pub fn reply(&self, request: &Message, payload: impl Into<Payload>) -> Publish {
        let topic = request.response_topic().ok_or(Error::Invalid(Invalid::NoResponseTopic));
        let topic = topic.and_then(|topic| Ok(TopicName::new(topic)?));
        let publication = topic.map(|topic| Publication::new(topic, payload).qos(QoS::AtLeastOnce));
        let publish = Publish::new(self.clone(), publication);
        match request.correlation_data() {
            Some(data) => publish.correlation_data(data),
            None => publish,
        }
    }

    /// Subscribes; the answer is the stream of what comes for it.
    pub fn subscribe(&self, filter: impl TryInto<TopicFilter, Error: Into<Error>>) -> Subscribe {
        self.subscribe_all([filter])
    }

    /// Subscribes to several at once: one stream, in the order in which messages come. All are granted, or none.
    pub fn subscribe_all(
        &self,
        filters: impl IntoIterator<Item: TryInto<TopicFilter, Error: Into<Error>>>,
    ) -> Subscribe {
        let filters = filters.into_iter().map(|filter| filter.try_into().map_err(Into::into)).collect();
        Subscribe::new(self.clone(), filters)
    }

    /// What comes for subscriptions of the session that have no stream in this process.
    pub fn unclaimed(&self) -> Messages {
        Messages::unclaimed(Arc::clone(&self.handle))
    }

    /// Ends a subscription of the session that has no stream in this process.
    pub fn unsubscribe(&self, filter: impl TryInto<TopicFilter, Error: Into<Error>>) -> Pending<()> {
        match filter.try_into() {
            Ok(filter) => self.leave_session_filter(filter),
            Err(error) => Pending::failed(error),
        }
    }

    /// What happens from now on; the first is how things stand. Each `Events` hears all.
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(&self.handle.reach))
    }

    /// Done when there is a connection: at once if there is one.
    pub fn connected(&self) -> Pending<Arc<Server>> {
        Pending::asked(self.handle.reach.shared.state().hope())
    }

    /// Gives this connection up, or the wait for the next attempt, and connects now.
    pub fn reconnect(&self) -> Pending<Arc<Server>> {
        let slot = Slot::new();
        match self.handle.reach.command(Command::Reconnect(Arc::clone(&slot))) {
            Ok(()) => Pending::asked(slot),
            Err(error) => Pending::failed(error),
        }
    }

    /// What the server said when it let us in; `None` while there is no connection.
    pub fn server(&self) -> Option<Arc<Server>> {
        self.handle.reach.shared.state().server.clone()
    }

    /// Says goodbye once everything that was accepted has ended; done when that is done.
    pub fn disconnect(&self) -> Disconnect {
        Disconnect { client: self.clone(), patience: PATIENCE, goodbye: Ok(ReasonCode::Success.into()) }
    }

    /// Counts. What waits in a stream is among what was taken.
    pub fn stats(&self) -> Stats {
        self.handle.reach.shared.state().stats
    }
}

/// A goodbye that is to be said: options, and then `.await`.
#[derive(Debug)]
#[must_use = "nothing happens until it is awaited"]
pub struct Disconnect {
    client: Client,
    patience: Duration,
    goodbye: Result<Goodbye>,
}

impl Disconnect {
    /// So long at most, five seconds if nothing is said.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// `DisconnectWithWill` has the will published. (5.0) To be said before what explains it.
    pub fn reason(mut self, reason: ReasonCode) -> Self {
        self.goodbye = self.goodbye.map(|_| reason.into());
        self
    }

    /// The server keeps the session for so long, and not as CONNECT has said; one that was to end with the connection
    /// can't be kept now. (5.0)
    pub fn session_expiry(mut self, expiry: impl Into<Expiry>) -> Self {
        let expiry = expiry.into();
        let lives_on = self.client.handle.reach.session_lives_on();
        self.goodbye = self.goodbye.and_then(|goodbye| {
            if !lives_on && expiry != Expiry::AtClose {
                return Err(Error::Invalid(Invalid::Option("session_expiry")));
            }
            Ok(goodbye.session_expiry_seconds(expiry.seconds()))
        });
        self
    }

    /// The reason in words. (5.0)
    pub fn reason_string(mut self, words: &str) -> Self {
        self.goodbye = self.goodbye.and_then(|goodbye| Ok(goodbye.reason_string(words)?));
        self
    }

    /// One more name and value. (5.0)
    pub fn user_property(mut self, name: &str, value: &str) -> Self {
        self.goodbye = self.goodbye.and_then(|goodbye| Ok(goodbye.user_property(name, value)?));
        self
    }
}

impl IntoFuture for Disconnect {
    type Output = Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Pending<()> {
        let goodbye = match self.goodbye {
            Ok(goodbye) => goodbye,
            Err(error) => return Pending::failed(error),
        };
        let reach = &self.client.handle.reach;
        let slot = reach.shared.state().farewell();
        // A client that has ended has answered already.
        let _ = reach.command(Command::Disconnect(self.patience, goodbye));
        Pending::asked(slot)
    }
}
