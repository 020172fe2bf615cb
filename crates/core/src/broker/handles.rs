//! What several parts do together, for all reactions.
use super::Broker;
use super::base::NONE;
use super::journal::{Pen, Place};
use super::messages::Messages;
use super::messages::ledger::Recipient;
use super::messages::queue::Entry;
use super::router::{NodeId, Subscriber};
use super::session::Kind;

impl Broker {
    /// Who writes records.
    pub(super) fn pen(&mut self) -> Pen<'_> {
        let Self { journal, sessions, grants, messages: Messages { store, ended, .. }, rules, .. } = self;
        Pen { journal, sessions, grants, store, ended, rules: *rules }
    }

    /// Where an entry stands, for the journal.
    pub(super) fn place(&self, who: Recipient, entry: Entry) -> Place {
        let identifiers = self.messages.identifiers(entry, &mut [0]).to_vec();
        Place { who, qos: entry.qos(), retain: entry.retain(), identifiers }
    }

    /// A session rests on another grant, or on none any more.
    pub(super) fn rest_on(&mut self, session: u32, place: u32) {
        let old = core::mem::replace(&mut self.sessions[session].grant, place);
        if old == place {
            return;
        }
        if place != NONE {
            self.grants.begin_session(place);
        }
        if old != NONE {
            self.grants.end_session(old);
        }
    }

    /// Takes a subscription out of the trie, and tells the others if nobody is left who wants that filter.
    pub(super) fn unsubscribe_at(&mut self, node: NodeId, who: Subscriber) {
        if !self.shards.is_alone() && self.router.subscribers_at(node) == 1 {
            let filter = self.router.filter(node);
            if self.router.unsubscribe(node, who) {
                self.shards.tell_interest(&filter, false);
            }
        } else {
            self.router.unsubscribe(node, who);
        }
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
