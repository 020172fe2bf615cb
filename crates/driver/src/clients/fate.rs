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

/// How a message has ended. There are many of them, and most are good.
pub(crate) type End = Result<ReasonCode, Box<Error>>;

/// What becomes of a message that was accepted: told once, and read any number of times. Copies are of the same one.
///
/// A million of them a second go from the loop to those who publish, most of them before anybody waits: so that takes no
/// lock.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    batch: Arc<[Entry]>,
    at: usize,
}

#[derive(Debug, Default)]
struct Entry {
    state: AtomicU16,
    /// The message's ticket, and one more; 0 as long as it has none.
    ticket: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    error: Option<Box<Error>>,
    waker: Option<Waker>,
}

/// Makes fates: several at a time, if many messages are open, because each time memory is taken. It is given back with the
/// last of a batch, so one that somebody keeps costs as much as all of them.
#[derive(Default)]
pub(super) struct Fates {
    batch: Option<Arc<[Entry]>>,
    /// So many of them are made.
    made: usize,
}

/// So many are made at once, at most.
const BATCH: usize = 64;
/// And one for each so many that are open.
const OPEN_FOR_EACH: usize = 8;

impl Fates {
    /// One for the next message, where so many are open.
    pub(super) fn next(&mut self, open: usize) -> Fate {
        let batch = self.batch.take().unwrap_or_else(|| {
            self.made = 0;
            let size = (open / OPEN_FOR_EACH).clamp(1, BATCH);
            (0..size).map(|_| Entry::default()).collect()
        });
        let at = self.made;
        self.made += 1;
        if self.made < batch.len() {
            self.batch = Some(Arc::clone(&batch));
        }
        Fate { batch, at }
    }
}

impl Default for Fate {
    fn default() -> Self {
        Fates::default().next(0)
    }
}

impl Fate {
    fn entry(&self) -> &Entry {
        &self.batch[self.at]
    }

    pub(super) fn ticket(&self) -> Option<Ticket> {
        self.entry().ticket.load(Ordering::Relaxed).checked_sub(1).map(Ticket)
    }

    pub(super) fn waits_for(&self, ticket: Ticket) {
        self.entry().ticket.store(ticket.0 + 1, Ordering::Relaxed);
    }

    /// Tells it.
    pub(crate) fn put(&self, end: End) {
        let entry = self.entry();
        let state = match end {
            Ok(reason) => WELL | u16::from(reason as u8),
            Err(error) => {
                lock(&entry.rest).error = Some(error);
                FAILED
            }
        };
        if entry.state.swap(state, Ordering::AcqRel) == AWAITED {
            let waker = lock(&entry.rest).waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<Result<ReasonCode, Error>> {
        let entry = self.entry();
        let state = entry.state.load(Ordering::Acquire);
        if state >= WELL {
            return Poll::Ready(Ok(reason(state)));
        }
        if state != FAILED {
            lock(&entry.rest).waker = Some(cx.waker().clone());
            // Whoever tells it from here on finds the waker; whoever has told it meanwhile is seen.
            match entry.state.compare_exchange(OPEN, AWAITED, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) | Err(AWAITED) => return Poll::Pending,
                Err(state) if state >= WELL => return Poll::Ready(Ok(reason(state))),
                Err(_) => {}
            }
        }
        match &lock(&entry.rest).error {
            Some(error) => Poll::Ready(Err((**error).clone())),
            None => Poll::Pending,
        }
    }
}

fn reason(well: u16) -> ReasonCode {
    ReasonCode::from_byte(well.to_le_bytes()[0]).unwrap_or(ReasonCode::Success)
}

/// The end of a message that was accepted. Dropping it changes nothing: the message goes its way.
#[derive(Debug)]
#[must_use = "what became of it is known only here"]
pub struct MessageReceipt {
    pub(super) fate: Fate,
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
        let mut made = Fates::default();
        let fates: Vec<Fate> = (0..20_000).map(|open| made.next(open / 100)).collect();
        let told = fates.clone();
        let teller = std::thread::spawn(move || {
            for (n, fate) in told.iter().enumerate() {
                fate.put(if n % 3 == 0 {
                    Err(Error::Gone.into())
                } else {
                    Ok(ReasonCode::NoMatchingSubscribers)
                });
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
