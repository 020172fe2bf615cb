//! Messages of the application: accepted, and ended.
use super::config::OutboxFull;
use super::event::{Cause, Event, Misuse, Stage};
use super::outbox::{Outgoing, charge};
use super::withdraw::NOBODY;
use super::{Client, Phase, SessionLost};
use crate::codec::{Delivery, PublishHead};
use crate::delivery::Progress;
use crate::id::{PacketId, Ticket};
use crate::message::Publication;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::time::Instant;
use alloc::vec::Vec;
use core::num::NonZeroU16;

impl Client {
    pub(super) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub(super) fn accept(&mut self, now: Instant, publication: Publication) -> Result<Ticket, Misuse> {
        self.goes_on()?;
        let expires_at = publication.message_expiry_interval.map(|seconds| now.after_secs(seconds.into()));
        let size = charge(&publication);
        if self.phase == Phase::Up {
            let server = &self.link.server;
            if publication.qos > server.maximum_qos {
                return Err(Misuse::QoSNotSupported);
            }
            if publication.retain && !server.retain_available {
                return Err(Misuse::RetainNotSupported);
            }
        }
        if !self.is_sendable(&publication, size) {
            return Err(Misuse::TooLarge);
        }
        self.make_room(size)?;
        let ticket = self.ticket();
        self.outbox.push(Outgoing { publication, ticket, expires_at, was_sent: false });
        self.stats.published += 1;
        self.transmit_if_up();
        Ok(ticket)
    }

    /// There may be something to send.
    pub(super) fn transmit_if_up(&mut self) {
        if self.phase == Phase::Up {
            self.actions.transmit();
        }
    }

    /// Is there a packet for it, and does the server take that, as far as it is known? Its `size` tells that of most.
    fn is_sendable(&self, publication: &Publication, size: usize) -> bool {
        let most = if self.phase == Phase::Up { self.link.server.maximum_packet_size } else { u32::MAX };
        let is_small = size.saturating_add(HEADS) <= usize::try_from(most.min(1 << 28)).unwrap_or(usize::MAX);
        is_small || self.packet_length(publication).is_some_and(|length| length <= most)
    }

    /// How long its packet will be.
    fn packet_length(&self, publication: &Publication) -> Option<u32> {
        let packet_id = PacketId(NonZeroU16::MIN);
        let delivery = match publication.qos {
            QoS::AtMostOnce => Delivery::AtMostOnce,
            QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id, dup: false },
            QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id, dup: false },
        };
        head(publication, delivery, publication.message_expiry_interval).packet_length(self.version)
    }

    /// Nothing is accepted during a goodbye, or after the end.
    pub(super) fn goes_on(&self) -> Result<(), Misuse> {
        match self.leaving.as_ref().map(|_| Cause::Ended).or(self.ended) {
            Some(cause) => Err(Misuse::Ended(cause)),
            None => Ok(()),
        }
    }

    fn make_room(&mut self, size: usize) -> Result<(), Misuse> {
        let (messages, bytes) = (self.config.outbox_messages, self.config.outbox_bytes);
        // Only what was never sent may go; and nothing does if that is not enough.
        if self.config.outbox_full == OutboxFull::DropOldest
            && !self.outbox.may_have_room(size, messages, bytes)
        {
            return Err(Misuse::OutboxFull);
        }
        while !self.outbox.has_room(size, messages, bytes) {
            let oldest = match self.config.outbox_full {
                OutboxFull::Reject => None,
                OutboxFull::DropOldest => self.outbox.dequeue(),
            };
            let Some(oldest) = oldest else { return Err(Misuse::OutboxFull) };
            self.ended(oldest, Stage::Failed(Cause::MadeRoom));
        }
        Ok(())
    }

    /// The only place where a message of the application ends, unless it is withdrawn.
    pub(super) fn ended(&mut self, place: u32, stage: Stage) {
        let Some(ticket) = self.outbox.remove(place) else { return };
        let count = match stage {
            Stage::Acknowledged(reason) if reason.is_error() => &mut self.stats.refused,
            Stage::Sent | Stage::Acknowledged(_) | Stage::Released(_) => &mut self.stats.delivered,
            Stage::Failed(_) | Stage::Ended(_) => &mut self.stats.failed,
        };
        *count += 1;
        self.inbox.push(Event::Progress(ticket, stage));
        self.actions.event();
    }

    /// The server knows nothing of us any more: what is open goes out as new, in its old order; with QoS 2 as the
    /// application wants it.
    pub(super) fn on_session_lost(&mut self) {
        self.receiver.clear();
        self.holding.clear();
        self.inbox.on_session_lost();
        let mut again = Vec::new();
        for (place, qos, progress) in self.sender.drain().collect::<Vec<_>>() {
            match (progress, self.config.session_lost) {
                (Progress::Received, _) => {
                    self.ended(place, Stage::Released(ReasonCode::PacketIdentifierNotFound));
                }
                (Progress::Sent, SessionLost::Fail) if qos == QoS::ExactlyOnce => {
                    self.ended(place, Stage::Failed(Cause::SessionLost));
                }
                _ if place == NOBODY => {}
                _ => again.push(place),
            }
        }
        self.outbox.requeue(&again);
        self.requests.on_session_lost(self.config.resubscribe);
    }
}

/// No PUBLISH has more bytes besides topic, properties and payload: header 5, lengths 2 and 4, Packet Identifier 2, Message
/// Expiry Interval 5.
const HEADS: usize = 18;

/// All of it but the payload.
pub(super) fn head(publication: &Publication, delivery: Delivery, expiry: Option<u32>) -> PublishHead<'_> {
    PublishHead {
        delivery,
        retain: publication.retain,
        topic: publication.topic.as_text(),
        topic_alias: None,
        message_expiry_interval: expiry,
        properties: publication.properties().as_bytes(),
        subscription_identifiers: &[],
        payload_len: publication.payload.len(),
    }
}
