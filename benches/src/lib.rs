//! What is measured of codecs, and of which.
//!
//! A [`Line`](lines::Line) of the table is the same bytes for each [`Codec`](codecs::Codec) that takes part. A
//! [`Job`](jobs::Job) is one line done by one codec; `benches/` measures its time, instructions and allocations.
#![forbid(unsafe_code)]

pub mod codecs;
pub mod jobs;
pub mod lines;
pub mod packets;
