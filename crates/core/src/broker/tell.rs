//! What those who watch are told.
use super::authority::policy::Access;
use super::base::NONE;
use super::base::limits::Limit;
use super::cause::Cause;
use super::messages::tally::{Repeated, Tally};
use super::{Broker, Event};
use crate::reason::ReasonCode;

impl Broker {
    /// A publisher has to wait, perhaps for this one.
    pub(super) fn note_paused(&mut self, session: u32, behind: Option<u32>) {
        let Self { sessions, messages, .. } = self;
        let about = || (behind.map(|slowest| sessions[slowest].client_id.clone()), 0);
        messages.books.note(sessions.recipient(session), Repeated::Paused, about);
    }

    /// A client asked for more than this limit allows.
    pub(super) fn note_limited(&mut self, session: u32, limit: Limit) {
        let who = self.sessions.recipient(session);
        self.messages.books.note(who, Repeated::Limited(limit), || (None, 0));
    }

    /// A client may not do that.
    pub(super) fn note_denied(&mut self, session: u32, access: Access<'_>) {
        let Self { sessions, messages, grants, .. } = self;
        let s = &sessions[session];
        let (what, name) = match access {
            Access::Publish { topic, .. } => (Repeated::PublishDenied, topic.as_str()),
            Access::Subscribe { filter } => (Repeated::SubscribeDenied, filter),
            Access::Receive { .. } => return,
        };
        let about = || (Some(name.into()), grants.rule(s.grant, &s.client_id, access));
        messages.books.note(sessions.recipient(session), what, about);
    }

    /// Makes events of what was noted.
    pub(super) fn tell_tallies(&mut self) {
        if !self.messages.books.tallies.is_fresh() {
            return;
        }
        for (who, what, tally) in self.messages.books.tallies.take_fresh() {
            let Tally { count, about, rule, .. } = tally;
            if let (Some(group), Repeated::Dropped(reason)) = (self.groups.of_recipient(who), what) {
                let client_id = group.share();
                self.actions.event(Event::Dropped { client_id, peer: None, reason, count });
                continue;
            }
            let Some(s) = self.sessions.get_ref(who.session, who.generation) else { continue };
            let client_id = s.client_id.clone();
            let peer = (s.connection != NONE).then(|| self.connections[s.connection].peer());
            self.actions.event(match what {
                Repeated::Dropped(reason) => Event::Dropped { client_id, peer, reason, count },
                Repeated::PublishDenied => {
                    Event::PublishDenied { client_id, peer, topic: about.unwrap_or_default(), rule, count }
                }
                Repeated::SubscribeDenied => {
                    Event::SubscribeDenied { client_id, peer, filter: about.unwrap_or_default(), rule, count }
                }
                Repeated::Limited(limit) => Event::Limited { client_id, peer, limit, count },
                Repeated::Paused => Event::Paused { client_id, peer, behind: about, count },
            });
        }
    }

    /// Time has passed: what was counted meanwhile is told.
    pub(super) fn tell_counts(&mut self) {
        let Some(beyond) = self.messages.books.ripen() else { return };
        self.tell_tallies();
        self.actions.missed(beyond);
    }

    /// A session is about to end: what was counted of it is told now or never.
    pub(super) fn tell_last(&mut self, session: u32) {
        let who = self.sessions.recipient(session);
        if self.messages.books.tallies.is_empty() {
            return;
        }
        self.messages.books.tallies.ripen_last(who);
        self.tell_tallies();
        self.messages.books.tallies.forget(who);
    }

    /// Somebody is not let in. What is known of it goes with what its CONNECT said: call this first.
    pub(super) fn tell_refused(&mut self, index: u32, reason: ReasonCode, cause: Cause) {
        let id = self.connections.id(index);
        let connection = &mut self.connections[index];
        let peer = connection.peer();
        let applicant = connection.busy.as_deref_mut().and_then(|busy| busy.applicant.as_deref_mut());
        let (client_id, username) = applicant.map_or((None, None), |applicant| applicant.names());
        self.actions.event(Event::Refused { id, peer, client_id, username, reason, cause });
    }

    /// Somebody who was let in goes. Call this while it still has its session.
    pub(super) fn tell_end(&mut self, index: u32, reason: ReasonCode, cause: Cause) {
        let connection = &self.connections[index];
        let (id, peer, session) = (self.connections.id(index), connection.peer(), connection.session);
        let client_id = self.sessions[session].client_id.clone();
        let identity = self.grants.identity(self.sessions[session].grant);
        self.actions.event(Event::Disconnected { id, peer, client_id, identity, reason, cause });
    }
}
