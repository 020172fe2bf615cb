#![doc = include_str!("../README.md")]
//! ## Where to begin
//!
//! [`connect`] and [`serve`] have examples. Whoever has a runtime already makes a
//! [`ShardFuture`](tidewire_driver::poll::ShardFuture) of [`Tokio`] and runs it there.
#![forbid(unsafe_code)]
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod client;
mod serve;

pub use client::{clients, connect, launch};
pub use serve::{serve, serve_with};
pub use tidewire_driver::client::*;

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
pub use std::time::Duration;
use tidewire_driver::poll::Runtime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};

/// Tokio, to the driver.
#[derive(Debug)]
pub struct Tokio;

impl Runtime for Tokio {
    type Stream = TcpStream;
    type Listener = TcpListener;
    type Timer = Pin<Box<Sleep>>;

    fn attach(socket: std::net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(socket)
    }

    fn detach(stream: TcpStream) -> io::Result<std::net::TcpStream> {
        stream.into_std()
    }

    fn poll_read_ready(stream: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        stream.poll_read_ready(cx)
    }

    // Not `try_read`: only this one takes a short read for what it is, and forgets the readiness.
    fn poll_read(stream: &mut TcpStream, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_write_vectored(
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices {
            // This one takes a short write for what it is, and forgets the readiness.
            [slice] => Pin::new(stream).poll_write(cx, slice),
            slices => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn poll_write_ready(stream: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        stream.poll_write_ready(cx)
    }

    fn take_error(stream: &TcpStream) -> io::Result<Option<io::Error>> {
        stream.take_error()
    }

    fn finish(stream: &mut TcpStream) -> io::Result<()> {
        // Of a TCP stream this never waits.
        match Pin::new(stream).poll_shutdown(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn attach_listener(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }

    fn poll_accept(
        listener: &TcpListener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(std::net::TcpStream, SocketAddr)>> {
        let (stream, address) = ready!(listener.poll_accept(cx))?;
        Poll::Ready(Ok((stream.into_std()?, address)))
    }

    fn timer(wait: Duration) -> Pin<Box<Sleep>> {
        Box::pin(tokio::time::sleep(wait))
    }

    fn reset(timer: &mut Pin<Box<Sleep>>, wait: Duration) {
        timer.as_mut().reset(Instant::now() + wait);
    }

    fn poll_timer(timer: &mut Pin<Box<Sleep>>, cx: &mut Context<'_>) -> Poll<()> {
        timer.as_mut().poll(cx)
    }
}
