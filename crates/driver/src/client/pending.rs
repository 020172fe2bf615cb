//! What was asked for, until it is done.
use super::{Error, Result};
use crate::clients::{Receipt, Slot};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Something that was asked for, until it is done. It happens whether or not anybody waits for it.
#[must_use = "what became of it is known only here"]
pub struct Pending<T> {
    inner: Inner<T>,
}

enum Inner<T> {
    Failed(Option<Error>),
    Asked(Arc<Slot<T>>),
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

impl<T> Pending<T> {
    pub(crate) fn asked(slot: Arc<Slot<T>>) -> Self {
        Self { inner: Inner::Asked(slot) }
    }

    pub(super) fn of(receipt: Receipt<T>) -> Self {
        Self::asked(receipt.slot)
    }

    pub(super) fn failed(error: impl Into<Error>) -> Self {
        Self { inner: Inner::Failed(Some(error.into())) }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        match &mut self.inner {
            Inner::Failed(error) => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
            Inner::Asked(slot) => slot.poll_end(cx).map_err(Error::from),
        }
    }
}
