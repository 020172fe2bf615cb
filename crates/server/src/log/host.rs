//! From what a broker tells to what is said of it.
use super::{Act, Log, Occurrence, Who};
use std::sync::Arc;
use tidewire_core::broker::policy::Peer;
use tidewire_core::broker::{Cause, Event, Limits};
use tidewire_core::time::Instant;
use tidewire_driver::Host;
use tracing::Level;

/// The log of one shard's events.
pub(crate) struct LogHost {
    pub(crate) log: Log,
    /// By their numbers.
    pub(crate) listeners: Arc<[Arc<str>]>,
    pub(crate) limits: Arc<Limits>,
}

impl Host for LogHost {
    fn event(&mut self, _: Instant, event: Event) {
        if self.log.has(Level::ERROR)
            && let Some(occurrence) = self.occurrence(event)
        {
            self.log.tell(occurrence);
        }
    }
}

impl LogHost {
    fn occurrence(&self, event: Event) -> Option<Occurrence> {
        Some(match event {
            Event::Connected { peer, client_id, version, keep_alive, session_present, .. } => {
                let who = self.who(Some(peer), Some(client_id));
                Occurrence::Connected { who, version, keep_alive, session_present }
            }
            Event::Refused { peer, client_id, username, reason, cause, .. } => {
                let who = Who { user: username, ..self.who(Some(peer), client_id) };
                Occurrence::Refused { who, reason, cause, limit: self.limit_of(&cause) }
            }
            Event::Disconnected { peer, client_id, reason, cause, .. } => {
                let who = self.who(Some(peer), Some(client_id));
                Occurrence::Closed { who, reason, cause, limit: self.limit_of(&cause) }
            }
            Event::Dropped { client_id, peer, reason, count, .. } => {
                Occurrence::Dropped { who: self.who(peer, Some(client_id)), reason, count }
            }
            Event::PublishDenied { client_id, peer, topic, count, .. } => {
                let who = self.who(peer, Some(client_id));
                Occurrence::MayNot { who, act: Act::Publish, topic, count }
            }
            Event::SubscribeDenied { client_id, peer, filter, count, .. } => {
                let who = self.who(peer, Some(client_id));
                Occurrence::MayNot { who, act: Act::Subscribe, topic: filter, count }
            }
            Event::Limited { client_id, peer, limit, count, .. } => {
                let value = self.limits.get(limit.name());
                Occurrence::LimitMet { who: self.who(peer, Some(client_id)), limit, value, count }
            }
            Event::Paused { client_id, peer, behind, count, .. } => {
                Occurrence::Paused { who: self.who(peer, Some(client_id)), behind, count }
            }
            Event::Missed { count, .. } => Occurrence::Missed { count },
            // Answers to those who asked, and what is newer than this.
            _ => return None,
        })
    }

    fn who(&self, peer: Option<Peer>, client: Option<Box<str>>) -> Who {
        let listener = peer.and_then(|peer| self.listeners.get(usize::from(peer.listener)));
        Who { listener: listener.cloned(), from: peer.map(|peer| peer.address), client, user: None }
    }

    fn limit_of(&self, cause: &Cause) -> Option<String> {
        match cause {
            Cause::Limit(limit) => self.limits.get(limit.name()),
            _ => None,
        }
    }
}
