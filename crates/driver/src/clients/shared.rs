//! What a client's handles and its loop share: commands in, notices out, and places for what has ended.
use super::error::{Ended, Error};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tidewire_core::client::{Cause, Message, Server, Subscription};
use tidewire_core::id::Token;
use tidewire_core::message::Publication;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicFilter;

/// What a handle asks of the loop.
pub(super) enum Command {
    Publish(Publication, Option<Arc<Slot<ReasonCode>>>),
    Subscribe(Box<[Subscription]>, Option<u32>, Arc<Slot<Box<[ReasonCode]>>>),
    Unsubscribe(Box<[TopicFilter]>, Arc<Slot<Box<[ReasonCode]>>>),
    Acknowledge(Token, ReasonCode),
    Authenticate(ReasonCode, Box<[u8]>),
    Disconnect(Duration, ReasonCode),
    Connect,
}

/// Something that the application may want to know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The server let us in.
    Connected {
        /// It has kept the session.
        session_present: bool,
        /// What it said.
        server: Box<Server>,
    },
    /// A connection, or an attempt, has ended. There will be another one, unless `Ended` follows.
    Disconnected {
        /// Why.
        cause: Cause,
        /// In the system's words, where it has some: "Connection refused" and the like.
        error: Option<Arc<str>>,
    },
    /// There will be no further attempt: this is why. Every receipt has ended, and all calls are refused with it until
    /// [`connect`](super::Client::connect).
    Ended(Ended),
    /// A message.
    Message(Message),
    /// The server has lost the session, and did not grant this subscription again.
    SubscriptionLost(TopicFilter, ReasonCode),
    /// The other side of an enhanced authentication has spoken.
    Auth {
        /// Whether it goes on.
        reason: ReasonCode,
        /// Authentication Data.
        data: Box<[u8]>,
    },
}

/// Where the end of something is put, and taken.
#[derive(Debug)]
pub(super) struct Slot<T> {
    state: Mutex<SlotState<T>>,
}

#[derive(Debug)]
struct SlotState<T> {
    end: Option<Result<T, Error>>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(SlotState { end: None, waker: None }) })
    }

    pub(super) fn put(&self, end: Result<T, Error>) {
        let mut state = lock(&self.state);
        state.end = Some(end);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The end of something that was asked for. Dropping it changes nothing: what was accepted goes its way.
#[derive(Debug)]
#[must_use = "what became of it is known only here"]
pub struct Receipt<T> {
    pub(super) slot: Arc<Slot<T>>,
}

impl<T> Future for Receipt<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let mut state = lock(&self.slot.state);
        match state.end.take() {
            Some(end) => Poll::Ready(end),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Of one client.
pub(super) struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) commands: VecDeque<Command>,
    /// The loop knows that there are commands, or room for notices.
    pub(super) knocked: bool,
    /// Messages that were accepted from the application and have not ended; and their bytes.
    pub(super) open: usize,
    pub(super) bytes: usize,
    /// Those that wait for room, by when they began to.
    waiting: BTreeMap<u64, Waker>,
    waited: u64,
    notices: VecDeque<Notice>,
    /// Bytes of the messages among them.
    ready: usize,
    /// The loop has more of them than it may put here, or is about to look.
    more: bool,
    readers: Vec<Waker>,
    /// The client has ended, and nobody has asked it to connect again.
    pub(super) ended: Option<Ended>,
    /// There is no loop any more.
    pub(super) gone: bool,
}

/// Notices that lie ready for the application, at most; more wait in the machine, and then in the network.
const NOTICES: usize = 256;
/// The same for their bytes. One message may go beyond it.
const READY: usize = 1024 * 1024;

/// How much more may lie ready.
pub(super) struct Room {
    notices: usize,
    bytes: usize,
}

impl Room {
    pub(super) fn is_left(&self) -> bool {
        self.notices > 0 && self.bytes > 0
    }

    pub(super) fn take(&mut self, message: &Message) {
        self.notices -= 1;
        self.bytes = self.bytes.saturating_sub(size(message));
    }
}

/// Bytes that a message is charged with while it lies ready.
fn size(message: &Message) -> usize {
    message.topic.as_str().len() + message.payload.len() + message.properties().as_bytes().len()
}

fn size_of_notice(notice: &Notice) -> usize {
    if let Notice::Message(message) = notice { size(message) } else { 0 }
}

impl Shared {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default() })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Puts a command in; true if the loop has to be told.
    pub(super) fn command(state: &mut State, command: Command) -> Result<bool, Error> {
        if state.gone {
            return Err(Error::Gone);
        }
        match (&command, &state.ended) {
            (Command::Connect, _) => state.ended = None,
            (Command::Disconnect(..), _) | (_, None) => {}
            (_, Some(ended)) => return Err(Error::Ended(ended.clone())),
        }
        state.commands.push_back(command);
        Ok(!std::mem::replace(&mut state.knocked, true))
    }

    /// A message of so many bytes has ended.
    pub(super) fn ended(&self, bytes: usize) {
        let mut state = self.state();
        state.open -= 1;
        state.bytes -= bytes;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
    }

    /// The room that is left beside these. From now on whoever takes one knocks, until there are [no
    /// more](Self::no_more): the loop may find that it has more than there is room for.
    pub(super) fn room(&self, beside: &[Notice]) -> Room {
        let mut state = self.state();
        state.more = true;
        Room {
            notices: NOTICES.saturating_sub(state.notices.len() + beside.len()),
            bytes: READY.saturating_sub(state.ready),
        }
    }

    /// The loop has no message that is not here.
    pub(super) fn no_more(&self) {
        self.state().more = false;
    }

    /// Lies ready for the application from now on. If the client `is_ended`, there is nothing behind it.
    pub(super) fn notify(&self, notices: &mut Vec<Notice>, is_ended: bool) {
        if notices.is_empty() {
            return;
        }
        let mut state = self.state();
        // Nobody listens: what is old news by the time it is read is not kept.
        let deaf = state.notices.len() >= 2 * NOTICES;
        let stale = |n: &Notice| matches!(n, Notice::Connected { .. } | Notice::Disconnected { .. });
        for notice in notices.drain(..).filter(|notice| !deaf || !stale(notice)) {
            // Unless a handle has asked for another beginning meanwhile.
            if let Notice::Ended(ended) = &notice
                && is_ended
                && !state.commands.iter().any(|command| matches!(command, Command::Connect))
            {
                state.ended = Some(ended.clone());
            }
            state.ready += size_of_notice(&notice);
            state.notices.push_back(notice);
        }
        let readers = std::mem::take(&mut state.readers);
        let waiting =
            if state.ended.is_some() { std::mem::take(&mut state.waiting) } else { BTreeMap::new() };
        drop(state);
        waiting.into_values().chain(readers).for_each(Waker::wake);
    }

    /// The loop is gone, or this client in it.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.gone = true;
        let left = std::mem::take(&mut state.commands);
        let waiting = std::mem::take(&mut state.waiting);
        let readers = std::mem::take(&mut state.readers);
        drop(state);
        waiting.into_values().chain(readers).for_each(Waker::wake);
        for command in left {
            command.end(&Error::Gone);
        }
    }

    /// Is there room for a message of so many bytes?
    pub(super) fn poll_room(
        state: &mut State,
        bytes: usize,
        limits: (usize, usize),
        place: &mut Option<u64>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let room = state.open < limits.0 && (state.bytes == 0 || state.bytes + bytes <= limits.1);
        if room || state.gone || state.ended.is_some() {
            return Poll::Ready(());
        }
        let place = *place.get_or_insert_with(|| {
            state.waited += 1;
            state.waited
        });
        state.waiting.insert(place, cx.waker().clone());
        Poll::Pending
    }

    /// Whoever has that place waits no more.
    pub(super) fn leave(&self, place: u64) {
        self.state().waiting.remove(&place);
    }

    /// The next notice; true if the loop has to be told that there is room for more.
    pub(super) fn poll_notice(&self, cx: &mut Context<'_>) -> Poll<(Option<Notice>, bool)> {
        let mut state = self.state();
        match state.notices.pop_front() {
            Some(notice) => {
                state.ready -= size_of_notice(&notice);
                let room = state.notices.len() <= NOTICES / 2 && state.ready <= READY / 2;
                let wanted = state.more && room && !state.gone;
                let knock = wanted && !std::mem::replace(&mut state.knocked, true);
                Poll::Ready((Some(notice), knock))
            }
            None if state.gone || state.ended.is_some() => Poll::Ready((None, false)),
            None => {
                if !state.readers.iter().any(|reader| reader.will_wake(cx.waker())) {
                    state.readers.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Command {
    /// It can't be done.
    pub(super) fn end(self, error: &Error) {
        match self {
            Self::Publish(_, Some(slot)) => slot.put(Err(error.clone())),
            Self::Subscribe(_, _, slot) | Self::Unsubscribe(_, slot) => slot.put(Err(error.clone())),
            _ => {}
        }
    }
}

/// What a message is charged with.
pub(super) fn charge(publication: &Publication) -> usize {
    publication.topic.as_str().len() + publication.payload.len() + publication.properties().as_bytes().len()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it is held")
}
