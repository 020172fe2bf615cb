//! A message at which the server closes, or which it answers as if it were another, each time: it would stand in the way
//! of all others for ever.
//!
//! Only what the server does is held against it. On a line that breaks, no message is given up.
use super::Client;
use super::event::{Cause, Stage};
use super::withdraw::NOBODY;
use crate::id::Ticket;
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
    /// acknowledged on any of them.
    pub(super) fn suspect_oldest(&mut self, cause: Cause) {
        if self.link.acknowledged {
            self.suspect = None;
        } else if self.link.misplaced || self.ended_at_a_packet(cause) {
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
        // As if the application had taken it back: with QoS 2 its identifier is freed at the server as well.
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
