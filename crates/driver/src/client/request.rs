//! Requests, and the answers to them. (5.0)
use super::publish::Publish;
use super::{Client, Error, Message, Result};
use crate::clients::{Command, Handle, Slot};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidewire_core::qos::QoS;

/// So long an answer is waited for, if nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request that is to be made: options, and then `.await`, which ends with the answer.
#[derive(Debug)]
#[must_use = "nothing is asked until it is awaited"]
pub struct Request {
    publish: Publish,
    timeout: Duration,
}

impl Request {
    pub(super) fn new(publish: Publish) -> Self {
        Self { publish, timeout: TIMEOUT }
    }

    /// So long an answer is waited for: ten seconds, if nothing is said.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    fn with(self, change: impl FnOnce(Publish) -> Publish) -> Self {
        Self { publish: change(self.publish), ..self }
    }

    /// How hard to try with the request: 1, at least once, if nothing is said.
    pub fn qos(self, qos: QoS) -> Self {
        self.with(|publish| publish.qos(qos))
    }

    /// What the payload is, often a MIME type.
    pub fn content_type(self, text: &str) -> Self {
        self.with(|publish| publish.content_type(text))
    }

    /// One more name and value.
    pub fn user_property(self, name: &str, value: &str) -> Self {
        self.with(|publish| publish.user_property(name, value))
    }
}

impl IntoFuture for Request {
    type Output = Result<Message>;
    type IntoFuture = Requesting;

    fn into_future(self) -> Requesting {
        let (client, publication) = self.publish.into_parts();
        let slot = Slot::new();
        let asked = publication.and_then(|publication| {
            let command = Command::Request(publication, self.timeout, Arc::clone(&slot));
            Ok(client.handle.reach.command(command)?)
        });
        Requesting { handle: client.handle, slot: Some(slot), error: asked.err() }
    }
}

/// A request on its way. Dropped, it is taken back if it was not sent, and its answer is thrown away.
#[must_use = "dropping it throws the answer away"]
pub struct Requesting {
    handle: Arc<Handle>,
    slot: Option<Arc<Slot<Message>>>,
    error: Option<Error>,
}

impl fmt::Debug for Requesting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requesting").finish_non_exhaustive()
    }
}

impl Future for Requesting {
    type Output = Result<Message>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Message>> {
        if let Some(error) = self.error.take() {
            self.slot = None;
            return Poll::Ready(Err(error));
        }
        let Some(slot) = &self.slot else { return Poll::Pending };
        let end = ready!(slot.poll_end(cx));
        self.slot = None;
        Poll::Ready(end.map_err(Error::from))
    }
}

impl Drop for Requesting {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            // A client that has ended has forgotten it already.
            let _ = self.handle.reach.command(Command::ForgetRequest(slot));
        }
    }
}

impl Client {
    /// Publishes a request; done when somebody has answered it, at once if the server says that nobody is there to do so.
    /// (5.0)
    pub fn request(
        &self,
        topic: impl TryInto<super::TopicName, Error: Into<Error>>,
        payload: impl Into<super::Payload>,
    ) -> Request {
        Request::new(self.publish(topic, payload))
    }
}
