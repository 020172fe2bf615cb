//! The instructions that the broker's core takes.
#![forbid(unsafe_code)]

#[macro_use]
mod callgrind;

instructions!(tidewire_benches::broker::jobs);
