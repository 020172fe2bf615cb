//! From what a broker tells to what is said of it.
use super::{Act, Log, Occurrence, Who};
use std::sync::Arc;
use tidewire_core::broker::policy::Peer;
use tidewire_core::broker::{Broker, Cause, Event, Limits};
use tidewire_core::id::{LocalId, QuestionId};
use tidewire_core::time::Instant;
use tidewire_driver::{Asked, Host};
use tracing::Level;

/// The log of one shard's events, and the program around the server, if it wants to know them too.
pub(crate) struct LogHost {
    pub(crate) log: Log,
    pub(crate) program: Option<Box<dyn Host + Send>>,
    /// Nobody is asked who they are.
    pub(crate) anonymous: bool,
    /// By their numbers.
    pub(crate) listeners: Arc<[Arc<str>]>,
    pub(crate) limits: Arc<Limits>,
}

impl Host for LogHost {
    fn ask(&mut self, now: Instant, id: QuestionId, question: Asked) {
        if let Some(program) = &mut self.program {
            program.ask(now, id, question);
        }
    }

    fn event(&mut self, now: Instant, event: Event) {
        if let Some(program) = &mut self.program {
            program.event(now, event.clone());
        }
        if self.log.has(Level::ERROR)
            && let Some(occurrence) = self.occurrence(event)
        {
            self.log.tell(occurrence);
        }
    }

    fn local(&mut self, now: Instant, broker: &mut Broker, id: LocalId) {
        if let Some(program) = &mut self.program {
            program.local(now, broker, id);
        }
    }
}

impl LogHost {
    fn occurrence(&self, event: Event) -> Option<Occurrence> {
        Some(match event {
            Event::Connected { peer, client_id, version, keep_alive, session_present, .. } => {
                let who = self.who(Some(peer), Some(client_id));
                let anonymous = self.anonymous;
                Occurrence::Connected { who, anonymous, version, keep_alive, session_present }
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
