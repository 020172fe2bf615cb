//! Threads whose panic is the end of the process.
use crate::wait::waker;
use crate::{Machine, Reactor, Shard, Turn};
use std::io;
use std::thread::JoinHandle;

/// Runs a shard on a thread of its own.
///
/// Torn state never serves: if it panics, the process ends, also in builds whose panics unwind.
pub fn spawn(name: String, shard: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(move || {
        let bomb = EndOnUnwind;
        shard();
        std::mem::forget(bomb);
    })
}

struct EndOnUnwind;

impl Drop for EndOnUnwind {
    fn drop(&mut self) {
        // The panic's message has been printed by now.
        std::process::abort();
    }
}

/// Turns a shard on this thread until it ends. Its reactor has no sockets to wait for.
pub fn turn<R: Reactor, M: Machine>(mut shard: Shard<R, M>) {
    shard.wake_with(&waker());
    loop {
        match shard.turn() {
            Turn::Ended => return,
            Turn::Again => {}
            Turn::Wait(None) => std::thread::park(),
            Turn::Wait(Some(at)) => {
                std::thread::park_timeout(at.saturating_duration_since(shard.reactor().now()));
            }
        }
    }
}
