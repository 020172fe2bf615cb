//! What the journal is asked and told.
use super::base::NONE;
use super::{Action, Broker};
use crate::id::Position;
use alloc::vec::Vec;

impl Broker {
    /// It is durable up to there: what waited for that may leave.
    pub(super) fn on_durable(&mut self, up_to: Position) {
        self.journal.synced(up_to.0);
        self.tell_tickets();
        while let Some(id) = self.journal.woken() {
            if !self.connections.is(id) {
                continue;
            }
            self.release_answers(id.index);
            self.window_opens(id.index);
            let session = self.connections[id.index].session;
            if session != NONE
                && let Some(busy) = self.sessions[session].busy.as_deref_mut()
            {
                busy.queue.stall(false);
            }
            self.announce(id.index);
        }
    }

    pub(super) fn next_journal(&mut self) -> Option<Action> {
        self.pen().flush();
        self.journal.has_news().then_some(Action::Journal)
    }

    pub(super) fn take_journal(&mut self, out: &mut Vec<u8>) -> Option<Position> {
        self.pen().flush();
        self.journal.take(out).map(Position)
    }
}
