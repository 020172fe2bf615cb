//! What a server's connections come by: sockets, and pipes from within its own process.
use crate::accept::Turns;
use crate::bells::Heard;
use crate::pipe::{PipeEnd, pair};
use crate::poll::Polled;
use crate::{Clock, Place, Reactor, Ready};
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
    /// From this process.
    Pipe(PipeEnd),
}

/// A reactor for sockets that watches pipes as well.
#[derive(Default)]
pub struct WithPipes<R> {
    sockets: R,
    pipes: Heard,
}

impl<R> fmt::Debug for WithPipes<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithPipes").finish_non_exhaustive()
    }
}

impl<R> WithPipes<R> {
    /// Sockets are this one's.
    pub fn new(sockets: R) -> Self {
        Self { sockets, pipes: Heard::default() }
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
                Ok(Stream::Pipe(end))
            }
        }
    }

    fn detach(&mut self, stream: Self::Stream) -> io::Result<Socket> {
        match stream {
            Stream::Tcp(stream) => Ok(Socket::Tcp(self.sockets.detach(stream)?)),
            Stream::Pipe(end) => {
                end.unwatch();
                Ok(Socket::Pipe(end))
            }
        }
    }

    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<Socket> {
        Ok(Socket::Tcp(self.sockets.connect(to, from)?))
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

/// A reactor for clients of a server in this process: wherever they connect to, it is a pipe to one of its shards.
pub(crate) struct Within {
    clock: Clock,
    shards: Arc<Turns>,
    pipes: Heard,
}

impl Within {
    pub(crate) fn new(clock: Clock, shards: Arc<Turns>) -> Self {
        Self { clock, shards, pipes: Heard::default() }
    }
}

impl Reactor for Within {
    type Socket = PipeEnd;
    type Stream = PipeEnd;

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn attach(&mut self, place: Place, end: PipeEnd) -> io::Result<PipeEnd> {
        end.watch(place, self.pipes.bells());
        Ok(end)
    }

    fn detach(&mut self, end: PipeEnd) -> io::Result<PipeEnd> {
        end.unwatch();
        Ok(end)
    }

    fn connect(&mut self, _to: SocketAddr, _from: Option<IpAddr>) -> io::Result<PipeEnd> {
        let (near, far) = pair();
        match self.shards.hand_over(far.into(), Peer::WITHIN) {
            Ok(()) => Ok(near),
            Err(_) => Err(io::Error::new(ErrorKind::ConnectionRefused, "no shard of the broker takes it")),
        }
    }

    fn connected(&mut self, _end: &mut PipeEnd) -> io::Result<bool> {
        Ok(true)
    }

    fn read(&mut self, end: &mut PipeEnd, buffer: &mut [u8]) -> io::Result<usize> {
        end.read(buffer)
    }

    fn write_vectored(&mut self, end: &mut PipeEnd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        end.write_vectored(slices)
    }

    fn finish(&mut self, end: &mut PipeEnd) -> io::Result<()> {
        end.finish();
        Ok(())
    }

    fn next_ready(&mut self) -> Option<Ready> {
        self.pipes.next()
    }

    fn wake_with(&mut self, waker: &Waker) {
        self.pipes.wake_with(waker);
    }
}
