//! Output commit: no packet leaves that asserts what is not durable.
//!
//! The core writes its own journal as bytes; a store appends and syncs them and says how far they are durable.
//! Whatever depends on a record waits for the position at which the journal ended when it was made. Only what
//! outlives a connection is written: sessions that do not end with it, their subscriptions and queues, wills, and
//! Retained Messages.
mod record;
mod restore;
mod snapshot;

use crate::broker::authority::policy::Grant;
use crate::broker::base::rules::Rule;
use crate::broker::messages::ledger::Recipient;
use crate::broker::messages::store::{Content, View};
use crate::broker::retain::Kept;
use crate::broker::router::Options;
use crate::broker::session::Kind;
use crate::broker::{Action, Broker};
use crate::id::{ConnectionId, MessageId, PacketId, Position};
use crate::qos::QoS;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
pub(crate) use record::Place;
#[cfg(feature = "_fuzz")]
pub(crate) use record::seal;
use record::{InMail, MessageRecord, Payload, Record, SessionRecord};
pub use restore::RestoreError;
pub(crate) use restore::Restoring;
pub(crate) use snapshot::Snapshot;

/// A QoS 2 message that has perhaps not reached all shards.
#[derive(Clone)]
pub(crate) struct Left {
    pub(crate) topic: Box<str>,
    pub(crate) message: Arc<Kept>,
    pub(crate) retain: bool,
    /// Whose it is, and under which Packet Identifier.
    publisher: Recipient,
    packet_id: u16,
}

/// The journal as the broker knows it. Without a store everything is durable at once.
pub(crate) struct Journal {
    on: bool,
    failed: bool,
    /// Life goes on behind what it says: nothing can be restored any more.
    pub(crate) begun: bool,
    /// Written, and not polled.
    out: Vec<u8>,
    end: u64,
    durable: u64,
    announced: bool,
    /// Connections whose output waits for a position, ascending.
    waiting: VecDeque<(u64, ConnectionId)>,
}

impl Journal {
    pub(crate) fn new(on: bool, now: Instant) -> Self {
        let mut journal = Self {
            on,
            failed: false,
            begun: false,
            out: Vec::new(),
            end: 0,
            durable: 0,
            announced: false,
            waiting: VecDeque::new(),
        };
        journal.write(&Record::Start { at: now });
        journal
    }

    /// There is one.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// It can take no more.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Where it ends now.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Up to where it is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    fn write(&mut self, record: &Record<'_>) {
        if self.on {
            let before = self.out.len();
            record.encode(&mut self.out);
            self.end += (self.out.len() - before) as u64;
        }
    }

    /// Wakes a connection when the journal is durable up to there, if it is not yet.
    pub(crate) fn wake(&mut self, position: u64, id: ConnectionId) {
        if position > self.durable && self.waiting.back().is_none_or(|last| *last != (position, id)) {
            let at = self.waiting.partition_point(|(p, _)| *p <= position);
            self.waiting.insert(at, (position, id));
        }
    }
}

impl Broker {
    pub(crate) fn on_durable(&mut self, up_to: Position) {
        self.journal.durable = self.journal.durable.max(up_to.0).min(self.journal.end);
        while let Some((position, id)) = self.journal.waiting.front().copied()
            && position <= self.journal.durable
        {
            self.journal.waiting.pop_front();
            if self.connections.get(id).is_some() {
                self.release_answers(id.index);
                self.window_opens(id.index);
                let session = self.connections[id.index].session;
                if session != crate::broker::connection::NONE
                    && let Some(flow) = self.sessions[session].flow.as_deref_mut()
                {
                    flow.queue.stall(false);
                }
                self.announce(id.index);
            }
        }
    }

    pub(crate) fn next_journal(&mut self) -> Option<Action> {
        self.flush_ended();
        if self.journal.out.is_empty() || self.journal.announced || self.journal.failed {
            return None;
        }
        self.journal.announced = true;
        Some(Action::Journal)
    }

    pub(crate) fn take_journal(&mut self, out: &mut Vec<u8>) -> Option<Position> {
        self.flush_ended();
        self.journal.announced = false;
        if self.journal.out.is_empty() {
            return None;
        }
        out.append(&mut self.journal.out);
        Some(Position(self.journal.end))
    }

    /// The journal can take no more: what waits for it will wait for ever, and nobody new is let in.
    pub(crate) fn on_journal_failed(&mut self) {
        self.journal.failed = true;
        self.journal.out = Vec::new();
    }

    /// Writes a record, behind what has ended before it.
    fn record(&mut self, record: &Record<'_>) {
        if self.journal.on {
            self.flush_ended();
            self.journal.write(record);
        }
    }

    /// Entries of queues that have had their fate since the last record.
    fn flush_ended(&mut self) {
        if self.depot.ended.is_empty() {
            return;
        }
        let mut ended = core::mem::take(&mut self.depot.ended);
        for (who, id) in ended.drain(..) {
            if self.is_kept(who.session) {
                self.journal.write(&Record::Ended { who, id });
            }
        }
        self.depot.ended = ended;
    }

    /// Does this session outlive its connection?
    fn is_kept(&self, session: u32) -> bool {
        let s = &self.sessions[session];
        self.journal.on && s.expiry > 0 && s.kind == Kind::Client
    }

    /// How a session stands, if it or its will is to outlive a crash; or if the journal says that it would.
    pub(crate) fn journal_session(&mut self, now: Instant, session: u32, known: bool) {
        let has_will = self.sessions[session].more.as_deref().is_some_and(|m| m.will.is_some());
        if self.journal.on && (known || self.is_kept(session) || has_will) {
            self.flush_ended();
            let record = self.session_record(now, session);
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            self.append(&mut bytes);
        }
    }

    fn append(&mut self, bytes: &mut Vec<u8>) {
        self.journal.end += bytes.len() as u64;
        self.journal.out.append(bytes);
    }

    fn session_record(&self, now: Instant, session: u32) -> Record<'_> {
        let s = &self.sessions[session];
        let more = s.more.as_deref();
        Record::Session(SessionRecord {
            who: self.sessions.recipient(session),
            at: now,
            client_id: &s.client_id,
            identity: self.identity(session),
            expiry: s.expiry,
            version: s.version.level(),
            connected: s.connection != crate::broker::connection::NONE,
            ends_at: more.and_then(|m| m.ends_at),
            will_at: more.and_then(|m| m.will_at),
        })
    }

    pub(crate) fn journal_session_end(&mut self, session: u32) {
        let who = self.sessions.recipient(session);
        self.depot.ended.retain(|(ended, _)| *ended != who);
        self.record(&Record::SessionEnd(who));
    }

    /// A will is set, or has had its exit.
    pub(crate) fn journal_will(&mut self, session: u32) {
        if !self.journal.on {
            return;
        }
        let who = self.sessions.recipient(session);
        match self.sessions[session].more.as_deref().and_then(|m| m.will.clone()) {
            Some(will) => self.record(&Record::Will { who, will }),
            None => self.record(&Record::WillEnd(who)),
        }
    }

    pub(crate) fn journal_subscribed(&mut self, session: u32, filter: &str, options: Options) {
        if self.is_kept(session) {
            let who = self.sessions.recipient(session);
            let identifier = options.identifier.map_or(0, |i| i.get());
            self.record(&Record::Subscribed { who, filter, options: options_byte(options), identifier });
        }
    }

    pub(crate) fn journal_unsubscribed(&mut self, session: u32, filter: &str) {
        if self.is_kept(session) {
            let who = self.sessions.recipient(session);
            self.record(&Record::Unsubscribed { who, filter });
        }
    }

    /// A message has been routed: its receipt and its places are one record.
    pub(crate) fn journal_message(&mut self, view: &View<'_>, retain: bool, places: Vec<Place>) {
        let here = core::mem::take(&mut self.came_by_mail);
        let mailing = core::mem::take(&mut self.mailing);
        let receipt = self.receipt.take().filter(|(session, _)| self.is_kept(*session));
        let receipt = receipt.map(|(session, packet_id)| (self.sessions.recipient(session), packet_id.get()));
        let out = mailing && receipt.is_some();
        if places.is_empty() && !out {
            if let Some((who, packet_id)) = receipt {
                self.record(&Record::Receipt { who, packet_id });
            }
            return;
        }
        if let (true, Some((publisher, packet_id))) = (out, receipt) {
            let message = Arc::new(Kept::new(view, QoS::ExactlyOnce));
            let left = Left { topic: view.topic.into(), message, retain, publisher, packet_id };
            self.undistributed.insert(view.id, left);
        }
        if here {
            self.mailed_here.insert(view.id);
        }
        let mail = InMail { out, here, retain };
        let receipt = match receipt {
            Some((who, packet_id)) if !self.rules.obeys(Rule::OneRecord) => {
                self.record(&Record::Receipt { who, packet_id });
                None
            }
            receipt => receipt,
        };
        self.record(&Record::Message { message: message_record(view), receipt, places, mail });
    }

    pub(crate) fn journal_distributed(&mut self, id: MessageId) {
        self.record(&Record::Distributed { id });
    }

    pub(crate) fn journal_forget(&mut self, id: MessageId) {
        self.record(&Record::Forget { id });
    }

    pub(crate) fn journal_receipt(&mut self, session: u32, packet_id: PacketId) {
        if self.is_kept(session) {
            let who = self.sessions.recipient(session);
            self.record(&Record::Receipt { who, packet_id: packet_id.get() });
        }
    }

    pub(crate) fn journal_receipt_end(&mut self, session: u32, packet_id: PacketId) {
        if self.is_kept(session) {
            let who = self.sessions.recipient(session);
            self.record(&Record::ReceiptEnd { who, packet_id: packet_id.get() });
        }
    }

    pub(crate) fn journal_bound(&mut self, session: u32, id: MessageId, packet_id: PacketId) {
        if self.is_kept(session) {
            let who = self.sessions.recipient(session);
            self.record(&Record::Bound { who, id, packet_id: packet_id.get() });
        }
    }

    pub(crate) fn journal_released(&mut self, session: u32, packet_id: PacketId) {
        if self.is_kept(session) {
            let who = self.sessions.recipient(session);
            self.record(&Record::Released { who, packet_id: packet_id.get() });
        }
    }

    pub(crate) fn journal_retained(&mut self, view: &View<'_>, qos: QoS) {
        if view.content.len() == 0 {
            self.record(&Record::RetainedEnd { topic: view.topic.as_str() });
        } else {
            self.record(&Record::Retained { message: message_record(view), qos });
        }
    }

    pub(crate) fn journal_retained_end(&mut self, topic: &str) {
        self.record(&Record::RetainedEnd { topic });
    }

    /// What an identity may do that is known from the journal only.
    fn known(&mut self, now: Instant, identity: crate::id::IdentityId) -> Option<Grant> {
        self.policy.known(now, identity)
    }
}

fn message_record<'a>(view: &View<'a>) -> MessageRecord<'a> {
    MessageRecord {
        id: view.id,
        origin: view.origin,
        expires_at: view.expires_at,
        topic: view.topic,
        properties: view.properties,
        payload: match view.content {
            Content::Small(bytes) => Payload::Whole(bytes),
            Content::Large(chunks) => Payload::Chunks(chunks),
        },
    }
}

fn options_byte(options: Options) -> u8 {
    options.qos.bits() | u8::from(options.no_local) << 2 | u8::from(options.retain_as_published) << 3
}
