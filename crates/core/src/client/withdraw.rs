//! Messages that the application takes back.
//!
//! What was sent can't be had back. Its Packet Identifier stays taken: until the exchange ends, or, if the connection
//! does first, until the identifier is free without the message being sent again. With QoS 1 it is so at once: there
//! is no PUBACK but on the connection of its PUBLISH. With QoS 2 the server may hold it, and PUBREL frees it there.
//! [MQTT-2.2.1-3] [MQTT-4.3.3-10]
use super::Client;
use crate::id::{PacketId, Ticket};
use crate::time::Instant;

/// What became of a message that was [withdrawn](Client::withdraw).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Withdrawn {
    /// It was never sent, and never will be.
    Unsent,
    /// It was sent, on this connection or on an earlier one, and is not sent again: nobody knows whether the server has
    /// it, or will have it from what is on its way.
    Sent,
    /// No message of this ticket is open: it has ended, which an event tells or has told, or it was none of a message.
    Unknown,
}

/// Stands in the place of a message that is in flight and of which nothing is kept.
pub(super) const NOBODY: u32 = u32::MAX;

impl Client {
    pub(super) fn take_back(&mut self, now: Instant, ticket: Ticket) -> Withdrawn {
        let (place, withdrawn) = if let Some((place, was_sent)) = self.outbox.unqueue(ticket) {
            (place, if was_sent { Withdrawn::Sent } else { Withdrawn::Unsent })
        } else if let Some((place, packet_id)) = self.in_flight(ticket) {
            self.sender.replace(packet_id, NOBODY);
            (place, Withdrawn::Sent)
        } else {
            return Withdrawn::Unknown;
        };
        self.outbox.remove(place);
        self.stats.withdrawn += 1;
        // What stood behind it may be what can be sent.
        self.transmit_if_up();
        self.leave_if_done(now);
        withdrawn
    }

    fn in_flight(&self, ticket: Ticket) -> Option<(u32, PacketId)> {
        self.sender
            .iter()
            .map(|(place, packet_id, ..)| (place, packet_id))
            .find(|(place, _)| self.outbox.get(*place).is_some_and(|outgoing| outgoing.ticket == ticket))
    }

    /// A message of which nothing is kept is not sent again; what is left of its exchange is ended.
    pub(super) fn drop_next(&mut self) {
        if !self.sender.release() {
            self.sender.give_up();
        }
    }
}
