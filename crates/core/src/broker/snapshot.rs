//! The whole state as journal bytes, a piece at a time while life goes on.
//!
//! Each piece is how things stand when it is taken. What changes meanwhile is in the journal as well, and replaying
//! both gives what is true at the end: a record that says what is known already changes nothing.
use super::Broker;
use super::journal::record::{InMail, Record, Taken};
use super::journal::{Snapshot, message_record, options_byte, session_record};
use super::messages::ledger::Recipient;
use super::messages::owned::Undistributed;
use super::messages::queue::{Entry, Queued};
use super::messages::store::View;
use super::retained::index::Place as Topic;
use super::router::Subscriber;
use super::session::Kind;
use crate::qos::QoS;
use crate::time::Instant;
use alloc::string::String;
use alloc::vec::Vec;

impl Broker {
    /// Appends the next piece of a snapshot, some `limit` bytes; true while more is to come. The one after the
    /// last begins anew.
    pub(super) fn snapshot(&mut self, now: Instant, limit: usize, out: &mut Vec<u8>) -> bool {
        let end = out.len().saturating_add(limit.max(1));
        let mut snapshot = self.journal.snapshot.take().unwrap_or_default();
        if !snapshot.begun {
            snapshot.begun = true;
            Record::Start { at: now }.encode(out);
            self.snapshot_mail(out);
        }
        while out.len() < end {
            let Some(group) = self.groups.next_from(snapshot.group) else { break };
            snapshot.group = group + 1;
            self.snapshot_group(group, out);
        }
        while out.len() < end {
            let Some(session) = self.sessions.next_from(snapshot.session) else { break };
            snapshot.session = session + 1;
            self.snapshot_session(now, session, out);
        }
        if out.len() < end && self.snapshot_retained(&mut snapshot, end, out) {
            return false;
        }
        self.journal.snapshot = Some(snapshot);
        true
    }

    /// What may be mailed again, and what may come again. Both are few: they last for a moment. Receipts are a matter of
    /// their sessions: one may be released, and a session have ended, before all shards have the message.
    fn snapshot_mail(&self, out: &mut Vec<u8>) {
        for left in self.journal.undistributed().values() {
            let message = message_record(&left.message.view(&left.topic));
            let Undistributed { retain, by_owner, waits, .. } = *left;
            let mail = InMail { out: Some(left.message.qos), here: false, retain, by_owner, waits };
            Record::Message { message, taken: Taken::Nothing, places: Vec::new(), mail }.encode(out);
        }
        for id in self.journal.known() {
            Record::Known { id }.encode(out);
        }
    }

    /// A group, and what it has, with its members or not.
    fn snapshot_group(&self, place: u32, out: &mut Vec<u8>) {
        let Some(group) = self.groups.get(place) else { return };
        let who = self.groups.recipient(place);
        Record::Group { who, name: &group.name }.encode(out);
        let mut all: Vec<_> = group.waiting().chain(group.out()).collect();
        all.retain(|entry| entry.qos() > QoS::AtMostOnce);
        all.sort_by_key(|entry| self.messages.store.id(entry.message_ref()));
        for entry in all {
            self.snapshot_entry(who, entry, out);
        }
    }

    fn snapshot_session(&self, now: Instant, session: u32, out: &mut Vec<u8>) {
        let s = &self.sessions[session];
        let who = self.sessions.recipient(session);
        let will = s.rare.as_deref().and_then(|m| m.will.clone());
        if s.kind != Kind::Client || (s.expiry == 0 && will.is_none()) {
            return;
        }
        session_record(&self.sessions, &self.grants, now, session).encode(out);
        if let Some(will) = will {
            Record::Will { who, will }.encode(out);
        }
        if s.expiry == 0 {
            return;
        }
        for node in s.subscriptions.iter().flat_map(|nodes| nodes.iter()) {
            let filter: String = self.router.filter(node);
            if let Some(options) = self.router.options(node, Subscriber::session(session)) {
                let identifier = options.identifier.map_or(0, |i| i.get());
                let options = options_byte(options);
                Record::Subscribed { who, filter: &filter, options, identifier }.encode(out);
            }
        }
        for number in s.rare.iter().flat_map(|rare| &rare.shares) {
            let Some(membership) = self.groups.memberships.get(*number) else { continue };
            let identifier = membership.options.identifier.map_or(0, |i| i.get());
            let (filter, options) = (membership.share(), options_byte(membership.options));
            Record::Subscribed { who, filter: &filter, options, identifier }.encode(out);
        }
        let Some(busy) = s.busy.as_deref() else { return };
        for packet_id in busy.receiver.iter() {
            Record::Receipt { who, packet_id }.encode(out);
        }
        for (entry, packet_id, qos, released) in busy.sender.iter() {
            let (packet_id, name) = (packet_id.get(), self.messages.store.name(entry.message_ref()));
            if let Some(offer) = self.messages.offer(entry) {
                let membership = self.groups.memberships.get(offer.member);
                let Some(membership) = membership.filter(|_| self.messages.is_lent(entry)) else { continue };
                Record::Lent { who, name, group: &membership.name }.encode(out);
            }
            self.snapshot_entry(who, entry, out);
            if qos == QoS::ExactlyOnce {
                Record::Bound { who, name, packet_id }.encode(out);
                if released {
                    Record::Released { who, name }.encode(out);
                }
            }
        }
        for entry in busy.queue.iter() {
            let is_message = matches!(entry.what(), Queued::Message(_));
            if is_message && entry.qos() > QoS::AtMostOnce && self.messages.offer(entry).is_none() {
                self.snapshot_entry(who, entry, out);
            }
        }
    }

    fn snapshot_entry(&self, who: Recipient, entry: Entry, out: &mut Vec<u8>) {
        let place = self.place(who, entry);
        let view: View<'_> = self.messages.stored(entry);
        let name = self.messages.store.name(entry.message_ref());
        Record::Queued { message: message_record(&view), name, place }.encode(out);
    }

    /// True when there are no more.
    fn snapshot_retained(&self, snapshot: &mut Snapshot, end: usize, out: &mut Vec<u8>) -> bool {
        let start = snapshot.retained.clone().unwrap_or(Topic::START);
        for (topic, kept, _) in self.retained.index.iter_from(&start) {
            if out.len() >= end {
                return false;
            }
            Record::Retained { message: message_record(&kept.view(topic)), qos: kept.qos }.encode(out);
            snapshot.retained = Some(Topic::After(topic.into()));
        }
        true
    }
}
