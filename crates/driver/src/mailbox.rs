//! The one way into a shard from another thread.
use crate::Machine;
use crate::Reactor;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use tidewire_core::broker::policy::{Answer, Peer};
use tidewire_core::id::{Position, QuestionId, ShardId};
use tidewire_core::time::Instant;

/// Accepted sockets that wait for a shard, at most: strangers can fill nothing more than this.
const ACCEPTED_MAXIMUM: usize = 1024;

/// Something to do with the broker on its own thread.
pub type Call<M> = Box<dyn FnOnce(&mut M, Instant) + Send>;

/// What a program can post to a shard.
#[non_exhaustive]
pub enum Post<M: Machine> {
    /// The answer to what the host was asked.
    Answer(QuestionId, Answer),
    /// The journal is durable up to here.
    Durable(Position),
    /// The journal can't be written.
    JournalFailed,
    /// Say goodbye to everybody and end, at the latest then.
    Shutdown(Instant),
    /// Do this.
    Call(Call<M>),
}

impl<M: Machine> fmt::Debug for Post<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer(..) => "Answer",
            Self::Durable(_) => "Durable",
            Self::JournalFailed => "JournalFailed",
            Self::Shutdown(_) => "Shutdown",
            Self::Call(_) => "Call",
        })
    }
}

/// What lies in the mailbox of a shard whose sockets are `S`.
pub(crate) enum Letter<M: Machine, S> {
    /// From the program.
    Post(Post<M>),
    /// A socket on its way from another shard, and what the broker there knew of it.
    Passage { socket: S, passage: M::Passage },
    /// From another shard's broker.
    Mail { from: ShardId, mail: M::Mail },
    /// Another shard has nothing left to send before the end.
    Quiet,
}

/// A queue into a shard that wakes it only if it sleeps: many post, one takes.
pub struct Mailbox<M: Machine, S> {
    shared: Arc<Mutex<Inner<M, S>>>,
}

/// The mailbox into a shard that a reactor `R` serves.
pub(crate) type MailboxOf<R, M> = Mailbox<M, <R as Reactor>::Socket>;

struct Inner<M: Machine, S> {
    letters: Vec<Letter<M, S>>,
    accepted: Vec<(S, Peer)>,
    /// The shard has seen both queues empty and was not woken since.
    asleep: bool,
    /// The shard has ended: what comes is dropped.
    closed: bool,
    waker: Option<Waker>,
}

impl<M: Machine, S> Clone for Mailbox<M, S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M: Machine, S> fmt::Debug for Mailbox<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

impl<M: Machine, S> Default for Mailbox<M, S> {
    fn default() -> Self {
        let inner =
            Inner { letters: Vec::new(), accepted: Vec::new(), asleep: false, closed: false, waker: None };
        Self { shared: Arc::new(Mutex::new(inner)) }
    }
}

impl<M: Machine, S> Mailbox<M, S> {
    /// Puts something in. A shard that has ended takes no more: it is dropped.
    pub fn post(&self, post: Post<M>) {
        self.put(Letter::Post(post));
    }

    pub(crate) fn put(&self, letter: Letter<M, S>) {
        let mut inner = self.lock();
        if inner.closed {
            // What it owns may be a socket: closed outside of the lock.
            drop(inner);
            return drop(letter);
        }
        inner.letters.push(letter);
        wake(inner);
    }

    /// Puts an accepted socket in, or gives it back because too many wait already.
    pub fn post_accepted(&self, socket: S, peer: Peer) -> Result<(), S> {
        let mut inner = self.lock();
        // This process is no stranger to itself.
        let is_full = inner.accepted.len() >= ACCEPTED_MAXIMUM && peer != Peer::WITHIN;
        if inner.closed || is_full {
            return Err(socket);
        }
        inner.accepted.push((socket, peer));
        wake(inner);
        Ok(())
    }

    /// How the shard is woken from now on.
    pub fn wake_with(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    /// Takes everything out, into queues that are empty.
    pub(crate) fn take(&self, letters: &mut Vec<Letter<M, S>>, accepted: &mut Vec<(S, Peer)>) {
        debug_assert!(letters.is_empty() && accepted.is_empty());
        let mut inner = self.lock();
        inner.asleep = false;
        std::mem::swap(&mut inner.letters, letters);
        std::mem::swap(&mut inner.accepted, accepted);
    }

    /// The shard is about to sleep; false if it may not, because something came.
    ///
    /// No wake-up is lost: emptiness is seen and `asleep` set under the lock that every post takes, so a post
    /// comes either before, and is seen here, or after, and sees that it has to wake.
    pub(crate) fn sleep(&self) -> bool {
        let mut inner = self.lock();
        inner.asleep = inner.letters.is_empty() && inner.accepted.is_empty();
        inner.asleep
    }

    /// The shard has ended.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let left = (std::mem::take(&mut inner.letters), std::mem::take(&mut inner.accepted));
        drop(inner);
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, Inner<M, S>> {
        self.shared.lock().expect("nothing panics while it is held")
    }
}

/// Wakes a sleeping shard, after the lock is given back.
fn wake<M: Machine, S>(mut inner: MutexGuard<'_, Inner<M, S>>) {
    if std::mem::take(&mut inner.asleep) {
        let waker = inner.waker.clone();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    type TestMailbox = Mailbox<tidewire_core::broker::Broker, u32>;

    #[derive(Default)]
    struct Rung(AtomicUsize);

    impl Wake for Rung {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn with_waker() -> (TestMailbox, Arc<Rung>) {
        let (mailbox, rung) = (TestMailbox::default(), Arc::new(Rung::default()));
        mailbox.wake_with(&Arc::clone(&rung).into());
        (mailbox, rung)
    }

    const PEER: Peer =
        Peer::new(std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1), 0);

    #[test]
    fn only_a_sleeping_shard_is_woken_and_only_once() {
        let (mailbox, rung) = with_waker();
        mailbox.put(Letter::Quiet);
        assert_eq!(rung.0.load(Ordering::SeqCst), 0, "it is awake");
        assert!(!mailbox.sleep(), "something came");
        mailbox.take(&mut Vec::new(), &mut Vec::new());
        assert!(mailbox.sleep());
        mailbox.put(Letter::Quiet);
        mailbox.post_accepted(1, PEER).unwrap();
        assert_eq!(rung.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn strangers_cannot_fill_it() {
        let (mailbox, _) = with_waker();
        let taken = (0..).take_while(|i| mailbox.post_accepted(*i, PEER).is_ok()).count();
        assert_eq!(taken, ACCEPTED_MAXIMUM);
        let mut accepted = Vec::new();
        mailbox.take(&mut Vec::new(), &mut accepted);
        assert_eq!(accepted.len(), ACCEPTED_MAXIMUM);
        assert!(mailbox.post_accepted(1, PEER).is_ok());
    }

    #[test]
    fn a_closed_mailbox_keeps_nothing() {
        let (mailbox, rung) = with_waker();
        assert!(mailbox.sleep());
        mailbox.close();
        mailbox.put(Letter::Quiet);
        assert_eq!(mailbox.post_accepted(7, PEER), Err(7));
        assert_eq!(rung.0.load(Ordering::SeqCst), 0);
    }
}
