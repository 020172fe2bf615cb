//! The seam below `async`.
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;
use tidewire_core::id::ConnectionId;
use tidewire_core::time::Instant;

/// A connection's place in its shard's table, and which of those that stood there one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Where in the table; small and dense.
    pub index: u32,
    /// Tells those apart that had the same index.
    pub generation: u32,
}

impl From<ConnectionId> for Place {
    fn from(id: ConnectionId) -> Self {
        let index = u32::try_from(id.index()).expect("an index counts connections of one process");
        Self { index, generation: id.generation() }
    }
}

/// News about one socket. May say too much (then the next read or write would block), never too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Whose.
    pub place: Place,
    /// A read may get something.
    pub readable: bool,
    /// A write may get something out.
    pub writable: bool,
    /// The peer has closed, or the line is broken: a short read doesn't mean that there is no more.
    pub closed: bool,
}

/// The few non-blocking operations that a shard asks of a runtime. [MQTT-4.2-1]
///
/// Readiness comes on edges: after a read that got less than it had room for, or would have blocked, and after a
/// write that would have blocked, the reactor owes a [`next_ready`](Self::next_ready) once there is more to be
/// had. After [`attach`](Self::attach) it owes one as soon as there is anything.
pub trait Reactor {
    /// A socket that no runtime has hold of: it can cross to another shard's reactor.
    type Socket: Send + 'static;
    /// A socket that this reactor watches. Dropping it closes the connection.
    type Stream;

    /// What time it is.
    fn now(&self) -> Instant;

    /// Watches a socket from now on.
    fn attach(&mut self, place: Place, socket: Self::Socket) -> io::Result<Self::Stream>;

    /// Lets go of a socket without closing it.
    fn detach(&mut self, stream: Self::Stream) -> io::Result<Self::Socket>;

    /// Begins to connect, without waiting for it; from that address of ours, if it is said.
    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<Self::Socket>;

    /// Is a socket that was begun to be connected, and attached since, connected by now? If not, the reactor owes news
    /// about it.
    fn connected(&mut self, stream: &mut Self::Stream) -> io::Result<bool>;

    /// Reads what there is, or fails with `WouldBlock`. Zero means that the peer sends no more.
    fn read(&mut self, stream: &mut Self::Stream, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes what the socket takes, or fails with `WouldBlock`.
    fn write_vectored(&mut self, stream: &mut Self::Stream, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Half-closes: nothing is written after this, reading goes on.
    fn finish(&mut self, stream: &mut Self::Stream) -> io::Result<()>;

    /// News, one at a time, until there is none.
    fn next_ready(&mut self) -> Option<Ready>;

    /// Whoever turns the shard waits on this from now on. A reactor whose news don't end that wait by themselves calls it.
    fn wake_with(&mut self, waker: &Waker) {
        let _ = waker;
    }
}
