#![doc = include_str!("../README.md")]
//! ## Where to begin
//!
//! [`Clients`] and [`serve`] have examples. Whoever has a thread already, or a loop of
//! [`Clients`](tidewire_driver::Clients) to turn, makes a [`Shard`](tidewire_driver::Shard) with a [`MioReactor`] and calls
//! [`run`] there.
#![forbid(unsafe_code)]

mod accept;
mod client;
mod reactor;
mod serve;

pub use client::{Client, Clients, Receipt, TimedOut};
pub use reactor::MioReactor;
pub use serve::{run, serve};
