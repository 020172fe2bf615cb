//! Rights that change, and credentials that end.
use super::Broker;
use super::authority::policy::{Access, Grant};
use super::base::NONE;
use super::connection::fault::Fault;
use super::retained::index::Place as Topic;
use super::session::{Busy, Kind};
use crate::id::IdentityId;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::time::Instant;
use alloc::vec::Vec;

impl Broker {
    /// New rights hold at once: remembered rulings are forgotten, and what waits is judged again.
    pub(super) fn on_grant(&mut self, now: Instant, grant: &Grant) {
        let identity = grant.identity;
        // Nobody's session may rest on it here, and yet messages that it left behind do.
        let is_here = self.grants.find(identity, grant.variant).is_some();
        let place = self.grants.set(grant);
        if is_here {
            self.watch_grant(now, place);
        }
        self.router.forget_all();
        let sessions: Vec<u32> = self.sessions.iter().map(|(index, _)| index).collect();
        for session in sessions {
            self.judge_queue(session, identity);
        }
        self.judge_retained(identity);
        for session in self.resting_on(|of| of == place) {
            self.judge_subscriptions(session);
            self.judge_will(session);
        }
        self.grants.release_if_idle(place);
    }

    /// The sessions that rest on such places in the table of grants.
    fn resting_on(&self, is_wanted: impl Fn(u32) -> bool) -> Vec<u32> {
        self.sessions.iter().filter(|(_, s)| is_wanted(s.grant)).map(|(index, _)| index).collect()
    }

    /// Somebody came back to its session with another variant of its rights: remembered rulings are forgotten, and what
    /// waits in the session is judged again.
    pub(super) fn judge_resumed(&mut self, session: u32, identity: IdentityId) {
        self.router.forget_all();
        self.judge_queue(session, identity);
        self.judge_subscriptions(session);
    }

    /// Takes out of what waits for a session what its owner may not receive, or its publisher not publish, any more.
    fn judge_queue(&mut self, session: u32, changed: IdentityId) {
        let place = self.sessions[session].grant;
        let Some(mut busy) = self.sessions.take_busy(session) else { return };
        let who = self.sessions.recipient(session);
        let owner_changed = place != NONE && self.grants.identity(place) == changed;
        let Self { sessions, grants, messages, .. } = self;
        let client_id = &sessions[session].client_id;
        let Busy { queue, sender, .. } = &mut *busy;
        messages.judge(queue, sender, who, |view, entry| {
            let may_receive =
                !owner_changed || grants.may(place, client_id, Access::Receive { topic: view.topic });
            let access = Access::Publish { topic: view.topic, qos: entry.qos(), retain: entry.retain() };
            let may_publish = view.origin != changed || grants.may_any(changed, access);
            may_receive && may_publish
        });
        self.sessions[session].busy = Some(busy);
        self.caught_up(session);
        self.sessions.release_if_idle(session);
    }

    /// Forgets Retained Messages that their publisher may not publish any more.
    fn judge_retained(&mut self, changed: IdentityId) {
        let Self { retained, grants, .. } = self;
        let mut from = Topic::START;
        let gone = retained.index.retain_values(&mut from, usize::MAX, |topic, kept| {
            let access = Access::Publish { topic: Text::known_str(topic), qos: kept.qos, retain: true };
            kept.origin != changed || grants.may_any(changed, access)
        });
        for (topic, _) in gone {
            self.pen().retained_end(&topic);
        }
    }

    /// Ends subscriptions that are not allowed any more.
    fn judge_subscriptions(&mut self, session: u32) {
        let nodes = self.sessions[session].subscriptions.as_deref().cloned().unwrap_or_default();
        for node in nodes.iter() {
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
        let places: Vec<u32> = self.grants.of(identity).collect();
        let owned = self.resting_on(|place| places.contains(&place));
        if reason == ReasonCode::Banned {
            // Who is shut out has no last word.
            owned.iter().for_each(|session| self.cancel_will(*session));
        }
        self.end_connections(now, owned, reason);
    }

    fn end_connections(&mut self, now: Instant, sessions: Vec<u32>, reason: ReasonCode) {
        for session in sessions {
            let connection = self.sessions[session].connection;
            if connection != NONE {
                self.fail(now, connection, &Fault::Revoked(reason));
            }
        }
    }

    pub(super) fn on_grant_timer(&mut self, now: Instant, place: u32, identity: IdentityId) {
        let Some(granted) = self.grants.get_mut(place).filter(|granted| granted.identity == identity) else {
            return;
        };
        if granted.armed.is_some_and(|at| at > now) {
            return;
        }
        granted.armed = None;
        let Some(grant) = &granted.grant else { return };
        if grant.expires_at.is_some_and(|at| now >= at) {
            let owned = self.resting_on(|of| of == place);
            self.end_connections(now, owned, ReasonCode::NotAuthorized);
        } else {
            self.watch_grant(now, place);
        }
    }
}
