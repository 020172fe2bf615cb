//! What several parts do together, for all reactions.
use super::Broker;
use super::base::NONE;
use super::journal::Pen;
use super::session::Kind;

impl Broker {
    /// Who writes records.
    pub(super) fn pen(&mut self) -> Pen<'_> {
        let Self { journal, sessions, grants, messages, rules, .. } = self;
        Pen { journal, sessions, grants, ended: &mut messages.ended, rules: *rules }
    }

    /// A connection has something to send.
    pub(super) fn announce(&mut self, index: u32) {
        self.connections.announce(&mut self.actions, index);
    }

    /// Wakes whoever takes a session's messages.
    pub(super) fn wake(&mut self, session: u32) {
        let connection = self.sessions[session].connection;
        if connection != NONE {
            self.announce(connection);
        } else if self.sessions[session].kind == Kind::Local {
            self.actions.announce_local(self.sessions.local_id(session));
        }
    }
}
