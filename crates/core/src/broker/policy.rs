//! Decisions that are not the protocol's to make.
mod open;

pub use open::{ANONYMOUS, Everything, Open};

use crate::codec::{PropertiesBuf, Property, PropertyError, Publish};
use crate::id::IdentityId;
use crate::message::Publication;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;

/// Called in the middle of things, so it must not block.
///
/// What takes longer says `Later`; the broker then asks by [`Action::Ask`](super::Action::Ask), reads nothing
/// more from that connection, and refuses when its deadline passes.
pub trait Policy {
    /// One step of a CONNECT or an AUTH exchange.
    fn authenticate(&mut self, now: Instant, peer: &Peer, step: &AuthStep) -> Authentication;

    /// What an identity may do that is known from the journal only; `None`: nothing is delivered to it until it
    /// connects.
    fn known(&mut self, now: Instant, identity: IdentityId) -> Option<Grant>;

    /// May this be published, and as what? Asked after the rights allowed it.
    fn admit(&mut self, now: Instant, publisher: &Grant, publish: &Publish<'_>) -> Admission {
        let _ = (now, publisher, publish);
        Admission::AsIs
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address and port.
    pub address: SocketAddr,
    /// Which of the host's listeners accepted it.
    pub listener: u16,
}

/// What a client said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthStep {
    /// In its CONNECT.
    Connect {
        /// As it will be known: an empty one has been replaced by the one assigned.
        client_id: Box<str>,
        /// User Name.
        username: Option<Box<str>>,
        /// Password.
        password: Option<Box<[u8]>>,
        /// Authentication Method and Data.
        method: Option<(Box<str>, Box<[u8]>)>,
    },
    /// In an AUTH that goes on, or begins anew.
    Continue {
        /// Authentication Method, the same as in the CONNECT.
        method: Box<str>,
        /// Authentication Data.
        data: Box<[u8]>,
    },
}

/// What a [`Policy`] says of somebody who wants in.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// Welcome.
    Allow(Grant),
    /// Not yet: send this, as Authentication Data.
    Continue(Box<[u8]>),
    /// No.
    Deny(Denial),
    /// Ask again, by [`Action::Ask`](super::Action::Ask).
    Later,
}

/// What a [`Policy`] says of a message.
#[derive(Clone, Debug)]
pub enum Admission {
    /// Publish it.
    AsIs,
    /// Publish this instead. Of a payload that is still to come only what stands before it can be changed: the
    /// payload given here is ignored then.
    Changed(Publication),
    /// Do not.
    Deny(Denial),
    /// Ask again, by [`Action::Ask`](super::Action::Ask).
    Later,
}

/// An answer to what was put off. It cannot put off again.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To `Authenticate`.
    Allow(Grant),
    /// To `Authenticate`: go on with another step.
    Continue(Box<[u8]>),
    /// To `Admit`: publish it.
    Admit,
    /// To `Admit`: publish this instead.
    Changed(Publication),
    /// To either: no.
    Deny(Denial),
}

/// No, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denial {
    /// For the peer.
    pub reason: ReasonCode,
    pub(super) told: Option<Box<str>>,
}

impl Denial {
    /// Without a Reason String.
    pub const fn new(reason: ReasonCode) -> Self {
        Self { reason, told: None }
    }

    /// With a Reason String for the peer, who may know. It is left out where it has no room. (5.0)
    ///
    /// # Errors
    /// It contains U+0000, or has more than 65,535 bytes.
    pub fn with_reason_string(self, words: &str) -> Result<Self, PropertyError> {
        PropertiesBuf::of([Property::ReasonString(words)])?;
        Ok(Self { told: Some(words.into()), ..self })
    }

    /// The Reason String, if there is one.
    pub fn reason_string(&self) -> Option<&str> {
        self.told.as_deref()
    }

    /// The words as a property.
    pub(super) fn words(&self) -> PropertiesBuf {
        PropertiesBuf::of(self.told.as_deref().map(Property::ReasonString))
            .expect("`with_reason_string` has checked it, and what the broker says itself is short")
    }
}

/// What somebody may do, until when, within which limits.
#[derive(Clone)]
pub struct Grant {
    /// Who it is.
    pub identity: IdentityId,
    /// What is allowed.
    pub rights: Arc<dyn Rights + Send + Sync>,
    /// Nobody in particular: limits by identity do not apply.
    pub anonymous: bool,
    /// When it ends by itself.
    pub expires_at: Option<Instant>,
    /// What happens to messages that its full queues can't take.
    pub queue_policy: QueuePolicy,
}

impl Grant {
    /// Of somebody in particular, without an end.
    pub fn new(identity: IdentityId, rights: Arc<dyn Rights + Send + Sync>) -> Self {
        Self { identity, rights, anonymous: false, expires_at: None, queue_policy: QueuePolicy::default() }
    }
}

/// What happens when a queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueuePolicy {
    /// The message is refused; if no recipient takes it, its publisher is told.
    #[default]
    Reject,
    /// The oldest message in the queue makes room.
    DropOldest,
    /// The new message is dropped, and its publisher hears nothing of it.
    DropNewest,
    /// The new message is dropped, and the one who is too slow is disconnected.
    Disconnect,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Rights, compiled: asked on the path of every message, so nanoseconds, and never `Later`.
pub trait Rights {
    /// May this client do that?
    fn may(&self, client_id: &str, access: Access<'_>) -> Ruling;
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<'a> {
    /// Send a message.
    Publish {
        /// A Topic Name.
        topic: Text<'a>,
        /// At this QoS.
        qos: QoS,
        /// To be kept.
        retain: bool,
    },
    /// Subscribe.
    Subscribe {
        /// A Topic Filter, without `$share/name/`.
        filter: &'a str,
    },
    /// Be sent a message.
    Receive {
        /// A Topic Name.
        topic: Text<'a>,
    },
}

/// A verdict that can say which rule it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Yes or no.
    pub allow: bool,
    /// Which rule; its meaning is the policy's.
    pub rule: u32,
}
