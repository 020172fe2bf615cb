//! Tidewire on mio: the operating system's own readiness, plain threads, and no async.
//!
//! [`serve`] runs a whole server, a thread for each shard and one that accepts. Whoever has a thread already, or a loop
//! of [`Clients`](tidewire_driver::Clients) to turn, makes a [`Shard`](tidewire_driver::Shard) with a [`MioReactor`] and
//! calls [`run`] there.
#![forbid(unsafe_code)]

mod accept;
mod client;
mod reactor;
mod serve;

pub use client::{Client, Clients, Receipt, TimedOut};
pub use reactor::MioReactor;
pub use serve::{run, serve};
