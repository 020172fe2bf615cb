//! Questions that the policy put off: each has a ticket, a deadline and exactly one end.
use super::policy::Grant;
use crate::broker::messages::incoming::Incoming;
use crate::id::ConnectionId;
use crate::message::Publication;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// What a question is about.
pub(crate) enum About {
    /// The step in the connection's greeting.
    Connect,
    /// A PUBLISH that waits; its head only, if its payload is still to come.
    Publish(Box<Waiting>),
}

/// A PUBLISH that the policy has not judged yet.
pub(crate) struct Waiting {
    pub(crate) incoming: Incoming,
    pub(crate) publisher: Grant,
    /// As the policy's host is asked.
    pub(crate) publication: Publication,
}

pub(crate) struct Open {
    pub(crate) connection: ConnectionId,
    pub(crate) about: About,
}

/// The open questions, by ticket.
#[derive(Default)]
pub(crate) struct Questions {
    pub(crate) open: BTreeMap<u64, Open>,
    pub(crate) asked: u64,
}

impl Questions {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn check(&self) {
        assert!(self.open.keys().all(|ticket| (1..=self.asked).contains(ticket)), "what is open was asked");
    }

    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.open.values().map(|o| o.connection)
    }
}
