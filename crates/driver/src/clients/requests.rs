//! Requests that one client makes, and the answers to them.
use super::command::Follow;
use super::error::Error;
use super::fate::End;
use super::member::{Member, Waits};
use super::message::Message;
use super::shared::{Charge, charge};
use super::slot::Slot;
use super::stream::Manner;
use super::streams::StreamId;
use super::window::Outcome;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tidewire_core::client::{Misuse, Subscription};
use tidewire_core::id::{Ticket, Token};
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_core::topic::{TopicError, TopicFilter, TopicName};

/// Where answers go that nobody waits for is no stream's business; those that somebody does are taken at once.
const REPLIES: Manner = Manner { by_hand: false, capacity: 1000 };

/// Requests that one client makes.
#[derive(Default)]
pub(super) struct Requests {
    /// Where answers are to go, if the application has said so.
    pub(super) response_topic: Option<TopicName>,
    replies: Replies,
    /// By what their Correlation Data says.
    waiting: BTreeMap<u64, Request>,
    made: u64,
}

/// How far the subscription for answers has come.
#[derive(Default)]
enum Replies {
    #[default]
    None,
    Asked {
        topic: TopicName,
        stream: StreamId,
        granted: Arc<Slot<Box<[QoS]>>>,
    },
    Granted {
        topic: TopicName,
        stream: StreamId,
    },
}

struct Request {
    /// As long as it can't be published.
    publication: Option<Publication>,
    ticket: Option<Ticket>,
    until: Instant,
    slot: Arc<Slot<Message>>,
}

impl Requests {
    /// `first` is what the first one's Correlation Data says.
    pub(super) fn new(response_topic: Option<TopicName>, first: u64) -> Self {
        Self { response_topic, replies: Replies::None, waiting: BTreeMap::new(), made: first }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.values().map(|request| request.until).min()
    }

    /// The server did not grant this again: if answers were to come there, they don't.
    pub(super) fn lost(&mut self, filter: &TopicFilter, reason: ReasonCode, wakers: &mut Vec<Waker>) {
        if let Replies::Granted { topic, .. } | Replies::Asked { topic, .. } = &self.replies
            && topic.as_str() == filter.as_str()
        {
            self.replies = Replies::None;
            for request in std::mem::take(&mut self.waiting).into_values() {
                wakers.extend(request.slot.put_quietly(Err(Error::Refused(reason.into()))));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn end(&mut self, number: u64, end: Result<Message, Error>) {
        if let Some(request) = self.waiting.remove(&number) {
            request.slot.put(end);
        }
    }

    pub(super) fn end_all(&mut self, error: &Error) {
        for request in std::mem::take(&mut self.waiting).into_values() {
            request.slot.put(Err(error.clone()));
        }
    }
}

impl Member {
    pub(super) fn request(
        &mut self,
        now: Instant,
        publication: Publication,
        timeout: Duration,
        slot: Arc<Slot<Message>>,
    ) {
        self.requests.made = self.requests.made.wrapping_add(1);
        let until = now.after(timeout);
        let request = Request { publication: Some(publication), ticket: None, until, slot };
        self.requests.waiting.insert(self.requests.made, request);
    }

    /// Nobody waits for this one any more: it is taken back if it was not sent.
    pub(super) fn forget_request(&mut self, now: Instant, slot: &Arc<Slot<Message>>) {
        let mut waiting = self.requests.waiting.iter();
        let number = waiting.find(|(_, request)| Arc::ptr_eq(&request.slot, slot)).map(|(number, _)| *number);
        let request = number.and_then(|number| self.requests.waiting.remove(&number));
        if let Some(ticket) = request.and_then(|request| request.ticket) {
            self.take_back_unsent(now, ticket);
        }
    }

    /// Requests go out as soon as their answers can come back.
    pub(super) fn advance_requests(&mut self, now: Instant) {
        if self.requests.waiting.is_empty() {
            return;
        }
        if let Replies::Asked { topic, stream, granted } = &self.requests.replies {
            match granted.take_end() {
                None => return,
                Some(Ok(_)) => {
                    self.requests.replies = Replies::Granted { topic: topic.clone(), stream: *stream };
                }
                Some(Err(error)) => {
                    if let Some(streams) = &mut self.shared.state().streams {
                        // It has nothing that could be answered.
                        let _ = streams.close(*stream);
                    }
                    self.requests.replies = Replies::None;
                    return self.requests.end_all(&error);
                }
            }
        }
        match &self.requests.replies {
            Replies::None => {
                if self.ask_for_replies() {
                    // It may have been refused at once.
                    self.advance_requests(now);
                }
            }
            Replies::Granted { topic, .. } => {
                let topic = topic.clone();
                self.publish_requests(now, &topic);
            }
            Replies::Asked { .. } => {}
        }
    }

    /// True if they were asked for.
    fn ask_for_replies(&mut self) -> bool {
        let Some(server) = self.client.server() else { return false };
        if !server.version.is_v5() {
            self.requests.end_all(&Error::NeedsVersion5);
            return false;
        }
        let named = server.properties().response_information().map(|named| named.trim_end_matches('/'));
        let client_id = self.client.client_id();
        let topic = match (&self.requests.response_topic, named.map(TopicName::new)) {
            (Some(topic), _) => Ok(topic.clone()),
            (None, Some(Ok(topic))) => Ok(topic),
            // Without a name of its own it would hear what others are answered.
            (None, _) if client_id.is_empty() => Err(TopicError::Empty),
            (None, _) => TopicName::new(&format!("reply/{client_id}")),
        };
        let filter = topic.clone().and_then(|topic| TopicFilter::new(topic.as_str()));
        let (Ok(topic), Ok(filter)) = (topic, filter) else {
            self.requests.end_all(&Error::NoResponseTopic);
            return false;
        };
        let mut state = self.shared.state();
        let Some(streams) = &mut state.streams else { return false };
        let (stream, identifier) = (streams.open(REPLIES), 1);
        let (added, wakers) = streams.subscribe(stream, std::slice::from_ref(&filter), identifier);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        let granted = Slot::new();
        self.requests.replies = Replies::Asked { topic, stream, granted: Arc::clone(&granted) };
        let subscriptions = [Subscription::new(filter, QoS::AtLeastOnce)].into();
        self.follow(Follow { subscriptions, identifier, stream, added, slot: granted });
        true
    }

    fn publish_requests(&mut self, now: Instant, topic: &TopicName) {
        let unsent = self.requests.waiting.iter_mut().filter(|(_, request)| request.publication.is_some());
        let unsent: Vec<_> =
            unsent.filter_map(|(number, request)| Some((*number, request.publication.take()?))).collect();
        for (number, publication) in unsent {
            let publication = publication.response_topic(topic).correlation_data(&number.to_be_bytes());
            let published =
                publication.map_err(|error| Error::Misuse(Misuse::Property(error))).and_then(|publication| {
                    let (bytes, qos) = (charge(&publication), publication.qos);
                    let ticket = self.client.publish(now, publication);
                    let ticket = ticket.map_err(|misuse| self.refused_message(misuse, bytes))?;
                    Ok((ticket, bytes, qos))
                });
            match published {
                Ok((ticket, bytes, qos)) => {
                    let mut state = self.shared.state();
                    state.open += 1;
                    state.bytes += bytes;
                    drop(state);
                    self.tickets.insert(ticket, Waits::Requested(number, bytes, qos));
                    if let Some(request) = self.requests.waiting.get_mut(&number) {
                        request.ticket = Some(ticket);
                    }
                }
                Err(error) => self.requests.end(number, Err(error)),
            }
        }
    }

    /// The server has said this of a request.
    pub(super) fn requested(&mut self, number: u64, said: End) {
        match said {
            Ok(ReasonCode::NoMatchingSubscribers) => {
                self.requests.end(number, Err(Error::Refused(ReasonCode::NoMatchingSubscribers.into())));
            }
            Ok(_) => {
                if let Some(request) = self.requests.waiting.get_mut(&number) {
                    request.ticket = None;
                }
            }
            Err(error) => self.requests.end(number, Err(*error)),
        }
    }

    /// Answers that came; true if that made room for what there was none for.
    pub(super) fn take_replies(&mut self, now: Instant) -> bool {
        let (Replies::Granted { stream, .. } | Replies::Asked { stream, .. }) = &self.requests.replies else {
            return false;
        };
        let stream = *stream;
        let (mut messages, mut answers) = (Vec::new(), Vec::<(Token, Outcome)>::new());
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let mut is_behind = false;
        if let Some(streams) = &mut state.streams {
            is_behind = streams.is_behind;
            let cx = Context::from_waker(Waker::noop());
            let mut wakers = Vec::new();
            while let Poll::Ready(Some(taken)) =
                streams.poll_take(stream, false, &mut state.listeners, &mut wakers, &cx)
            {
                messages.push(taken.message);
                answers.extend(taken.answer);
            }
        }
        drop(guard);
        for (token, outcome) in answers {
            self.answer(now, token, outcome);
        }
        let has_room = is_behind && !messages.is_empty();
        for message in messages {
            let number =
                message.correlation_data().and_then(|data| data.try_into().ok()).map(u64::from_be_bytes);
            // One that comes too late is thrown away.
            if let Some(number) = number {
                self.requests.end(number, Ok(message));
            }
        }
        has_room
    }

    /// Requests whose time is up.
    pub(super) fn give_requests_up(&mut self, now: Instant) {
        let late = self.requests.waiting.iter().filter(|(_, request)| now >= request.until);
        for number in late.map(|(number, _)| *number).collect::<Vec<_>>() {
            let ticket = self.requests.waiting.get(&number).and_then(|request| request.ticket);
            self.requests.end(number, Err(Error::TimedOut));
            if let Some(ticket) = ticket {
                self.take_back_unsent(now, ticket);
            }
        }
    }

    fn take_back_unsent(&mut self, now: Instant, ticket: Ticket) {
        if self.client.is_unsent(ticket) {
            self.client.withdraw(now, ticket);
            if let Some(Waits::Requested(_, bytes, _)) = self.tickets.remove(ticket) {
                self.shared.make_free(Charge::of(bytes));
            }
        }
    }
}
