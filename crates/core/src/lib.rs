#![doc = include_str!("../README.md")]
//! ## Where to begin
//!
//! [`codec`] has packets; [`broker`] is a server, or a shard of one, and [`client`] its counterpart: see there for how
//! they are driven.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::print_stderr, clippy::print_stdout)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub use bytes;

pub mod codec;
#[cfg(any(feature = "broker", feature = "client"))]
#[cfg_attr(
    not(all(feature = "broker", feature = "client")),
    allow(dead_code, unused_imports, reason = "one side alone needs less")
)]
mod delivery;
pub mod id;
pub mod message;
pub mod output;
pub mod qos;
pub mod reason;
#[cfg(any(feature = "broker", feature = "client"))]
mod seed;
#[cfg(any(feature = "broker", feature = "client"))]
#[cfg_attr(
    not(all(feature = "broker", feature = "client")),
    allow(dead_code, reason = "one side alone needs less")
)]
mod slab;
pub mod text;
pub mod time;
pub mod topic;
pub mod version;

#[cfg(feature = "broker")]
pub mod broker;
#[cfg(feature = "client")]
pub mod client;

#[cfg(feature = "_fuzz")]
#[doc(hidden)]
pub mod fuzz;

/// What a machine wants of the bytes that follow.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Go on reading.
    More,
    /// Leave the rest where it is until `Resume`. What was handed in is kept, decoded or not.
    Hold,
    /// Nothing that follows will be looked at.
    Done,
}
