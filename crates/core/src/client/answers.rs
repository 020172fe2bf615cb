//! What the application says of the messages that came, and what the server hears of it.
use super::event::{Cause, Message};
use super::inbound::UNREAD;
use super::link::{Ping, Said, Unanswered};
use super::{Acknowledge, Action, Client, Next, Phase};
use crate::Input;
use crate::codec::{AckKind, encode_ack};
use crate::id::Token;
use crate::reason::ReasonCode;
use crate::time::Instant;

impl Client {
    /// The application has a message, or refuses it.
    /// [MQTT-2.2.1-5] [MQTT-4.3.2-4] [MQTT-4.3.2-5] [MQTT-4.3.3-8] [MQTT-4.5.0-2]
    pub(super) fn answer(&mut self, token: &Token, reason: ReasonCode) {
        if reason.is_error() && !self.version.is_v5() {
            // A refusal has no words.
            return self.skip(token);
        }
        let reason =
            if AckKind::Puback.has(reason) { reason } else { ReasonCode::ImplementationSpecificError };
        if let Some(held) = self.holding.get_mut(&token.packet_id).filter(|held| held.number == token.epoch) {
            held.answer = Some(reason);
        }
        // An old token names nothing here: it can't acknowledge another message that has the same identifier now.
        if let Some(number) = self.link.unanswered.find(|u| u.number == token.epoch) {
            self.link.unanswered.change(number, |unanswered| unanswered.answer = Said::Reason(reason));
            self.release_answers();
        }
    }

    /// The application will not say what becomes of a message; and if all that may come is like that, nothing comes any
    /// more. Before 5.0 nobody knows how much may.
    pub(super) fn pass(&mut self, now: Instant, token: &Token) {
        self.skip(token);
        let window = usize::from(self.config.receive_maximum.max(1));
        let is_stuck = self.link.passed_over.len() >= window;
        if is_stuck && self.phase == Phase::Up && self.config.reconnect && self.leaving.is_none() {
            self.close_for_another(now, Cause::PassedOver, Next::Again);
        }
    }

    /// The message is not acknowledged on this connection, and those behind it are. When it comes again it is a new one.
    fn skip(&mut self, token: &Token) {
        let packet_id = token.packet_id;
        let is_held = self.holding.get(&packet_id).is_some_and(|held| held.number == token.epoch);
        let waits = self.link.unanswered.find(|u| u.number == token.epoch);
        if !is_held && waits.is_none() {
            return;
        }
        if is_held {
            self.holding.remove(&packet_id);
            self.receiver.release(packet_id);
            self.link.leftover = self.link.leftover.min(self.receiver.len());
        }
        self.stats.passed_over += 1;
        // One of an earlier connection that has not come on this one will.
        let Some(number) = waits else { return };
        self.link.unanswered.change(number, |unanswered| unanswered.answer = Said::PassOver);
        // An identifier that the server has used again meanwhile, which it may not, counts once.
        if self.version.is_v5() && !self.receiver.contains(packet_id) {
            self.link.passed_over.insert(packet_id);
        }
        self.release_answers();
    }

    /// PUBACK and PUBREC in the order of their PUBLISHes. [MQTT-4.6.0-2] [MQTT-4.6.0-3]
    pub(super) fn release_answers(&mut self) {
        while let Some(&Unanswered { packet_id, kind, answer, .. }) = self.link.unanswered.first()
            && answer != Said::Nothing
        {
            self.link.unanswered.pop();
            let Said::Reason(reason) = answer else { continue };
            encode_ack(kind, packet_id, reason, self.version, &mut self.link.out);
            if kind == AckKind::Pubrec {
                self.holding.remove(&packet_id);
                if reason.is_error() {
                    self.receiver.release(packet_id);
                }
            }
            self.actions.transmit();
        }
    }

    pub(super) fn take_message(&mut self, now: Instant) -> Option<Message> {
        self.actions.taken();
        let mut message = self.inbox.take()?;
        self.stats.taken += 1;
        if self.config.acknowledge == Acknowledge::WhenTaken
            && let Some(token) = message.token.take()
        {
            self.answer(&token, ReasonCode::Success);
        }
        self.read_on(now);
        Some(message)
    }

    /// The application has made room: what was kept is handled, and then the socket is read again.
    pub(super) fn read_on(&mut self, now: Instant) {
        if !self.link.held {
            return;
        }
        let (messages, bytes) = (self.config.inbox_messages / 2, self.config.inbox_bytes / 2);
        let window = usize::from(self.config.receive_maximum.max(1));
        let full = self.inbox.is_full(window, messages.max(1), bytes.max(1));
        if full || self.link.out.len() >= UNREAD {
            return;
        }
        // What the server said meanwhile may lie in the socket.
        (self.link.held, self.link.ping) = (false, Ping::None);
        let kept = core::mem::take(&mut self.link.kept);
        if kept.is_empty() || self.feed(now, &kept) == Input::More {
            self.link.heard = now;
            self.actions.push(Action::Resume);
        }
    }
}
