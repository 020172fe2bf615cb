//! Clients as the loop sees them.
use super::{Attempt, Clients, Member, Taker};
use crate::Place;
use crate::machine::{Task, Turned};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use tidewire_core::Input;
use tidewire_core::broker::CloseCause;
use tidewire_core::broker::policy::{Answer, Peer};
use tidewire_core::client::Cause;
use tidewire_core::id::{Position, QuestionId, ShardId};
use tidewire_core::output::Output;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;

/// Deadlines that are seen to in one turn, at most: sockets have theirs in between.
const TOGETHER: usize = 256;

/// A client's place, and which of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl From<ClientId> for Place {
    fn from(id: ClientId) -> Self {
        Self { index: id.index, generation: id.generation }
    }
}

/// What [`Clients`] has to say to its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// All clients have said goodbye.
    Drained,
}

impl Clients {
    /// Something happens on a connection: to its client, and then what that announces is done.
    fn happens<T>(
        &mut self,
        now: Instant,
        id: ClientId,
        otherwise: T,
        what: impl FnOnce(&mut Member) -> T,
    ) -> T {
        let Some(member) = self.connected(id) else { return otherwise };
        let result = what(member);
        self.act(now, id.index);
        result
    }
}

impl Turned for Clients {
    type Id = ClientId;
    type Passage = Infallible;
    type Mail = Infallible;
    type Matter = Matter;
    type Host = ();

    fn handle_open(&mut self, _now: Instant, _peer: Peer) -> Option<ClientId> {
        None
    }

    fn handle_connected(&mut self, now: Instant, id: ClientId) {
        self.happens(now, id, (), |member| {
            (member.attempt, member.turn, member.error) = (Attempt::Connected, 0, None);
            member.client.handle_open(now);
        });
    }

    fn note_error(&mut self, id: ClientId, error: &io::Error) {
        if let Some(member) = self.connected(id) {
            member.error = Some(Arc::from(error.to_string()));
        }
    }

    fn handle_bytes(&mut self, now: Instant, id: ClientId, bytes: &[u8]) -> Input {
        self.happens(now, id, Input::Done, |member| member.client.handle_bytes(now, bytes))
    }

    fn payload_space(&mut self, id: ClientId) -> Option<&mut [u8]> {
        self.connected(id)?.client.payload_space()
    }

    fn handle_payload(&mut self, now: Instant, id: ClientId, n: usize) -> Input {
        self.happens(now, id, Input::Done, |member| member.client.handle_payload(now, n))
    }

    // What waits to be sent waits in the machine.
    fn handle_blocked(&mut self, _now: Instant, _id: ClientId, _unsent: usize) {}

    fn handle_close(&mut self, now: Instant, id: ClientId, cause: CloseCause) {
        let Some(member) = self.connected(id) else { return };
        if matches!(&member.attempt, Attempt::Connecting(left) if !left.is_empty()) {
            return self.try_next(now, id);
        }
        let reached = std::mem::replace(&mut member.attempt, Attempt::None) == Attempt::Connected;
        let cause = match cause {
            _ if !reached => Cause::Unreachable,
            CloseCause::PeerClosed => Cause::Closed,
            _ => Cause::Reset,
        };
        member.client.handle_close(now, cause);
        self.act(now, id.index);
    }

    fn handle_timeout(&mut self, now: Instant) {
        // The others wait for the next turn, and so does whoever wants another one at once.
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now).take(TOGETHER);
        for (at, index) in due.copied().collect::<Vec<_>>() {
            // What another one has done may have moved it.
            if self.deadlines.remove(&(at, index))
                && let Some(member) = self.member(index)
            {
                member.armed = None;
                member.client.handle_timeout(now);
                member.handle_timeout(now);
                self.act(now, index);
            }
        }
    }

    fn handle_passage(&mut self, _now: Instant, passage: Infallible) -> ClientId {
        match passage {}
    }

    fn handle_mail(&mut self, _now: Instant, _from: ShardId, mail: Infallible) {
        match mail {}
    }

    // Nobody is asked, and nothing is journaled.
    fn handle_answer(&mut self, _now: Instant, _question: QuestionId, _answer: Answer) {}
    fn handle_durable(&mut self, _now: Instant, _up_to: Position) {}
    fn handle_journal_failed(&mut self, _now: Instant) {}

    fn shutdown(&mut self, now: Instant, deadline: Instant) {
        let mut left = 0;
        for member in self.members.iter_mut().flatten().filter(|member| !member.client.is_ended()) {
            member.awaited = true;
            left += 1;
        }
        self.going = Some(left);
        for index in 0..u32::try_from(self.members.len()).unwrap_or(u32::MAX) {
            if let Some(member) = self.member(index) {
                member
                    .client
                    .disconnect(now, deadline, ReasonCode::Success)
                    .expect("a reason alone can be said");
                self.act(now, index);
            }
        }
        if left == 0 {
            self.tasks.push_back(Task::Attend(Matter::Drained));
        }
    }

    fn poll_task(&mut self) -> Option<Task<ClientId, Matter>> {
        self.tasks.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn poll_transmit(&mut self, now: Instant, id: ClientId, limit: usize, out: &mut Output) -> bool {
        let Some(member) = self.connected(id) else { return false };
        let more = member.client.poll_transmit(now, limit, out);
        if matches!(member.taker, Taker::Resident(_)) {
            self.postpone(now, id.index);
        } else {
            self.act(now, id.index);
        }
        more
    }

    fn poll_mail(&mut self, _to: ShardId) -> Option<Infallible> {
        None
    }

    fn poll_journal(&mut self, _out: &mut Vec<u8>) -> Option<Position> {
        None
    }

    fn take_passage(&mut self, _id: ClientId) -> Option<Infallible> {
        None
    }

    fn attend(&mut self, _now: Instant, matter: Matter, (): &mut ()) -> bool {
        matches!(matter, Matter::Drained)
    }
}
