//! What happens to a client, and who is told.
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tidewire_core::client::{Cause, Server};
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::{TopicFilter, TopicName};

/// Events that wait for one listener, at most.
const WAITING: usize = 256;

/// Something that happened to a client; its text is a line for a log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server let us in.
    #[non_exhaustive]
    Connected {
        /// What it said.
        server: Arc<Server>,
        /// It has kept the session.
        session_present: bool,
    },
    /// A connection, or an attempt, has ended.
    #[non_exhaustive]
    Disconnected {
        /// Why.
        cause: Cause,
        /// In the system's words, where it has some.
        error: Option<Arc<str>>,
        /// When there will be another attempt; `None` if there will be none.
        retry_in: Option<Duration>,
    },
    /// The server has lost the session, and did not grant this again. Its stream has ended.
    #[non_exhaustive]
    SubscriptionLost {
        /// What was subscribed to.
        filter: TopicFilter,
        /// Why not.
        reason: ReasonCode,
    },
    /// A message of QoS 1 or 2 has come that no stream takes: subscribe to it, or take
    /// [`unclaimed`](crate::client::Client::unclaimed). What comes behind it is not acknowledged before.
    #[non_exhaustive]
    Unclaimed {
        /// Where it was published to.
        topic: TopicName,
    },
    /// For ten seconds no more of QoS 1 and 2 could come, because so many are not acknowledged; the oldest of them is of
    /// this stream.
    #[non_exhaustive]
    Stalled {
        /// The stream's first Topic Filter.
        filter: TopicFilter,
    },
    /// A stream had no room for messages of QoS 0.
    #[non_exhaustive]
    Dropped {
        /// The stream's first Topic Filter.
        filter: TopicFilter,
        /// How many, since it was last told.
        messages: u64,
    },
    /// This listener was slow: so many events are not here.
    Missed(u64),
    /// There will be no further attempt. The last one.
    #[non_exhaustive]
    Ended {
        /// Why.
        cause: Cause,
        /// Messages that were accepted and had not ended.
        unfinished: usize,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { session_present, .. } => {
                let kept = if *session_present { ", which has kept the session" } else { "" };
                write!(f, "connected{kept}")
            }
            Self::Disconnected { cause, error, retry_in } => {
                cause.fmt(f)?;
                if let Some(error) = error {
                    write!(f, ": {error}")?;
                }
                match retry_in {
                    Some(time) => write!(f, "; again in {:.1} s", time.as_secs_f64()),
                    None => Ok(()),
                }
            }
            Self::SubscriptionLost { filter, reason } => {
                write!(f, "the server did not grant {filter} again: {reason}")
            }
            Self::Unclaimed { topic } => {
                write!(f, "a message to {topic} has come that nobody in this process has subscribed to")
            }
            Self::Stalled { filter } => write!(
                f,
                "no more can come: messages wait for their acknowledgement, the oldest in the stream of {filter}"
            ),
            Self::Dropped { filter, messages } => {
                write!(f, "the stream of {filter} had no room for {messages} messages of QoS 0")
            }
            Self::Missed(events) => write!(f, "{events} events were not heard"),
            Self::Ended { cause, unfinished: 0 } => write!(f, "the client has ended: {cause}"),
            Self::Ended { cause, unfinished } => {
                write!(f, "the client has ended with {unfinished} messages on their way: {cause}")
            }
        }
    }
}

/// Who is told.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    each: BTreeMap<u64, Listener>,
    made: u64,
    /// How things stand, for whoever comes.
    standing: Option<Event>,
}

#[derive(Debug, Default)]
struct Listener {
    waiting: VecDeque<Event>,
    missed: u64,
    waker: Option<Waker>,
}

impl Listeners {
    /// One more: the first that it hears is how things stand.
    pub(super) fn open(&mut self, unclaimed: Option<TopicName>) -> u64 {
        self.made += 1;
        let unclaimed = unclaimed.map(|topic| Event::Unclaimed { topic });
        let waiting = self.standing.clone().into_iter().chain(unclaimed).collect();
        self.each.insert(self.made, Listener { waiting, ..Listener::default() });
        self.made
    }

    pub(super) fn close(&mut self, id: u64) {
        self.each.remove(&id);
    }

    /// To all of them.
    pub(super) fn tell(&mut self, event: Event, wakers: &mut Vec<Waker>) {
        for listener in self.each.values_mut() {
            listener.put(event.clone());
            wakers.extend(listener.waker.take());
        }
        if matches!(event, Event::Connected { .. } | Event::Disconnected { .. } | Event::Ended { .. }) {
            self.standing = Some(event);
        }
    }

    pub(super) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.each.values_mut().filter_map(|listener| listener.waker.take()));
    }

    /// What that one hears next.
    pub(super) fn poll_next(&mut self, id: u64, is_over: bool, cx: &Context<'_>) -> Poll<Option<Event>> {
        let Some(listener) = self.each.get_mut(&id) else { return Poll::Ready(None) };
        if let Some(event) = listener.waiting.pop_front() {
            return Poll::Ready(Some(event));
        }
        if listener.missed > 0 {
            return Poll::Ready(Some(Event::Missed(std::mem::take(&mut listener.missed))));
        }
        if is_over {
            return Poll::Ready(None);
        }
        listener.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Listener {
    fn put(&mut self, event: Event) {
        let is_last = matches!(event, Event::Ended { .. });
        if self.waiting.len() >= WAITING && !is_last {
            self.missed += 1;
            return;
        }
        if self.missed > 0 {
            self.waiting.push_back(Event::Missed(std::mem::take(&mut self.missed)));
        }
        self.waiting.push_back(event);
    }
}
