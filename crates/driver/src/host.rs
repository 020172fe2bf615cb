//! What a shard leaves to the program around it.
use std::fmt;
use std::sync::Arc;
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
/// It must not block: it hands the bytes to whoever syncs them and returns. What became of them its shard hears by
/// [`Synced`].
pub trait Journal {
    /// Once, on the shard's thread, before anything is appended. Positions count from here on. So many bytes of what was
    /// recorded before were whole: what stands behind them is torn, and is cut off first.
    fn begin(&mut self, whole: Position, synced: Synced);

    /// The next records; with them the journal reaches up to `up_to`.
    fn append(&mut self, bytes: &[u8], up_to: Position);
}

/// By which a journal tells its shard what became of the records, from any thread.
#[derive(Clone)]
pub struct Synced(Arc<dyn Fn(Option<Position>) + Send + Sync>);

impl fmt::Debug for Synced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synced").finish_non_exhaustive()
    }
}

impl Synced {
    /// Where it is told. `None`: the journal can't be written.
    pub fn new(tell: impl Fn(Option<Position>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// All is durable up to there.
    pub fn durable(&self, up_to: Position) {
        (self.0)(Some(up_to));
    }

    /// The journal can't be written: nothing that needs it is promised from here on.
    pub fn failed(&self) {
        (self.0)(None);
    }
}
