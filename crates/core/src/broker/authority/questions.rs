//! Questions that the policy put off: each has an id, a deadline and exactly one end.
use super::policy::Grant;
use crate::broker::messages::incoming::Incoming;
use crate::id::{ConnectionId, QuestionId};
use crate::message::Publication;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// What a question is about.
pub(crate) enum About {
    /// The step that the applicant has come to.
    Connect,
    /// The step of somebody who is in, and authenticates again.
    Again,
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

/// A question that waits for its answer.
pub(crate) struct Open {
    pub(crate) connection: ConnectionId,
    pub(crate) about: About,
}

/// The open questions.
#[derive(Default)]
pub(crate) struct Questions {
    open: BTreeMap<QuestionId, Open>,
    asked: u64,
}

impl Questions {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// A question more, unless there are that many.
    pub(crate) fn ask(&mut self, connection: ConnectionId, about: About, most: usize) -> Option<QuestionId> {
        if self.open.len() >= most {
            return None;
        }
        self.asked += 1;
        let question = QuestionId(self.asked);
        self.open.insert(question, Open { connection, about });
        Some(question)
    }

    pub(crate) fn get(&self, question: QuestionId) -> Option<&Open> {
        self.open.get(&question)
    }

    /// It has been answered, or nobody needs the answer any more.
    pub(crate) fn close(&mut self, question: QuestionId) -> Option<Open> {
        self.open.remove(&question)
    }

    pub(crate) fn check(&self) {
        assert!(self.open.keys().all(|id| (1..=self.asked).contains(&id.0)), "what is open was asked");
    }

    /// For `check`: who waits for an answer.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.open.values().map(|o| o.connection)
    }
}
