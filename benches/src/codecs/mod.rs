//! Who is measured. What differs between codecs stands in a file for each; the rest is here.
mod tidewire;

#[cfg(feature = "peers")]
mod peers;

use crate::jobs::{Job, Run};
use crate::lines::{FanOut, Line, Look, Task, lines};
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

    fn knows(&self, _: Version) -> bool {
        true
    }

    /// As a server decodes.
    fn stream(&self, version: Version, look: Look) -> Box<dyn Stream>;

    /// `packet` is a PUBLISH; it is encoded into each of so many buffers, which are there already.
    fn encode(&self, version: Version, packet: Bytes, buffers: usize) -> Box<dyn Run>;

    /// The same for one subscriber after the other. Most have no other way for that.
    fn fan_out(&self, version: Version, packet: Bytes, _: FanOut) -> Box<dyn Run> {
        self.encode(version, packet, SUBSCRIBERS)
    }

    /// If it comes with one that is public and does no I/O.
    fn client(&self) -> Option<&dyn Client> {
        None
    }

    fn can(&self, task: &Task) -> bool {
        match task {
            Task::Decode { version, .. }
            | Task::Fragments { version, .. }
            | Task::Encode { version, .. }
            | Task::FanOut { version, .. } => self.knows(*version),
            Task::Publish { .. } => self.client().is_some(),
        }
    }

    /// Something that it can.
    fn start(&self, task: &Task) -> Box<dyn Run> {
        match task.clone() {
            Task::Decode { version, look, bytes } => {
                Box::new(Whole { stream: self.stream(version, look), bytes })
            }
            Task::Fragments { version, bytes } => {
                Box::new(Fragments::new(self.stream(version, Look::Decoded), &bytes))
            }
            Task::Encode { version, bytes } => self.encode(version, bytes, BUFFERS),
            Task::FanOut { version, payload, bytes } => self.fan_out(version, bytes, payload),
            Task::Publish { in_flight } => self.client().expect("it can").publish(in_flight),
        }
    }
}

/// The session machine of a client.
pub trait Client {
    /// With so many PUBLISHes in flight.
    fn publish(&self, in_flight: u16) -> Box<dyn Run>;
}

const SUBSCRIBERS: usize = 100;
/// They fit into the cache.
const BUFFERS: usize = 256;

/// So many of them.
fn several<T>(count: usize, one: impl Fn() -> T) -> Vec<T> {
    (0..count).map(|_| one()).collect()
}

/// Tidewire comes first.
pub fn all() -> Vec<&'static dyn Codec> {
    #[cfg_attr(not(feature = "peers"), expect(unused_mut, reason = "alone it stays as it is"))]
    let mut codecs: Vec<&'static dyn Codec> = vec![&tidewire::Tidewire];
    #[cfg(feature = "peers")]
    codecs.extend(peers::ALL);
    codecs
}

/// All that the codecs at hand can do, always in the same order.
pub fn jobs() -> Vec<Job> {
    let mut jobs = vec![];
    for line in lines() {
        let able = all().into_iter().filter(|codec| codec.can(&line.task));
        jobs.extend(able.map(|codec| job(line.clone(), codec)));
    }
    jobs
}

fn job(line: Line, codec: &'static dyn Codec) -> Job {
    let Line { key, title, bar, task } = line;
    Job { key, title, bar, by: codec.name(), begin: Box::new(move || codec.start(&task)) }
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
