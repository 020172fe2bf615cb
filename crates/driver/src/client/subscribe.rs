//! Subscriptions, and the streams of what comes for them.
use super::{Client, Error, Invalid, Message, Pending, Result};
use crate::clients::{Follow, Handle, Manner, Slot, StreamId};
use futures_core::Stream;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tidewire_core::client::Subscription;
use tidewire_core::codec::{RetainHandling, SubscriptionOptions};
use tidewire_core::qos::QoS;
use tidewire_core::topic::TopicFilter;

/// Messages of QoS 0 that may wait in a stream.
const CAPACITY: usize = 1000;

/// A subscription that is to be made: options, and then `.await`.
#[derive(Debug)]
#[must_use = "nothing is subscribed to until it is awaited"]
pub struct Subscribe {
    client: Client,
    filters: Result<Vec<TopicFilter>>,
    share_name: Option<String>,
    options: SubscriptionOptions,
    manner: Manner,
}

impl Subscribe {
    pub(super) fn new(client: Client, filters: Result<Vec<TopicFilter>>) -> Self {
        let options = SubscriptionOptions { qos: QoS::AtLeastOnce, ..SubscriptionOptions::default() };
        let manner = Manner { by_hand: false, capacity: CAPACITY };
        Self { client, filters, share_name: None, options, manner }
    }

    /// At most: 1, if nothing is said.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.options.qos = qos;
        self
    }

    /// A Shared Subscription: each message goes to one of the group of that name. (5.0, and servers that know it before)
    pub fn shared(mut self, share_name: &str) -> Self {
        self.share_name = Some(share_name.to_owned());
        self
    }

    /// Not what this client has published. (5.0)
    pub fn no_local(mut self) -> Self {
        self.options.no_local = true;
        self
    }

    /// Whether Retained Messages are sent at first. (5.0)
    pub fn retain_handling(mut self, what: RetainHandling) -> Self {
        self.options.retain_handling = what;
        self
    }

    /// Messages say whether they were published to be retained. (5.0)
    pub fn retain_as_published(mut self) -> Self {
        self.options.retain_as_published = true;
        self
    }

    /// Messages are acknowledged by [`Message::ack`], not by being taken.
    pub fn manual_ack(mut self) -> Self {
        self.manner.by_hand = true;
        self
    }

    /// Messages of QoS 0 that may wait here, at most: 1,000, if nothing is said.
    pub fn capacity(mut self, messages: usize) -> Self {
        self.manner.capacity = messages;
        self
    }

    fn subscriptions(&self) -> Result<Box<[Subscription]>> {
        let filters = self.filters.as_ref().map_err(Clone::clone)?;
        if filters.is_empty() {
            return Err(Error::Invalid(Invalid::NoFilters));
        }
        filters
            .iter()
            .map(|filter| subscription(filter.clone(), self.share_name.as_deref(), self.options))
            .collect()
    }
}

fn subscription(
    filter: TopicFilter,
    share_name: Option<&str>,
    options: SubscriptionOptions,
) -> Result<Subscription> {
    let filter = match share_name {
        Some(name) => TopicFilter::new(&format!("$share/{name}/{filter}"))?,
        None => filter,
    };
    if options.no_local && filter.share().is_some() {
        return Err(Error::Invalid(Invalid::SharedNoLocal));
    }
    let mut subscription = Subscription::new(filter, options.qos);
    subscription.options = options;
    Ok(subscription)
}

impl IntoFuture for Subscribe {
    type Output = Result<Messages>;
    type IntoFuture = Subscribing;

    fn into_future(self) -> Subscribing {
        let subscriptions = match self.subscriptions() {
            Ok(subscriptions) => subscriptions,
            Err(error) => return Subscribing { state: State::Failed(Some(error)) },
        };
        let handle = self.client.handle;
        let id = handle.reach.open_stream(self.manner);
        let messages = Messages {
            handle,
            id,
            identifier: identifier(&subscriptions),
            share_name: self.share_name,
            options: self.options,
            granted: Vec::new(),
        };
        let filters = subscriptions.iter().map(|subscription| subscription.filter.clone()).collect();
        let slot = messages.follow(subscriptions);
        Subscribing { state: State::Asked { messages: Some(messages), filters, slot } }
    }
}

/// A Subscription Identifier made of the first filter: whoever asks for the same in a later process finds the messages of
/// the session that it resumes. (FNV-1a)
fn identifier(subscriptions: &[Subscription]) -> u32 {
    let first = subscriptions.first().map_or("", |subscription| subscription.filter.as_str());
    let hash =
        first.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash & 0x0fff_ffff).max(1)
}

/// A subscription that is being made. Dropped before it is done, it is as if its stream were dropped.
#[must_use = "dropping it ends what was asked for"]
pub struct Subscribing {
    state: State,
}

enum State {
    Failed(Option<Error>),
    Asked { messages: Option<Messages>, filters: Vec<TopicFilter>, slot: Arc<Slot<Box<[QoS]>>> },
}

impl fmt::Debug for Subscribing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribing").finish_non_exhaustive()
    }
}

impl Future for Subscribing {
    type Output = Result<Messages>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Messages>> {
        match &mut self.state {
            State::Failed(error) => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
            State::Asked { messages, filters, slot } => {
                let granted = ready!(slot.poll_end(cx))?;
                let Some(mut messages) = messages.take() else { return Poll::Pending };
                messages.granted = std::mem::take(filters).into_iter().zip(granted).collect();
                Poll::Ready(Ok(messages))
            }
        }
    }
}

/// What comes for one subscription, or for several that were made together.
///
/// Dropped, it is no longer subscribed to, and what it held is refused. If the session outlives the connection, though,
/// the subscription stays, and what it held comes again.
pub struct Messages {
    handle: Arc<Handle>,
    id: StreamId,
    identifier: u32,
    share_name: Option<String>,
    options: SubscriptionOptions,
    granted: Vec<(TopicFilter, QoS)>,
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("granted", &self.granted).finish_non_exhaustive()
    }
}

impl Messages {
    /// What no other stream takes.
    pub(super) fn unclaimed(handle: Arc<Handle>) -> Self {
        let id = handle.reach.open_stream(Manner { by_hand: false, capacity: CAPACITY });
        handle.reach.take_unclaimed(id);
        let options = SubscriptionOptions { qos: QoS::AtLeastOnce, ..SubscriptionOptions::default() };
        Self { handle, id, identifier: 1, share_name: None, options, granted: Vec::new() }
    }

    fn follow(&self, subscriptions: Box<[Subscription]>) -> Arc<Slot<Box<[QoS]>>> {
        let slot = Slot::new();
        let follow = Follow {
            subscriptions,
            identifier: self.identifier,
            stream: self.id,
            added: Vec::new(),
            slot: Arc::clone(&slot),
        };
        self.handle.reach.follow(follow);
        slot
    }

    /// The next message, `None` once there will be no more. Taking it acknowledges it, unless that is done by hand.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Each filter that it was made with, with the QoS that the server granted. (Of those that were added later,
    /// [`add`](Self::add) tells it.)
    pub fn granted(&self) -> &[(TopicFilter, QoS)] {
        &self.granted
    }

    /// One more filter for this stream, with the options of the first. A stream that has [ended](Self::end) stays so.
    pub fn add(&mut self, filter: impl TryInto<TopicFilter, Error: Into<Error>>) -> Add {
        let subscription = filter
            .try_into()
            .map_err(Into::into)
            .and_then(|filter| subscription(filter, self.share_name.as_deref(), self.options));
        Add {
            pending: match subscription {
                Ok(subscription) => Pending::asked(self.follow([subscription].into())),
                Err(error) => Pending::failed(error),
            },
        }
    }

    /// One less: what came before the server's answer can still be taken.
    pub fn remove(&mut self, filter: impl TryInto<TopicFilter, Error: Into<Error>>) -> Pending<()> {
        let filter = filter
            .try_into()
            .map_err(Into::into)
            .and_then(|filter| subscription(filter, self.share_name.as_deref(), self.options));
        match filter {
            Ok(subscription) => {
                self.granted.retain(|(filter, _)| *filter != subscription.filter);
                Pending::asked(self.handle.reach.leave(self.id, Some(subscription.filter)))
            }
            Err(error) => Pending::failed(error),
        }
    }

    /// Ends them all. What came before the server's answer can still be taken, then the stream is over.
    pub fn unsubscribe(&mut self) -> Pending<()> {
        self.granted.clear();
        Pending::asked(self.handle.reach.leave(self.id, None))
    }

    /// Messages of QoS 0 that found no room here.
    pub fn dropped(&self) -> u64 {
        self.handle.reach.dropped(self.id)
    }

    /// Why there will be no more: the client has ended, or the server did not grant it again. `None` as long as it goes
    /// on, and after [`unsubscribe`](Self::unsubscribe).
    pub fn end(&self) -> Option<Error> {
        self.handle.reach.end_of_stream(self.id).map(Error::from)
    }
}

impl Stream for Messages {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.handle.reach.poll_take(self.id, cx)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.handle.reach.close_stream(self.id);
    }
}

/// One more filter of a stream, which is asked for whether or not anybody waits.
#[derive(Debug)]
#[must_use = "what became of it is known only here"]
pub struct Add {
    pending: Pending<Box<[QoS]>>,
}

impl Future for Add {
    type Output = Result<QoS>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<QoS>> {
        let granted = ready!(Pin::new(&mut self.pending).poll(cx))?;
        Poll::Ready(Ok(granted.first().copied().unwrap_or_default()))
    }
}

impl Client {
    pub(super) fn leave_session_filter(&self, filter: TopicFilter) -> Pending<()> {
        match self.handle.reach.leave_session(filter) {
            Some(Ok(slot)) => Pending::asked(slot),
            Some(Err(error)) => Pending::failed(error),
            None => Pending::failed(Error::Invalid(Invalid::HasStream)),
        }
    }
}
