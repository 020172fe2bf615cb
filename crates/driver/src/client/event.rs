//! What happens to a client.
use super::Event;
use crate::clients::Reach;
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// All that happens to a client from some moment on, for one listener. It does not keep the client going.
pub struct Events {
    reach: Arc<Reach>,
    listener: u64,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    pub(super) fn new(reach: Arc<Reach>) -> Self {
        let listener = reach.listen();
        Self { reach, listener }
    }

    /// The next one: at first how things stand. `None` behind [`Event::Ended`].
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.reach.poll_event(self.listener, cx)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.reach.listen_no_more(self.listener);
    }
}
