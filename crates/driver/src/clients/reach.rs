//! How a client's loop is reached: by its handles, its streams, and whatever acknowledges its messages.
use super::error::Error;
use super::listeners::Event;
use super::message::Message;
use super::shared::{Command, Follow, Shared, Slot, State};
use super::stream::Manner;
use super::streams::{StreamId, Streams, Taken};
use super::window::Outcome;
use super::{ClientId, Clients};
use crate::Post;
use std::sync::{Arc, OnceLock};
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
        let done = what(state.streams.as_mut()?, &mut commands);
        let mut knock = false;
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
        self.with_streams(|streams, _| streams.take_unclaimed(id));
    }

    /// What comes for these goes to that stream from now on.
    pub(crate) fn follow(&self, follow: Follow) {
        let mut state = self.shared.state();
        if let Some(error) = state.error() {
            drop(state);
            return Command::Follow(follow).end(&error);
        }
        let filters: Vec<_> = follow.subscriptions.iter().map(|asked| asked.filter.clone()).collect();
        if let Some(streams) = &mut state.streams {
            streams.subscribe(follow.stream, &filters, follow.identifier);
        }
        let knock = Shared::command(&mut state, Command::Follow(follow)).unwrap_or(false);
        drop(state);
        if knock {
            self.knock();
        }
    }

    /// That stream no longer gets what comes for this filter, or for all of its own.
    pub(crate) fn leave(&self, id: StreamId, filter: Option<TopicFilter>) -> Arc<Slot<()>> {
        let slot = Slot::new();
        let answer = Arc::clone(&slot);
        let mut state = self.shared.state();
        if let Some(error) = state.error() {
            drop(state);
            slot.put(Err(error));
            return slot;
        }
        let stream = filter.is_none().then_some(id);
        let unwanted = match &mut state.streams {
            Some(streams) => {
                let filters = filter.map_or_else(|| streams.filters(id), |filter| vec![filter]);
                streams.leave(id, &filters)
            }
            None => Vec::new(),
        };
        let command = Command::Leave { stream, unwanted, slot: Some(answer) };
        let knock = Shared::command(&mut state, command).unwrap_or(false);
        drop(state);
        if knock {
            self.knock();
        }
        slot
    }

    /// Nobody takes from it any more.
    pub(crate) fn close_stream(&self, id: StreamId) {
        self.with_streams(|streams, commands| {
            let leftover = streams.close(id);
            let answers = leftover.answers.into_iter();
            commands.extend(answers.map(|(token, outcome)| Command::Answer(token, outcome)));
            if !leftover.filters.is_empty() {
                commands.push(Command::Leave { stream: None, unwanted: leftover.filters, slot: None });
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
