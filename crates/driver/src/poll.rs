//! Turns any runtime that polls futures into a [`Reactor`], and a shard into a future.
pub(crate) mod accept;
#[cfg(test)]
mod tests;

use crate::bells::{Bells, Heard};
use crate::{Clock, Machine, Place, Reactor, Ready, Shard, Turn, dial};
use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tidewire_core::broker::Broker;
use tidewire_core::time::Instant;

/// Longer than this no timer is set: some runtimes can't, and one turn an hour is nothing.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What is different between runtimes, and nothing else.
///
/// Each `poll_` method that says `Pending` has taken the context's waker and calls it once.
#[expect(missing_docs, reason = "the methods are the runtimes' own, by their usual names")]
pub trait Runtime: 'static {
    type Stream;
    type Listener;
    type Timer;

    /// Takes a socket that doesn't block into the runtime that this thread is in.
    fn attach(socket: TcpStream) -> io::Result<Self::Stream>;
    /// Takes it out again, without closing it.
    fn detach(stream: Self::Stream) -> io::Result<TcpStream>;
    fn poll_read_ready(stream: &Self::Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_read(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>;
    fn poll_write_vectored(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;
    /// A write may get something out; of a socket that is being connected: it is connected, or has failed.
    fn poll_write_ready(stream: &Self::Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Why it could not be connected.
    fn take_error(stream: &Self::Stream) -> io::Result<Option<io::Error>>;
    /// Half-closes.
    fn finish(stream: &mut Self::Stream) -> io::Result<()>;
    /// Takes a listener that doesn't block into the runtime that this thread is in.
    fn attach_listener(listener: TcpListener) -> io::Result<Self::Listener>;
    /// A connection: a socket that doesn't block and is in no runtime, and whose it is.
    fn poll_accept(
        listener: &Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>>;
    /// A timer that ends so much later.
    fn timer(wait: Duration) -> Self::Timer;
    fn reset(timer: &mut Self::Timer, wait: Duration);
    fn poll_timer(timer: &mut Self::Timer, cx: &mut Context<'_>) -> Poll<()>;
}

/// A runtime as a [`Reactor`]: a waker for each connection, and the queue that they all ring into.
pub struct PollReactor<R> {
    clock: Clock,
    heard: Heard,
    runtime: PhantomData<fn() -> R>,
}

/// A connection's waker: 32 bytes of heap, for reading and writing alike.
struct Bell {
    place: Place,
    bells: Arc<Bells>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.bells.ring(self.place);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.bells.ring(self.place);
    }
}

/// A runtime's stream with the waker that it was given.
pub struct Watched<S> {
    stream: S,
    waker: Waker,
}

impl<R> fmt::Debug for PollReactor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollReactor").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Watched<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl<R> PollReactor<R> {
    /// A reactor without sockets, on the runtime that this thread is in.
    pub fn new(clock: Clock) -> Self {
        Self { clock, heard: Heard::default(), runtime: PhantomData }
    }
}

impl<R: Runtime> PollReactor<R> {
    /// Rings at once if there is something to read, otherwise later.
    fn arm(watched: &Watched<R::Stream>) {
        let mut cx = Context::from_waker(&watched.waker);
        if R::poll_read_ready(&watched.stream, &mut cx).is_ready() {
            watched.waker.wake_by_ref();
        }
    }
}

impl<R: Runtime> Reactor for PollReactor<R> {
    type Socket = TcpStream;
    type Stream = Watched<R::Stream>;

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn attach(&mut self, place: Place, socket: TcpStream) -> io::Result<Self::Stream> {
        let bell = Arc::new(Bell { place, bells: Arc::clone(self.heard.bells()) });
        let watched = Watched { stream: R::attach(socket)?, waker: bell.into() };
        Self::arm(&watched);
        Ok(watched)
    }

    fn detach(&mut self, watched: Self::Stream) -> io::Result<TcpStream> {
        R::detach(watched.stream)
    }

    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
        dial::begin(to, from)
    }

    fn connected(&mut self, watched: &mut Self::Stream) -> io::Result<bool> {
        let mut cx = Context::from_waker(&watched.waker);
        match R::poll_write_ready(&watched.stream, &mut cx)? {
            Poll::Pending => Ok(false),
            Poll::Ready(()) => R::take_error(&watched.stream)?.map_or(Ok(true), Err),
        }
    }

    fn read(&mut self, watched: &mut Self::Stream, buffer: &mut [u8]) -> io::Result<usize> {
        let mut cx = Context::from_waker(&watched.waker);
        let n = or_would_block(R::poll_read(&mut watched.stream, &mut cx, buffer))?;
        if 0 < n && n < buffer.len() {
            Self::arm(watched);
        }
        Ok(n)
    }

    fn write_vectored(&mut self, watched: &mut Self::Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut cx = Context::from_waker(&watched.waker);
        or_would_block(R::poll_write_vectored(&mut watched.stream, &mut cx, slices))
    }

    fn finish(&mut self, watched: &mut Self::Stream) -> io::Result<()> {
        R::finish(&mut watched.stream)
    }

    fn next_ready(&mut self) -> Option<Ready> {
        // Asking a runtime for what it knows isn't there costs no system call, and the end of the stream rings by itself
        // after a short read.
        self.heard.next()
    }

    fn wake_with(&mut self, waker: &Waker) {
        self.heard.wake_with(waker);
    }
}

fn or_would_block<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

/// A reactor whose waiting is a runtime's.
pub trait Polled: Reactor {
    /// Which.
    type Runtime: Runtime;
}

impl<R: Runtime> Polled for PollReactor<R> {
    type Runtime = R;
}

/// A shard as a future, to be run on the thread and in the runtime that it was made in; it ends with a shutdown.
///
/// It has its own bounds, so a runtime's budget for tasks should not be put on top of them.
pub struct ShardFuture<R: Polled, M: Machine = Broker> {
    shard: Shard<R, M>,
    timer: Option<<R::Runtime as Runtime>::Timer>,
    /// When the timer ends, if it has not.
    armed: Option<Instant>,
    waker: Waker,
}

// Nothing in it is ever pinned.
impl<R: Polled, M: Machine> Unpin for ShardFuture<R, M> {}

impl<R: Polled, M: Machine> fmt::Debug for ShardFuture<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardFuture").field("shard", &self.shard).finish_non_exhaustive()
    }
}

impl<R: Polled, M: Machine> ShardFuture<R, M> {
    /// The future that turns this shard.
    pub fn new(shard: Shard<R, M>) -> Self {
        Self { shard, timer: None, armed: None, waker: Waker::noop().clone() }
    }

    fn wake_with(&mut self, waker: &Waker) {
        if !self.waker.will_wake(waker) {
            self.waker.clone_from(waker);
            self.shard.wake_with(waker);
        }
    }

    /// Sees to it that somebody wakes the shard then.
    fn wait_until(&mut self, at: Instant, cx: &mut Context<'_>) {
        // One that ends too early costs a turn; moving it each time costs more.
        if self.armed.is_none_or(|armed| at < armed) {
            let now = self.shard.reactor().now();
            let wait = at.saturating_duration_since(now).min(LONGEST_WAIT);
            match &mut self.timer {
                Some(timer) => R::Runtime::reset(timer, wait),
                None => self.timer = Some(R::Runtime::timer(wait)),
            }
            self.armed = Some(now.after(wait));
        }
        if let Some(timer) = &mut self.timer
            && R::Runtime::poll_timer(timer, cx).is_ready()
        {
            self.armed = None;
            cx.waker().wake_by_ref();
        }
    }
}

impl<R: Polled, M: Machine> Future for ShardFuture<R, M> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.wake_with(cx.waker());
        match this.shard.turn() {
            Turn::Ended => return Poll::Ready(()),
            Turn::Again => cx.waker().wake_by_ref(),
            Turn::Wait(None) => {}
            Turn::Wait(Some(at)) => this.wait_until(at, cx),
        }
        Poll::Pending
    }
}
