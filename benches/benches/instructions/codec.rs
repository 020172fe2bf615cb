//! The instructions that packets take.
#![forbid(unsafe_code)]

#[macro_use]
mod callgrind;

instructions!(tidewire_benches::codecs::jobs);
