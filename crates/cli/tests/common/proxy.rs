//! A proxy that cuts the connections through it, after a number of bytes that is drawn from a seed.
use crate::random::Random;
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::spawn;
use std::time::Duration;

/// Bytes of a connection, in both directions together, on average.
const BYTES: usize = 3000;
/// No more of them are passed on at a time: each direction has its turn.
const TOGETHER: usize = 128;
/// How long a slow line waits for an answer before more follows.
const TURN: Duration = Duration::from_millis(2);

/// What the line is like until it breaks.
#[derive(Clone, Copy)]
pub(crate) enum Line {
    /// All that comes is passed on at once: whoever sends more than it carries gets no answer.
    Fast,
    /// Whoever has got something has time to answer.
    Slow,
}

/// It goes on for as long as the process does.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) fn start(seed: u64, line: Line, server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("bound");
        let cuts = Arc::default();
        let (proxy, mut random) = (Self { address, cuts: Arc::clone(&cuts) }, Random::new(seed));
        spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("somebody connects");
                let budget = Budget { left: 1 + random.below(2 * BYTES), reset: random.chance(50), turn: 0 };
                // A server that is gone is one more reason for the connection to end.
                if let Ok(server) = TcpStream::connect(server) {
                    let cuts = Arc::clone(&cuts);
                    let budget = (Mutex::new(budget), Condvar::new());
                    spawn(move || Pair { client, server, line, budget, cuts }.run());
                }
            }
        });
        proxy
    }

    /// So many were cut.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }
}

/// What a connection may still pass on, and how it ends then.
struct Budget {
    left: usize,
    reset: bool,
    /// Counts what was passed on.
    turn: u64,
}

/// The two sides of a connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    line: Line,
    budget: (Mutex<Budget>, Condvar),
    cuts: Arc<AtomicUsize>,
}

impl Pair {
    fn run(self) {
        for side in [&self.client, &self.server] {
            side.set_nodelay(true).expect("it is a socket");
        }
        std::thread::scope(|scope| {
            scope.spawn(|| self.pass_on(&self.server, &self.client));
            self.pass_on(&self.client, &self.server);
        });
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.0.lock().expect("nothing panics while it is held")
    }

    /// Until there is nothing more to pass on, or no more may be.
    fn pass_on(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut bytes = [0; TOGETHER];
        loop {
            // A side that is gone says nothing more.
            let read = from.read(&mut bytes).unwrap_or(0);
            let mut budget = self.budget();
            let passed = read.min(budget.left);
            budget.left -= passed;
            budget.turn += 1;
            let turn = budget.turn;
            drop(budget);
            self.budget.1.notify_all();
            let _ = to.write_all(&bytes[..passed]);
            if let (Line::Slow, 1..) = (self.line, passed) {
                let is_mine = |budget: &mut Budget| budget.turn == turn;
                drop(self.budget.1.wait_timeout_while(self.budget(), TURN, is_mine).expect("nothing panics"));
            }
            if passed < read {
                return self.cut();
            }
            if read == 0 {
                if self.budget().left > 0 {
                    let _ = to.shutdown(Shutdown::Write);
                }
                return;
            }
        }
    }

    fn cut(&self) {
        self.cuts.fetch_add(1, Ordering::Relaxed);
        let reset = self.budget().reset;
        for side in [&self.client, &self.server] {
            if reset {
                // Then it goes with a reset once both directions have stopped.
                SockRef::from(side).set_linger(Some(Duration::ZERO)).expect("it is a socket");
            }
            let _ = side.shutdown(if reset { Shutdown::Read } else { Shutdown::Both });
        }
    }
}
