//! What the fuzz targets do with their input that stands on more than the core. What the core alone is asked is in
//! `tidewire_core::fuzz`.
#![forbid(unsafe_code)]

mod broker;
mod client;
mod differential;

pub use broker::{Event, broker};
pub use client::{Setup, Step, client};
pub use differential::{Class, differential};
