//! Counts.
use super::Client;

/// Counts of what was published and what came. For each: `begun = ended + open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that were accepted from the application.
    pub published: u64,
    /// Of those, that the server has, or, with QoS 0, that the transport had.
    pub delivered: u64,
    /// Of those, that the server refused.
    pub refused: u64,
    /// Of those, that the application took back, sent or not.
    pub withdrawn: u64,
    /// Of those, that ended otherwise.
    pub failed: u64,
    /// Of those, that have not ended.
    pub open: u64,
    /// Messages that came.
    pub received: u64,
    /// Of those, that the application has taken.
    pub taken: u64,
    /// Of those, that wait for it.
    pub waiting: u64,
    /// Of those, that nobody had taken when the connection ended, and that the server sends again: with QoS 1 it can't be
    /// told that they are the same.
    pub superseded: u64,
    /// Of those that were taken, that were passed over, and come again.
    pub passed_over: u64,
}

impl Stats {
    pub(super) fn check(&self) {
        assert_eq!(
            self.published,
            self.delivered + self.refused + self.withdrawn + self.failed + self.open,
            "the books of what was published balance: {self:?}"
        );
        assert_eq!(
            self.received,
            self.taken + self.waiting + self.superseded,
            "and those of what came: {self:?}"
        );
        assert!(self.passed_over <= self.taken, "only what somebody had is passed over: {self:?}");
    }
}

impl Client {
    pub(super) fn count(&self) -> Stats {
        let (open, waiting) = (self.outbox.len() as u64, self.inbox.messages() as u64);
        Stats { open, waiting, ..self.stats }
    }
}
