//! Rights that change, and credentials that end.
use super::Broker;
use super::authority::grants::Grants;
use super::authority::policy::{Access, Grant};
use super::base::NONE;
use super::connection::fault::Fault;
use super::retained::index::Place as Topic;
use super::session::Kind;
use crate::id::IdentityId;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Broker {
    /// New rights hold at once: remembered rulings are forgotten, and what waits is judged again.
    pub(super) fn on_grant(&mut self, now: Instant, grant: &Grant) {
        let identity = grant.identity;
        // Nobody's session may rest on it here, and yet messages that it left behind do.
        let is_here = self.grants.find(identity).is_some();
        let place = self.grants.set(identity, Some(grant.clone()));
        if is_here {
            self.watch_grant(now, place);
        }
        self.router.forget_all();
        let names = self.names_of(place);
        let sessions: Vec<u32> = self.sessions.iter().map(|(index, _)| index).collect();
        for session in sessions {
            self.judge_queue(session, identity, &names);
        }
        self.judge_retained(identity, &names);
        let owned: Vec<u32> =
            self.sessions.iter().filter(|(_, s)| s.grant == place).map(|(index, _)| index).collect();
        for session in owned {
            self.judge_subscriptions(session);
            self.judge_will(session);
        }
        self.grants.release_if_idle(place);
    }

    /// The Client Identifiers of an identity's sessions here.
    fn names_of(&self, place: u32) -> Vec<Box<str>> {
        self.sessions.iter().filter(|(_, s)| s.grant == place).map(|(_, s)| s.client_id.clone()).collect()
    }

    /// Is this identity known here, with rights that are not the same?
    pub(super) fn has_other_rights(&self, grant: &Grant) -> bool {
        let known = self.grants.find(grant.identity).and_then(|place| self.grants.grant(place));
        known.is_some_and(|known| !Arc::ptr_eq(&known.rights, &grant.rights))
    }

    /// Somebody came in with other rights than the identity had: remembered rulings are forgotten, and what waits
    /// in the session is judged again.
    pub(super) fn judge_resumed(&mut self, session: Option<u32>, identity: IdentityId) {
        self.router.forget_all();
        if let Some(session) = session {
            let names = self.names_of(self.sessions[session].grant);
            self.judge_queue(session, identity, &names);
            self.judge_subscriptions(session);
        }
    }

    /// Takes out of a queue what its owner may not receive, or its publisher not publish, any more.
    fn judge_queue(&mut self, session: u32, changed: IdentityId, names: &[Box<str>]) {
        let place = self.sessions[session].grant;
        let Some(mut busy) = self.sessions.take_busy(session) else { return };
        let who = self.sessions.recipient(session);
        let owner_changed = place != NONE && self.grants[place].identity == changed;
        let publisher = self.grants.find(changed);
        let Self { sessions, grants, messages, .. } = self;
        let client_id = &sessions[session].client_id;
        messages.judge(&mut busy.queue, who, |view, entry| {
            let may_receive =
                !owner_changed || grants.may(place, client_id, Access::Receive { topic: view.topic });
            let may_publish = view.origin != changed
                || publisher.is_none_or(|p| {
                    let access =
                        Access::Publish { topic: view.topic, qos: entry.qos(), retain: entry.retain() };
                    may_any(grants, p, names, access)
                });
            may_receive && may_publish
        });
        self.sessions[session].busy = Some(busy);
        self.sessions.release_if_idle(session);
    }

    /// Forgets Retained Messages that their publisher may not publish any more.
    fn judge_retained(&mut self, changed: IdentityId, names: &[Box<str>]) {
        let Some(place) = self.grants.find(changed) else { return };
        let Self { retained, grants, .. } = self;
        let mut from = Topic::START;
        let gone = retained.index.retain_values(&mut from, usize::MAX, |topic, kept| {
            let access = Access::Publish { topic: Text::known_str(topic), qos: kept.qos, retain: true };
            kept.origin != changed || may_any(grants, place, names, access)
        });
        for (topic, _) in gone {
            self.pen().retained_end(&topic);
        }
    }

    /// Ends subscriptions that are not allowed any more.
    fn judge_subscriptions(&mut self, session: u32) {
        let nodes = self.sessions[session].subscriptions.as_deref().cloned().unwrap_or_default();
        for node in nodes {
            let filter = self.router.filter(node);
            let s = &self.sessions[session];
            if s.kind == Kind::Client
                && !self.grants.may(s.grant, &s.client_id, Access::Subscribe { filter: &filter })
            {
                self.unsubscribe_one(session, &filter);
            }
        }
    }

    /// A will that may not be published any more is gone.
    fn judge_will(&mut self, session: u32) {
        let s = &self.sessions[session];
        let Some(will) = s.rare.as_deref().and_then(|m| m.will.as_deref()) else { return };
        let access =
            Access::Publish { topic: Text::known_str(&will.topic), qos: will.qos, retain: will.retain };
        if !self.grants.may(s.grant, &s.client_id, access) {
            self.cancel_will(session);
        }
    }

    /// What let somebody in is no more.
    pub(super) fn on_revoked(&mut self, now: Instant, identity: IdentityId, reason: ReasonCode) {
        let Some(place) = self.grants.find(identity) else { return };
        if reason == ReasonCode::Banned {
            // Who is shut out has no last word.
            let owned = self.sessions.iter().filter(|(_, s)| s.grant == place).map(|(index, _)| index);
            for session in owned.collect::<Vec<_>>() {
                self.cancel_will(session);
            }
        }
        let connected: Vec<u32> = self
            .sessions
            .iter()
            .filter(|(_, s)| s.grant == place && s.connection != NONE)
            .map(|(_, s)| s.connection)
            .collect();
        for index in connected {
            self.fail(now, index, &Fault::Revoked(reason));
        }
    }

    pub(super) fn on_grant_timer(&mut self, now: Instant, place: u32, identity: IdentityId) {
        if self.grants.find(identity) != Some(place) || self.grants[place].armed.is_some_and(|at| at > now) {
            return;
        }
        self.grants[place].armed = None;
        let Some(grant) = self.grants.grant(place) else { return };
        if grant.expires_at.is_some_and(|at| now >= at) {
            self.on_revoked(now, identity, ReasonCode::NotAuthorized);
        } else {
            self.watch_grant(now, place);
        }
    }
}

/// May any of these clients? A message that was left behind knows whose it is, and not under which Client Identifier
/// it came.
fn may_any(grants: &Grants, place: u32, names: &[Box<str>], access: Access<'_>) -> bool {
    match names {
        [] => grants.may(place, "", access),
        names => names.iter().any(|name| grants.may(place, name, access)),
    }
}
