#![doc = include_str!("../README.md")]
//! ## Where to begin
//!
//! [`connect`] and [`serve`] have examples. Whoever has a thread already, or a loop of
//! [clients](tidewire_driver::Clients) to turn, makes a [`Shard`](tidewire_driver::Shard) with a [`MioReactor`] and calls
//! [`run`] there.
#![forbid(unsafe_code)]
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod accept;
mod client;
mod reactor;
mod serve;

pub use client::{clients, connect, launch};
pub use reactor::MioReactor;
pub use serve::{run, serve, serve_with};
pub use tidewire_driver::Wait;
pub use tidewire_driver::client::*;
