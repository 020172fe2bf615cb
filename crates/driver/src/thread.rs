//! Threads whose panic is the end of the process.
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
