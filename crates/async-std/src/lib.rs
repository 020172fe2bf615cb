#![doc = include_str!("../README.md")]
//! ## Where to begin
//!
//! [`connect`] and [`serve`] have examples. Whoever has a task already makes a
//! [`ShardFuture`](tidewire_driver::poll::ShardFuture) of [`AsyncStd`] and runs it there.
#![forbid(unsafe_code)]
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod client;
mod serve;

pub use client::{clients, connect, launch};
pub use serve::{serve, serve_with};
pub use tidewire_driver::client::*;

use async_io::{Async, Timer};
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
pub use std::time::Duration;
use tidewire_driver::poll::Runtime;

/// async-std, to the driver: the reactor that it waits with.
#[derive(Debug)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    type Stream = Async<TcpStream>;
    type Listener = Async<TcpListener>;
    type Timer = Timer;

    fn attach(socket: TcpStream) -> io::Result<Async<TcpStream>> {
        Async::new_nonblocking(socket)
    }

    fn detach(stream: Async<TcpStream>) -> io::Result<TcpStream> {
        stream.into_inner()
    }

    fn poll_read_ready(stream: &Async<TcpStream>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        watch(|| stream.poll_readable(cx))
    }

    fn poll_read(
        stream: &mut Async<TcpStream>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        or_watch(stream.get_ref().read(buffer), || stream.poll_readable(cx))
    }

    fn poll_write_vectored(
        stream: &mut Async<TcpStream>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        or_watch(stream.get_ref().write_vectored(slices), || stream.poll_writable(cx))
    }

    // The socket says it itself, not the reactor: what that calls ready is an event of a round that began after it was
    // asked, and while other threads wait there, each event can be of the round before, for seconds.
    fn poll_write_ready(stream: &Async<TcpStream>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let failed = Self::take_error(stream)?;
        match failed.map_or_else(|| stream.get_ref().peer_addr(), Err) {
            Err(error) if error.kind() == ErrorKind::NotConnected => watch(|| stream.poll_writable(cx)),
            known => Poll::Ready(known.map(drop)),
        }
    }

    fn take_error(stream: &Async<TcpStream>) -> io::Result<Option<io::Error>> {
        stream.get_ref().take_error()
    }

    fn finish(stream: &mut Async<TcpStream>) -> io::Result<()> {
        stream.get_ref().shutdown(Shutdown::Write)
    }

    fn attach_listener(listener: TcpListener) -> io::Result<Async<TcpListener>> {
        Async::new_nonblocking(listener)
    }

    fn poll_accept(
        listener: &Async<TcpListener>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let unblocked =
            |(socket, from): (TcpStream, _)| socket.set_nonblocking(true).map(|()| (socket, from));
        let accepted = listener.get_ref().accept().and_then(unblocked);
        or_watch(accepted, || listener.poll_readable(cx))
    }

    fn timer(wait: Duration) -> Timer {
        Timer::after(wait)
    }

    fn reset(timer: &mut Timer, wait: Duration) {
        timer.set_after(wait);
    }

    fn poll_timer(timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(timer).poll(cx).map(drop)
    }
}

/// What came of trying; who has to wait hears of the next event.
fn or_watch<T>(tried: io::Result<T>, poll: impl FnMut() -> Poll<io::Result<()>>) -> Poll<io::Result<T>> {
    match tried {
        Err(error) if error.kind() == ErrorKind::WouldBlock => watch(poll),
        tried => Poll::Ready(tried),
    }
}

/// Waits for an event that is still to come. One that has come since the last time is of what was read or written by now;
/// what is there nevertheless is looked for as soon as the next one is asked for.
fn watch<T>(mut poll: impl FnMut() -> Poll<io::Result<()>>) -> Poll<io::Result<T>> {
    loop {
        ready!(poll())?;
    }
}
