//! What the loop asks of a broker, or of the clients that it turns instead.
use crate::Place;
use crate::host::{Asked, Host};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tidewire_core::Input;
use tidewire_core::broker::policy::{Answer, Peer};
use tidewire_core::broker::{Action, Broker, CloseCause, Event, Mail, Passage};
use tidewire_core::id::{ConnectionId, LocalId, Position, QuestionId, ShardId};
use tidewire_core::output::Output;
use tidewire_core::time::Instant;

/// What a [`Shard`](crate::Shard) turns: a [`Broker`], or [`Clients`](crate::Clients). Sealed.
pub trait Machine: Turned {}

impl<M: Turned> Machine for M {}

/// An [`Action`](tidewire_core::broker::Action) as the loop sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task<I, M> {
    Transmit(I),
    Close(I),
    Abort(I),
    Pause(I),
    Resume(I),
    Move {
        connection: I,
        to: ShardId,
    },
    Mail(ShardId),
    Journal,
    /// A machine that makes connections itself wants one.
    Connect {
        connection: I,
        to: SocketAddr,
        /// From that address of ours.
        from: Option<IpAddr>,
    },
    /// Nothing for the loop: for the program around it.
    Attend(M),
}

/// What only the [`Host`] can attend to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    Ask(QuestionId),
    Event,
    Local(LocalId),
}

/// A [`Broker`], as far as the loop is concerned; its methods are the broker's.
///
/// Nobody outside can name it. It exists so that the loop can be tested against a machine that says what the test wants.
pub trait Turned {
    type Id: Copy + PartialEq + Into<Place>;
    type Passage: Send + 'static;
    type Mail: Send + 'static;
    type Matter: Copy + fmt::Debug;
    type Host: ?Sized;

    /// `None` for a machine that only makes connections itself.
    fn handle_open(&mut self, now: Instant, peer: Peer) -> Option<Self::Id>;
    /// What [`Task::Connect`] asked for is there.
    fn handle_connected(&mut self, now: Instant, id: Self::Id) {
        let _ = (now, id);
    }
    /// Why the connection is about to end, in the system's words.
    fn note_error(&mut self, id: Self::Id, error: &io::Error) {
        let _ = (id, error);
    }
    fn handle_bytes(&mut self, now: Instant, id: Self::Id, bytes: &[u8]) -> Input;
    fn payload_space(&mut self, id: Self::Id) -> Option<&mut [u8]>;
    fn handle_payload(&mut self, now: Instant, id: Self::Id, n: usize) -> Input;
    fn handle_blocked(&mut self, now: Instant, id: Self::Id, unsent: usize);
    fn handle_close(&mut self, now: Instant, id: Self::Id, cause: CloseCause);
    fn handle_timeout(&mut self, now: Instant);
    fn handle_passage(&mut self, now: Instant, passage: Self::Passage) -> Self::Id;
    fn handle_mail(&mut self, now: Instant, from: ShardId, mail: Self::Mail);
    fn handle_answer(&mut self, now: Instant, question: QuestionId, answer: Answer);
    fn handle_durable(&mut self, now: Instant, up_to: Position);
    fn handle_journal_failed(&mut self, now: Instant);
    fn shutdown(&mut self, now: Instant, deadline: Instant);
    fn poll_task(&mut self) -> Option<Task<Self::Id, Self::Matter>>;
    fn poll_timeout(&self) -> Option<Instant>;
    fn poll_transmit(&mut self, now: Instant, id: Self::Id, limit: usize, out: &mut Output) -> bool;
    fn poll_mail(&mut self, to: ShardId) -> Option<Self::Mail>;
    fn poll_journal(&mut self, out: &mut Vec<u8>) -> Option<Position>;
    fn take_passage(&mut self, id: Self::Id) -> Option<Self::Passage>;
    /// Lets the program around the loop attend to it; true once a shutdown is drained.
    fn attend(&mut self, now: Instant, matter: Self::Matter, host: &mut Self::Host) -> bool;
}

impl Turned for Broker {
    type Id = ConnectionId;
    type Passage = Passage;
    type Mail = Mail;
    type Matter = Matter;
    type Host = dyn Host + Send;

    fn handle_open(&mut self, now: Instant, peer: Peer) -> Option<ConnectionId> {
        Some(self.handle_open(now, peer))
    }

    fn handle_bytes(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) -> Input {
        self.handle_bytes(now, id, bytes)
    }

    fn payload_space(&mut self, id: ConnectionId) -> Option<&mut [u8]> {
        self.payload_space(id)
    }

    fn handle_payload(&mut self, now: Instant, id: ConnectionId, n: usize) -> Input {
        self.handle_payload(now, id, n)
    }

    fn handle_blocked(&mut self, now: Instant, id: ConnectionId, unsent: usize) {
        self.handle_blocked(now, id, unsent);
    }

    fn handle_close(&mut self, now: Instant, id: ConnectionId, cause: CloseCause) {
        self.handle_close(now, id, cause);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }

    fn handle_passage(&mut self, now: Instant, passage: Passage) -> ConnectionId {
        self.handle_passage(now, passage)
    }

    fn handle_mail(&mut self, now: Instant, from: ShardId, mail: Mail) {
        self.handle_mail(now, from, mail);
    }

    fn handle_answer(&mut self, now: Instant, question: QuestionId, answer: Answer) {
        self.handle_answer(now, question, answer);
    }

    fn handle_durable(&mut self, now: Instant, up_to: Position) {
        self.handle_durable(now, up_to);
    }

    fn handle_journal_failed(&mut self, now: Instant) {
        self.handle_journal_failed(now);
    }

    fn shutdown(&mut self, now: Instant, deadline: Instant) {
        self.shutdown(now, deadline);
    }

    fn poll_task(&mut self) -> Option<Task<ConnectionId, Matter>> {
        loop {
            return Some(match self.poll_action()? {
                Action::Transmit(id) => Task::Transmit(id),
                Action::Close(id) => Task::Close(id),
                Action::Abort(id) => Task::Abort(id),
                Action::Pause(id) => Task::Pause(id),
                Action::Resume(id) => Task::Resume(id),
                Action::Move { connection, to } => Task::Move { connection, to },
                Action::Mail(to) => Task::Mail(to),
                Action::Journal => Task::Journal,
                Action::Local(id) => Task::Attend(Matter::Local(id)),
                Action::Ask(question) => Task::Attend(Matter::Ask(question)),
                Action::Event => Task::Attend(Matter::Event),
                // The core and this crate are released together.
                other => {
                    debug_assert!(false, "an action that the loop does not know: {other:?}");
                    continue;
                }
            });
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout().map(|deadline| deadline.at)
    }

    fn poll_transmit(&mut self, now: Instant, id: ConnectionId, limit: usize, out: &mut Output) -> bool {
        self.poll_transmit(now, id, limit, out)
    }

    fn poll_mail(&mut self, to: ShardId) -> Option<Mail> {
        self.poll_mail(to)
    }

    fn poll_journal(&mut self, out: &mut Vec<u8>) -> Option<Position> {
        self.poll_journal(out)
    }

    fn take_passage(&mut self, id: ConnectionId) -> Option<Passage> {
        self.take_passage(id)
    }

    fn attend(&mut self, now: Instant, matter: Matter, host: &mut (dyn Host + Send + 'static)) -> bool {
        match matter {
            Matter::Ask(question) => {
                if let Some(asked) = self.question(question).as_ref().and_then(Asked::of) {
                    host.ask(now, question, asked);
                }
                false
            }
            Matter::Local(id) => {
                host.local(now, self, id);
                false
            }
            Matter::Event => {
                let mut drained = false;
                while let Some(event) = self.poll_event() {
                    drained |= matches!(event, Event::Drained);
                    host.event(now, event);
                }
                drained
            }
        }
    }
}
