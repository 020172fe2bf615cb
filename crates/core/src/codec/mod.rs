//! From bytes to packets and back.
//!
//! A [`Decoder`] cuts a stream of bytes into packets, which borrow from it. [`Packet::encode`] appends a packet to
//! a buffer. What a machine sends most often has ways of its own: [`PublishHead`] and [`encode_ack`].
mod ack;
pub mod catalogue;
mod connack;
mod connect;
mod decoder;
mod disconnect;
mod encode;
mod error;
mod fixed_header;
mod packet;
mod primitives;
mod properties;
mod publish;
mod suback;
mod subscribe;
mod write;

pub use ack::{AckKind, encode_ack};
#[cfg(feature = "broker")]
pub(crate) use connack::is_connack;
pub use decoder::{Decoder, Leniency, Limits, Mode};
#[cfg(any(feature = "broker", feature = "client"))]
pub(crate) use disconnect::is_disconnect;
pub use encode::TooLarge;
pub use error::DecodeError;
pub use packet::*;
pub use properties::{Properties, PropertiesBuf, Property};
pub use publish::PublishHead;
pub use subscribe::{FilterNamesBuf, FiltersBuf};

use crate::version::{Role, Version};

/// What a decoder finds next.
#[derive(Debug, PartialEq)]
pub enum Item<'a> {
    /// A whole one.
    Packet(Packet<'a>),
    /// A PUBLISH whose payload is too large to wait for: all but that.
    Head(Publish<'a>),
    /// A piece of that payload. The pieces add up to its length.
    Body(&'a [u8]),
}

/// What the decoders of bodies know besides the body.
#[derive(Clone, Copy)]
struct Context<'l> {
    role: Role,
    version: Version,
    limits: &'l Limits,
}

#[cfg(test)]
mod tests;
