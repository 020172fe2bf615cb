//! MQTT 3.1, 3.1.1 and 5.0 as state machines that do no I/O.
//!
//! Bytes and the time go in, bytes and announcements come out. There is no socket here, no clock, no thread and no
//! randomness: whoever has those calls this. So the same code serves a daemon, a device without an operating system,
//! a test in virtual time and a fuzzer.
//!
//! [`codec`] is for whoever wants packets and nothing else:
//! ```
//! use tidewire_core::codec::{Decoder, Delivery, Item, Limits, Mode, Packet, Payload, Properties, Publish};
//! use tidewire_core::text::Text;
//! use tidewire_core::version::{Role, Version};
//!
//! let publish = Publish {
//!     delivery: Delivery::AtMostOnce,
//!     retain: false,
//!     topic: Text::new("sensors/7")?,
//!     properties: Properties::default(),
//!     payload: Payload::Whole(b"21.5"),
//! };
//! let mut bytes = Vec::new();
//! Packet::Publish(publish.clone()).encode(Version::V3_1_1, u32::MAX, &mut bytes)?;
//!
//! let mut decoder = Decoder::new(Mode { role: Role::Client, version: Some(Version::V3_1_1) });
//! let mut input = bytes.as_slice();
//! assert_eq!(decoder.next(&Limits::default(), &mut input)?, Some(Item::Packet(Packet::Publish(publish))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`broker`] is a server, or a shard of one, [`client`] its counterpart: see there for how they are driven. Features
//! only add; `broker` and `client` (both default) are these modules.
#![no_std]
#![forbid(unsafe_code)]

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
