//! From bytes to packets and back.
//!
//! ```
//! use tidewire_core::codec::{Decoder, Item, Limits, Mode, Packet};
//! use tidewire_core::version::{Role, Version};
//!
//! let mut decoder = Decoder::new(Mode { role: Role::Server, version: Some(Version::V5) });
//! let mut input: &[u8] = b"\x30\x10\x00\x09sensors/7\x0021.5"; // what a socket has given
//! let mut out = Vec::new();
//! while let Some(item) = decoder.next(&Limits::default(), &mut input)? {
//!     if let Item::Packet(packet @ Packet::Publish(_)) = item {
//!         packet.encode(Version::V3_1_1, u32::MAX, &mut out)?;
//!     }
//! }
//! assert_eq!(out, b"\x30\x0f\x00\x09sensors/721.5");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! For whoever wants only this, `default-features = false` leaves broker and client out. It needs `alloc`, and no
//! more: packets borrow from the bytes that they are read from, and are encoded into a `Vec` of yours.
//!
//! **One model for all versions.** A [`Packet`] is of no version; decoding and encoding are. What an older version
//! does not have is empty when decoded, and left out when encoded.
//!
//! **Streams.** A [`Decoder`] is fed with pieces of any size. It copies only the beginning of a packet whose end has
//! not come. A PUBLISH with a payload of [`Limits::streamed_from`] bytes or more comes as [`Item::Head`] and then as
//! [`Item::Body`], piece by piece as it arrives; to send one, encode its [`PublishHead`] and put the payload behind
//! it, in pieces of your own. So a payload of 256 MB passes through in constant memory.
//!
//! **Whatever is wrong is refused**, by the side that reads ([`Role`]) and the version: each
//! rule of the standard that can be told from a packet, before it is handed out. A [`DecodeError`] says which
//! statement was violated and which Reason Code the connection is to be closed with; [`catalogue`] has the shortest
//! bytes for each. [`Leniency`] lists the few faults that may be let pass. An error is the end of a stream: behind
//! it nothing can be trusted.
//!
//! **Bounds.** [`Limits`] are looked at before memory is spent: a header that claims 256 MB costs nothing. What is
//! held for an unfinished packet grows with the bytes that came ([`Decoder::held`]), not with those announced.
//!
//! What a machine sends most often has ways of its own: [`PublishHead`] and [`encode_ack`].
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
pub use encode::EncodeError;
pub use error::DecodeError;
pub use packet::*;
pub use properties::{Properties, PropertiesBuf, Property, PropertyError, PropertyFault};
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
