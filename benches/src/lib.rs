//! What is measured of codecs, and of which; and what is measured of the core's two machines, broker and client.
//!
//! A [`Line`](lines::Line) of the codecs' table is the same bytes for each [`Codec`](codecs::Codec) that takes part; one of
//! the core's is a [`broker`] in memory with some clients, or a [`client`] alone. A [`Job`](jobs::Job) is one line done by
//! one of those; `benches/` measures its time, instructions and allocations.
#![forbid(unsafe_code)]

pub mod broker;
pub mod client;
pub mod codecs;
pub mod jobs;
pub mod lines;
pub mod packets;
mod wire;
