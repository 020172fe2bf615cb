//! One listener of a thread that waits for several: its pauses are deadlines.
use crate::Socket;
use crate::accept::{Advice, FULL_PAUSE, Patience, Turns, prepare};
use crate::serve::{Notice, Notices};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tidewire_core::broker::policy::Peer;
use tidewire_core::time::Instant;

/// Accepted from one listener before the next has its turn.
const IN_TURN: usize = 64;

/// What is to be known of a listener beside its socket.
#[derive(Debug)]
pub struct Gate {
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

impl Gate {
    /// Of the listener of that number. Somebody may have come before.
    pub fn new(number: u16) -> Self {
        Self { number, patience: Patience::default(), state: State::Ready, waiting: None }
    }

    /// Somebody is there. A pause goes on: it ends by looking.
    pub fn notice(&mut self) {
        if self.state == State::Idle {
            self.state = State::Ready;
        }
    }

    /// How long it can be left alone, unless it is the poll that knows.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Idle => None,
            State::Ready => Some(Duration::ZERO),
            State::Paused(until) => Some(until.saturating_duration_since(now)),
        }
    }

    /// Accepts whoever is there, within a bound; `accept` does not wait.
    pub fn turn(
        &mut self,
        now: Instant,
        shards: &Turns,
        notices: &Notices,
        mut accept: impl FnMut() -> io::Result<(TcpStream, SocketAddr)>,
    ) {
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
            self.take(now, accept(), notices);
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

    fn take(&mut self, now: Instant, accepted: io::Result<(TcpStream, SocketAddr)>, notices: &Notices) {
        match accepted {
            Ok((socket, address)) => {
                if self.patience.succeeded(now) {
                    notices(Notice::Resumed { listener: self.number });
                }
                // It fails only for a peer that is gone.
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
    use crate::serve::ServerMailbox;
    use std::net::TcpListener;
    use std::sync::Arc;

    fn listening() -> (TcpListener, Gate, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        (listener, Gate::new(0), address)
    }

    fn silent() -> Notices {
        Arc::new(|notice| panic!("{notice:?}"))
    }

    #[test]
    fn as_long_as_no_shard_takes_it_no_other_is_accepted() {
        let (listener, mut gate, address) = listening();
        let clients = [(); 2].map(|()| TcpStream::connect(address).expect("it listens"));
        let now = Instant::from_secs(1);
        let nobody = Turns::new(Vec::new());
        for _ in 0..2 {
            gate.turn(now, &nobody, &silent(), || listener.accept());
            let waiting = gate.waiting.as_ref().map(|(_, peer)| peer.address);
            assert_eq!(waiting, clients[0].local_addr().ok());
            assert_eq!(gate.rest(now), Some(FULL_PAUSE));
        }
        let now = now.after(FULL_PAUSE);
        gate.turn(now, &Turns::new(vec![ServerMailbox::default()]), &silent(), || listener.accept());
        assert!(gate.waiting.is_none());
        assert_eq!(gate.state, State::Idle);
    }

    #[test]
    fn a_pause_ends_by_looking_whatever_came_meanwhile() {
        let (listener, mut gate, address) = listening();
        let shards = Turns::new(vec![ServerMailbox::default()]);
        let now = Instant::from_secs(1);
        let notices: Notices =
            Arc::new(|notice| assert!(matches!(notice, Notice::Paused { listener: 0, .. })));
        gate.wait_out(now, io::Error::other("too many open files"), &notices);
        let pause = gate.rest(now).expect("it pauses");
        let client = TcpStream::connect(address).expect("it listens");
        gate.notice();
        gate.turn(now, &shards, &silent(), || listener.accept());
        assert_eq!(gate.rest(now), Some(pause));
        gate.turn(now.after(pause), &shards, &silent(), || listener.accept());
        assert_eq!(gate.state, State::Idle);
        drop(client);
    }
}
