//! Waiting on a thread for what could be awaited.
use crate::Clock;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;
use tidewire_core::time::Instant;

/// Whatever can be awaited can be waited for: the thread sleeps until it is done. No runtime is needed.
pub trait Wait: IntoFuture + Sized {
    /// Until it is done.
    fn wait(self) -> Self::Output {
        wait_until(self.into_future(), None).expect("without a time there is no end to waiting")
    }

    /// Not longer than that: then it is dropped, and what that means its own documentation says.
    fn wait_for(self, patience: Duration) -> Option<Self::Output> {
        let clock = Clock::start();
        let until = clock.now().after(patience);
        wait_until(self.into_future(), Some((clock, until)))
    }
}

impl<F: IntoFuture> Wait for F {}

/// Wakes a thread.
struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// One for each thread: of those who wait for the same, none is remembered twice, however often it gives up.
    static WAKER: Waker = Waker::from(Arc::new(Sleeper(std::thread::current())));
}

/// Ends the next park of this thread.
struct Again<'a>(&'a Waker);

impl Drop for Again<'_> {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

/// Ends a park of this thread.
pub(crate) fn waker() -> Waker {
    WAKER.with(Waker::clone)
}

fn wait_until<T>(future: impl Future<Output = T>, until: Option<(Clock, Instant)>) -> Option<T> {
    let mut future = pin!(future);
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    // Who waits further out on this thread may have been called meanwhile, and looks again.
    let _again = Again(&waker);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return Some(done);
        }
        match until {
            None => std::thread::park(),
            Some((clock, at)) => {
                let left = at.saturating_duration_since(clock.now());
                if left.is_zero() {
                    return None;
                }
                std::thread::park_timeout(left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[test]
    fn a_thread_that_gives_up_again_and_again_is_remembered_once() {
        let mut wakers = Vec::<Waker>::new();
        for _ in 0..3 {
            let never = poll_fn(|cx| {
                if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    wakers.push(cx.waker().clone());
                }
                Poll::<()>::Pending
            });
            assert_eq!(never.wait_for(Duration::ZERO), None);
        }
        assert_eq!(wakers.len(), 1);
    }
}
