#![doc = include_str!("../README.md")]
//! ## Where to begin
//!
//! A [`Shard`] asks a [`Reactor`], and is told through its [`Mailbox`]. An adapter calls [`Shard::turn`]; runtimes that poll
//! futures get both reactor and waiting from [`poll`]. [`serve`] is what the servers of all adapters consist of,
//! [`clients`] is any number of clients.
#![forbid(unsafe_code)]
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod accept;
mod bells;
pub mod client;
pub mod clients;
mod clock;
mod dial;
mod gate;
mod host;
mod machine;
mod mailbox;
#[cfg(any(test, feature = "_suite"))]
pub mod memory;
mod pipe;
pub mod poll;
mod reactor;
#[cfg(test)]
mod script;
pub mod serve;
mod shard;
mod socket;
#[cfg(feature = "_suite")]
pub mod suite;
mod thread;
mod wait;

pub use clients::Clients;
pub use clock::Clock;
pub use host::{Asked, Host, Journal, Synced};
pub use machine::Machine;
pub use mailbox::{Call, Mailbox, Post};
pub use pipe::PipeEnd;
pub use reactor::{Place, Reactor, Ready};
pub use shard::{Shard, ShardSetup, Turn};
pub use socket::{Socket, Stream, WithPipes};
pub use wait::Wait;

/// What the adapters of this workspace share, and nobody else is promised.
#[doc(hidden)]
pub mod adapter {
    pub use crate::accept::Turns;
    pub use crate::dial::begin;
    pub use crate::gate::Gate;
    pub use crate::poll::accept::Acceptor;
    pub use crate::thread::{spawn, turn};
}
