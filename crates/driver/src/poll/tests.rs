use super::*;
use crate::script::Script;
use crate::{Mailbox, Post};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidewire_core::id::ShardId;

/// A runtime without streams, whose timers only say what was done with them, and whose listeners fail when they are told to.
pub(super) struct Timers;

#[derive(Default)]
pub(super) struct State {
    /// Each wait that a timer was made for or set to.
    pub(super) waits: Vec<Duration>,
    /// The timer has ended; another one has not.
    pub(super) fired: bool,
    /// What is next to go wrong at listeners.
    pub(super) accept_fails: Vec<ErrorKind>,
    pub(super) accepted: usize,
}

thread_local! {
    static STATE: Rc<RefCell<State>> = Rc::default();
}

pub(super) fn state<T>(with: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|state| with(&mut state.borrow_mut()))
}

impl Runtime for Timers {
    type Stream = ();
    type Listener = TcpListener;
    type Timer = ();

    fn attach(_: TcpStream) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn detach((): ()) -> io::Result<TcpStream> {
        Err(ErrorKind::Unsupported.into())
    }

    fn poll_read_ready((): &(), _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_read((): &mut (), _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write_vectored((): &mut (), _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write_ready((): &(), _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn take_error((): &()) -> io::Result<Option<io::Error>> {
        Ok(None)
    }

    fn finish((): &mut ()) -> io::Result<()> {
        Ok(())
    }

    fn attach_listener(listener: TcpListener) -> io::Result<TcpListener> {
        Ok(listener)
    }

    fn poll_accept(listener: &TcpListener, _: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        if let Some(error) = state(|state| state.accept_fails.pop()) {
            return Poll::Ready(Err(error.into()));
        }
        match listener.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            accepted => {
                state(|state| state.accepted += 1);
                Poll::Ready(accepted)
            }
        }
    }

    fn timer(wait: Duration) {
        Self::reset(&mut (), wait);
    }

    fn reset((): &mut (), wait: Duration) {
        state(|state| {
            state.fired = false;
            state.waits.push(wait);
        });
    }

    fn poll_timer((): &mut (), _: &mut Context<'_>) -> Poll<()> {
        if state(|state| state.fired) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[derive(Default)]
pub(super) struct Woken(AtomicUsize);

impl Woken {
    pub(super) fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Bench {
    future: ShardFuture<PollReactor<Timers>, Script>,
    mailbox: Mailbox<Script, TcpStream>,
    woken: Arc<Woken>,
}

impl Bench {
    fn new() -> Self {
        state(|state| *state = State::default());
        let mailbox = Mailbox::default();
        let reactor = PollReactor::new(Clock::start());
        let mailboxes = vec![mailbox.clone()];
        let shard = Shard::new(ShardId(0), Script::default(), reactor, Box::new(()), None, mailboxes);
        Self { future: ShardFuture::new(shard), mailbox, woken: Arc::default() }
    }

    fn poll(&mut self) -> Poll<()> {
        let waker = Arc::clone(&self.woken).into();
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker))
    }

    /// Its next deadline is so far away.
    fn due_in(&self, seconds: u64) {
        let at = self.future.shard.reactor().now().after_secs(seconds);
        self.mailbox.post(Post::Call(Box::new(move |machine: &mut Script, _| machine.timeout = Some(at))));
    }

    fn times_woken(&self) -> usize {
        self.woken.times()
    }
}

/// The waits, rounded up to seconds.
pub(super) fn waits() -> Vec<u128> {
    state(|state| state.waits.iter().map(|wait| wait.as_micros().div_ceil(1_000_000)).collect())
}

#[test]
fn a_sleeping_shard_is_woken_by_its_mailbox() {
    let mut bench = Bench::new();
    assert!(bench.poll().is_pending());
    assert_eq!(bench.times_woken(), 0);
    bench.due_in(10);
    assert_eq!(bench.times_woken(), 1);
}

#[test]
fn the_timer_is_set_again_only_for_what_is_earlier() {
    let mut bench = Bench::new();
    for (due, expected) in [(20, &[20][..]), (30, &[20]), (20, &[20]), (10, &[20, 10]), (15, &[20, 10])] {
        bench.due_in(due);
        assert!(bench.poll().is_pending());
        assert_eq!(waits(), expected, "due in {due}");
    }
}

#[test]
fn a_timer_that_ends_too_early_is_set_to_the_rest() {
    let mut bench = Bench::new();
    bench.due_in(10);
    assert!(bench.poll().is_pending());
    bench.due_in(20);
    state(|state| state.fired = true);
    assert!(bench.poll().is_pending());
    let woken = bench.times_woken();
    assert!(bench.poll().is_pending());
    assert!(woken >= 1, "it asks for another turn");
    assert_eq!(waits(), [10, 20]);
}

#[test]
fn no_timer_is_set_for_longer_than_runtimes_like() {
    let mut bench = Bench::new();
    bench.due_in(1_000_000_000);
    assert!(bench.poll().is_pending());
    assert_eq!(waits(), [3600]);
}

#[test]
fn it_ends_with_a_shutdown() {
    let mut bench = Bench::new();
    assert!(bench.poll().is_pending());
    bench.mailbox.post(Post::Shutdown(Instant::default()));
    assert!(bench.poll().is_ready());
}
