//! What the fuzz targets do with their input.
#![forbid(unsafe_code)]

mod broker;
mod decode;

pub use broker::{Event, broker};
pub use decode::decode;
