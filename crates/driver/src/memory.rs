//! A network and a clock that are only data: the reactor of tests and simulations.
//!
//! Each [`Wire`] is a peer's end of a connection. It decides how many bytes a read gets at most, how many bytes
//! it takes, and when the line ends; time stands still until somebody moves it.
use crate::{Place, Reactor, Ready};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use tidewire_core::time::Instant;

/// Several reactors and the connections into them.
#[derive(Clone, Default)]
pub struct Network {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    now: Instant,
    pipes: Vec<Pipe>,
    /// The news of each reactor.
    news: Vec<VecDeque<Ready>>,
    /// Where connections are taken.
    listening: BTreeSet<SocketAddr>,
    /// Where they are neither taken nor refused.
    silent: BTreeSet<SocketAddr>,
    /// Those that were made there.
    accepted: VecDeque<(SocketAddr, usize)>,
}

struct Pipe {
    inward: VecDeque<u8>,
    outward: Vec<u8>,
    /// Nobody has taken it yet.
    begun: bool,
    /// A read gets at most so many bytes.
    read_most: usize,
    /// The peer takes so many more bytes.
    window: usize,
    end: Option<End>,
    finished: bool,
    dropped: bool,
    reads: usize,
    watched: Option<(usize, Place)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Finished,
    Reset,
    Vanished,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Network {
    /// A network without connections, at the origin of time.
    pub fn new() -> Self {
        Self::default()
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.state().now
    }

    /// Makes it later.
    pub fn set_now(&self, now: Instant) {
        let mut state = self.state();
        assert!(now >= state.now, "time never runs backwards");
        state.now = now;
    }

    /// Another shard's side of it.
    pub fn reactor(&self) -> MemoryReactor {
        let mut state = self.state();
        state.news.push(VecDeque::new());
        MemoryReactor { network: self.clone(), number: state.news.len() - 1 }
    }

    /// A connection: the peer's end, and the socket to hand to a shard.
    pub fn connect(&self) -> (Wire, Socket) {
        let mut state = self.state();
        state.pipes.push(Pipe {
            inward: VecDeque::new(),
            outward: Vec::new(),
            begun: false,
            read_most: usize::MAX,
            window: usize::MAX,
            end: None,
            finished: false,
            dropped: false,
            reads: 0,
            watched: None,
        });
        let number = state.pipes.len() - 1;
        (Wire { network: self.clone(), number }, Socket { network: self.clone(), number })
    }

    /// Takes connections that reactors make to there.
    pub fn listen(&self, at: SocketAddr) {
        self.state().listening.insert(at);
    }

    /// Takes none any more.
    pub fn unlisten(&self, at: SocketAddr) {
        self.state().listening.remove(&at);
    }

    /// Answers nobody who connects to there.
    pub fn ignore(&self, at: SocketAddr) {
        self.state().silent.insert(at);
    }

    /// Connections that reactors have begun, and that nobody answers.
    pub fn ignored(&self) -> usize {
        self.state().pipes.iter().filter(|pipe| pipe.begun && !pipe.dropped).count()
    }

    /// The other end of a connection that a reactor has made: where to, and the peer's end.
    pub fn accept(&self) -> Option<(SocketAddr, Wire)> {
        let (at, number) = self.state().accepted.pop_front()?;
        Some((at, Wire { network: self.clone(), number }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is held")
    }
}

impl State {
    /// An edge: what a reactor that watches this pipe is told.
    fn tell(&mut self, number: usize, readable: bool, writable: bool) {
        let pipe = &self.pipes[number];
        if let Some((reactor, place)) = pipe.watched {
            let closed = pipe.end.is_some();
            self.news[reactor].push_back(Ready { place, readable, writable, closed });
        }
    }
}

/// A peer's end of a connection.
pub struct Wire {
    network: Network,
    number: usize,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wire").field(&self.number).finish()
    }
}

impl Wire {
    /// Sends bytes.
    pub fn send(&self, bytes: &[u8]) {
        self.change(|pipe| pipe.inward.extend(bytes), true, false);
    }

    /// Sends bytes and the end together.
    pub fn send_and_finish(&self, bytes: &[u8]) {
        let end = |pipe: &mut Pipe| {
            pipe.inward.extend(bytes);
            pipe.end = Some(End::Finished);
        };
        self.change(end, true, false);
    }

    /// Half-closes.
    pub fn finish(&self) {
        self.change(|pipe| pipe.end = Some(End::Finished), true, false);
    }

    /// Breaks the line; what was sent before can still be read.
    pub fn reset(&self) {
        self.change(|pipe| pipe.end = Some(End::Reset), true, true);
    }

    /// Is not heard of any more, until the system gives it up.
    pub fn vanish(&self) {
        self.change(|pipe| pipe.end = Some(End::Vanished), true, true);
    }

    /// From now on it takes so many bytes and no more.
    pub fn take_only(&self, window: usize) {
        self.change(|pipe| pipe.window = window, false, window > 0);
    }

    /// From now on a read gets so many bytes at most.
    pub fn split_reads(&self, most: usize) {
        assert!(most > 0, "a read that gets nothing is the end");
        self.change(|pipe| pipe.read_most = most, false, false);
    }

    /// What was received since it was last asked.
    pub fn received(&self) -> Vec<u8> {
        std::mem::take(&mut self.network.state().pipes[self.number].outward)
    }

    /// How many bytes it has sent that were not read.
    pub fn unread(&self) -> usize {
        self.network.state().pipes[self.number].inward.len()
    }

    /// How many times the other side tried to read.
    pub fn reads(&self) -> usize {
        self.network.state().pipes[self.number].reads
    }

    /// The other side has half-closed.
    pub fn is_finished(&self) -> bool {
        self.network.state().pipes[self.number].finished
    }

    /// The other side has closed.
    pub fn is_closed(&self) -> bool {
        self.network.state().pipes[self.number].dropped
    }

    fn change(&self, change: impl FnOnce(&mut Pipe), readable: bool, writable: bool) {
        let mut state = self.network.state();
        change(&mut state.pipes[self.number]);
        if readable || writable {
            state.tell(self.number, readable, writable);
        }
    }
}

/// A shard's end of a connection.
pub struct Socket {
    network: Network,
    number: usize,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.number).finish()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut state = self.network.state();
        state.pipes[self.number].dropped = true;
        state.pipes[self.number].watched = None;
    }
}

/// One shard's side of a [`Network`].
#[derive(Debug)]
pub struct MemoryReactor {
    network: Network,
    number: usize,
}

impl MemoryReactor {
    /// News that may be stale, as a real reactor's can be.
    pub fn pretend(&self, ready: Ready) {
        self.network.state().news[self.number].push_back(ready);
    }
}

impl Reactor for MemoryReactor {
    type Socket = Socket;
    type Stream = Socket;

    fn now(&self) -> Instant {
        self.network.now()
    }

    fn attach(&mut self, place: Place, socket: Socket) -> io::Result<Socket> {
        let mut state = self.network.state();
        let pipe = &mut state.pipes[socket.number];
        pipe.watched = Some((self.number, place));
        if !pipe.inward.is_empty() || pipe.end.is_some() {
            state.tell(socket.number, true, true);
        }
        Ok(socket)
    }

    fn detach(&mut self, stream: Socket) -> io::Result<Socket> {
        self.network.state().pipes[stream.number].watched = None;
        Ok(stream)
    }

    fn connect(&mut self, to: SocketAddr, _from: Option<IpAddr>) -> io::Result<Socket> {
        if self.network.state().silent.contains(&to) {
            let (wire, socket) = self.network.connect();
            self.network.state().pipes[wire.number].begun = true;
            return Ok(socket);
        }
        if !self.network.state().listening.contains(&to) {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let (wire, socket) = self.network.connect();
        self.network.state().accepted.push_back((to, wire.number));
        Ok(socket)
    }

    fn connected(&mut self, stream: &mut Socket) -> io::Result<bool> {
        Ok(!self.network.state().pipes[stream.number].begun)
    }

    fn read(&mut self, stream: &mut Socket, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.network.state();
        let pipe = &mut state.pipes[stream.number];
        pipe.reads += 1;
        let n = pipe.inward.len().min(buffer.len()).min(pipe.read_most);
        for (to, from) in buffer.iter_mut().zip(pipe.inward.drain(..n)) {
            *to = from;
        }
        if n > 0 {
            // A read that was split is short although there is more: the promise of readiness.
            if n < buffer.len() && !pipe.inward.is_empty() {
                state.tell(stream.number, true, false);
            }
            return Ok(n);
        }
        match pipe.end {
            None => Err(ErrorKind::WouldBlock.into()),
            Some(End::Finished) => Ok(0),
            Some(End::Reset) => Err(ErrorKind::ConnectionReset.into()),
            Some(End::Vanished) => Err(ErrorKind::TimedOut.into()),
        }
    }

    fn write_vectored(&mut self, stream: &mut Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.network.state();
        let pipe = &mut state.pipes[stream.number];
        assert!(!pipe.finished, "written after the half-close");
        if pipe.end == Some(End::Reset) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut written = 0;
        for slice in slices {
            let n = slice.len().min(pipe.window);
            pipe.outward.extend_from_slice(&slice[..n]);
            pipe.window -= n;
            written += n;
        }
        if written == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(written) }
    }

    fn finish(&mut self, stream: &mut Socket) -> io::Result<()> {
        self.network.state().pipes[stream.number].finished = true;
        Ok(())
    }

    fn next_ready(&mut self) -> Option<Ready> {
        self.network.state().news[self.number].pop_front()
    }
}
