//! What happens where a rule is left out, so that a test can show what it is for.
//!
//! In production nothing of this happens: `obeys` is a constant there, and each of these hands back what it was given.
use super::Broker;
use super::base::rules::{Rule, Rules};
use super::connection::answers::{Pending, Reply};
use super::retained::index::Cursor;
use super::router::NodeId;
use super::shards::settle::Outcome;
use crate::id::{ConnectionId, ShardId};
use crate::qos::QoS;
use crate::time::Instant;
use crate::version::Version;
use alloc::vec::Vec;

/// Finds what has changed since the subscription, too.
pub(super) fn cursor(rules: Rules, cursor: Cursor) -> Cursor {
    if rules.obeys(Rule::CursorPassesOver) { cursor } else { cursor.of_all_versions() }
}

/// A value without an end gets the end of the one before.
pub(super) fn expiry(
    rules: Rules,
    of_new: Option<Instant>,
    of_old: impl FnOnce() -> Option<Instant>,
) -> Option<Instant> {
    if rules.obeys(Rule::ExpiryByIdentity) { of_new } else { of_new.or_else(of_old) }
}

/// As it was published.
pub(super) fn qos(rules: Rules, published: QoS, granted: QoS) -> QoS {
    if rules.obeys(Rule::LesserOfBoth) { published.min(granted) } else { published }
}

/// One of them is enough.
pub(super) fn identifiers(rules: Rules, all: &[u32]) -> &[u32] {
    if rules.obeys(Rule::AllIdentifiers) { all } else { &all[..all.len().min(1)] }
}

/// Any number may be under way.
pub(super) fn window(rules: Rules, receive_maximum: u16) -> u16 {
    if rules.obeys(Rule::WithinTheWindow) { receive_maximum } else { u16::MAX }
}

/// A packet may have any size.
pub(super) fn size(rules: Rules, maximum_packet_size: u32) -> u32 {
    if rules.obeys(Rule::WithinTheSize) { maximum_packet_size } else { u32::MAX }
}

/// An answer passes those before it.
pub(super) fn answer(rules: Rules, answer: &mut Pending, version: Version, out: &mut Vec<u8>) {
    if !rules.obeys(Rule::AnswersInOrder) {
        answer.what.encode(version, out);
        answer.what = Reply::Nothing;
    }
}

impl Broker {
    /// The answer of a connection that is gone: it goes to whoever has its place.
    pub(super) fn has_a_place(&self, id: ConnectionId) -> bool {
        self.connections.is(id)
            || (!self.rules.obeys(Rule::AnswersDieWithTheirConnection)
                && self.connections.is(self.connections.id(id.index)))
    }

    /// A SUBACK waits only for interest that it has begun itself.
    pub(super) fn waits_for_interest(&self, new: bool, node: NodeId) -> bool {
        self.rules.obeys(Rule::LaterOnesWait) || (new && self.router.subscribers_at(node) == 1)
    }

    /// What is ordered here is answered before anybody else has it; true if it was.
    pub(super) fn answers_order_at_once(&mut self, to: ShardId, ticket: u32) -> bool {
        let at_once = !self.rules.obeys(Rule::OrderedWaitsForAll);
        if at_once {
            self.shards.tell_ordered(to, ticket, Outcome::Queued, 0);
        }
        at_once
    }

    /// Mail is held back for a full window.
    pub(super) fn holds_mail_back(&self, to: ShardId) -> bool {
        let has_room = || self.shards.post.has_room(to, self.limits.mail_notes, self.limits.mail_bytes);
        !self.rules.obeys(Rule::MailNeverWaits) && !has_room()
    }
}
