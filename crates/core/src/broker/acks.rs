//! Acknowledgements from a client, for what was sent to it.
use super::Broker;
use super::base::rules::Rule;
use super::connection::fault::Fault;
use super::messages::ledger::{Fate, Reason};
use super::messages::queue::Entry;
use crate::codec::{Ack, AckKind};
use crate::delivery::{Acknowledged, Received, Sender};
use crate::id::PacketId;
use crate::reason::ReasonCode;

impl Broker {
    pub(super) fn on_puback(&mut self, index: u32, ack: &Ack<'_>) -> Result<(), Fault> {
        let session = self.connections[index].session;
        let fate = arrived(ack.reason);
        self.acknowledged(session, ack.packet_id, fate, |sender, id| sender.on_puback(id))
    }

    pub(super) fn on_pubcomp(&mut self, index: u32, ack: &Ack<'_>) -> Result<(), Fault> {
        let session = self.connections[index].session;
        // Whatever the Reason Code: the receiver had said that it has the message.
        self.acknowledged(session, ack.packet_id, Fate::Delivered, |sender, id| sender.on_pubcomp(id))
    }

    pub(super) fn on_pubrec(&mut self, index: u32, ack: &Ack<'_>) -> Result<(), Fault> {
        let session = self.connections[index].session;
        let id = ack.packet_id;
        let refused = ack.reason.is_error() && self.rules.obeys(Rule::RefusalEnds);
        let answer = match self.sessions[session].busy.as_deref_mut() {
            Some(busy) => busy.sender.on_pubrec(id, refused),
            None => Received::Unknown,
        };
        match answer {
            Received::First(entry) => self.pen().released(session, entry),
            Received::Again | Received::Unknown if refused => return Ok(()),
            // An unknown one is answered like one that came again, so that the other side can end the exchange. 0x92 would
            // be as legal (section 3.6.2.1), and is more than other servers say.
            Received::Again | Received::Unknown => {}
            // A PUBREC of 0x80 or above ends the exchange: no PUBREL. [MQTT-4.3.3-4]
            Received::Refused(entry) => {
                self.finished(session, entry, Fate::Dropped(Reason::Refused));
                return Ok(());
            }
            Received::Misplaced => return Err(Fault::Unexpected),
        }
        self.acknowledge_to(index, AckKind::Pubrel, id, ReasonCode::Success);
        Ok(())
    }

    /// PUBREL: from here on the Packet Identifier is free again. [MQTT-4.3.3-8] [MQTT-4.3.3-12]
    pub(super) fn on_pubrel(&mut self, index: u32, ack: &Ack<'_>) {
        let session = self.connections[index].session;
        let known = self.rules.obeys(Rule::FreeOnceReleased)
            && self.sessions[session].busy.as_deref_mut().is_some_and(|f| f.receiver.release(ack.packet_id));
        if known {
            self.pen().receipt_end(session, ack.packet_id);
        }
        // Also for one that is unknown: it may have been released before a cut. [MQTT-4.3.3-11] (Table 3.7.2.1)
        let reason = if known { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
        self.acknowledge_to(index, AckKind::Pubcomp, ack.packet_id, reason);
        self.sessions.release_if_idle(session);
    }

    fn acknowledged(
        &mut self,
        session: u32,
        id: PacketId,
        fate: Fate,
        take: impl FnOnce(&mut Sender<Entry>, PacketId) -> Acknowledged<Entry>,
    ) -> Result<(), Fault> {
        let Some(busy) = self.sessions[session].busy.as_deref_mut() else { return Ok(()) };
        match take(&mut busy.sender, id) {
            Acknowledged::Done(entry) => self.finished(session, entry, fate),
            // A stray one changes nothing: no quota, no fate.
            Acknowledged::Unknown => {}
            Acknowledged::Misplaced => return Err(Fault::Unexpected),
        }
        Ok(())
    }

    /// A message in flight has its fate: there is room for the next. [MQTT-4.8.2-6]
    pub(super) fn finished(&mut self, session: u32, entry: Entry, fate: Fate) {
        let who = self.sessions.recipient(session);
        self.messages.end(entry, who, Fate::InFlight, fate);
        let Some(busy) = self.sessions[session].busy.as_deref_mut() else { return };
        // What goes out again after a reconnect waits in its place, not in the queue.
        if busy.is_clear() {
            self.sessions.release_if_idle(session);
        } else {
            self.wake(session);
        }
        self.tell_room(session);
    }
}

fn arrived(reason: ReasonCode) -> Fate {
    if reason.is_error() { Fate::Dropped(Reason::Refused) } else { Fate::Delivered }
}
