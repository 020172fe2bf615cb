//! What must hold between two calls.
use super::withdraw::NOBODY;
use super::{Client, Phase};

impl Client {
    pub(super) fn check_all(&self) {
        self.sender.check();
        self.receiver.check();
        self.outbox.check(self.sender.iter().map(|(place, ..)| place).filter(|place| *place != NOBODY));
        self.inbox.check();
        self.requests.check();
        self.count().check();
        self.check_suspect();
        self.link.outward.check();
        assert!(
            self.holding.keys().all(|packet_id| self.receiver.contains(*packet_id)),
            "what is held was received"
        );
        assert!(
            self.link.passed_over.iter().all(|packet_id| !self.receiver.contains(*packet_id)),
            "what was passed over comes as a new message"
        );
        if self.phase != Phase::Up {
            assert!(self.link.since.is_none() || matches!(self.phase, Phase::Closing(_) | Phase::Aborted));
        }
        assert!(self.link.held || self.link.kept.is_empty(), "what is kept waits for the application");
    }
}
