//! Decisions that are not the protocol's to make.
//!
//! ```
//! use std::sync::Arc;
//! use tidewire_core::broker::policy::{
//!     Access, AuthStep, Authentication, Denial, Grant, Peer, Policy, Rights, Ruling,
//! };
//! use tidewire_core::id::IdentityId;
//! use tidewire_core::reason::ReasonCode;
//! use tidewire_core::time::Instant;
//!
//! /// Lets one user in, who may publish below a topic of its own and hear of everything.
//! struct OneUser;
//!
//! impl Policy for OneUser {
//!     fn authenticate(&mut self, _: Instant, _: &Peer, step: &AuthStep) -> Authentication {
//!         match step {
//!             AuthStep::Connect { username: Some(name), password: Some(password), .. }
//!                 if **name == *"pump" && **password == *b"secret" =>
//!             {
//!                 Authentication::Allow(Grant::new(IdentityId(1), Arc::new(Self)))
//!             }
//!             _ => Authentication::Deny(Denial::new(ReasonCode::BadUserNameOrPassword)),
//!         }
//!     }
//!
//!     fn known(&mut self, _: Instant, identity: IdentityId, _variant: u32) -> Option<Grant> {
//!         (identity == IdentityId(1)).then(|| Grant::new(identity, Arc::new(Self)))
//!     }
//! }
//!
//! impl Rights for OneUser {
//!     fn may(&self, _client_id: &str, access: Access<'_>) -> Ruling {
//!         match access {
//!             Access::Publish { topic, .. } if !topic.as_bytes().starts_with(b"pump/") => Ruling::deny(1),
//!             Access::Publish { .. } | Access::Subscribe { .. } | Access::Receive { .. } => Ruling::allow(0),
//!             // What is not known yet is not allowed.
//!             _ => Ruling::deny(2),
//!         }
//!     }
//!
//!     fn may_any(&self, access: Access<'_>) -> bool {
//!         self.may("", access).allow
//!     }
//! }
//! ```
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
/// What takes longer says `Later`; the broker then asks by [`Action::Ask`](crate::broker::Action::Ask), reads nothing
/// more from that connection, and refuses when its deadline passes. One that decides at once stands [above](self).
///
/// ```
/// use std::sync::Arc;
/// use tidewire_core::broker::policy::{Answer, AuthStep, Authentication, Everything, Grant, Peer, Policy};
/// use tidewire_core::broker::{Action, Broker, Config, Event, Question};
/// use tidewire_core::id::IdentityId;
/// use tidewire_core::time::Instant;
///
/// /// Somebody else knows who may come in.
/// struct Directory;
///
/// impl Policy for Directory {
///     fn authenticate(&mut self, _: Instant, _: &Peer, _: &AuthStep) -> Authentication {
///         Authentication::Later
///     }
///
///     fn known(&mut self, _: Instant, _: IdentityId, _: u32) -> Option<Grant> {
///         None
///     }
/// }
///
/// let now = Instant::from_secs(1_700_000_000);
/// let mut broker = Broker::new(now, Config::new(Box::new(Directory), [2; 32]));
/// let alice = broker.handle_open(now, Peer::new(([127, 0, 0, 1], 50_000).into(), 0));
/// let _ = broker.handle_bytes(now, alice, b"\x10\x11\0\x04MQTT\x04\x02\0\x3c\0\x05alice");
///
/// let Some(Action::Ask(question)) = broker.poll_action() else { panic!("it asks first") };
/// let Some(Question::Authenticate { step, .. }) = broker.question(question) else { panic!("who that is") };
/// assert!(matches!(step, AuthStep::Connect { client_id, .. } if **client_id == *"alice"));
/// // Any time later, from any thread: the directory has answered.
/// let grant = Grant::new(IdentityId(7), Arc::new(Everything));
/// broker.handle_answer(now, question, Answer::Allow(grant));
///
/// let told = broker.poll_event();
/// assert!(matches!(told, Some(Event::Connected { identity: IdentityId(7), .. })));
/// ```
pub trait Policy {
    /// One step of a CONNECT or an AUTH exchange.
    fn authenticate(&mut self, now: Instant, peer: &Peer, step: &AuthStep) -> Authentication;

    /// What an identity, with the variant of its rights, may do that is known from the journal only; `None`: nothing is
    /// delivered to it until it connects.
    fn known(&mut self, now: Instant, identity: IdentityId, variant: u32) -> Option<Grant>;

    /// May this be published, and as what? Asked after the rights allowed it.
    fn admit(&mut self, now: Instant, publisher: &Grant, publish: &Publish<'_>) -> Admission {
        let _ = (now, publisher, publish);
        Admission::AsIs
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its address and port.
    pub address: SocketAddr,
    /// Which of the host's listeners accepted it.
    pub listener: u16,
}

impl Peer {
    /// The process that the broker is in: no listener has accepted it, and nobody else can come so.
    pub const WITHIN: Self = Self {
        address: SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), 0),
        listener: u16::MAX,
    };

    /// From this address, by the host's listener of that number.
    pub const fn new(address: SocketAddr, listener: u16) -> Self {
        Self { address, listener }
    }
}

/// What a client said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthStep {
    /// In its CONNECT.
    #[non_exhaustive]
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
    /// In an AUTH that begins anew, from somebody who is in: what it is granted now takes the place of what it was
    /// granted. It has to be the same identity.
    #[non_exhaustive]
    Again {
        /// Authentication Method, the same as in the CONNECT.
        method: Box<str>,
        /// Authentication Data.
        data: Box<[u8]>,
    },
    /// In an AUTH that goes on.
    #[non_exhaustive]
    Continue {
        /// Authentication Method, the same as in the CONNECT.
        method: Box<str>,
        /// Authentication Data.
        data: Box<[u8]>,
    },
}

/// For tests of policies: what a broker asks.
impl AuthStep {
    /// A CONNECT with this Client Identifier, User Name and Password, and without an Authentication Method.
    pub fn connect(client_id: &str, username: Option<&str>, password: Option<&[u8]>) -> Self {
        Self::Connect {
            client_id: client_id.into(),
            username: username.map(Into::into),
            password: password.map(Into::into),
            method: None,
        }
    }
}

/// What a [`Policy`] says of somebody who wants in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Authentication {
    /// Welcome.
    Allow(Grant),
    /// Not yet: another step. Made by [`continue_with`](Self::continue_with).
    #[non_exhaustive]
    Continue {
        /// Sent to the client, as Authentication Data.
        data: Box<[u8]>,
    },
    /// No.
    Deny(Denial),
    /// Ask again, by [`Action::Ask`](crate::broker::Action::Ask).
    Later,
}

impl Authentication {
    /// Not yet: sends this as Authentication Data, and then asks with what the client answers. [MQTT-4.12.0-2]
    ///
    /// A client that has named no method, or takes no packet with so much data, is refused. More than 65,535 bytes nobody
    /// takes.
    pub fn continue_with(data: impl Into<Box<[u8]>>) -> Self {
        Self::Continue { data: data.into() }
    }
}

/// What a [`Policy`] says of a message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Admission {
    /// Publish it.
    AsIs,
    /// Publish this instead. Of a payload that is still to come only what stands before it can be changed: the
    /// payload given here is ignored then.
    Changed(Publication),
    /// Do not.
    Deny(Denial),
    /// Ask again, by [`Action::Ask`](crate::broker::Action::Ask).
    Later,
}

/// An answer to what was put off. It cannot put off again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// To `Authenticate`.
    Allow(Grant),
    /// To `Authenticate`: another step. Made by [`continue_with`](Self::continue_with).
    #[non_exhaustive]
    Continue {
        /// Sent to the client, as Authentication Data.
        data: Box<[u8]>,
    },
    /// To `Admit`: publish it.
    Admit,
    /// To `Admit`: publish this instead.
    Changed(Publication),
    /// To either: no.
    Deny(Denial),
}

impl Answer {
    /// To `Authenticate`: another step, as [`Authentication::continue_with`] has it.
    pub fn continue_with(data: impl Into<Box<[u8]>>) -> Self {
        Self::Continue { data: data.into() }
    }
}

/// No, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denial {
    /// For the peer.
    pub reason: ReasonCode,
    words: Option<Box<str>>,
    server: Option<Box<str>>,
}

impl Denial {
    /// Without a Reason String.
    pub const fn new(reason: ReasonCode) -> Self {
        Self { reason, words: None, server: None }
    }

    /// With a Reason String for the peer, who may know. It is left out where it has no room. (5.0)
    ///
    /// # Errors
    /// It contains U+0000, or has more than 65,535 bytes.
    pub fn with_reason_string(self, words: &str) -> Result<Self, PropertyError> {
        PropertiesBuf::of([Property::ReasonString(words)])?;
        Ok(Self { words: Some(words.into()), ..self })
    }

    /// That another server is to be asked: for this once with Reason Code 0x9C, or for good with 0x9D. `server` is what
    /// the client hears as Server Reference, commonly `name:port`. (5.0, Section 4.11)
    ///
    /// # Errors
    /// It contains U+0000, or has more than 65,535 bytes.
    pub fn elsewhere(reason: ReasonCode, server: &str) -> Result<Self, PropertyError> {
        PropertiesBuf::of([Property::ServerReference(server)])?;
        Ok(Self { server: Some(server.into()), ..Self::new(reason) })
    }

    /// The Server Reference, if there is one.
    pub fn server_reference(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// The Reason String, if there is one.
    pub fn reason_string(&self) -> Option<&str> {
        self.words.as_deref()
    }

    pub(crate) fn without_words(self) -> Self {
        Self { words: None, ..self }
    }

    /// Words of the broker's own, which are short.
    pub(crate) fn in_words(reason: ReasonCode, words: Box<str>) -> Self {
        Self { words: Some(words), ..Self::new(reason) }
    }

    /// What it says besides the Reason Code.
    pub(crate) fn properties(&self) -> PropertiesBuf {
        let words = self.words.as_deref().map(Property::ReasonString);
        let server = self.server.as_deref().map(Property::ServerReference);
        PropertiesBuf::of(words.into_iter().chain(server))
            .expect("whoever made it has checked it, and what the broker says itself is short")
    }
}

/// What somebody may do, until when, within which limits.
///
/// Begin with [`new`](Self::new) and change what matters.
#[derive(Clone)]
#[non_exhaustive]
pub struct Grant {
    /// Who it is.
    pub identity: IdentityId,
    /// Which of several rights that one identity may have, by where or how it came in: of one identity and variant there
    /// is one grant, so equal numbers promise equal rights. Rights that have changed are told by
    /// [`handle_grant`](crate::broker::Broker::handle_grant).
    pub variant: u32,
    /// What is allowed.
    pub rights: Arc<dyn Rights + Send + Sync>,
    /// Nobody in particular: limits by identity do not apply.
    pub anonymous: bool,
    /// When it ends by itself.
    pub expires_at: Option<Instant>,
    /// What happens to messages that its full queues can't take.
    pub queue_policy: QueuePolicy,
    /// The greatest QoS that it may publish with, and is granted, if the limit `maximum_qos` is not smaller.
    pub maximum_qos: QoS,
    /// Whether it may publish with RETAIN, if the limit `retain_available` lets anybody.
    pub retain_available: bool,
    pub(crate) response_information: Option<Arc<str>>,
}

impl Grant {
    /// Of somebody in particular, without an end.
    pub fn new(identity: IdentityId, rights: Arc<dyn Rights + Send + Sync>) -> Self {
        Self {
            identity,
            variant: 0,
            rights,
            anonymous: false,
            expires_at: None,
            queue_policy: QueuePolicy::default(),
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            response_information: None,
        }
    }

    /// What its clients hear if they ask for Response Information: the beginning of the topics to which they may have
    /// others answer. (5.0, Section 3.2.2.3.15)
    ///
    /// # Errors
    /// It contains U+0000, or has more than 65,535 bytes.
    pub fn with_response_information(self, beginning: &str) -> Result<Self, PropertyError> {
        PropertiesBuf::of([Property::ResponseInformation(beginning)])?;
        Ok(Self { response_information: Some(beginning.into()), ..self })
    }

    /// What its clients hear if they ask for Response Information, if anything.
    pub fn response_information(&self) -> Option<&str> {
        self.response_information.as_deref()
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

    /// May any client of this identity? Asked about a message that it has published, when rights change: whose that is
    /// is known, and not under which Client Identifier it came. Rights that don't look at Client Identifiers say what
    /// [`may`](Self::may) says of anybody.
    fn may_any(&self, access: Access<'_>) -> bool;
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access<'a> {
    /// Send a message.
    #[non_exhaustive]
    Publish {
        /// A Topic Name.
        topic: Text<'a>,
        /// At this QoS.
        qos: QoS,
        /// To be kept.
        retain: bool,
    },
    /// Subscribe.
    #[non_exhaustive]
    Subscribe {
        /// A Topic Filter, without `$share/name/`.
        filter: &'a str,
    },
    /// Be sent a message.
    #[non_exhaustive]
    Receive {
        /// A Topic Name.
        topic: Text<'a>,
    },
}

/// For tests of rights: what a broker asks.
impl<'a> Access<'a> {
    /// To send a message to this Topic Name.
    pub const fn publish(topic: Text<'a>, qos: QoS, retain: bool) -> Self {
        Self::Publish { topic, qos, retain }
    }

    /// To subscribe to this Topic Filter, which stands here without `$share/name/`.
    pub const fn subscribe(filter: &'a str) -> Self {
        Self::Subscribe { filter }
    }

    /// To be sent a message that was published to this Topic Name.
    pub const fn receive(topic: Text<'a>) -> Self {
        Self::Receive { topic }
    }
}

/// A verdict that can say which rule it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ruling {
    /// Yes or no.
    pub allow: bool,
    /// Which rule; its meaning is the policy's.
    pub rule: u32,
}

impl Ruling {
    /// Yes, says this rule.
    #[inline]
    pub const fn allow(rule: u32) -> Self {
        Self { allow: true, rule }
    }

    /// No, says this rule.
    #[inline]
    pub const fn deny(rule: u32) -> Self {
        Self { allow: false, rule }
    }
}
