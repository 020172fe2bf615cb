//! How a session loses its connection, and what follows from that: its will, and its end.
use super::Broker;
use super::authority::policy::Access;
use super::base::NONE;
use super::base::rules::Rule;
use super::messages::ledger::{Fate, Reason, Verdict};
use super::messages::store::{Content, View};
use super::router::Subscriber;
use super::session::{Busy, NEVER};
use crate::text::Text;
use crate::time::Instant;

/// How a session loses its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// DISCONNECT with Reason Code 0x00: no will. [MQTT-3.14.4-3]
    Goodbye,
    /// Any other end.
    Lost,
    /// Another connection takes the session.
    TakenOver,
}

impl Broker {
    /// The session that this connection carried goes on without it, or ends.
    pub(super) fn leave(&mut self, now: Instant, index: u32, leaving: Leaving) {
        let session = self.connections[index].session;
        if session != NONE {
            self.detach(now, session, leaving);
        }
    }

    /// A session loses its connection.
    pub(super) fn detach(&mut self, now: Instant, session: u32, leaving: Leaving) {
        let index = self.sessions[session].connection;
        debug_assert_ne!(index, NONE, "it had one");
        self.connections.detach(index);
        let accepted = self.connections[index].accepted(now);
        let s = &mut self.sessions[session];
        s.connection = NONE;
        if leaving != Leaving::TakenOver && s.expiry > 0 {
            s.rare.get_or_insert_default().accepted = Some(accepted);
        }
        if s.grant != NONE {
            self.grants.end_connection(s.grant);
        }
        self.wake_publishers(session);
        if leaving != Leaving::TakenOver || !self.rules.obeys(Rule::TakeoverIsNoDeath) {
            self.suspend_memberships(session);
        }
        if let Some(mut busy) = self.sessions.take_busy(session) {
            self.abandon_replays(&mut busy);
            if self.limits.queue_qos_0 == 0 {
                self.messages.drop_once(&mut busy.queue, self.sessions.recipient(session));
            }
            busy.queue.stall(false);
            self.sessions[session].busy = Some(busy);
        }
        self.sessions.release_if_idle(session);
        self.after_connection(now, session, leaving);
    }

    /// What a session without a connection does: its will, and its end. [MQTT-3.1.2-23]
    pub(super) fn after_connection(&mut self, now: Instant, session: u32, leaving: Leaving) {
        let expiry = self.sessions[session].expiry;
        match leaving {
            Leaving::Goodbye if self.rules.obeys(Rule::GoodbyeTakesItBack) => self.cancel_will(session),
            _ if self.rules.obeys(Rule::WillWhenLost) => self.will_is_due(now, session),
            _ => self.cancel_will(session),
        }
        if leaving == Leaving::TakenOver {
            return;
        }
        if expiry == 0 {
            return self.end_session(now, session);
        }
        if expiry != NEVER && self.rules.obeys(Rule::ExpiresInTime) {
            self.sessions[session].rare.get_or_insert_default().ends_at =
                Some(now.after_secs(u64::from(expiry)));
            self.watch_session(now, session);
        }
        self.pen().session(now, session, false);
    }

    /// A session ends: its will is published if it still has one, its subscriptions go, and what it had not got
    /// has its fate. [MQTT-4.1.0-1]
    pub(super) fn end_session(&mut self, now: Instant, session: u32) {
        self.publish_will(now, session);
        self.leave_groups(session);
        let subscriptions = self.sessions[session].subscriptions.take();
        for node in subscriptions.iter().flat_map(|nodes| nodes.iter()) {
            self.unsubscribe_at(node, Subscriber::session(session));
        }
        self.wake_publishers(session);
        let who = self.sessions.recipient(session);
        if let Some(mut busy) = self.sessions.take_busy(session) {
            self.abandon_replays(&mut busy);
            self.messages.clear(&mut busy.queue, &mut busy.sender, who, Fate::Dropped(Reason::SessionEnded));
            busy.receiver.clear();
            busy.unsettled.clear();
            self.sessions[session].busy = Some(busy);
            // What it had begun its groups give to nobody else, also if a crash comes next.
            if !self.messages.answered.is_empty() {
                self.answer_offers();
            }
        }
        self.tell_last(session);
        self.pen().session_end(session);
        self.rest_on(session, NONE);
        self.sessions.remove(session);
    }

    /// The connection is gone without goodbye: the will is due now, or after its delay, or when the session ends,
    /// whichever comes first. [MQTT-3.1.2-8]
    pub(super) fn will_is_due(&mut self, now: Instant, session: u32) {
        let expiry = self.sessions[session].expiry;
        let Some(rare) = self.sessions[session].rare.as_deref_mut() else { return };
        let Some(will) = rare.will.as_deref() else { return };
        let delay = if expiry == NEVER { will.delay } else { will.delay.min(expiry) };
        if delay == 0 || !self.rules.obeys(Rule::WillWaits) {
            return self.publish_will(now, session);
        }
        rare.will_at = Some(now.after_secs(u64::from(delay)));
        self.watch_session(now, session);
    }

    /// Publishes it on the same path as any message. [MQTT-3.1.2-14] [MQTT-3.1.2-15]
    pub(super) fn publish_will(&mut self, now: Instant, session: u32) {
        let Some(rare) = self.sessions[session].rare.as_deref_mut() else { return };
        rare.will_at = None;
        let Some(will) = rare.will.take() else { return };
        let grant = self.sessions[session].grant;
        let access =
            Access::Publish { topic: Text::known_str(&will.topic), qos: will.qos, retain: will.retain };
        let allowed = self.grants.may(grant, &self.sessions[session].client_id, access);
        let id = self.here.message_id(now);
        let publisher = self.sessions.publisher_hash(session, 0);
        if !allowed {
            self.pen().will(session);
            self.messages.books.decided(id, Verdict::NotAuthorized, 0, publisher);
            return;
        }
        let origin = self.grants.identity(grant);
        let expires_at = will.expiry.map(|seconds| now.after_secs(u64::from(seconds)));
        let view = View {
            id,
            origin,
            expires_at,
            topic: Text::known_str(&will.topic),
            properties: &will.properties,
            content: Content::Small(&will.payload),
        };
        self.publish_inner(session, &view, will.qos, will.retain, None);
    }

    /// The client said goodbye, or came back in time: nobody is to hear of it. [MQTT-3.1.2-10] [MQTT-3.1.3-9]
    pub(super) fn cancel_will(&mut self, session: u32) {
        if let Some(rare) = self.sessions[session].rare.as_deref_mut() {
            rare.will_at = None;
            if rare.will.take().is_some() {
                self.pen().will(session);
            }
        }
    }

    /// The connection is gone: a replay that was not through is not taken up again.
    pub(super) fn abandon_replays(&mut self, busy: &mut Busy) {
        let abandoned = busy.queue.take_replays(|place| drop(self.retained.replays.remove(place)));
        self.messages.books.abandon_replays(abandoned);
    }
}
