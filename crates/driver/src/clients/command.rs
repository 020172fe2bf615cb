//! What a handle asks of the loop.
use super::error::Error;
use super::fate::Fate;
use super::slot::Slot;
use super::streams::StreamId;
use super::window::Outcome;
use std::sync::Arc;
use std::time::Duration;
use tidewire_core::client::{Goodbye, Server, Subscription, Withdrawn};
use tidewire_core::id::Token;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicFilter;

/// What a handle asks of the loop.
pub(crate) enum Command {
    /// Its fate comes beside the commands.
    Publish(Publication),
    Subscribe(Box<[Subscription]>, Option<u32>, Arc<Slot<Box<[ReasonCode]>>>),
    Unsubscribe(Box<[TopicFilter]>, Arc<Slot<Box<[ReasonCode]>>>),
    /// What comes for these goes to a stream; done when all are granted, or none is.
    Follow(Follow),
    /// Subscriptions that are to be ended.
    Leave(Leaving),
    /// A message of a stream is answered.
    Answer(Token, Outcome),
    /// A message that was accepted is taken back; if it was sent, only if that is asked for.
    Withdraw {
        message: Fate,
        even_if_sent: bool,
        slot: Option<Arc<Slot<Withdrawn>>>,
    },
    /// A request, to be answered within that time.
    Request(Publication, Duration, Arc<Slot<super::Message>>),
    /// Nobody waits for its answer.
    ForgetRequest(Arc<Slot<super::Message>>),
    /// This connection is given up, or the wait for the next attempt.
    Reconnect(Arc<Slot<Arc<Server>>>),
    Acknowledge(Token, ReasonCode),
    Authenticate(ReasonCode, Box<[u8]>),
    Disconnect(Duration, Goodbye),
    Connect,
}

/// A subscription whose messages go to a stream.
pub(crate) struct Follow {
    pub(crate) subscriptions: Box<[Subscription]>,
    pub(crate) identifier: u32,
    pub(crate) stream: StreamId,
    /// Those among them that the stream did not have.
    pub(crate) added: Vec<TopicFilter>,
    pub(crate) slot: Arc<Slot<Box<[QoS]>>>,
}

/// Subscriptions that are to be ended.
#[derive(Default)]
pub(crate) struct Leaving {
    /// Those that nobody wants: the server is asked to end them.
    pub(crate) filters: Vec<TopicFilter>,
    /// The stream that has them until then, if one has.
    pub(crate) stream: Option<StreamId>,
    /// It is over then.
    pub(crate) finishes: bool,
    pub(crate) slot: Option<Arc<Slot<()>>>,
}

impl Leaving {
    pub(super) fn fail(&self, error: &Error) {
        if let Some(slot) = &self.slot {
            slot.put(Err(error.clone()));
        }
    }
}

impl Command {
    /// It can't be done.
    pub(super) fn end(self, error: &Error) {
        match self {
            Self::Subscribe(_, _, slot) | Self::Unsubscribe(_, slot) => slot.put(Err(error.clone())),
            Self::Follow(follow) => follow.slot.put(Err(error.clone())),
            Self::Request(_, _, slot) => slot.put(Err(error.clone())),
            Self::Leave(leaving) => leaving.fail(error),
            Self::Reconnect(slot) => slot.put(Err(error.clone())),
            Self::Withdraw { slot: Some(slot), .. } => slot.put(Err(error.clone())),
            _ => {}
        }
    }
}
