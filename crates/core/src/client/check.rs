//! What must hold between two calls.
use super::{Client, Phase};

impl Client {
    pub(super) fn check_all(&self) {
        self.sender.check();
        self.receiver.check();
        self.outbox.check(self.sender.len());
        self.inbox.check();
        self.requests.check();
        let stats = self.stats();
        assert_eq!(
            stats.published,
            stats.delivered + stats.refused + stats.failed + stats.open,
            "the books of what was published balance: {stats:?}"
        );
        assert_eq!(stats.received, stats.taken + stats.waiting, "and those of what came: {stats:?}");
        assert!(
            self.holding.keys().all(|packet_id| self.receiver.contains(*packet_id)),
            "what is held was received"
        );
        if self.phase != Phase::Up {
            assert!(self.link.since.is_none() || matches!(self.phase, Phase::Closing(_) | Phase::Aborted));
        }
        assert!(self.link.held || self.link.kept.is_empty(), "what is kept waits for the application");
    }
}
