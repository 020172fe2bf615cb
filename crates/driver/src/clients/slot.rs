//! Where the end of something is put, and taken.
use super::error::Error;
use super::shared::lock;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// Where the end of something is put, and taken.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    state: Mutex<SlotState<T>>,
}

#[derive(Debug)]
struct SlotState<T> {
    end: Option<Result<T, Error>>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Arc<Self> {
        let state = Mutex::new(SlotState { end: None, waker: None });
        Arc::new(Self { state })
    }

    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let mut state = lock(&self.state);
        match state.end.take() {
            Some(end) => Poll::Ready(end),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Its end, if it has come.
    pub(super) fn take_end(&self) -> Option<Result<T, Error>> {
        lock(&self.state).end.take()
    }

    pub(crate) fn put(&self, end: Result<T, Error>) {
        if let Some(waker) = self.put_quietly(end) {
            waker.wake();
        }
    }

    /// The same, with somebody to be woken once no lock is held.
    pub(super) fn put_quietly(&self, end: Result<T, Error>) -> Option<Waker> {
        let mut state = lock(&self.state);
        state.end = Some(end);
        state.waker.take()
    }
}

/// The end of something that was asked for. Dropping it changes nothing: what was accepted goes its way.
#[derive(Debug)]
#[must_use = "what became of it is known only here"]
pub struct Receipt<T> {
    pub(crate) slot: Arc<Slot<T>>,
}

impl<T> Future for Receipt<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        self.slot.poll_end(cx)
    }
}
