//! How a client's loop is reached: by its handles, its streams, and whatever acknowledges its messages.
use super::command::{Command, Follow, Leaving};
use super::error::Error;
use super::listeners::Event;
use super::message::Message;
use super::shared::{Shared, State};
use super::slot::Slot;
use super::stream::Manner;
use super::streams::{StreamId, Streams, Taken};
use super::window::Outcome;
use super::{ClientId, Clients};
use crate::Post;
use std::sync::{Arc, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicFilter;

/// How the loop is reached.
pub(super) type Poster = Arc<dyn Fn(Post<Clients>) + Send + Sync>;

/// Has something done with the clients on their own thread.
pub(super) fn call(poster: &Poster, what: impl FnOnce(&mut Clients, Instant) + Send + 'static) {
    poster(Post::Call(Box::new(what)));
}

/// How a client's loop is reached.
pub(crate) struct Reach {
    pub(crate) shared: Arc<Shared>,
    poster: Poster,
    /// Set on the loop's thread, before anything else reaches the client.
    id: Arc<OnceLock<ClientId>>,
}

impl Reach {
    pub(super) fn new(shared: Arc<Shared>, poster: Poster, id: Arc<OnceLock<ClientId>>) -> Self {
        Self { shared, poster, id }
    }

    pub(super) fn id(&self) -> Option<ClientId> {
        self.id.get().copied()
    }

    pub(crate) fn command(&self, command: Command) -> Result<(), Error> {
        let knock = Shared::command(&mut self.shared.state(), command)?;
        if knock {
            self.knock();
        }
        Ok(())
    }

    /// The same, of a client that has not ended.
    fn post(&self, mut state: MutexGuard<'_, State>, command: Command) {
        let knock = Shared::command(&mut state, command).unwrap_or(false);
        drop(state);
        if knock {
            self.knock();
        }
    }

    /// The session outlives its connection.
    pub(crate) fn session_lives_on(&self) -> bool {
        self.with_streams(|streams, _| streams.session_lives_on()).unwrap_or(false)
    }

    /// The loop looks at what there is for it.
    pub(super) fn knock(&self) {
        let id = Arc::clone(&self.id);
        call(&self.poster, move |clients, now| {
            if let Some(id) = id.get() {
                clients.knocked(now, *id);
            }
        });
    }

    /// No handle is left.
    pub(super) fn abandon(&self) {
        let id = Arc::clone(&self.id);
        call(&self.poster, move |clients, now| {
            if let Some(id) = id.get() {
                clients.abandon(now, *id);
            }
        });
    }

    /// Something is done with the streams, and the loop hears what follows.
    fn with_streams<T>(&self, what: impl FnOnce(&mut Streams, &mut Vec<Command>) -> T) -> Option<T> {
        let mut commands = Vec::new();
        let mut state = self.shared.state();
        let streams = state.streams.as_mut()?;
        let done = what(streams, &mut commands);
        // There may be room now for what the loop has.
        let mut knock = streams.is_behind && !std::mem::replace(&mut state.knocked, true);
        for command in commands {
            // A client that has ended answers nothing any more.
            knock |= Shared::command(&mut state, command).unwrap_or(false);
        }
        drop(state);
        if knock {
            self.knock();
        }
        Some(done)
    }

    /// A stream, or what was taken from it, says this of a message.
    pub(super) fn answer(&self, place: u64, outcome: Outcome) {
        self.with_streams(|streams, commands| {
            let answered = streams.window.answer(place, outcome);
            commands.extend(answered.map(|(token, outcome)| Command::Answer(token, outcome)));
        });
    }

    pub(crate) fn open_stream(&self, manner: Manner) -> StreamId {
        self.with_streams(|streams, _| streams.open(manner)).unwrap_or_default()
    }

    pub(crate) fn take_unclaimed(&self, id: StreamId) {
        let wakers = self.with_streams(|streams, _| streams.take_unclaimed(id));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// What comes for these goes to that stream from now on.
    pub(crate) fn follow(&self, mut follow: Follow) {
        let mut state = self.shared.state();
        if let Some(error) = state.error() {
            drop(state);
            return Command::Follow(follow).end(&error);
        }
        let filters: Vec<_> = follow.subscriptions.iter().map(|asked| asked.filter.clone()).collect();
        let mut wakers = Vec::new();
        if let Some(streams) = &mut state.streams {
            (follow.added, wakers) = streams.subscribe(follow.stream, &filters, follow.identifier);
        }
        self.post(state, Command::Follow(follow));
        wakers.into_iter().for_each(Waker::wake);
    }

    /// That stream is no longer to get what comes for this filter, or for all of its own. Until the server has ended them,
    /// it does.
    pub(crate) fn leave(&self, id: StreamId, filter: Option<TopicFilter>) -> Arc<Slot<()>> {
        let slot = Slot::new();
        let finishes = filter.is_none();
        let answer = Some(Arc::clone(&slot));
        let mut leaving = Leaving { stream: Some(id), finishes, slot: answer, ..Leaving::default() };
        let mut state = self.shared.state();
        if let Some(error) = state.error() {
            drop(state);
            slot.put(Err(error));
            return slot;
        }
        if let Some(streams) = &mut state.streams {
            let own = streams.filters(id);
            let filters = filter.map_or_else(|| own.clone(), |filter| vec![filter]);
            let (alone, others): (Vec<_>, Vec<_>) = filters
                .into_iter()
                .filter(|filter| own.contains(filter))
                .partition(|filter| streams.is_alone(id, filter));
            // Whatever another stream has as well stays subscribed to.
            streams.leave(id, &others);
            leaving.filters = alone;
        }
        self.post(state, Command::Leave(leaving));
        slot
    }

    /// A subscription of the session that no stream has is to be ended; `None` if one has it.
    pub(crate) fn leave_session(&self, filter: TopicFilter) -> Option<Result<Arc<Slot<()>>, Error>> {
        if self.with_streams(|streams, _| streams.is_followed(&filter)) == Some(true) {
            return None;
        }
        let slot = Slot::new();
        let leaving = Leaving { filters: vec![filter], slot: Some(Arc::clone(&slot)), ..Leaving::default() };
        Some(self.command(Command::Leave(leaving)).map(|()| slot))
    }

    /// Nobody takes from it any more.
    pub(crate) fn close_stream(&self, id: StreamId) {
        self.with_streams(|streams, commands| {
            let leftover = streams.close(id);
            let answers = leftover.answers.into_iter();
            commands.extend(answers.map(|(token, outcome)| Command::Answer(token, outcome)));
            if !leftover.filters.is_empty() {
                commands.push(Command::Leave(Leaving { filters: leftover.filters, ..Leaving::default() }));
            }
        });
    }

    /// The next message of a stream. Taking it acknowledges it, unless that is done by hand.
    pub(crate) fn poll_take(self: &Arc<Self>, id: StreamId, cx: &Context<'_>) -> Poll<Option<Message>> {
        let mut wakers = Vec::new();
        let mut guard = self.shared.state();
        let is_over = guard.is_over();
        let State { streams, listeners, .. } = &mut *guard;
        let Some(streams) = streams else { return Poll::Ready(None) };
        let Some(taken) = ready!(streams.poll_take(id, is_over, listeners, &mut wakers, cx)) else {
            return Poll::Ready(None);
        };
        let Taken { mut message, by_hand, answer, knock } = taken;
        let mut knock = knock && !std::mem::replace(&mut guard.knocked, true);
        if let Some((token, outcome)) = answer {
            // A loop that is gone acknowledges nothing, and the server will send it again.
            knock |= Shared::command(&mut guard, Command::Answer(token, outcome)).unwrap_or(false);
        }
        drop(guard);
        if knock {
            self.knock();
        }
        wakers.into_iter().for_each(Waker::wake);
        if let Some(place) = by_hand {
            message.wants_ack(self, place);
        }
        Poll::Ready(Some(message))
    }

    /// Messages that a stream had no room for.
    pub(crate) fn dropped(&self, id: StreamId) -> u64 {
        self.with_streams(|streams, _| streams.dropped(id)).unwrap_or(0)
    }

    /// Why nothing more comes for a stream.
    pub(crate) fn end_of_stream(&self, id: StreamId) -> Option<Error> {
        let state = self.shared.state();
        let own = state.streams.as_ref().and_then(|streams| streams.end(id));
        own.unwrap_or_else(|| state.error())
    }

    /// One more listener.
    pub(crate) fn listen(&self) -> u64 {
        let mut state = self.shared.state();
        let unclaimed = state.streams.as_ref().and_then(|streams| streams.first_unclaimed());
        state.listeners.open(unclaimed)
    }

    pub(crate) fn poll_event(&self, listener: u64, cx: &Context<'_>) -> Poll<Option<Event>> {
        let mut state = self.shared.state();
        let is_over = state.is_over();
        state.listeners.poll_next(listener, is_over, cx)
    }

    pub(crate) fn listen_no_more(&self, listener: u64) {
        self.shared.state().listeners.close(listener);
    }
}
