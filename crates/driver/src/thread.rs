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

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    /// Set where this program is its own child.
    const CHILD: &str = "TIDEWIRE_PANICS";

    #[test]
    fn a_panic_in_a_shard_ends_the_process_at_once() {
        if std::env::var_os(CHILD).is_some() {
            let shard = super::spawn("shard".to_owned(), || panic!("it was asked to")).expect("a thread");
            let _ = shard.join();
            std::process::exit(0); // Whoever survives it has failed.
        }
        let itself = std::env::current_exe().expect("it runs");
        let name = "thread::tests::a_panic_in_a_shard_ends_the_process_at_once";
        let mut child = Command::new(itself);
        child.args(["--exact", name, "--nocapture"]).env(CHILD, "yes").stdout(Stdio::null());
        let ended = child.output().expect("it starts");
        assert!(!ended.status.success(), "it went on: {:?}", ended.status);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains("it was asked to") && said.contains("thread.rs"), "it says where: {said}");
    }
}
