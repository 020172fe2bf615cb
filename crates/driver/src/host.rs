//! What a shard leaves to the program around it.
use tidewire_core::broker::policy::{AuthStep, Grant, Peer};
use tidewire_core::broker::{Broker, Event, Question};
use tidewire_core::id::{LocalId, Position, QuestionId};
use tidewire_core::message::Publication;
use tidewire_core::time::Instant;

/// The program around a shard: called on the shard's thread, in the middle of a turn, so it must not block.
///
/// What each method does unless it is written: nothing. An unanswered question is refused by its deadline.
pub trait Host {
    /// Find the answer and send it as [`Post::Answer`](crate::Post::Answer).
    fn ask(&mut self, now: Instant, id: QuestionId, question: Asked) {
        let _ = (now, id, question);
    }

    /// Something to know.
    fn event(&mut self, now: Instant, event: Event) {
        let _ = (now, event);
    }

    /// A local subscriber has something to take with `poll_local`.
    fn local(&mut self, now: Instant, broker: &mut Broker, id: LocalId) {
        let _ = (now, broker, id);
    }
}

/// A host that wants to know nothing.
impl Host for () {}

/// A question that can leave the shard's thread.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Asked {
    /// May this client come in?
    #[non_exhaustive]
    Authenticate {
        /// Where it comes from.
        peer: Peer,
        /// What it said.
        step: AuthStep,
    },
    /// May this be published?
    #[non_exhaustive]
    Admit {
        /// By whom.
        publisher: Grant,
        /// What.
        publication: Publication,
    },
}

impl Asked {
    /// `None` for a kind of question that is newer than this crate.
    pub(crate) fn of(question: &Question<'_>) -> Option<Self> {
        match question {
            Question::Authenticate { peer, step, .. } => {
                Some(Self::Authenticate { peer: *peer, step: (*step).clone() })
            }
            Question::Admit { publisher, publication, .. } => {
                Some(Self::Admit { publisher: (*publisher).clone(), publication: (*publication).clone() })
            }
            _ => None,
        }
    }
}

/// Where a durable broker's records go.
///
/// It must not block: it hands the bytes to whoever syncs them and returns. What became of them comes back as
/// [`Post::Durable`](crate::Post::Durable) or [`Post::JournalFailed`](crate::Post::JournalFailed).
pub trait Journal {
    /// The next records; with them the journal reaches up to `up_to`.
    fn append(&mut self, bytes: &[u8], up_to: Position);
}
