//! Answers to a connection: in order, and not before what they assert is true.
//!
//! An answer may have to wait for other shards to settle what it rests on, and for the journal to be durable up
//! to where it ended when the answer was made. Those behind it wait as well: PUBACK and PUBREC leave in the order
//! of their PUBLISHes. [MQTT-4.6.0-2] [MQTT-4.6.0-3]
use super::base::rules::Rule;
use super::connection::State;
use super::connection::answers::{Pending, Reply, Waits};
use super::{Action, Broker, Shutdown};
use crate::codec::AckKind;
use crate::id::{PacketId, Ticket};
use crate::reason::ReasonCode;

impl Broker {
    /// Answers on the connection that asked; at once if nothing is in the way.
    pub(super) fn answer(&mut self, index: u32, what: Reply) {
        let position = self.asserted();
        let durable = self.journal.durable();
        let version = self.connections[index].version();
        let busy = self.connections.busy(index);
        if busy.answers.is_empty() && position <= durable {
            what.encode(version, &mut busy.out);
            self.connections[index].greet();
            self.announce(index);
        } else {
            busy.answers.push(Pending { what, position, waits: Waits::Nothing });
            let id = self.connections.id(index);
            self.journal.wake(position, id);
        }
    }

    /// Waits for nothing but CONNACK. [MQTT-3.12.4-1] [MQTT-3.2.0-1]
    pub(super) fn answer_ping(&mut self, index: u32) {
        let pingresp = [0xd0, 0];
        if !self.connections[index].is_greeted() {
            return self.answer(index, Reply::Encoded(pingresp.into()));
        }
        self.connections.busy(index).out.extend_from_slice(&pingresp);
        self.announce(index);
    }

    /// An acknowledgement, at once if nothing is in the way.
    /// [MQTT-2.2.1-5] [MQTT-4.3.2-4] [MQTT-4.3.2-5] [MQTT-4.3.3-8]
    pub(super) fn acknowledge_to(
        &mut self,
        index: u32,
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
    ) {
        self.answer(index, Reply::Ack { kind, packet_id, reason });
    }

    /// An acknowledgement, once the publisher's pause is over. [MQTT-4.6.0-2]
    pub(super) fn acknowledge_paused(&mut self, index: u32, kind: AckKind, packet_id: PacketId) {
        self.put_answer(index, Reply::Ack { kind, packet_id, reason: ReasonCode::Success }, Waits::Pause);
    }

    /// Keeps the place of an answer that other shards must settle first; returns its number.
    pub(super) fn answer_later(&mut self, index: u32, what: Reply) -> u32 {
        self.put_answer(index, what, Waits::Settlement)
    }

    fn put_answer(&mut self, index: u32, what: Reply, waits: Waits) -> u32 {
        let position = self.asserted();
        self.connections.busy(index).answers.push(Pending { what, position, waits })
    }

    /// What has to be durable before what is said now may be heard.
    pub(super) fn asserted(&self) -> u64 {
        if self.rules.obeys(Rule::AssertsWhatIsDurable) { self.journal.end() } else { 0 }
    }

    /// The pause of a publisher is over: it hears what has been kept from it meanwhile.
    pub(super) fn answer_paused(&mut self, index: u32) {
        let Some(busy) = self.connections[index].busy.as_deref_mut() else { return };
        busy.answers.change_all(|answer| {
            if answer.waits == Waits::Pause {
                answer.waits = Waits::Nothing;
            }
        });
        self.release_answers(index);
    }

    /// Lets go of the answers that need not wait any more.
    pub(super) fn release_answers(&mut self, index: u32) {
        let durable = self.journal.durable();
        let version = self.connections[index].version();
        let Some(busy) = self.connections[index].busy.as_deref_mut() else { return };
        let before = busy.answers.len();
        while let Some(first) = busy.answers.first()
            && first.is_ready(durable)
        {
            first.what.encode(version, &mut busy.out);
            busy.answers.pop();
        }
        let next =
            busy.answers.first().filter(|first| first.waits == Waits::Nothing).map(|first| first.position);
        let is_last = busy.answers.is_empty();
        if busy.answers.len() < before {
            self.connections[index].greet();
            self.announce(index);
            if is_last && self.connections[index].state == State::Closing {
                self.actions.push(Action::Close(self.connections.id(index)));
            }
        }
        if let Some(position) = next {
            self.journal.wake(position, self.connections.id(index));
        }
    }

    /// What a local subscriber asked has its end, which is told when all that it rests on is durable.
    pub(super) fn end_ticket(&mut self, ticket: Ticket, reason: ReasonCode) {
        self.end_ticket_at(ticket, reason, self.asserted());
    }

    /// The same, resting on the journal up to there.
    pub(super) fn end_ticket_at(&mut self, ticket: Ticket, reason: ReasonCode, position: u64) {
        self.tickets.end(ticket, reason, position);
        self.tell_tickets();
    }

    /// Those whose end is durable hear it. Of a journal that has failed nothing ever is.
    pub(super) fn tell_tickets(&mut self) {
        let durable = self.journal.durable();
        if self.journal.has_failed() {
            self.tickets.give_up(ReasonCode::ServerUnavailable, durable);
        }
        while let Some(event) = self.tickets.told(durable) {
            self.actions.event(event);
        }
        if self.tickets.is_empty() && self.shutdown != Shutdown::Running {
            self.after.may_be_over();
        }
    }
}
