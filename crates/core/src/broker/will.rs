//! Wills: one value with exactly one exit, published or cancelled.
use super::Broker;
use super::connection::NONE;
use super::policy::Access;
use super::session::NEVER;
use super::store::{Content, View};
use crate::codec;
use crate::id::IdentityId;
use crate::qos::QoS;
use crate::text::Text;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A Will Message, from CONNECT to its exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Will {
    pub(super) topic: Box<str>,
    /// Those that travel with it, encoded.
    pub(super) properties: Box<[u8]>,
    pub(super) payload: Box<[u8]>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) expiry: Option<u32>,
    /// Will Delay Interval in seconds.
    pub(super) delay: u32,
}

impl Will {
    pub(super) fn new(will: &codec::Will<'_>) -> Self {
        let mut properties = Vec::new();
        will.properties.travelling(&mut properties);
        Self {
            topic: will.topic.into(),
            properties: properties.into(),
            payload: will.payload.into(),
            qos: will.qos,
            retain: will.retain,
            expiry: will.properties.message_expiry_interval(),
            delay: will.properties.will_delay_interval().unwrap_or(0),
        }
    }
}

impl Broker {
    /// The client said goodbye, or came back in time: nobody is to hear of it. [MQTT-3.1.2-10] [MQTT-3.1.3-9]
    pub(super) fn cancel_will(&mut self, session: u32) {
        if let Some(more) = self.sessions[session].more.as_deref_mut() {
            more.will_at = None;
            if more.will.take().is_some() {
                self.journal_will(session);
            }
        }
    }

    /// The connection is gone without goodbye: the will is due now, or after its delay, or when the session ends,
    /// whichever comes first. [MQTT-3.1.2-8]
    pub(super) fn will_is_due(&mut self, now: Instant, session: u32) {
        let expiry = self.sessions[session].expiry;
        let Some(more) = self.sessions[session].more.as_deref_mut() else { return };
        let Some(will) = more.will.as_deref() else { return };
        let delay = if expiry == NEVER { will.delay } else { will.delay.min(expiry) };
        if delay == 0 {
            return self.publish_will(now, session);
        }
        more.will_at = Some(now.after_secs(u64::from(delay)));
        self.watch_session(now, session);
    }

    /// Publishes it on the same path as any message.
    pub(super) fn publish_will(&mut self, now: Instant, session: u32) {
        let Some(more) = self.sessions[session].more.as_deref_mut() else { return };
        more.will_at = None;
        let Some(will) = more.will.take() else { return };
        self.journal_will(session);
        let grant = self.sessions[session].grant;
        let access =
            Access::Publish { topic: Text::known_str(&will.topic), qos: will.qos, retain: will.retain };
        let allowed = self.grants.may(grant, &self.sessions[session].client_id, access);
        let id = self.next_message_id(now);
        let publisher = self.publisher_hash(session, 0);
        if !allowed {
            self.depot.books.decided(id, super::ledger::Verdict::NotAuthorized, 0, publisher);
            return;
        }
        let origin = if grant == NONE { IdentityId(0) } else { self.grants[grant].identity };
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
}
