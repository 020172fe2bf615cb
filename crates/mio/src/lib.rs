//! A Tidewire broker on mio: the operating system's own readiness, plain threads, and no async.
//!
//! [`serve`] runs a whole server, a thread for each shard and one that accepts. Whoever wants a thread of their own
//! makes a [`Shard`](tidewire_driver::Shard) of a [`MioReactor`] and calls [`run`] there.
#![forbid(unsafe_code)]

mod accept;
mod reactor;
mod serve;

pub use reactor::MioReactor;
pub use serve::{run, serve};
