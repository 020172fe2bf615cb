//! The instructions that the client's machine takes.
#![forbid(unsafe_code)]

#[macro_use]
mod callgrind;

instructions!(tidewire_benches::client::jobs);
