//! Messages on their way out.
use super::{Client, Error, Result};
use crate::clients::{self, Command, Fate, Handle, Slot};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidewire_core::client;
use tidewire_core::codec::{Property, PropertyError};
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicName;

/// A message that is to be published: options, and then `.await`, [`enqueue`](Self::enqueue) or
/// [`try_enqueue`](Self::try_enqueue). What is wrong with them these say, before anything is sent.
#[derive(Debug)]
#[must_use = "nothing is published until it is awaited, or enqueued"]
pub struct Publish {
    client: Client,
    publication: Result<Publication>,
}

impl Publish {
    pub(super) fn new(client: Client, publication: Result<Publication>) -> Self {
        Self { client, publication }
    }

    pub(super) fn into_parts(self) -> (Client, Result<Publication>) {
        (self.client, self.publication)
    }

    fn with(self, change: impl FnOnce(Publication) -> Publication) -> Self {
        Self { publication: self.publication.map(change), ..self }
    }

    fn with_property(self, property: Property<'_>) -> Self {
        let set = |publication: Publication| -> Result<Publication, PropertyError> {
            publication.property(property)
        };
        Self { publication: self.publication.and_then(|publication| Ok(set(publication)?)), ..self }
    }

    /// How hard to try: 1, at least once, if nothing is said.
    pub fn qos(self, qos: QoS) -> Self {
        self.with(|publication| publication.qos(qos))
    }

    /// The server keeps it for whoever subscribes later.
    pub fn retain(self, retain: bool) -> Self {
        self.with(|publication| publication.retain(retain))
    }

    /// It is worth nothing after so long, in whole seconds, rounded up: it is not sent later, and with 5.0 nobody gets it
    /// later. [MQTT-3.3.2-5]
    pub fn expiry(self, time: Duration) -> Self {
        let seconds = u32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        self.with(|publication| publication.message_expiry_interval(seconds))
    }

    /// What the payload is, often a MIME type. (5.0)
    pub fn content_type(self, text: &str) -> Self {
        self.with_property(Property::ContentType(text))
    }

    /// Where an answer is expected. (5.0)
    pub fn response_topic(self, topic: impl TryInto<TopicName, Error: Into<Error>>) -> Self {
        let publication = self
            .publication
            .and_then(|publication| Ok(publication.response_topic(&topic.try_into().map_err(Into::into)?)));
        Self { publication, ..self }
    }

    /// What the answer is to carry. (5.0)
    pub fn correlation_data(self, data: impl AsRef<[u8]>) -> Self {
        self.with_property(Property::CorrelationData(data.as_ref()))
    }

    /// One more name and value. (5.0)
    pub fn user_property(self, name: &str, value: &str) -> Self {
        self.with_property(Property::UserProperty((name, value)))
    }

    /// Done as soon as there is room for the message: then it is the client's, leaves in this order, and goes its way
    /// whatever becomes of the receipt.
    ///
    /// Dropped before, nothing was accepted.
    pub fn enqueue(self) -> Enqueue {
        Enqueue { waits: Waits::new(self) }
    }

    /// The same, if there is room now.
    pub fn try_enqueue(self) -> Result<Receipt> {
        let fate = self.client.handle.try_publish(self.publication?)?;
        Ok(Receipt { handle: self.client.handle, fate })
    }
}

/// A message that waits for room.
struct Waits {
    /// `None` once somebody else needs it.
    handle: Option<Arc<Handle>>,
    /// `None` once it is accepted.
    publication: Result<Option<Publication>>,
    place: Option<u64>,
}

impl Waits {
    fn new(publish: Publish) -> Self {
        Self { handle: Some(publish.client.handle), publication: publish.publication.map(Some), place: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fate>> {
        let Some(handle) = &self.handle else { return Poll::Pending };
        match &mut self.publication {
            Ok(publication) => handle.poll_publish(cx, publication, &mut self.place).map_err(Error::from),
            Err(error) => Poll::Ready(Err(error.clone())),
        }
    }

    /// It waits no more.
    fn leave(&mut self) {
        if let (Some(place), Some(handle)) = (self.place.take(), &self.handle) {
            handle.reach.shared.leave(place);
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A message that waits for room in the outbox.
#[must_use = "nothing is published until it is awaited"]
pub struct Enqueue {
    waits: Waits,
}

impl Future for Enqueue {
    type Output = Result<Receipt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Receipt>> {
        let fate = ready!(self.waits.poll(cx))?;
        self.waits.leave();
        match self.waits.handle.take() {
            Some(handle) => Poll::Ready(Ok(Receipt { handle, fate })),
            None => Poll::Pending,
        }
    }
}

impl IntoFuture for Publish {
    type Output = Result<Published>;
    type IntoFuture = Publishing;

    fn into_future(self) -> Publishing {
        Publishing { waits: Waits::new(self), fate: None }
    }
}

/// A message on its way. If it is dropped before the message was sent, the message is taken back; after that it goes its
/// way, and nobody hears of its end. [MQTT-4.4.0-1]
#[must_use = "dropping it takes the message back, if it was not sent"]
pub struct Publishing {
    waits: Waits,
    /// Once it is accepted, until its end is known.
    fate: Option<Fate>,
}

impl Future for Publishing {
    type Output = Result<Published>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Published>> {
        if self.fate.is_none() {
            let fate = ready!(self.waits.poll(cx))?;
            self.fate = Some(fate);
        }
        let Some(fate) = &self.fate else { return Poll::Pending };
        let end = ready!(fate.poll_end(cx));
        self.fate = None;
        Poll::Ready(Published::from_end(end))
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        if let Some(message) = self.fate.take() {
            let command = Command::Withdraw { message, even_if_sent: false, slot: None };
            // What has ended needs not be taken back.
            let _ = self.waits.handle.as_ref().map(|handle| handle.reach.command(command));
        }
    }
}

/// The end of a message that the client has accepted. Dropping it changes nothing.
#[must_use = "what became of it is known only here"]
pub struct Receipt {
    handle: Arc<Handle>,
    fate: Fate,
}

impl Receipt {
    /// Takes the message back. What was sent is not sent again on later connections, whatever [MQTT-4.4.0-1] says: a
    /// message at which the server closes would be the last that this client ever sends.
    pub fn withdraw(self) -> Withdraw {
        let slot = Slot::new();
        let (message, answer) = (self.fate.clone(), Some(Arc::clone(&slot)));
        let command = Command::Withdraw { message, even_if_sent: true, slot: answer };
        let asked = self.handle.reach.command(command).is_ok();
        Withdraw { message: self.fate, asked: asked.then_some(slot) }
    }
}

impl Future for Receipt {
    type Output = Result<Published>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Published>> {
        self.fate.poll_end(cx).map(Published::from_end)
    }
}

/// A message that is being taken back. It is, whether or not anybody waits for it.
pub struct Withdraw {
    message: Fate,
    asked: Option<Arc<Slot<client::Withdrawn>>>,
}

impl Future for Withdraw {
    type Output = Withdrawn;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Withdrawn> {
        if let Some(slot) = &self.asked {
            match ready!(slot.poll_end(cx)) {
                Ok(client::Withdrawn::Unsent) => return Poll::Ready(Withdrawn::Unsent),
                Ok(client::Withdrawn::Sent) => return Poll::Ready(Withdrawn::Sent),
                // Its end is known, or will be.
                Ok(_) | Err(_) => self.asked = None,
            }
        }
        self.message.poll_end(cx).map(|end| Withdrawn::Ended(Published::from_end(end)))
    }
}

/// What became of a message that was to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Withdrawn {
    /// Nobody has seen it.
    Unsent,
    /// It was sent and is not sent again; the server may have it.
    Sent,
    /// It had ended already.
    Ended(Result<Published>),
}

/// The server has it; with QoS 0, the transport had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// `Success`, or `NoMatchingSubscribers` where the server says so.
    pub reason: ReasonCode,
}

impl Published {
    fn from_end(end: Result<ReasonCode, clients::Error>) -> Result<Self> {
        Ok(Self { reason: end? })
    }
}

macro_rules! opaque {
    ($($name:ident)*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })*
    };
}

opaque! { Enqueue Publishing Receipt Withdraw }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Fates;
    use std::task::Waker;

    #[test]
    fn who_takes_back_what_has_just_ended_hears_how_as_soon_as_that_is_told() {
        let (message, slot) = (Fates::default().next(0), Slot::new());
        let mut withdraw = Withdraw { message: message.clone(), asked: Some(Arc::clone(&slot)) };
        let mut cx = Context::from_waker(Waker::noop());
        slot.put(Ok(client::Withdrawn::Unknown));
        assert!(Pin::new(&mut withdraw).poll(&mut cx).is_pending());
        message.put(Ok(ReasonCode::Success));
        let end = Poll::Ready(Withdrawn::Ended(Ok(Published { reason: ReasonCode::Success })));
        assert_eq!(Pin::new(&mut withdraw).poll(&mut cx), end);
    }
}
