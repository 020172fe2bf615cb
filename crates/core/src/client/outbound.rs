//! What goes to the server: pulled, late, as much as the socket takes.
use super::event::{Cause, Stage};
use super::link::Ping;
use super::outbox::Outgoing;
use super::publish::head;
use super::withdraw::NOBODY;
use super::{Client, Phase};
use crate::codec::{AckKind, Delivery, PublishHead, encode_ack};
use crate::delivery::{Outward, Unsent, remaining};
use crate::message::Publication;
use crate::output::Output;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::version::Version;
use alloc::vec::Vec;

/// A payload from here on is shared with the output, not copied.
const SHARED: usize = 64 * 1024;

impl Client {
    pub(super) fn transmit(&mut self, now: Instant, limit: usize, out: &mut Output) -> bool {
        self.actions.transmitted();
        if !matches!(self.phase, Phase::Greeting(_) | Phase::Up | Phase::Closing(_)) {
            return false;
        }
        let before = out.unsent();
        out.take(&mut self.link.out);
        let mut more = false;
        while self.phase == Phase::Up {
            if out.unsent() >= limit {
                more = true;
                break;
            }
            if !self.send_next(now, out) {
                break;
            }
        }
        if out.unsent() > before {
            self.link.sent = now;
        }
        if self.link.ping == Ping::Queued {
            self.link.ping = Ping::Sent(now);
        }
        if !more {
            self.leave_if_done(now);
        }
        out.take(&mut self.link.out);
        if let Phase::Closing(until) = self.phase {
            // Once all is out, which is when nothing comes of asking again, the server has its time to close.
            more = out.unsent() > before;
            if !more {
                self.phase = Phase::Closing(until.min(now.after(self.linger())));
            }
        }
        if self.link.held {
            self.read_on(now);
        }
        more
    }

    /// Sends one thing; false if there is none that may be sent. [MQTT-3.3.4-7] [MQTT-3.3.4-8] [MQTT-4.6.0-4]
    fn send_next(&mut self, now: Instant, out: &mut Output) -> bool {
        if self.sender.may_grow() && self.send_request(out) {
            return true;
        }
        let config = &self.config;
        let in_flight = if self.version.is_v5() { config.in_flight } else { config.in_flight_v3 };
        let quota = in_flight.max(1).min(self.link.server.receive_maximum);
        if let Some(unsent) = self.sender.unsent() {
            return match unsent {
                Unsent::Pubrel { .. } if !self.sender.has_room(u16::MAX) => false,
                // Not limited by the Receive Maximum. [MQTT-4.9.0-3]
                Unsent::Pubrel { packet_id } => {
                    let version = self.version;
                    let success = ReasonCode::Success;
                    out.append(|out| encode_ack(AckKind::Pubrel, packet_id, success, version, out));
                    self.sender.sent();
                    true
                }
                Unsent::Publish { message: NOBODY, .. } => {
                    self.drop_next();
                    true
                }
                Unsent::Publish { .. } if !self.sender.has_room(quota) => false,
                Unsent::Publish { message, packet_id, qos, dup } => {
                    self.send_again(now, message, Delivery::new(qos, packet_id, dup), out);
                    true
                }
            };
        }
        let Some(place) = self.outbox.front() else { return false };
        let Some(outgoing) = self.outbox.get(place) else { return false };
        let qos = outgoing.publication.qos;
        if qos > QoS::AtMostOnce && !self.sender.may_bind(quota) {
            return false;
        }
        if qos == QoS::ExactlyOnce && !self.is_next_free(out) {
            return false;
        }
        self.outbox.dequeue();
        let Some(outgoing) = self.outbox.get(place) else { return false };
        if let Some(cause) = self.unfit(now, outgoing) {
            self.ended(place, Stage::Failed(cause));
            return true;
        }
        let delivery = match qos {
            QoS::AtMostOnce => Delivery::AtMostOnce,
            _ => Delivery::new(qos, self.sender.bind(place, qos), false),
        };
        let form = (self.version, self.link.server.maximum_packet_size);
        let sent = put(now, outgoing, delivery, form, &mut self.link.outward, out);
        match qos {
            QoS::AtMostOnce => {
                self.ended(place, if sent { Stage::Sent } else { Stage::Failed(Cause::TooLarge) });
            }
            _ if sent => self.sender.sent(),
            _ => {
                self.sender.give_up();
                self.ended(place, Stage::Failed(Cause::TooLarge));
            }
        }
        true
    }

    /// It left on an earlier connection. The server may support less than that one's. [MQTT-3.3.1-1] [MQTT-4.3.3-7]
    fn send_again(&mut self, now: Instant, place: u32, delivery: Delivery, out: &mut Output) {
        let outgoing = self.outbox.get(place);
        let refused = outgoing.and_then(|outgoing| self.unsupported(&outgoing.publication));
        let form = (self.version, self.link.server.maximum_packet_size);
        let aliases = &mut self.link.outward;
        if refused.is_none()
            && outgoing.is_some_and(|outgoing| put(now, outgoing, delivery, form, aliases, out))
        {
            return self.sender.sent();
        }
        self.sender.give_up();
        // It may have arrived all the same.
        if delivery.qos() == QoS::ExactlyOnce {
            self.estrange();
        }
        self.ended(place, Stage::Failed(refused.unwrap_or(Cause::TooLarge)));
    }

    /// Why a message can't be sent any more, if so.
    fn unfit(&self, now: Instant, outgoing: &Outgoing) -> Option<Cause> {
        if outgoing.expires_at.is_some_and(|at| now > at) {
            return Some(Cause::Expired);
        }
        self.unsupported(&outgoing.publication)
    }

    fn unsupported(&self, publication: &Publication) -> Option<Cause> {
        let server = &self.link.server;
        if publication.qos > server.maximum_qos {
            // [MQTT-3.2.2-11]
            return Some(Cause::QoSNotSupported);
        }
        // [MQTT-3.2.2-14]
        (publication.retain && !server.retain_available).then_some(Cause::RetainNotSupported)
    }
}

/// Encodes a PUBLISH for this version and limit; false if the server takes none of that size. [MQTT-3.2.2-15]
fn put(
    now: Instant,
    outgoing: &Outgoing,
    delivery: Delivery,
    form: (Version, u32),
    aliases: &mut Outward,
    out: &mut Output,
) -> bool {
    let Outgoing { publication, expires_at, .. } = outgoing;
    let expiry = expires_at.map(|at| remaining(at, now));
    let head = head(publication, delivery, expiry);
    if publication.payload.len() < SHARED {
        return out.append(|out| {
            let fits = encode(&head, form, aliases, out);
            if fits {
                publication.payload.pieces().iter().for_each(|piece| out.extend_from_slice(piece));
            }
            fits
        });
    }
    let fits = out.append(|out| encode(&head, form, aliases, out));
    if fits {
        publication.payload.pieces().iter().for_each(|piece| out.put_shared(piece.clone()));
    }
    fits
}

/// All of it but the payload.
#[inline(always)] // as `encode` itself
fn encode(
    head: &PublishHead<'_>,
    (version, limit): (Version, u32),
    aliases: &mut Outward,
    out: &mut Vec<u8>,
) -> bool {
    match aliases.is_off() {
        true => head.encode(version, limit, out).is_ok(),
        false => aliases.encode(head, limit, out).is_ok(),
    }
}
