//! Where messages go: the streams of one client, and what each subscription feeds.
use super::Error;
use super::listeners::{Event, Listeners};
use super::message::Message;
use super::stream::{Manner, Stream, Waiting};
use super::window::{Outcome, Window};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::task::{Context, Poll, Waker};
use tidewire_core::client;
use tidewire_core::id::Token;
use tidewire_core::qos::QoS;
use tidewire_core::time::Instant;
use tidewire_core::topic::{TopicFilter, TopicName};

/// One stream of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId(u64);

/// What may wait in all streams of a client, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Bytes of all that waits. One message may go beyond it.
    pub(crate) bytes: usize,
    /// Messages of QoS 1 and 2 that may be unanswered.
    pub(crate) receive_maximum: usize,
    /// The session outlives its connection: what nobody takes may be for somebody who comes later.
    pub(crate) session_lives_on: bool,
}

/// Where messages go.
pub(crate) struct Streams {
    terms: Terms,
    each: BTreeMap<StreamId, Stream>,
    made: u64,
    /// By Topic Filter, as it was asked for.
    filters: HashMap<Box<str>, Subscribed>,
    /// Those among them that match other topics than the one that they spell.
    patterns: Vec<Box<str>>,
    identifiers: HashMap<u32, Vec<Box<str>>>,
    /// Of all that waits.
    bytes: usize,
    pub(super) window: Window,
    /// Of QoS 1 and 2, for subscriptions of the session that no stream has.
    unclaimed: VecDeque<client::Message>,
    /// The loop has a message for which there was no room.
    pub(super) is_behind: bool,
    found: Vec<StreamId>,
}

/// One subscription. Without streams it is being ended.
struct Subscribed {
    filter: TopicFilter,
    identifier: u32,
    streams: Vec<StreamId>,
}

/// What became of a message.
pub(super) enum Given {
    /// It waits in each stream that it is for.
    Taken,
    /// There is no room.
    NoRoom(client::Message),
    /// It is held until somebody asks for it.
    Held,
    /// Nobody will.
    Unwanted(Option<Token>),
}

/// What is left to do where a stream has ended.
#[derive(Default)]
pub(super) struct Leftover {
    pub(super) answers: Vec<(Token, Outcome)>,
    /// Nobody wants these any more.
    pub(super) filters: Vec<TopicFilter>,
}

impl Streams {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            each: BTreeMap::new(),
            made: 0,
            filters: HashMap::new(),
            patterns: Vec::new(),
            identifiers: HashMap::new(),
            bytes: 0,
            window: Window::default(),
            unclaimed: VecDeque::new(),
            is_behind: false,
            found: Vec::new(),
        }
    }

    /// A stream for nothing yet.
    pub(super) fn open(&mut self, manner: Manner) -> StreamId {
        self.made += 1;
        let id = StreamId(self.made);
        let stream = Stream::new(manner);
        self.each.insert(id, stream);
        id
    }

    /// From now on it gets what no other stream does, and what was held.
    pub(super) fn take_unclaimed(&mut self, id: StreamId) {
        if let Some(stream) = self.each.get_mut(&id) {
            stream.takes_unclaimed = true;
        }
        self.give_unclaimed();
    }

    /// From now on it gets what comes for these: what was held for them first.
    pub(super) fn subscribe(&mut self, id: StreamId, filters: &[TopicFilter], identifier: u32) {
        for filter in filters {
            self.forget_identifier(filter.as_str());
            let name = filter.as_str();
            if !self.filters.contains_key(name) && is_pattern(filter) {
                self.patterns.push(name.into());
            }
            self.identifiers.entry(identifier).or_default().push(name.into());
            let subscribed = self.filters.entry(name.into()).or_insert_with(|| Subscribed {
                filter: filter.clone(),
                identifier,
                streams: Vec::new(),
            });
            subscribed.identifier = identifier;
            if let Some(stream) = self.each.get_mut(&id)
                && !subscribed.streams.contains(&id)
            {
                subscribed.streams.push(id);
                stream.filters.push(filter.clone());
            }
        }
        self.give_unclaimed();
    }

    fn forget_identifier(&mut self, name: &str) {
        let Some(subscribed) = self.filters.get(name) else { return };
        if let Some(names) = self.identifiers.get_mut(&subscribed.identifier) {
            names.retain(|other| **other != *name);
            if names.is_empty() {
                self.identifiers.remove(&subscribed.identifier);
            }
        }
    }

    fn forget(&mut self, name: &str) {
        self.forget_identifier(name);
        if self.filters.remove(name).is_some_and(|subscribed| is_pattern(&subscribed.filter)) {
            self.patterns.retain(|other| **other != *name);
        }
    }

    /// The server has ended these, unless somebody asked for them again meanwhile.
    pub(super) fn unsubscribed(&mut self, filters: &[TopicFilter]) {
        for filter in filters {
            if self.filters.get(filter.as_str()).is_some_and(|subscribed| subscribed.streams.is_empty()) {
                self.forget(filter.as_str());
            }
        }
    }

    /// A stream no longer gets what comes for these; gives back those that nobody wants then.
    pub(super) fn leave(&mut self, id: StreamId, filters: &[TopicFilter]) -> Vec<TopicFilter> {
        let mut unwanted = Vec::new();
        for filter in filters {
            if let Some(stream) = self.each.get_mut(&id) {
                stream.filters.retain(|other| other != filter);
            }
            let Some(subscribed) = self.filters.get_mut(filter.as_str()) else { continue };
            let had = subscribed.streams.len();
            subscribed.streams.retain(|other| *other != id);
            if subscribed.streams.is_empty() && had > 0 {
                unwanted.push(filter.clone());
            }
        }
        unwanted
    }

    /// Nobody takes from it any more.
    pub(super) fn close(&mut self, id: StreamId) -> Leftover {
        let Some(stream) = self.each.get(&id) else { return Leftover::default() };
        let filters = self.leave(id, &stream.filters.clone());
        let mut leftover = Leftover::default();
        let outcome = if self.terms.session_lives_on { Outcome::PassedOver } else { Outcome::Unwanted };
        for waiting in self.each.remove(&id).into_iter().flat_map(|stream| stream.waiting) {
            self.bytes -= waiting.message.size();
            leftover.answers.extend(waiting.answer.and_then(|place| self.window.answer(place, outcome)));
        }
        if self.terms.session_lives_on {
            // The subscription stays, and what comes for it waits for whoever asks next.
            filters.iter().for_each(|filter| self.forget(filter.as_str()));
        } else {
            leftover.filters = filters;
        }
        leftover
    }

    /// There is another connection, and the session has been kept: what nobody has taken comes again, with QoS 1.
    pub(super) fn supersede(&mut self) {
        let comes_again = |qos| qos == QoS::AtLeastOnce;
        for stream in self.each.values_mut() {
            let (bytes, window) = (&mut self.bytes, &mut self.window);
            stream.waiting.retain(|waiting| {
                let stays = !comes_again(waiting.message.qos);
                if !stays {
                    *bytes -= waiting.message.size();
                    // Its token is of a connection that is gone: nobody is to hear of it.
                    let _ = waiting.answer.and_then(|place| window.answer(place, Outcome::PassedOver));
                }
                stays
            });
        }
        self.unclaimed.retain(|message| {
            let stays = !comes_again(message.qos);
            self.bytes -= if stays { 0 } else { size(message) };
            stays
        });
    }

    /// The server did not grant this again: the streams that have it end.
    pub(super) fn lost(&mut self, filter: &TopicFilter, error: &Error, wakers: &mut Vec<Waker>) {
        let Some(subscribed) = self.filters.get(filter.as_str()) else { return };
        for id in &subscribed.streams {
            if let Some(stream) = self.each.get_mut(id) {
                stream.end.get_or_insert_with(|| Some(error.clone()));
                stream.filters.retain(|other| other != filter);
                wakers.extend(stream.waker.take());
            }
        }
        self.forget(filter.as_str());
    }

    /// This end has unsubscribed: what waits can still be taken.
    pub(super) fn finish(&mut self, id: StreamId, wakers: &mut Vec<Waker>) {
        if let Some(stream) = self.each.get_mut(&id) {
            stream.end.get_or_insert(None);
            wakers.extend(stream.waker.take());
        }
    }

    /// Everybody looks again.
    pub(super) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.each.values_mut().filter_map(|stream| stream.waker.take()));
    }

    /// Which streams a message is for; false if there is not even a subscription that is being ended.
    fn find(&mut self, message: &client::Message) -> bool {
        self.found.clear();
        let topic = message.topic.as_str();
        let mut matches = false;
        for identifier in message.properties().subscription_identifiers() {
            for name in self.identifiers.get(&identifier).into_iter().flatten() {
                let subscribed = &self.filters[name];
                if subscribed.filter.matches(topic) {
                    matches = true;
                    self.found.extend(&subscribed.streams);
                }
            }
        }
        if !matches {
            let exact = self.filters.get(topic);
            let others = self.patterns.iter().map(|name| &self.filters[name]);
            let others = others.filter(|subscribed| subscribed.filter.matches(topic));
            for subscribed in exact.into_iter().chain(others) {
                matches = true;
                self.found.extend(&subscribed.streams);
            }
        }
        if !matches {
            let unclaimed = self.each.iter().filter(|(_, stream)| stream.takes_unclaimed);
            self.found.extend(unclaimed.map(|(id, _)| *id));
            matches = !self.found.is_empty();
        }
        if self.found.len() > 1 {
            self.found.sort_unstable();
            self.found.dedup();
        }
        matches
    }

    /// Puts a message where it belongs. If it comes `late`, what is old makes room for it.
    pub(super) fn give(
        &mut self,
        now: Instant,
        message: client::Message,
        late: bool,
        listeners: &mut Listeners,
        wakers: &mut Vec<Waker>,
    ) -> Given {
        let is_known = self.find(&message);
        if self.found.is_empty() {
            return self.hold(message, is_known, listeners, wakers);
        }
        if message.qos == QoS::AtMostOnce {
            if !self.make_room(now, late, listeners, wakers) {
                return Given::NoRoom(message);
            }
        } else if self.is_full() {
            return Given::NoRoom(message);
        }
        self.put(message, wakers);
        Given::Taken
    }

    fn is_full(&self) -> bool {
        (self.bytes > 0 && self.bytes >= self.terms.bytes)
            || self.window.len() + self.unclaimed.len() >= self.terms.receive_maximum
    }

    /// Is there room for a message of QoS 0 in those that were found? Those that overflow make some, or miss it.
    fn make_room(
        &mut self,
        now: Instant,
        late: bool,
        listeners: &mut Listeners,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        let is_heavy = self.bytes > 0 && self.bytes >= self.terms.bytes;
        let (each, bytes) = (&mut self.each, &mut self.bytes);
        let is_full = |stream: &Stream| is_heavy || stream.volatile >= stream.capacity;
        if self.found.iter().any(|id| is_full(&each[id]) && !each[id].overflows && !late) {
            return false;
        }
        self.found.retain(|id| {
            let stream = each.get_mut(id).expect("it was found");
            if !is_full(stream) {
                return true;
            }
            let makes_room = stream.overflow(now, listeners, wakers);
            *bytes -= makes_room.unwrap_or(0);
            makes_room.is_some()
        });
        true
    }

    fn put(&mut self, mut message: client::Message, wakers: &mut Vec<Waker>) {
        let Some((last, others)) = self.found.split_last() else { return };
        let token = message.token.take();
        let answer = token.map(|token| self.window.begin(token, *last, self.found.len()));
        let message = Message::of(message);
        self.bytes += message.size() * self.found.len();
        for id in others {
            self.each.get_mut(id).expect("it was found").put(message.copy(), answer, wakers);
        }
        self.each.get_mut(last).expect("it was found").put(message, answer, wakers);
    }

    /// Nobody takes it. In a session that is older than this client it may be for somebody who has not asked yet.
    fn hold(
        &mut self,
        message: client::Message,
        is_known: bool,
        listeners: &mut Listeners,
        wakers: &mut Vec<Waker>,
    ) -> Given {
        if message.qos == QoS::AtMostOnce {
            return Given::Unwanted(None);
        }
        if is_known || !self.terms.session_lives_on {
            return Given::Unwanted(message.token);
        }
        if self.is_full() {
            return Given::NoRoom(message);
        }
        listeners.tell(Event::Unclaimed { topic: message.topic.clone() }, wakers);
        self.bytes += size(&message);
        self.unclaimed.push_back(message);
        Given::Held
    }

    fn give_unclaimed(&mut self) {
        let mut wakers = Vec::new();
        for _ in 0..self.unclaimed.len() {
            let Some(message) = self.unclaimed.pop_front() else { break };
            self.find(&message);
            if self.found.is_empty() {
                self.unclaimed.push_back(message);
            } else {
                self.bytes -= size(&message);
                self.put(message, &mut wakers);
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The next of a stream; `is_over` if nothing more can come for any.
    pub(super) fn poll_take(
        &mut self,
        id: StreamId,
        is_over: bool,
        listeners: &mut Listeners,
        wakers: &mut Vec<Waker>,
        cx: &Context<'_>,
    ) -> Poll<Option<Taken>> {
        let Some(stream) = self.each.get_mut(&id) else { return Poll::Ready(None) };
        let Some(Waiting { message, answer }) = stream.waiting.pop_front() else {
            if is_over || stream.end.is_some() {
                return Poll::Ready(None);
            }
            stream.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.bytes -= message.size();
        stream.volatile -= usize::from(message.qos == QoS::AtMostOnce);
        stream.overflows = false;
        if stream.untold > 0 {
            stream.tell_dropped(listeners, wakers);
        }
        let has_room = stream.waiting.len() <= stream.capacity / 2;
        let by_hand = if stream.by_hand { answer } else { None };
        let answer = answer.filter(|_| !stream.by_hand);
        let answer = answer.and_then(|place| self.window.answer(place, Outcome::Accepted));
        let knock = self.is_behind && has_room;
        Poll::Ready(Some(Taken { message, by_hand, answer, knock }))
    }

    /// Messages that it had no room for.
    pub(super) fn dropped(&self, id: StreamId) -> u64 {
        self.each.get(&id).map_or(0, |stream| stream.dropped)
    }

    /// Why nothing more comes, if this end did not want so.
    pub(super) fn end(&self, id: StreamId) -> Option<Option<Error>> {
        self.each.get(&id)?.end.clone()
    }

    /// Where the oldest was published to that nobody takes.
    pub(super) fn first_unclaimed(&self) -> Option<TopicName> {
        self.unclaimed.front().map(|message| message.topic.clone())
    }

    /// What it is subscribed to.
    pub(super) fn filters(&self, id: StreamId) -> Vec<TopicFilter> {
        self.each.get(&id).map(|stream| stream.filters.clone()).unwrap_or_default()
    }

    /// States what must hold between two calls.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let waiting = self.each.values().flat_map(|stream| &stream.waiting);
        let waiting = waiting.map(|waiting| waiting.message.size()).sum::<usize>();
        let unclaimed = self.unclaimed.iter().map(size).sum::<usize>();
        assert_eq!(waiting + unclaimed, self.bytes, "messages are charged");
        for (name, subscribed) in &self.filters {
            assert!(
                self.identifiers[&subscribed.identifier].contains(name),
                "{name} is found by its identifier"
            );
            assert_eq!(self.patterns.contains(name), is_pattern(&subscribed.filter), "{name}");
            for id in &subscribed.streams {
                assert!(self.each[id].filters.contains(&subscribed.filter), "both sides know of {name}");
            }
        }
        let names = self.identifiers.values().map(Vec::len).sum::<usize>();
        assert_eq!((names, self.patterns.len() <= names), (self.filters.len(), true), "and nothing else is");
        for stream in self.each.values() {
            let zeros =
                stream.waiting.iter().filter(|waiting| waiting.message.qos == QoS::AtMostOnce).count();
            assert_eq!(zeros, stream.volatile);
        }
        self.window.check();
    }

    /// No more of QoS 1 and 2 may come: the stream in which the oldest is, by its first filter.
    pub(super) fn stalled(&self) -> Option<TopicFilter> {
        if self.window.len() < self.terms.receive_maximum {
            return None;
        }
        let stream = self.each.get(&self.window.oldest()?)?;
        stream.filters.first().cloned()
    }
}

/// A message that was taken from a stream.
pub(super) struct Taken {
    pub(super) message: Message,
    /// Its place in the window, to be answered by hand.
    pub(super) by_hand: Option<u64>,
    /// Or its answer.
    pub(super) answer: Option<(Token, Outcome)>,
    /// There is room for what the loop has.
    pub(super) knock: bool,
}

fn is_pattern(filter: &TopicFilter) -> bool {
    filter.share().is_some() || filter.as_str().contains(['+', '#'])
}

/// Bytes that a message is charged with while it waits.
fn size(message: &client::Message) -> usize {
    message.topic.as_str().len() + message.payload.len() + message.properties().as_bytes().len()
}
