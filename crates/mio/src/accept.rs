//! From listeners to shards: one thread for all listeners, whose pauses are deadlines.
use crate::reactor::poll;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidewire_core::broker::policy::Peer;
use tidewire_core::time::Instant;
use tidewire_driver::adapter::{Advice, FULL_PAUSE, Patience, Turns, prepare};
use tidewire_driver::serve::{Notice, Notices, ServerMailbox};
use tidewire_driver::{Clock, Socket};

/// Accepted from one listener before the next has its turn.
const IN_TURN: usize = 64;
const EVENTS: usize = 64;
const WAKER: Token = Token(usize::MAX);

/// All listeners. They close when it ends.
pub(crate) struct Acceptor {
    poll: Poll,
    events: Events,
    listeners: Vec<Listener>,
    clock: Clock,
    notices: Notices,
    shards: Turns,
    stop: Arc<Stop>,
}

struct Listener {
    listener: TcpListener,
    number: u16,
    patience: Patience,
    state: State,
    /// Accepted, and no shard had room for it.
    waiting: Option<(Socket, Peer)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody is there. The poll tells when somebody is.
    Idle,
    /// Somebody may be there, of whom the poll tells no more.
    Ready,
    /// Nobody is accepted before then, whoever is there.
    Paused(Instant),
}

/// How the thread is told to end.
pub(crate) struct Stop {
    asked: AtomicBool,
    waker: Waker,
}

impl Stop {
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        self.waker.wake().expect("a wake-up needs nothing that was not had when the waker was made");
    }
}

impl Acceptor {
    pub(crate) fn new(
        listeners: Vec<std::net::TcpListener>,
        clock: Clock,
        notices: Notices,
        mailboxes: Vec<ServerMailbox>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let listeners = (0..).zip(listeners).map(|(number, listener)| Listener::new(&poll, number, listener));
        let listeners = listeners.collect::<io::Result<_>>()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let stop = Arc::new(Stop { asked: AtomicBool::new(false), waker });
        let (events, shards) = (Events::with_capacity(EVENTS), Turns::new(mailboxes));
        Ok(Self { poll, events, listeners, clock, notices, shards, stop })
    }

    pub(crate) fn stop(&self) -> Arc<Stop> {
        Arc::clone(&self.stop)
    }

    pub(crate) fn run(mut self) {
        while !self.stop.asked.load(Ordering::Acquire) {
            let now = self.clock.now();
            for listener in &mut self.listeners {
                listener.turn(now, &self.shards, &self.notices);
            }
            let time = self.listeners.iter().filter_map(|listener| listener.rest(now)).min();
            poll(&mut self.poll, &mut self.events, time).expect("a poll of our own can be waited for");
            for event in &self.events {
                if let Some(listener) = self.listeners.get_mut(event.token().0) {
                    listener.notice();
                }
            }
        }
    }
}

impl Listener {
    fn new(poll: &Poll, number: u16, listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, Token(number.into()), Interest::READABLE)?;
        Ok(Self { listener, number, patience: Patience::default(), state: State::Ready, waiting: None })
    }

    /// Somebody is there. A pause goes on: it ends by looking.
    fn notice(&mut self) {
        if self.state == State::Idle {
            self.state = State::Ready;
        }
    }

    /// How long it can be left alone, unless it is the poll that knows.
    fn rest(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Idle => None,
            State::Ready => Some(Duration::ZERO),
            State::Paused(until) => Some(until.saturating_duration_since(now)),
        }
    }

    fn turn(&mut self, now: Instant, shards: &Turns, notices: &Notices) {
        match self.state {
            State::Idle => return,
            State::Paused(until) if now < until => return,
            State::Ready | State::Paused(_) => self.state = State::Ready,
        }
        for _ in 0..IN_TURN {
            self.hand_over(now, shards);
            if self.state != State::Ready {
                return;
            }
            self.accept(now, notices);
        }
    }

    /// As long as no shard takes it, no other is accepted.
    fn hand_over(&mut self, now: Instant, shards: &Turns) {
        if let Some((socket, peer)) = self.waiting.take()
            && let Err(socket) = shards.hand_over(socket, peer)
        {
            self.waiting = Some((socket, peer));
            self.state = State::Paused(now.after(FULL_PAUSE));
        }
    }

    fn accept(&mut self, now: Instant, notices: &Notices) {
        match self.listener.accept() {
            Ok((stream, address)) => {
                if self.patience.succeeded(now) {
                    notices(Notice::Resumed { listener: self.number });
                }
                let socket = stream.into();
                if prepare(&socket).is_ok() {
                    self.waiting = Some((socket.into(), Peer::new(address, self.number)));
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.state = State::Idle,
            Err(error) => self.wait_out(now, error, notices),
        }
    }

    fn wait_out(&mut self, now: Instant, error: io::Error, notices: &Notices) {
        if let Advice::Pause { pause, first } = self.patience.failed(now, &error) {
            self.state = State::Paused(now.after(pause));
            if first {
                notices(Notice::Paused { listener: self.number, error });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpStream};

    fn listening() -> (Poll, Listener, SocketAddr) {
        let poll = Poll::new().expect("a poll");
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = socket.local_addr().expect("bound");
        let listener = Listener::new(&poll, 0, socket).expect("a listener");
        (poll, listener, address)
    }

    fn silent() -> Notices {
        Arc::new(|notice| panic!("{notice:?}"))
    }

    #[test]
    fn as_long_as_no_shard_takes_it_no_other_is_accepted() {
        let (_poll, mut listener, address) = listening();
        let clients = [(); 2].map(|()| TcpStream::connect(address).expect("it listens"));
        let now = Instant::from_secs(1);
        let nobody = Turns::new(Vec::new());
        for _ in 0..2 {
            listener.turn(now, &nobody, &silent());
            let waiting = listener.waiting.as_ref().map(|(_, peer)| peer.address);
            assert_eq!(waiting, clients[0].local_addr().ok());
            assert_eq!(listener.rest(now), Some(FULL_PAUSE));
        }
        let now = now.after(FULL_PAUSE);
        listener.turn(now, &Turns::new(vec![ServerMailbox::default()]), &silent());
        assert!(listener.waiting.is_none());
        assert_eq!(listener.state, State::Idle);
    }

    #[test]
    fn a_pause_ends_by_looking_whatever_came_meanwhile() {
        let (_poll, mut listener, address) = listening();
        let shards = Turns::new(vec![ServerMailbox::default()]);
        let now = Instant::from_secs(1);
        let notices: Notices =
            Arc::new(|notice| assert!(matches!(notice, Notice::Paused { listener: 0, .. })));
        listener.wait_out(now, io::Error::other("too many open files"), &notices);
        let pause = listener.rest(now).expect("it pauses");
        let client = TcpStream::connect(address).expect("it listens");
        listener.notice();
        listener.turn(now, &shards, &silent());
        assert_eq!(listener.rest(now), Some(pause));
        listener.turn(now.after(pause), &shards, &silent());
        assert_eq!(listener.state, State::Idle);
        drop(client);
    }
}
