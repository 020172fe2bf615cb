//! What an operator looks at: where a message is, and how much there is of everything.
use super::Broker;
use super::messages::ledger::{Fate, Ledger, Memory};
use super::messages::queue::Queued;
use crate::id::MessageId;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Where a message stands with one client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Of the client; or `$share/NAME/FILTER`, where it waits for a group.
    pub client_id: Box<str>,
    /// [`Fate::Queued`] or [`Fate::InFlight`].
    pub fate: Fate,
}

/// What a shard knows of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// Where it is now.
    pub standing: Vec<Standing>,
    /// What is remembered of it, oldest first.
    pub remembered: Vec<Memory>,
    /// Since when deliveries are remembered, and since when all else is. A message that is older than this and
    /// not found may have been here.
    pub reach: (Option<Instant>, Option<Instant>),
}

/// Counts of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Network connections, those not let in yet included.
    pub connections: u64,
    /// Sessions, those without a connection included.
    pub sessions: u64,
    /// Subscriptions of its sessions, and filters that other shards are interested in.
    pub subscriptions: u64,
    /// Retained Messages.
    pub retained: u64,
    /// Messages in the store.
    pub messages: u64,
    /// Bytes of unfinished input.
    pub incomplete_bytes: u64,
    /// Bytes of what is remembered of messages. They grow with the first of them, up to 8 MiB.
    pub remembered_bytes: u64,
    /// Connections that were forgiven a fault, as [`Config::lenient`](super::Config) allows.
    pub forgiven: u64,
    /// Questions without an answer.
    pub questions: u64,
    /// Mail that was handed in as another shard's than it is, or out of its order: a fault of the host, and what
    /// follows on it is lost.
    pub misdelivered: u64,
    /// The books.
    pub ledger: Ledger,
}

impl Broker {
    pub(super) fn trace_message(&self, message: MessageId) -> Trace {
        let mut standing = Vec::new();
        for (_, session) in self.sessions.iter() {
            let Some(busy) = session.busy.as_deref() else { continue };
            let mut found = |fate| standing.push(Standing { client_id: session.client_id.clone(), fate });
            for entry in busy.queue.iter() {
                if let Queued::Message(m) = entry.what()
                    && self.messages.store.id(m) == message
                {
                    found(Fate::Queued);
                }
            }
            for (entry, ..) in busy.sender.iter() {
                if self.messages.store.id(entry.message_ref()) == message {
                    found(Fate::InFlight);
                }
            }
        }
        for (_, group) in self.groups.iter() {
            let here = group.waiting().filter(|e| self.messages.store.id(e.message_ref()) == message);
            standing.extend(here.map(|_| Standing { client_id: group.share(), fate: Fate::Queued }));
        }
        Trace {
            standing,
            remembered: self.messages.books.remember(message),
            reach: self.messages.books.reach(),
        }
    }

    pub(super) fn count(&self) -> Stats {
        let mut ledger = self.messages.books.ledger().clone();
        (ledger.mailed, ledger.settled) = self.shards.post.totals();
        let (incomplete, strangers) = self.connections.room.bytes();
        Stats {
            connections: self.connections.len() as u64,
            sessions: self.sessions.len() as u64,
            subscriptions: self.router.subscriptions() as u64,
            retained: self.retained.index.len() as u64,
            messages: self.messages.store.len() as u64,
            incomplete_bytes: incomplete + strangers,
            remembered_bytes: self.messages.books.bytes() as u64,
            forgiven: self.connections.room.forgiven(),
            misdelivered: self.shards.post.misdelivered(),
            questions: self.questions.len() as u64,
            ledger,
        }
    }
}
