//! Answers to a connection: in order, and not before what they assert is true.
//!
//! An answer may have to wait for other shards to settle what it rests on, and for the journal to be durable up
//! to where it ended when the answer was made. Those behind it wait as well: PUBACK and PUBREC leave in the order
//! of their PUBLISHes. [MQTT-4.6.0-2] [MQTT-4.6.0-3]
use super::Broker;
use super::base::rules::Rule;
use super::connection::Flags;
use crate::codec::{self, AckKind};
use crate::id::{ConnectionId, PacketId};
use crate::reason::ReasonCode;
use crate::version::Version;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Something to be sent, once it may be.
pub(crate) struct Answer {
    what: What,
    /// The journal's end when it was made.
    position: u64,
    waits: Waits,
}

/// What an answer waits for, beside the journal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    Nothing,
    /// Other shards have yet to settle what it rests on.
    Settlement,
    /// The end of the pause that its publisher makes.
    Pause,
}

/// What is sent.
pub(crate) enum What {
    Ack {
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
    },
    /// CONNACK, SUBACK, UNSUBACK: encoded when they were made.
    Encoded(Box<[u8]>),
    /// Nothing: it has left already.
    Nothing,
}

impl Answer {
    pub(crate) fn is_pubrec(&self, of: PacketId) -> bool {
        matches!(self.what, What::Ack { kind: AckKind::Pubrec, packet_id, .. } if packet_id == of)
    }
}

impl What {
    fn is_puback(&self) -> bool {
        matches!(self, Self::Ack { kind: AckKind::Puback, .. })
    }

    fn encode(&self, version: Version, out: &mut Vec<u8>) {
        match self {
            Self::Ack { kind, packet_id, reason } => {
                codec::encode_ack(*kind, *packet_id, *reason, version, out);
            }
            Self::Encoded(bytes) => out.extend_from_slice(bytes),
            Self::Nothing => {}
        }
    }
}

impl Broker {
    /// What has to be durable before what is said now may be heard.
    fn asserted(&self) -> u64 {
        if self.rules.obeys(Rule::AssertsWhatIsDurable) { self.journal.end() } else { 0 }
    }

    /// Answers on the connection that asked; at once if nothing is in the way.
    pub(crate) fn answer(&mut self, index: u32, what: What) {
        let position = self.asserted();
        let durable = self.journal.durable();
        let version = self.connections[index].version();
        let lane = self.connections.lane(index);
        if lane.answers.is_empty() && position <= durable {
            what.encode(version, &mut lane.out);
            self.connections[index].flags.set(Flags::GREETED);
            self.announce(index);
        } else {
            lane.pubacks += u32::from(what.is_puback());
            lane.answers.push_back(Answer { what, position, waits: Waits::Nothing });
            let id = self.connections.id(index);
            self.journal.wake(position, id);
        }
    }

    /// An acknowledgement, at once if nothing is in the way.
    pub(crate) fn acknowledge_to(
        &mut self,
        index: u32,
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
    ) {
        self.answer(index, What::Ack { kind, packet_id, reason });
    }

    /// An acknowledgement, once the publisher's pause is over. [MQTT-4.6.0-2]
    pub(crate) fn acknowledge_paused(&mut self, index: u32, kind: AckKind, packet_id: PacketId) {
        self.put_answer(index, What::Ack { kind, packet_id, reason: ReasonCode::Success }, Waits::Pause);
    }

    /// The pause of a publisher is over: it hears what has been kept from it meanwhile.
    pub(crate) fn answer_paused(&mut self, index: u32) {
        let Some(lane) = self.connections[index].lane.as_deref_mut() else { return };
        for answer in lane.answers.iter_mut().filter(|answer| answer.waits == Waits::Pause) {
            answer.waits = Waits::Nothing;
        }
        self.release_answers(index);
    }

    /// Keeps the place of an answer that other shards must settle first; returns its number.
    pub(crate) fn answer_later(&mut self, index: u32, what: What) -> u32 {
        self.put_answer(index, what, Waits::Settlement)
    }

    fn put_answer(&mut self, index: u32, what: What, waits: Waits) -> u32 {
        let position = self.asserted();
        let lane = self.connections.lane(index);
        lane.pubacks += u32::from(what.is_puback());
        lane.answers.push_back(Answer { what, position, waits });
        let behind = u32::try_from(lane.answers.len() - 1).unwrap_or(u32::MAX);
        lane.answered.wrapping_add(behind)
    }

    /// The other shards have settled what an answer rests on; `change` may still change it, and says what it waits for
    /// next.
    pub(crate) fn answer_settled(
        &mut self,
        id: ConnectionId,
        number: u32,
        change: impl FnOnce(&mut What) -> Waits,
    ) {
        let position = self.asserted();
        if self.connections.get(id).is_none() {
            let place = self.connections.id(id.index);
            if self.rules.obeys(Rule::AnswersDieWithTheirConnection) || self.connections.get(place).is_none()
            {
                return;
            }
        }
        let version = self.connections[id.index].version();
        let lane = self.connections.lane(id.index);
        let at = number.wrapping_sub(lane.answered) as usize;
        if let Some(answer) = lane.answers.get_mut(at) {
            let counted = u32::from(answer.what.is_puback());
            let waits = change(&mut answer.what);
            lane.pubacks = lane.pubacks - counted + u32::from(answer.what.is_puback());
            answer.waits = waits;
            if !self.rules.obeys(Rule::AnswersInOrder) {
                answer.what.encode(version, &mut lane.out);
                lane.pubacks -= u32::from(answer.what.is_puback());
                answer.what = What::Nothing;
            }
            // What was journaled meanwhile about the same exchange counts as well.
            answer.position = answer.position.max(position);
        }
        self.release_answers(id.index);
        self.window_opens(id.index);
        self.journal.wake(position, id);
    }

    /// The number of the last answer that waits, if any does.
    pub(crate) fn last_answer(&self, index: u32) -> Option<u32> {
        let lane = self.connections[index].lane.as_deref()?;
        let behind = u32::try_from(lane.answers.len()).ok()?.checked_sub(1)?;
        Some(lane.answered.wrapping_add(behind))
    }

    /// Does the answer of that number still wait?
    pub(crate) fn is_unanswered(&self, index: u32, number: u32) -> bool {
        let Some(lane) = self.connections[index].lane.as_deref() else { return false };
        (number.wrapping_sub(lane.answered) as usize) < lane.answers.len()
    }

    /// Lets go of the answers that need not wait any more.
    pub(crate) fn release_answers(&mut self, index: u32) {
        let durable = self.journal.durable();
        let version = self.connections[index].version();
        let Some(lane) = self.connections[index].lane.as_deref_mut() else { return };
        let before = lane.answers.len();
        while let Some(first) = lane.answers.front()
            && first.waits == Waits::Nothing
            && first.position <= durable
        {
            first.what.encode(version, &mut lane.out);
            lane.pubacks -= u32::from(first.what.is_puback());
            lane.answers.pop_front();
            lane.answered = lane.answered.wrapping_add(1);
        }
        let next =
            lane.answers.front().filter(|first| first.waits == Waits::Nothing).map(|first| first.position);
        if lane.answers.len() < before {
            self.connections[index].flags.set(Flags::GREETED);
            self.announce(index);
        }
        if let Some(position) = next {
            self.journal.wake(position, self.connections.id(index));
        }
    }
}

/// Which answers wait, for [`check`](Broker::check): none that need not.
pub(crate) fn is_stuck(answer: &Answer, durable: u64) -> bool {
    answer.waits == Waits::Nothing && answer.position <= durable
}

/// Does it wait for a pause?
pub(crate) fn is_paused(answer: &Answer) -> bool {
    answer.waits == Waits::Pause
}
