//! What the fuzz targets do with their input.
#![forbid(unsafe_code)]

mod broker;
mod client;
mod decode;

pub use broker::{Event, broker};
pub use client::{Setup, Step, client};
pub use decode::decode;
