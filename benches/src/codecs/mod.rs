//! Who is measured. What differs between codecs stands in a file for each; the rest is here.
mod tidewire;

#[cfg(feature = "peers")]
mod peers;

use crate::jobs::Run;
use crate::lines::{FanOut, Look, Task};
use crate::packets::fragments;
use bytes::Bytes;
use tidewire_core::version::Version;

/// Cuts a stream of bytes into packets, and forgets them.
pub trait Stream {
    /// What a socket does: puts bytes where they are decoded from.
    fn feed(&mut self, bytes: &[u8]);

    /// Decodes all that is there. Returns how many packets.
    fn drain(&mut self) -> usize;
}

/// What is measured of a codec.
pub trait Codec {
    fn name(&self) -> &'static str;

    /// Does it know how?
    fn can(&self, task: &Task) -> bool;

    /// As a server decodes.
    fn stream(&self, version: Version, look: Look) -> Box<dyn Stream>;

    /// `packet` is a PUBLISH; it is encoded into a buffer that is there already.
    fn encode(&self, version: Version, packet: Bytes) -> Box<dyn Run>;

    /// The same for one subscriber after the other. Most have no other way for that.
    fn fan_out(&self, version: Version, packet: Bytes, _: FanOut) -> Box<dyn Run> {
        self.encode(version, packet)
    }

    /// A client that has so many PUBLISHes in flight. Only who can is asked.
    fn publish(&self, _in_flight: u16) -> Box<dyn Run> {
        unreachable!("{} has no client", self.name())
    }

    fn start(&self, task: &Task) -> Box<dyn Run> {
        match task.clone() {
            Task::Decode { version, look, bytes } => {
                Box::new(Whole { stream: self.stream(version, look), bytes })
            }
            Task::Fragments { version, bytes } => {
                Box::new(Fragments::new(self.stream(version, Look::Decoded), &bytes))
            }
            Task::Encode { version, bytes } => self.encode(version, bytes),
            Task::FanOut { version, payload, bytes } => self.fan_out(version, bytes, payload),
            Task::Publish { in_flight } => self.publish(in_flight),
        }
    }
}

/// Tidewire comes first.
pub fn all() -> Vec<&'static dyn Codec> {
    #[cfg_attr(not(feature = "peers"), expect(unused_mut, reason = "alone it stays as it is"))]
    let mut codecs: Vec<&'static dyn Codec> = vec![&tidewire::Tidewire];
    #[cfg(feature = "peers")]
    codecs.extend(peers::ALL);
    codecs
}

/// Decodes what was read before.
struct Whole {
    stream: Box<dyn Stream>,
    bytes: Bytes,
}

impl Run for Whole {
    fn prepare(&mut self) {
        self.stream.feed(&self.bytes);
    }

    fn run(&mut self) -> usize {
        self.stream.drain()
    }
}

/// Decodes while it reads.
struct Fragments {
    stream: Box<dyn Stream>,
    pieces: Vec<Vec<u8>>,
}

impl Fragments {
    fn new(stream: Box<dyn Stream>, bytes: &[u8]) -> Self {
        Self { stream, pieces: fragments(bytes).into_iter().map(Vec::from).collect() }
    }
}

impl Run for Fragments {
    fn run(&mut self) -> usize {
        let stream = &mut self.stream;
        let pieces = self.pieces.iter().map(|piece| {
            stream.feed(piece);
            stream.drain()
        });
        pieces.sum()
    }
}
