//! What becomes of a message that was accepted.
use super::error::Error;
use super::shared::lock;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tidewire_core::id::Ticket;
use tidewire_core::reason::ReasonCode;

/// Nothing yet.
const OPEN: u16 = 0;
/// Nothing yet, and somebody waits.
const AWAITED: u16 = 1;
/// It failed; why stands beside it.
const FAILED: u16 = 2;
/// It went well: the Reason Code is in the lower byte.
const WELL: u16 = 0x100;

/// What becomes of a message that was accepted: told once, and read any number of times.
///
/// A million of them a second go from the loop to those who publish, most of them before anybody waits: so that takes no
/// lock.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    state: AtomicU16,
    /// The message's ticket, and one more; 0 as long as it has none.
    ticket: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    error: Option<Error>,
    waker: Option<Waker>,
}

impl Fate {
    pub(super) fn ticket(&self) -> Option<Ticket> {
        self.ticket.load(Ordering::Relaxed).checked_sub(1).map(Ticket)
    }

    pub(super) fn waits_for(&self, ticket: Ticket) {
        self.ticket.store(ticket.0 + 1, Ordering::Relaxed);
    }

    /// Tells it.
    pub(crate) fn put(&self, end: Result<ReasonCode, Error>) {
        let state = match end {
            Ok(reason) => WELL | u16::from(reason as u8),
            Err(error) => {
                lock(&self.rest).error = Some(error);
                FAILED
            }
        };
        if self.state.swap(state, Ordering::AcqRel) == AWAITED {
            let waker = lock(&self.rest).waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// If it is known.
    fn end(&self, state: u16) -> Option<Result<ReasonCode, Error>> {
        match state {
            OPEN | AWAITED => None,
            FAILED => lock(&self.rest).error.clone().map(Err),
            well => ReasonCode::from_byte(well.to_le_bytes()[0]).map(Ok),
        }
    }

    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<Result<ReasonCode, Error>> {
        if let Some(end) = self.end(self.state.load(Ordering::Acquire)) {
            return Poll::Ready(end);
        }
        lock(&self.rest).waker = Some(cx.waker().clone());
        // Whoever tells it from here on finds the waker; whoever has told it meanwhile is seen.
        let seen = self.state.compare_exchange(OPEN, AWAITED, Ordering::AcqRel, Ordering::Acquire);
        match seen.err().and_then(|state| self.end(state)) {
            Some(end) => Poll::Ready(end),
            None => Poll::Pending,
        }
    }
}

/// The end of a message that was accepted. Dropping it changes nothing: the message goes its way.
#[derive(Debug)]
#[must_use = "what became of it is known only here"]
pub struct MessageReceipt {
    pub(super) fate: Arc<Fate>,
}

impl Future for MessageReceipt {
    type Output = Result<ReasonCode, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.fate.poll_end(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Wait;
    use std::future::poll_fn;
    use std::time::Duration;

    #[test]
    fn whoever_waits_hears_it_whenever_it_is_told() {
        let fates: Vec<Arc<Fate>> = (0..20_000).map(|_| Arc::default()).collect();
        let told = fates.clone();
        let teller = std::thread::spawn(move || {
            for (n, fate) in told.iter().enumerate() {
                fate.put(if n % 3 == 0 { Err(Error::Gone) } else { Ok(ReasonCode::NoMatchingSubscribers) });
            }
        });
        for (n, fate) in fates.iter().enumerate() {
            let end = poll_fn(|cx| fate.poll_end(cx)).wait_for(Duration::from_secs(20)).expect("it is told");
            let well = if n % 3 == 0 { Err(Error::Gone) } else { Ok(ReasonCode::NoMatchingSubscribers) };
            assert_eq!(end, well);
            assert_eq!(poll_fn(|cx| fate.poll_end(cx)).wait(), well, "and it can be read again");
        }
        teller.join().expect("it tells");
    }

    #[test]
    fn each_reason_code_comes_through() {
        for reason in (0..=u8::MAX).filter_map(ReasonCode::from_byte) {
            let fate = Fate::default();
            fate.put(Ok(reason));
            assert_eq!(poll_fn(|cx| fate.poll_end(cx)).wait(), Ok(reason));
        }
    }
}
