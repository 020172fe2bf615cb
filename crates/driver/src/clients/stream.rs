//! What waits in one stream.
use super::Error;
use super::listeners::{Event, Listeners};
use super::message::Message;
use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;
use tidewire_core::qos::QoS;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicFilter;

/// A stream that lost messages tells of it at most so often.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// What a stream is asked for with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) by_hand: bool,
    pub(crate) capacity: usize,
}

/// What comes for one call of `subscribe`.
pub(super) struct Stream {
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) waker: Option<Waker>,
    /// Messages are acknowledged by hand, not by being taken.
    pub(super) by_hand: bool,
    /// Of QoS 0 that may wait.
    pub(super) capacity: usize,
    /// Of QoS 0 that wait.
    pub(super) volatile: usize,
    pub(super) filters: Vec<TopicFilter>,
    /// It takes whatever no other stream does.
    pub(super) takes_unclaimed: bool,
    /// Nobody has taken anything for a while: what is old makes room.
    pub(super) overflows: bool,
    pub(super) dropped: u64,
    pub(super) untold: u64,
    pub(super) told: Option<Instant>,
    /// Nothing more comes, and why, if it was not this end that wanted so.
    pub(super) end: Option<Option<Error>>,
}

pub(super) struct Waiting {
    pub(super) message: Message,
    /// Its place in the window.
    pub(super) answer: Option<u64>,
}

impl Stream {
    pub(super) fn new(manner: Manner) -> Self {
        Self {
            waiting: VecDeque::new(),
            waker: None,
            by_hand: manner.by_hand,
            capacity: manner.capacity.max(1),
            volatile: 0,
            filters: Vec::new(),
            takes_unclaimed: false,
            overflows: false,
            dropped: 0,
            untold: 0,
            told: None,
            end: None,
        }
    }

    /// There is no room: the oldest of QoS 0 makes some, of so many bytes; if there is none, it is the new one that is missed.
    pub(super) fn overflow(
        &mut self,
        now: Instant,
        listeners: &mut Listeners,
        wakers: &mut Vec<Waker>,
    ) -> Option<usize> {
        self.overflows = true;
        let oldest = self.waiting.iter().position(|waiting| waiting.message.qos == QoS::AtMostOnce);
        let makes_room = oldest.and_then(|at| self.waiting.remove(at));
        self.volatile -= usize::from(makes_room.is_some());
        self.dropped += 1;
        self.untold += 1;
        if self.told.is_none_or(|told| now >= told.after(TOLD_EVERY)) {
            self.told = Some(now);
            self.tell_dropped(listeners, wakers);
        }
        makes_room.map(|waiting| waiting.message.size())
    }

    pub(super) fn put(&mut self, message: Message, answer: Option<u64>, wakers: &mut Vec<Waker>) {
        self.volatile += usize::from(message.qos == QoS::AtMostOnce);
        self.waiting.push_back(Waiting { message, answer });
        wakers.extend(self.waker.take());
    }

    pub(super) fn tell_dropped(&mut self, listeners: &mut Listeners, wakers: &mut Vec<Waker>) {
        let messages = std::mem::take(&mut self.untold);
        if let Some(filter) = self.filters.first().cloned() {
            listeners.tell(Event::Dropped { filter, messages }, wakers);
        }
    }
}
