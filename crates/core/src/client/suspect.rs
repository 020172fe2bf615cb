//! A message at which the server closes, each time, or which it takes for one of another QoS: it would stand in the way of
//! all others for ever.
//!
//! Only what the server does is held against it. On a line that breaks, no message is given up.
use super::Client;
use super::event::{Cause, Stage};
use super::withdraw::NOBODY;
use crate::id::{PacketId, Ticket};
use crate::reason::ReasonCode;

/// Connections in a row that may end at a message, or at a request.
pub(super) const TRIES: u32 = 10;

/// The oldest open message of a connection that the server ended.
#[derive(Debug)]
pub(super) struct Suspect {
    ticket: Ticket,
    times: u32,
}

impl Client {
    /// A connection has ended. The oldest message on it is given up if as many in a row ended with it, and nothing was
    /// acknowledged on any of them; and at once what was answered as if it had another QoS, for it would be so again.
    pub(super) fn suspect_oldest(&mut self, cause: Cause) {
        if let Some(misplaced) = self.link.misplaced {
            let place = self.sender.iter().find(|(_, packet_id, ..)| *packet_id == misplaced);
            match place {
                Some((place, packet_id, _, false)) => self.give_up(place, packet_id, cause),
                // The server has it, whatever became of the exchange.
                Some((place, packet_id, _, true)) => {
                    let _ = self.sender.on_pubcomp(packet_id);
                    self.ended(place, Stage::Released(ReasonCode::PacketIdentifierNotFound));
                }
                None => {}
            }
        }
        if self.link.acknowledged {
            self.suspect = None;
        } else if self.ended_at_a_packet(cause) {
            self.suspect_one(cause);
        }
    }

    fn ended_at_a_packet(&self, cause: Cause) -> bool {
        // A request went out before any message, and has its own count.
        self.link.since.is_some() && is_about_a_packet(cause) && !self.requests.is_asking()
    }

    fn suspect_one(&mut self, cause: Cause) {
        let Some((place, packet_id)) = self.sender.oldest_sent() else { return };
        let Some(ticket) = self.outbox.get(place).map(|outgoing| outgoing.ticket) else { return };
        let before = self.suspect.take().filter(|suspect| suspect.ticket == ticket);
        let times = before.map_or(0, |suspect| suspect.times) + 1;
        if times < TRIES {
            self.suspect = Some(Suspect { ticket, times });
            return;
        }
        self.give_up(place, packet_id, cause);
    }

    /// As if the application had taken it back: with QoS 2 its identifier is freed at the server as well.
    fn give_up(&mut self, place: u32, packet_id: PacketId, cause: Cause) {
        self.sender.replace(packet_id, NOBODY);
        self.ended(place, Stage::Failed(cause));
    }

    pub(super) fn check_suspect(&self) {
        assert!(self.suspect.as_ref().is_none_or(|suspect| suspect.times < TRIES), "it would have ended");
    }
}

/// May a packet be why the server ended the connection? Some reasons speak of other things.
fn is_about_a_packet(cause: Cause) -> bool {
    match cause {
        Cause::Closed => true,
        Cause::Disconnected(reason) => !matches!(
            reason,
            ReasonCode::ServerBusy
                | ReasonCode::ServerShuttingDown
                | ReasonCode::KeepAliveTimeout
                | ReasonCode::SessionTakenOver
                | ReasonCode::MessageRateTooHigh
                | ReasonCode::AdministrativeAction
                | ReasonCode::UseAnotherServer
                | ReasonCode::ServerMoved
                | ReasonCode::ConnectionRateExceeded
                | ReasonCode::MaximumConnectTime
        ),
        _ => false,
    }
}
