//! From listeners to shards, on any runtime that polls futures.
use super::Runtime;
use crate::Clock;
use crate::accept::{Advice, FULL_PAUSE, Patience, Turns, prepare};
use crate::serve::{Notice, Notices};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tidewire_core::broker::policy::Peer;

/// Accepted before others have their turn: other listeners, above all.
const IN_TURN: usize = 64;

/// One listener, which closes when this is dropped.
pub struct Acceptor<R: Runtime> {
    listener: R::Listener,
    number: u16,
    clock: Clock,
    notices: Notices,
    shards: Arc<Turns>,
}

impl<R: Runtime> fmt::Debug for Acceptor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("number", &self.number).finish_non_exhaustive()
    }
}

impl<R: Runtime> Acceptor<R> {
    /// Takes the listener into the runtime that this thread is in.
    pub fn new(
        number: u16,
        listener: TcpListener,
        clock: Clock,
        notices: Notices,
        shards: Arc<Turns>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener: R::attach_listener(listener)?, number, clock, notices, shards })
    }

    /// Its loop, which ends only when it is dropped.
    pub async fn run(self) {
        let mut patience = Patience::default();
        for left in (0..IN_TURN).rev().cycle() {
            match poll_fn(|cx| R::poll_accept(&self.listener, cx)).await {
                Ok((socket, address)) => {
                    if patience.succeeded(self.clock.now()) {
                        (self.notices)(Notice::Resumed { listener: self.number });
                    }
                    self.hand_over(socket, address).await;
                }
                Err(error) => self.wait_out(&mut patience, error).await,
            }
            if left == 0 {
                step_back().await;
            }
        }
    }

    async fn wait_out(&self, patience: &mut Patience, error: io::Error) {
        match patience.failed(self.clock.now(), &error) {
            Advice::Next => step_back().await,
            Advice::Pause { pause, first } => {
                if first {
                    (self.notices)(Notice::Paused { listener: self.number, error });
                }
                rest::<R>(pause).await;
            }
        }
    }

    /// As long as no shard takes it, no other is accepted.
    async fn hand_over(&self, socket: TcpStream, address: SocketAddr) {
        // It fails only for a peer that is gone.
        let Ok(()) = prepare(&socket) else { return };
        let (mut socket, peer) = (socket.into(), Peer::new(address, self.number));
        while let Err(back) = self.shards.hand_over(socket, peer) {
            socket = back;
            rest::<R>(FULL_PAUSE).await;
        }
    }
}

async fn rest<R: Runtime>(pause: Duration) {
    let mut timer = R::timer(pause);
    poll_fn(|cx| R::poll_timer(&mut timer, cx)).await;
}

/// Lets all others have their turn first.
async fn step_back() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::tests::{State, Timers, Woken, state, waits};
    use crate::serve::ServerMailbox;
    use std::future::Future;
    use std::io::ErrorKind;
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Waker};

    struct Bench {
        run: Pin<Box<dyn Future<Output = ()>>>,
        woken: Arc<Woken>,
        told: Arc<Mutex<Vec<Notice>>>,
        address: SocketAddr,
    }

    impl Bench {
        fn new(mailboxes: Vec<ServerMailbox>) -> Self {
            state(|state| *state = State::default());
            let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
            let address = listener.local_addr().expect("bound");
            let told = Arc::new(Mutex::new(Vec::new()));
            let notices: Notices = {
                let told = Arc::clone(&told);
                Arc::new(move |notice| told.lock().expect("one thread").push(notice))
            };
            let shards = Arc::new(Turns::new(mailboxes));
            let acceptor = Acceptor::<Timers>::new(0, listener, Clock::start(), notices, shards);
            let run = Box::pin(acceptor.expect("a listener").run());
            Self { run, woken: Arc::default(), told, address }
        }

        fn poll(&mut self) {
            let waker = Waker::from(Arc::clone(&self.woken));
            assert!(self.run.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }

        fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).expect("it listens")
        }
    }

    fn fails_next(kind: ErrorKind) {
        state(|state| state.accept_fails.push(kind));
    }

    fn fires() {
        state(|state| state.fired = true);
    }

    #[test]
    fn as_long_as_no_shard_takes_it_no_other_is_accepted() {
        let mut bench = Bench::new(Vec::new());
        let _clients = [(); 2].map(|()| bench.connect());
        bench.poll();
        assert_eq!(state(|state| (state.accepted, state.waits.clone())), (1, vec![FULL_PAUSE]));
        fires();
        bench.poll();
        assert_eq!(state(|state| (state.accepted, state.waits.len())), (1, 2), "it pauses again");
    }

    #[test]
    fn a_pause_ends_by_looking_and_is_told_once() {
        let mut bench = Bench::new(vec![ServerMailbox::default()]);
        let _client = bench.connect();
        fails_next(ErrorKind::OutOfMemory);
        fails_next(ErrorKind::OutOfMemory);
        bench.poll();
        bench.poll();
        assert_eq!(state(|state| state.accepted), 0, "it waits for the timer, whatever comes");
        fires();
        bench.poll();
        assert_eq!(state(|state| state.accepted), 0, "it failed again");
        fires();
        bench.poll();
        assert_eq!(state(|state| state.accepted), 1);
        assert_eq!(waits().len(), 2);
        let told = bench.told.lock().expect("one thread");
        assert!(matches!(told.as_slice(), [Notice::Paused { listener: 0, .. }]), "{told:?}");
    }

    #[test]
    fn whoever_is_there_without_end_leaves_others_their_turn() {
        let mut bench = Bench::new(vec![ServerMailbox::default()]);
        let _clients = [(); IN_TURN + 1].map(|()| bench.connect());
        bench.poll();
        assert_eq!((state(|state| state.accepted), bench.woken.times()), (IN_TURN, 1));
        bench.poll();
        assert_eq!((state(|state| state.accepted), bench.woken.times()), (IN_TURN + 1, 1));
    }

    #[test]
    fn after_a_peer_that_vanished_all_others_have_their_turn() {
        let mut bench = Bench::new(vec![ServerMailbox::default()]);
        let _client = bench.connect();
        fails_next(ErrorKind::ConnectionAborted);
        bench.poll();
        assert_eq!(state(|state| (state.accepted, state.waits.len())), (0, 0));
        assert_eq!(bench.woken.times(), 1);
        bench.poll();
        assert_eq!(state(|state| state.accepted), 1);
    }
}
