//! What a server's connections come by: sockets, and pipes from within its own process.
use crate::accept::Turns;
use crate::bells::Heard;
use crate::pipe::{PipeEnd, pair};
use crate::poll::Polled;
use crate::{Place, Reactor, Ready};
use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::Waker;
use tidewire_core::broker::policy::Peer;
use tidewire_core::time::Instant;

/// A connection that no reactor has hold of.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// From a listener.
    Tcp(TcpStream),
    /// From this process.
    Pipe(PipeEnd),
}

impl From<TcpStream> for Socket {
    fn from(socket: TcpStream) -> Self {
        Self::Tcp(socket)
    }
}

impl From<PipeEnd> for Socket {
    fn from(end: PipeEnd) -> Self {
        Self::Pipe(end)
    }
}

/// The same, while a reactor watches it.
#[derive(Debug)]
pub enum Stream<S> {
    /// From a listener.
    Tcp(S),
    /// From this process. Boxed, because of most connections it is not.
    Pipe(Box<PipeEnd>),
}

/// A reactor for sockets that watches pipes as well.
pub struct WithPipes<R> {
    sockets: R,
    pipes: Heard,
    /// Whoever connects, wherever to, is connected to one of these.
    server: Option<Arc<Turns>>,
}

impl<R> fmt::Debug for WithPipes<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithPipes").finish_non_exhaustive()
    }
}

impl<R> WithPipes<R> {
    /// Sockets are this one's.
    pub fn new(sockets: R) -> Self {
        Self { sockets, pipes: Heard::default(), server: None }
    }

    /// For clients of the server in this process that has these shards: wherever they connect to, it is a pipe to one of them.
    pub fn within(sockets: R, shards: Arc<Turns>) -> Self {
        Self { server: Some(shards), ..Self::new(sockets) }
    }
}

impl<R> AsMut<R> for WithPipes<R> {
    fn as_mut(&mut self) -> &mut R {
        &mut self.sockets
    }
}

impl<R: Polled + Reactor<Socket = TcpStream>> Polled for WithPipes<R> {
    type Runtime = R::Runtime;
}

impl<R: Reactor<Socket = TcpStream>> Reactor for WithPipes<R> {
    type Socket = Socket;
    type Stream = Stream<R::Stream>;

    fn now(&self) -> Instant {
        self.sockets.now()
    }

    fn attach(&mut self, place: Place, socket: Socket) -> io::Result<Self::Stream> {
        match socket {
            Socket::Tcp(socket) => Ok(Stream::Tcp(self.sockets.attach(place, socket)?)),
            Socket::Pipe(end) => {
                end.watch(place, self.pipes.bells());
                Ok(Stream::Pipe(Box::new(end)))
            }
        }
    }

    fn detach(&mut self, stream: Self::Stream) -> io::Result<Socket> {
        match stream {
            Stream::Tcp(stream) => Ok(Socket::Tcp(self.sockets.detach(stream)?)),
            Stream::Pipe(end) => {
                end.unwatch();
                Ok(Socket::Pipe(*end))
            }
        }
    }

    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<Socket> {
        let Some(shards) = &self.server else { return Ok(Socket::Tcp(self.sockets.connect(to, from)?)) };
        let (near, far) = pair();
        match shards.hand_over(far.into(), Peer::WITHIN) {
            Ok(()) => Ok(near.into()),
            Err(_) => {
                let words = "no shard of the broker in this process takes it";
                Err(io::Error::new(ErrorKind::ConnectionRefused, words))
            }
        }
    }

    fn connected(&mut self, stream: &mut Self::Stream) -> io::Result<bool> {
        match stream {
            Stream::Tcp(stream) => self.sockets.connected(stream),
            Stream::Pipe(_) => Ok(true),
        }
    }

    fn read(&mut self, stream: &mut Self::Stream, buffer: &mut [u8]) -> io::Result<usize> {
        match stream {
            Stream::Tcp(stream) => self.sockets.read(stream, buffer),
            Stream::Pipe(end) => end.read(buffer),
        }
    }

    fn write_vectored(&mut self, stream: &mut Self::Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match stream {
            Stream::Tcp(stream) => self.sockets.write_vectored(stream, slices),
            Stream::Pipe(end) => end.write_vectored(slices),
        }
    }

    fn finish(&mut self, stream: &mut Self::Stream) -> io::Result<()> {
        match stream {
            Stream::Tcp(stream) => self.sockets.finish(stream),
            Stream::Pipe(end) => {
                end.finish();
                Ok(())
            }
        }
    }

    fn next_ready(&mut self) -> Option<Ready> {
        self.sockets.next_ready().or_else(|| self.pipes.next())
    }

    fn wake_with(&mut self, waker: &Waker) {
        self.sockets.wake_with(waker);
        self.pipes.wake_with(waker);
    }
}
