//! Where messages go: the streams of one client, and what each subscription feeds.
use super::Error;
use super::listeners::{Event, Listeners};
use super::message::Message;
use super::routes::{Found, Routes};
use super::stream::{Manner, Stream, Waiting};
use super::window::{Outcome, Window};
use std::collections::{BTreeMap, VecDeque};
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
    /// The session outlives its connection: subscriptions stay in it.
    pub(crate) session_lives_on: bool,
    /// It may be older than this client: what nobody takes may be for somebody who has not asked yet.
    pub(crate) session_is_resumed: bool,
}

/// Where messages go.
pub(crate) struct Streams {
    terms: Terms,
    /// Boxed: a map has room for several from the first on.
    each: BTreeMap<StreamId, Box<Stream>>,
    made: u64,
    routes: Routes,
    /// Of all that waits.
    bytes: usize,
    pub(super) window: Window,
    /// Of QoS 1 and 2, for subscriptions of the session that no stream has.
    unclaimed: VecDeque<client::Message>,
    /// Those among them that the server counts as unanswered.
    held: usize,
    /// The loop has a message for which there was no room.
    pub(super) is_behind: bool,
    found: Vec<StreamId>,
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
            routes: Routes::default(),
            bytes: 0,
            window: Window::default(),
            unclaimed: VecDeque::new(),
            held: 0,
            is_behind: false,
            found: Vec::new(),
        }
    }

    /// The session outlives its connection.
    pub(super) fn session_lives_on(&self) -> bool {
        self.terms.session_lives_on
    }

    /// A stream for nothing yet.
    pub(super) fn open(&mut self, manner: Manner) -> StreamId {
        self.made += 1;
        let id = StreamId(self.made);
        let stream = Stream::new(manner);
        self.each.insert(id, Box::new(stream));
        id
    }

    /// From now on it gets what no other stream does, and what was held.
    pub(super) fn take_unclaimed(&mut self, id: StreamId) -> Vec<Waker> {
        if let Some(stream) = self.each.get_mut(&id) {
            stream.takes_unclaimed = true;
        }
        self.give_unclaimed()
    }

    /// From now on it gets what comes for these, what was held for them first; and those that it did not have.
    pub(super) fn subscribe(
        &mut self,
        id: StreamId,
        filters: &[TopicFilter],
        identifier: u32,
    ) -> (Vec<TopicFilter>, Vec<Waker>) {
        let mut new = Vec::new();
        if let Some(stream) = self.each.get_mut(&id) {
            new.extend(filters.iter().filter(|filter| self.routes.add(filter, identifier, id)).cloned());
            stream.filters.extend(new.iter().cloned());
        }
        (new, self.give_unclaimed())
    }

    /// The server has ended these, unless somebody asked for them again meanwhile.
    pub(super) fn unsubscribed(&mut self, filters: &[TopicFilter]) {
        for filter in filters {
            if self.routes.streams(filter).is_some_and(<[_]>::is_empty) {
                self.routes.forget(filter);
            }
        }
    }

    /// A stream no longer gets what comes for these; gives back those that nobody wants then.
    pub(super) fn leave(&mut self, id: StreamId, filters: &[TopicFilter]) -> Vec<TopicFilter> {
        if let Some(stream) = self.each.get_mut(&id) {
            stream.filters.retain(|other| !filters.contains(other));
        }
        filters.iter().filter(|filter| self.routes.leave(filter, id)).cloned().collect()
    }

    /// Has any other stream the same?
    pub(super) fn is_alone(&self, id: StreamId, filter: &TopicFilter) -> bool {
        self.routes.streams(filter).is_some_and(|streams| streams.iter().all(|other| *other == id))
    }

    /// Has any stream that?
    pub(super) fn is_followed(&self, filter: &TopicFilter) -> bool {
        self.routes.streams(filter).is_some_and(|streams| !streams.is_empty())
    }

    /// Does somebody still take from it?
    pub(super) fn is_open(&self, id: StreamId) -> bool {
        self.each.contains_key(&id)
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
            filters.iter().for_each(|filter| self.routes.forget(filter));
        } else {
            leftover.filters = filters;
        }
        leftover
    }

    /// There is another connection, and the session has been kept: what nobody has taken comes again, with QoS 1.
    pub(super) fn supersede(&mut self) {
        for stream in self.each.values_mut() {
            let (bytes, window) = (&mut self.bytes, &mut self.window);
            stream.waiting.retain(|waiting| {
                let stays = waiting.message.qos != QoS::AtLeastOnce || waiting.answer.is_none();
                if !stays {
                    *bytes -= waiting.message.size();
                    // Its token is of a connection that is gone: nobody is to hear of it.
                    let _ = waiting.answer.and_then(|place| window.answer(place, Outcome::PassedOver));
                }
                stays
            });
        }
        self.unclaimed.retain(|message| {
            let stays = !comes_again(message);
            self.bytes -= if stays { 0 } else { message.size() };
            stays
        });
        self.held = self.unclaimed.iter().filter(|message| message.token.is_some()).count();
    }

    /// The server has forgotten the session: what waits of it does not come again, and is nobody's to answer.
    pub(super) fn session_lost(&mut self) {
        for waiting in self.each.values_mut().flat_map(|stream| &mut stream.waiting) {
            let _ = waiting.answer.take().and_then(|place| self.window.answer(place, Outcome::PassedOver));
        }
        self.unclaimed.iter_mut().for_each(|message| message.token = None);
        self.held = 0;
    }

    /// The server did not grant this again: the streams that have it end.
    pub(super) fn lost(&mut self, filter: &TopicFilter, error: &Error, wakers: &mut Vec<Waker>) {
        for id in self.routes.streams(filter).unwrap_or_default() {
            if let Some(stream) = self.each.get_mut(id) {
                stream.end.get_or_insert_with(|| Some(error.clone()));
                stream.filters.retain(|other| other != filter);
                wakers.extend(stream.waker.take());
            }
        }
        self.routes.forget(filter);
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

    fn find(&mut self, message: &client::Message) -> Found {
        let found = self.routes.find(message, &mut self.found);
        if found == Found::Nobody {
            let unclaimed = self.each.iter().filter(|(_, stream)| stream.takes_unclaimed);
            self.found.extend(unclaimed.map(|(id, _)| *id));
        }
        if self.found.is_empty() { found } else { Found::Streams }
    }

    /// Puts a message where it belongs. If it comes `late`, what is old and of QoS 0 makes room for it.
    pub(super) fn give(
        &mut self,
        now: Instant,
        message: client::Message,
        late: bool,
        listeners: &mut Listeners,
        wakers: &mut Vec<Waker>,
    ) -> Given {
        let found = self.find(&message);
        if found != Found::Streams {
            return self.hold(message, found, listeners, wakers);
        }
        let has_room = if message.qos == QoS::AtMostOnce {
            self.make_room(now, late, listeners, wakers)
        } else {
            if late {
                self.make_room_anywhere(now, listeners, wakers);
            }
            !self.is_heavy() && !self.is_full()
        };
        if !has_room {
            return Given::NoRoom(message);
        }
        self.put(message, wakers);
        Given::Taken
    }

    fn is_heavy(&self) -> bool {
        self.bytes > 0 && self.bytes >= self.terms.bytes
    }

    /// May the server send no more that is to be acknowledged?
    fn is_full(&self) -> bool {
        self.window.len() + self.held >= self.terms.receive_maximum
    }

    /// Is there room for a message of QoS 0 in those that were found? Those that overflow make some, or miss it.
    fn make_room(
        &mut self,
        now: Instant,
        late: bool,
        listeners: &mut Listeners,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        let (limit, bytes, each) = (self.terms.bytes, &mut self.bytes, &mut self.each);
        let is_full = |stream: &Stream, bytes: usize| {
            (bytes > 0 && bytes >= limit) || stream.volatile >= stream.capacity
        };
        if self.found.iter().any(|id| is_full(&each[id], *bytes) && !each[id].overflows && !late) {
            return false;
        }
        self.found.retain(|id| {
            let stream = each.get_mut(id).expect("it was found");
            while is_full(stream, *bytes) {
                let Some(freed) = stream.overflow(now, listeners, wakers) else { return false };
                *bytes -= freed;
            }
            true
        });
        true
    }

    /// What is old and of QoS 0 makes room for what is not.
    fn make_room_anywhere(&mut self, now: Instant, listeners: &mut Listeners, wakers: &mut Vec<Waker>) {
        for stream in self.each.values_mut() {
            while stream.volatile > 0 && self.bytes >= self.terms.bytes {
                self.bytes -= stream.overflow(now, listeners, wakers).unwrap_or(0);
            }
        }
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
        found: Found,
        listeners: &mut Listeners,
        wakers: &mut Vec<Waker>,
    ) -> Given {
        if message.qos == QoS::AtMostOnce {
            return Given::Unwanted(None);
        }
        if found == Found::Leaving || !self.terms.session_is_resumed {
            return Given::Unwanted(message.token);
        }
        if self.is_heavy() || self.is_full() {
            return Given::NoRoom(message);
        }
        listeners.tell(Event::Unclaimed { topic: message.topic.clone() }, wakers);
        self.bytes += message.size();
        self.held += 1;
        self.unclaimed.push_back(message);
        Given::Held
    }

    fn give_unclaimed(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for _ in 0..self.unclaimed.len() {
            let Some(message) = self.unclaimed.pop_front() else { break };
            if self.find(&message) == Found::Streams {
                self.bytes -= message.size();
                self.held -= usize::from(message.token.is_some());
                self.put(message, &mut wakers);
            } else {
                self.unclaimed.push_back(message);
            }
        }
        wakers
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
            if (is_over && !self.is_behind) || stream.end.is_some() {
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

    /// No more of QoS 1 and 2 may come: the stream in which the oldest is, by its first filter.
    pub(super) fn stalled(&self) -> Option<TopicFilter> {
        let names = |id: &StreamId| self.each.get(id)?.filters.first().cloned();
        if self.is_full() {
            return self.window.streams().find_map(|id| names(&id));
        }
        // Or there is no room for it, and what waits is not what can be dropped.
        let waits = self.each.values().filter(|stream| !stream.waiting.is_empty());
        waits.filter(|_| self.is_behind && self.is_heavy()).find_map(|stream| stream.filters.first().cloned())
    }

    /// States what must hold between two calls.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let waiting = self.each.values().flat_map(|stream| &stream.waiting);
        let waiting = waiting.map(|waiting| waiting.message.size()).sum::<usize>();
        let unclaimed = self.unclaimed.iter().map(client::Message::size).sum::<usize>();
        assert_eq!(waiting + unclaimed, self.bytes, "messages are charged");
        assert_eq!(self.unclaimed.iter().filter(|message| message.token.is_some()).count(), self.held);
        self.routes.check(|id, filter| self.each[&id].filters.contains(filter));
        for stream in self.each.values() {
            let zeros =
                stream.waiting.iter().filter(|waiting| waiting.message.qos == QoS::AtMostOnce).count();
            assert_eq!(zeros, stream.volatile);
        }
        self.window.check();
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

/// Does the server send it again on another connection, without its being told that it is the same?
pub(super) fn comes_again(message: &client::Message) -> bool {
    message.qos == QoS::AtLeastOnce && message.token.is_some()
}
