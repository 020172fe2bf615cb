//! Messages of QoS 1 and 2 that came and were not answered.
use super::streams::StreamId;
use std::collections::VecDeque;
use tidewire_core::id::Token;
use tidewire_core::reason::ReasonCode;

/// What the application says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in safe hands.
    Accepted,
    /// Nobody wants it any more.
    Unwanted,
    /// It is not wanted, and this is why.
    Refused(ReasonCode),
    /// Nothing: it may come again.
    PassedOver,
}

impl Outcome {
    /// How much it weighs where several streams have the same message.
    fn weight(self) -> u8 {
        match self {
            Self::Unwanted => 0,
            Self::Accepted => 1,
            Self::Refused(_) => 2,
            Self::PassedOver => 3,
        }
    }
}

/// In the order in which they came.
#[derive(Default)]
pub(super) struct Window {
    /// `None`: it was answered.
    open: VecDeque<Option<Open>>,
    /// The number of the first.
    first: u64,
    len: usize,
}

struct Open {
    token: Token,
    stream: StreamId,
    /// So many streams have not said anything.
    left: usize,
    outcome: Outcome,
}

impl Window {
    /// One more, that is in so many streams; its place.
    pub(super) fn begin(&mut self, token: Token, stream: StreamId, streams: usize) -> u64 {
        self.len += 1;
        self.open.push_back(Some(Open { token, stream, left: streams, outcome: Outcome::Unwanted }));
        self.first + self.open.len() as u64 - 1
    }

    /// One stream says this of it; once all have, it is what the server is to hear.
    pub(super) fn answer(&mut self, place: u64, outcome: Outcome) -> Option<(Token, Outcome)> {
        let at = usize::try_from(place.checked_sub(self.first)?).ok()?;
        let slot = self.open.get_mut(at)?;
        let open = slot.as_mut()?;
        open.left -= 1;
        if outcome.weight() > open.outcome.weight() {
            open.outcome = outcome;
        }
        if open.left > 0 {
            return None;
        }
        let open = slot.take()?;
        self.len -= 1;
        while let Some(None) = self.open.front() {
            self.open.pop_front();
            self.first += 1;
        }
        Some((open.token, open.outcome))
    }

    /// How many are unanswered.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// In which streams they are, the oldest first.
    pub(super) fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.open.iter().flatten().map(|open| open.stream)
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.open.iter().flatten().count(), self.len);
        assert!(self.open.front().is_none_or(Option::is_some), "what was answered leaves");
    }
}
