//! The loop that turns a Tidewire broker, whatever the runtime.
//!
//! A [`Shard`] owns one broker and the sockets of its connections. It asks a [`Reactor`] for a few non-blocking
//! operations and is handed everything else through its [`Mailbox`]. An adapter brings the reactor and the
//! waiting: it calls [`Shard::turn`] and then sleeps as long as the answer allows. Runtimes that poll futures
//! get both from [`poll`].
//!
//! What is absent here: a task, a channel or a lock per connection; a socket or a timer of any runtime.
#![forbid(unsafe_code)]

mod accept;
pub mod clients;
mod clock;
mod dial;
mod host;
mod machine;
mod mailbox;
#[cfg(any(test, feature = "_suite"))]
pub mod memory;
pub mod poll;
mod reactor;
#[cfg(test)]
mod script;
pub mod serve;
mod shard;
#[cfg(feature = "_suite")]
pub mod suite;
mod thread;

pub use clients::Clients;
pub use clock::Clock;
pub use host::{Asked, Host, Journal};
pub use machine::Machine;
pub use mailbox::{Call, Mailbox, Post};
pub use reactor::{Place, Reactor, Ready};
pub use shard::{Shard, ShardSetup, Turn};

/// What the adapters of this workspace share, and nobody else is promised.
#[doc(hidden)]
pub mod adapter {
    pub use crate::accept::{Advice, FULL_PAUSE, Patience, Turns, prepare};
    pub use crate::dial::begin;
    pub use crate::thread::spawn;
}
