//! From listeners to shards. When `accept` fails: go on, always, and never by spinning.
use crate::Socket;
use crate::serve::ServerMailbox;
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tidewire_core::broker::policy::Peer;
use tidewire_core::time::Instant;

/// How long to wait for a shard that has not taken what was accepted before.
pub(crate) const FULL_PAUSE: Duration = Duration::from_millis(5);

/// How long the first pause of an episode is; each further one doubles it.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// Clients that wait in the backlog notice no more than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// So many peers in a row may vanish before they were accepted.
const FLEETING_MAXIMUM: u32 = 64;
/// An episode of errors is over when none came for so long.
const EPISODE_SECONDS: u64 = 10;

/// What the system asks of a peer that says nothing is first asked after so long a silence, and then again.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_AGAIN: Duration = Duration::from_secs(15);

/// Sets up what was accepted: nothing is held back until there is more of it, and a peer that vanished is noticed within
/// minutes also where its Keep Alive is 0, or where it was never let in.
///
/// It fails only for a peer that is gone.
pub(crate) fn prepare(socket: &TcpStream) -> io::Result<()> {
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_AGAIN);
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_tcp_keepalive(&probes)
}

/// All shards, and whose turn it is among them, for all listeners together.
#[derive(Debug)]
pub struct Turns {
    mailboxes: Vec<ServerMailbox>,
    next: AtomicUsize,
}

impl Turns {
    /// The first of them is next.
    pub fn new(mailboxes: Vec<ServerMailbox>) -> Self {
        Self { mailboxes, next: AtomicUsize::new(0) }
    }

    /// Gives the socket back if every shard has too many of them: then wait for [`FULL_PAUSE`], and accept no
    /// other meanwhile.
    pub fn hand_over(&self, mut socket: Socket, peer: Peer) -> Result<(), Socket> {
        for _ in 0..self.mailboxes.len() {
            let next = self.next.fetch_add(1, Ordering::Relaxed) % self.mailboxes.len();
            match self.mailboxes[next].post_accepted(socket, peer) {
                Ok(()) => return Ok(()),
                Err(back) => socket = back,
            }
        }
        Err(socket)
    }
}

/// Worth one log line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// Connections wait in the backlog; it tries again by itself.
    Paused {
        /// Which listener, by its number.
        listener: u16,
        /// Why.
        error: io::Error,
    },
    /// Connections are accepted as before.
    Resumed {
        /// Which listener, by its number.
        listener: u16,
    },
}

/// The state of one listener's accept loop.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    fleeting: u32,
    /// The last pause, while errors go on.
    pause: Duration,
    /// When the last error came, within an episode.
    episode: Option<Instant>,
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Advice {
    /// Accept the next.
    Next,
    /// Wait so long, then accept again.
    Pause {
        /// How long.
        pause: Duration,
        /// It is the first of an episode: say so.
        first: bool,
    },
}

impl Patience {
    /// `accept` failed. Out of descriptors or memory, above all; peers that went away while they waited count
    /// only if there is no end of them.
    pub(crate) fn failed(&mut self, now: Instant, error: &io::Error) -> Advice {
        if is_fleeting(error) && self.fleeting < FLEETING_MAXIMUM {
            self.fleeting += 1;
            return Advice::Next;
        }
        self.fleeting = 0;
        self.pause = (self.pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let first = self.episode.replace(now).is_none();
        Advice::Pause { pause: self.pause, first }
    }

    /// `accept` went well; true if that ends an episode of errors.
    pub(crate) fn succeeded(&mut self, now: Instant) -> bool {
        self.fleeting = 0;
        self.pause = Duration::ZERO;
        let over = self.episode.is_some_and(|last| now >= last.after_secs(EPISODE_SECONDS));
        if over {
            self.episode = None;
        }
        over
    }
}

/// The peer's trouble, not ours.
fn is_fleeting(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::WouldBlock
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out_of_descriptors() -> io::Error {
        io::Error::other("too many open files")
    }

    #[test]
    fn pauses_grow_to_a_second_and_are_announced_once() {
        let mut patience = Patience::default();
        let now = Instant::from_secs(1);
        let mut pauses = vec![];
        for i in 0..7 {
            let Advice::Pause { pause, first } = patience.failed(now, &out_of_descriptors()) else {
                panic!("went on without a pause")
            };
            assert_eq!(first, i == 0);
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn descriptors_that_come_and_go_are_one_episode() {
        let mut patience = Patience::default();
        let _ = patience.failed(Instant::from_secs(1), &out_of_descriptors());
        for second in 2..8 {
            assert!(!patience.succeeded(Instant::from_secs(second)));
            let advice = patience.failed(Instant::from_secs(second), &out_of_descriptors());
            assert_eq!(advice, Advice::Pause { pause: SHORTEST_PAUSE, first: false });
        }
        assert!(!patience.succeeded(Instant::from_secs(9)));
        assert!(patience.succeeded(Instant::from_secs(17)));
        assert!(!patience.succeeded(Instant::from_secs(18)));
    }

    #[test]
    fn a_peer_that_vanished_is_passed_over_but_not_for_ever() {
        let mut patience = Patience::default();
        let now = Instant::from_secs(1);
        let vanished = io::Error::from(ErrorKind::ConnectionAborted);
        for _ in 0..FLEETING_MAXIMUM {
            assert_eq!(patience.failed(now, &vanished), Advice::Next);
        }
        assert!(matches!(patience.failed(now, &vanished), Advice::Pause { .. }));
    }
}
