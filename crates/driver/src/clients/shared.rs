//! What a client's handles and its loop share: commands in, notices out, and room.
use super::command::Command;
use super::error::{Ended, Error};
use super::fate::{Coming, Fate, Fates};
use super::listeners::Listeners;
use super::slot::Slot;
use super::streams::{Streams, Terms};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use tidewire_core::client::{Cause, Message, Server, Stats};
use tidewire_core::message::Publication;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicFilter;

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

/// Messages, and their bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Charge {
    pub(super) messages: usize,
    bytes: usize,
}

impl Charge {
    /// One message of so many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self { messages: 1, bytes }
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    fn take(&mut self, bytes: usize) {
        self.messages -= 1;
        self.bytes -= bytes;
    }
}

/// Of one client.
pub(crate) struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(super) commands: VecDeque<Command>,
    /// The loop knows that there are commands, or room for notices.
    pub(super) knocked: bool,
    /// Messages that were accepted from the application and have not ended; and their bytes.
    pub(super) open: usize,
    pub(super) bytes: usize,
    /// Those of them that are still among the commands.
    pub(super) queued: Charge,
    fates: Fates,
    /// Those of the messages among the commands.
    pub(super) coming: Coming,
    /// Those that wait for room, by when they began to.
    waiting: BTreeMap<u64, Waker>,
    waited: u64,
    notices: VecDeque<Notice>,
    /// Bytes of the messages among them.
    ready: usize,
    /// The loop has more of them than it may put here, or is about to look.
    more: bool,
    readers: Vec<Waker>,
    /// Where its messages go, unless they are notices.
    pub(super) streams: Option<Streams>,
    pub(super) listeners: Listeners,
    /// What the server said, as long as there is a connection.
    pub(crate) server: Option<Arc<Server>>,
    /// Who waits for one.
    hopes: Vec<Arc<Slot<Arc<Server>>>>,
    /// Who waits for the end.
    farewells: Vec<Arc<Slot<()>>>,
    pub(crate) stats: Stats,
    /// A handle has said goodbye.
    pub(super) is_leaving: bool,
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
        self.bytes = self.bytes.saturating_sub(message.size());
    }
}

fn size_of_notice(notice: &Notice) -> usize {
    if let Notice::Message(message) = notice { message.size() } else { 0 }
}

impl Shared {
    pub(super) fn new(terms: Option<Terms>) -> Arc<Self> {
        let state = State { streams: terms.map(Streams::new), ..State::default() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Puts a command in; true if the loop has to be told.
    pub(crate) fn command(state: &mut State, command: Command) -> Result<bool, Error> {
        match (&command, &state.ended) {
            (Command::Connect | Command::Disconnect(..), _) => {}
            (_, Some(ended)) => return Err(Error::Ended(ended.clone())),
            (_, None) => {}
        }
        if state.gone {
            return Err(Error::Gone);
        }
        match command {
            Command::Connect => (state.ended, state.is_leaving) = (None, false),
            Command::Disconnect(..) => state.is_leaving = true,
            _ => {}
        }
        Ok(state.put(command))
    }

    /// Messages have ended: others have their room.
    pub(super) fn make_free(&self, freed: Charge) {
        let mut state = self.state();
        state.open -= freed.messages;
        state.bytes -= freed.bytes;
        if state.open == 0 {
            state.fates = Fates::default();
        }
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
        state.server = None;
        let left = std::mem::take(&mut state.commands);
        let mut coming = std::mem::take(&mut state.coming);
        let waiting = std::mem::take(&mut state.waiting);
        let mut readers = std::mem::take(&mut state.readers);
        state.wake_all(&mut readers);
        let ended = state.ended.clone();
        let (hopes, farewells) = (std::mem::take(&mut state.hopes), std::mem::take(&mut state.farewells));
        drop(state);
        waiting.into_values().chain(readers).for_each(Waker::wake);
        let error = ended.map_or(Error::Gone, Error::Ended);
        hopes.iter().for_each(|slot| slot.put(Err(error.clone())));
        farewells.iter().for_each(|slot| slot.put(Err(error.clone())));
        while let Some(fate) = coming.pop() {
            fate.put(Err(Error::Gone.into()));
        }
        for command in left {
            command.end(&Error::Gone);
        }
    }

    /// Is there room for a message of so many bytes, or nobody who would take it?
    pub(super) fn has_room(state: &State, bytes: usize, limits: (usize, usize)) -> bool {
        let room = state.open < limits.0 && (state.bytes == 0 || state.bytes + bytes <= limits.1);
        room || state.gone || state.ended.is_some()
    }

    /// Waits for that.
    pub(super) fn poll_room(
        state: &mut State,
        bytes: usize,
        limits: (usize, usize),
        place: &mut Option<u64>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if Self::has_room(state, bytes, limits) {
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
    pub(crate) fn leave(&self, place: u64) {
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

impl State {
    /// Nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.gone || self.ended.is_some()
    }

    /// A message of so many bytes is accepted; true if the loop has to be told.
    #[inline]
    pub(super) fn accept(&mut self, publication: Publication, bytes: usize) -> (Fate, bool) {
        let fate = self.fates.next(self.open);
        self.coming.push(&fate);
        self.open += 1;
        self.bytes += bytes;
        self.queued.add(bytes);
        (fate, self.put(Command::Publish(publication)))
    }

    /// Puts a command in; true if the loop has to be told.
    #[inline]
    pub(super) fn put(&mut self, command: Command) -> bool {
        self.commands.push_back(command);
        !std::mem::replace(&mut self.knocked, true)
    }

    /// The oldest messages that the loop has not taken go, as long as there are more than may wait. The newest, of so many
    /// bytes, stays.
    pub(super) fn make_room(&mut self, newest: usize, most: (usize, usize)) -> Vec<Fate> {
        let mut gone = Vec::new();
        // For one that is larger than all that may wait nothing needs to go: it is refused.
        while newest <= most.1
            && self.queued.messages > 1
            && (self.queued.messages > most.0 || self.queued.bytes > most.1)
        {
            let oldest = self.commands.iter().position(|command| matches!(command, Command::Publish(..)));
            let Some(at) = oldest else { break };
            let Some(Command::Publish(publication)) = self.commands.remove(at) else { break };
            let bytes = charge(&publication);
            (self.open, self.bytes) = (self.open - 1, self.bytes - bytes);
            self.queued.take(bytes);
            gone.extend(self.coming.pop());
        }
        gone
    }

    fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        if let Some(streams) = &mut self.streams {
            streams.wake_all(wakers);
        }
        self.listeners.wake_all(wakers);
    }

    /// Why nothing is accepted any more, if so it is.
    pub(crate) fn error(&self) -> Option<Error> {
        match &self.ended {
            Some(ended) => Some(Error::Ended(ended.clone())),
            None => self.gone.then_some(Error::Gone),
        }
    }

    /// Done when there is a connection.
    pub(crate) fn hope(&mut self) -> Arc<Slot<Arc<Server>>> {
        let slot = Slot::new();
        match (self.error(), &self.server) {
            (Some(error), _) => slot.put(Err(error)),
            (None, Some(server)) => slot.put(Ok(Arc::clone(server))),
            (None, None) => self.hope_for(Arc::clone(&slot)),
        }
        slot
    }

    /// How many wait for a connection.
    #[cfg(test)]
    pub(crate) fn hopes(&self) -> usize {
        self.hopes.len()
    }

    /// How many commands the loop has not taken.
    #[cfg(test)]
    pub(crate) fn waiting_commands(&self) -> usize {
        self.commands.len()
    }

    /// This one waits for a connection.
    pub(super) fn hope_for(&mut self, slot: Arc<Slot<Arc<Server>>>) {
        // Those that nobody waits for any more make room.
        self.hopes.retain(|slot| Arc::strong_count(slot) > 1);
        self.hopes.push(slot);
    }

    /// Done when the client has ended.
    pub(crate) fn farewell(&mut self) -> Arc<Slot<()>> {
        let slot = Slot::new();
        match self.error() {
            Some(Error::Ended(ended)) if ended.cause == Cause::Ended => slot.put(Ok(())),
            Some(error) => slot.put(Err(error)),
            None => {
                self.farewells.retain(|slot| Arc::strong_count(slot) > 1);
                self.farewells.push(Arc::clone(&slot));
            }
        }
        slot
    }

    /// There is a connection.
    pub(super) fn connected(&mut self, server: Server, wakers: &mut Vec<Waker>) -> Arc<Server> {
        let server = Arc::new(server);
        self.server = Some(Arc::clone(&server));
        for slot in std::mem::take(&mut self.hopes) {
            wakers.extend(slot.put_quietly(Ok(Arc::clone(&server))));
        }
        server
    }

    /// The client has ended, and so many messages had not: everybody hears it.
    pub(super) fn end(&mut self, ended: &Ended, unfinished: usize, wakers: &mut Vec<Waker>) {
        self.ended = Some(ended.clone());
        self.server = None;
        for slot in std::mem::take(&mut self.hopes) {
            wakers.extend(slot.put_quietly(Err(Error::Ended(ended.clone()))));
        }
        for slot in std::mem::take(&mut self.farewells) {
            wakers.extend(slot.put_quietly(match (ended.cause, unfinished) {
                (Cause::Ended, 0) => Ok(()),
                (Cause::Ended, _) => Err(Error::Unfinished(unfinished)),
                _ => Err(Error::Ended(ended.clone())),
            }));
        }
        wakers.extend(std::mem::take(&mut self.waiting).into_values());
        self.wake_all(wakers);
    }
}

/// What a message is charged with.
pub(super) fn charge(publication: &Publication) -> usize {
    publication.topic.as_str().len() + publication.payload.len() + publication.properties().as_bytes().len()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it is held")
}
