//! What becomes of a message that was accepted.
use super::error::Error;
use super::shared::lock;
use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tidewire_core::id::Ticket;
use tidewire_core::reason::ReasonCode;

/// Nothing yet.
const OPEN: u64 = 0;
/// Nothing yet, and somebody waits.
const AWAITED: u64 = 1;
/// It failed; why stands beside it.
const FAILED: u64 = 2;
/// It went well: the Reason Code is in the lower byte.
const WELL: u64 = 0x100;

/// How a message has ended. There are many of them, and most are good.
pub(crate) type End = Result<ReasonCode, Box<Error>>;

/// What becomes of a message that was accepted: told once, and read any number of times. Copies are of the same one.
///
/// A million of them a second go from the loop to those who publish, most of them before anybody waits: so that takes no
/// lock.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    batch: Batch,
    at: u32,
}

/// Fates are made several at a time.
pub(super) type Batch = Arc<[Entry]>;

#[derive(Debug)]
pub(crate) struct Entry {
    state: AtomicU64,
    /// The message's ticket, and one more; 0 as long as it has none.
    ticket: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Debug)]
struct Rest {
    error: Option<Box<Error>>,
    waker: Option<Waker>,
}

/// Makes fates: several at a time, if many messages are open, because each time memory is taken. It is given back with the
/// last of a batch, so one that somebody keeps costs as much as all of them.
#[derive(Default)]
pub(crate) struct Fates {
    batch: Option<Batch>,
    /// So many of them are made.
    made: u32,
}

/// So many are made at once, at most.
const BATCH: usize = 64;
/// And one for each so many that are open.
const OPEN_FOR_EACH: usize = 8;

impl Fates {
    /// One for the next message, where so many are open.
    #[inline]
    pub(crate) fn next(&mut self, open: usize) -> Fate {
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => self.more(open),
        };
        let at = self.made;
        self.made += 1;
        if (self.made as usize) < batch.len() {
            self.batch = Some(Arc::clone(&batch));
        }
        Fate { batch, at }
    }

    #[cold]
    fn more(&mut self, open: usize) -> Batch {
        self.made = 0;
        let size = (open / OPEN_FOR_EACH).clamp(1, BATCH);
        (0..size).map(|_| const { Entry::new() }).collect()
    }
}

/// Fates of messages on their way to the loop, in the order of these. What was made together is held once.
#[derive(Default)]
pub(crate) struct Coming {
    runs: VecDeque<Run>,
}

/// Fates one behind the other in a batch.
pub(super) struct Run {
    pub(super) batch: Batch,
    pub(super) places: Range<u32>,
}

impl Coming {
    #[inline]
    pub(crate) fn push(&mut self, fate: &Fate) {
        if let Some(run) = self.runs.back_mut()
            && Arc::ptr_eq(&run.batch, &fate.batch)
            && run.places.end == fate.at
        {
            run.places.end += 1;
        } else {
            self.runs.push_back(Run { batch: Arc::clone(&fate.batch), places: fate.at..fate.at + 1 });
        }
    }

    /// The first one.
    pub(super) fn pop(&mut self) -> Option<Fate> {
        let run = self.runs.front_mut()?;
        let fate = run.places.next().map(|at| Fate { batch: Arc::clone(&run.batch), at });
        if run.places.is_empty() {
            self.runs.pop_front();
        }
        fate
    }

    pub(super) fn next_run(&mut self) -> Option<Run> {
        self.runs.pop_front()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

impl Entry {
    const fn new() -> Self {
        let rest = Mutex::new(Rest { error: None, waker: None });
        Self { state: AtomicU64::new(OPEN), ticket: AtomicU64::new(0), rest }
    }

    pub(super) fn waits_for(&self, ticket: Ticket) {
        self.ticket.store(ticket.0 + 1, Ordering::Relaxed);
    }

    /// Tells it.
    pub(super) fn put(&self, end: End) {
        let state = match end {
            Ok(reason) => WELL | u64::from(reason as u8),
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
}

impl Fate {
    fn entry(&self) -> &Entry {
        &self.batch[self.at as usize]
    }

    /// Tells it.
    pub(crate) fn put(&self, end: End) {
        self.entry().put(end);
    }

    pub(super) fn ticket(&self) -> Option<Ticket> {
        self.entry().ticket.load(Ordering::Relaxed).checked_sub(1).map(Ticket)
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

fn reason(well: u64) -> ReasonCode {
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
        let mut coming = Coming::default();
        fates.iter().for_each(|fate| coming.push(fate));
        let teller = std::thread::spawn(move || {
            for n in 0..20_000 {
                let fate = coming.pop().expect("as many as were made");
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
            let fate = Fates::default().next(0);
            fate.put(Ok(reason));
            assert_eq!(poll_fn(|cx| fate.poll_end(cx)).wait(), Ok(reason));
        }
    }
}
