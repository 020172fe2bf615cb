//! What the fuzz targets do with their input that stands on more than the core. What the core alone is asked is in
//! `tidewire_core::fuzz`.
#![forbid(unsafe_code)]

mod broker;
mod client;
mod differential;
mod ear;
#[cfg(test)]
mod tests;

pub use broker::{Event, broker};
pub use client::{Setup, Step, client};
pub use differential::{Class, differential};

/// A packet of that first byte and body.
fn framed(header: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![header];
    let mut length = body.len();
    while length >= 0x80 {
        packet.push((length & 0x7f | 0x80).to_le_bytes()[0]);
        length >>= 7;
    }
    packet.push(length.to_le_bytes()[0]);
    packet.extend(body);
    packet
}
