//! From journal bytes back to a broker. They are judged like a peer's: whatever they say, nothing panics.
use super::Left;
use super::record::{MessageRecord, Payload, Place, Read, Record, SessionRecord, read};
use crate::broker::connection::NONE;
use crate::broker::messages::ledger::{Fate, Recipient};
use crate::broker::messages::queue::Entry;
use crate::broker::messages::store::{Content, MessageRef, View};
use crate::broker::retain::Kept;
use crate::broker::router::{Options, Subscriber};
use crate::broker::session::{Kind, NEVER};
use crate::broker::{Broker, LARGE};
use crate::delivery::CHUNK;
use crate::id::{MessageId, PacketId, Position};
use crate::qos::QoS;
use crate::time::Instant;
use crate::version::Version;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::num::NonZeroU32;

/// Why a journal can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// It was written in a format that this version does not know, from here on.
    Version(Position),
    /// What stands here is no record. What came before it has been restored.
    Corrupt(Position),
    /// The broker has been used already; nothing was restored.
    Late,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(Position(at)) => {
                write!(
                    f,
                    "the journal is in another version's format from byte {at} on; start that version with it"
                )
            }
            Self::Corrupt(Position(at)) => write!(f, "the journal is damaged at byte {at}"),
            Self::Late => f.write_str("a broker is restored before it is used, and this one has been used"),
        }
    }
}

impl core::error::Error for RestoreError {}

/// What is known only while a journal is replayed.
#[derive(Default)]
pub(crate) struct Restoring {
    /// The beginning of a record whose end has not come.
    carried: Vec<u8>,
    read: u64,
    /// The newest time that a record told.
    newest: Instant,
    /// The numbers that sessions had in the journal, and their places here.
    names: BTreeMap<(u32, u32), u32>,
    /// Sessions by their places here. One that a journal names twice is one.
    sessions: BTreeMap<u32, Restored>,
    /// Messages that have been read, each with one reference of ours.
    messages: BTreeMap<MessageId, MessageRef>,
}

impl Restoring {
    /// The session of that number in the journal, and its place here.
    fn named(&mut self, who: Recipient) -> Option<(u32, &mut Restored)> {
        let index = *self.names.get(&key(who))?;
        Some((index, self.sessions.get_mut(&index)?))
    }
}

/// A session that is being restored: what is in its flow is put there at the end.
#[derive(Default)]
struct Restored {
    connected: bool,
    ends_at: Option<Instant>,
    will_at: Option<Instant>,
    /// In order of their coming, and what each is bound to.
    entries: BTreeMap<u64, Waiting>,
    by_id: BTreeMap<MessageId, u64>,
    /// Those bound to a Packet Identifier, in the order of their binding.
    bound: BTreeMap<u64, u64>,
    by_packet_id: BTreeMap<u16, u64>,
    receipts: BTreeSet<u16>,
    /// How many entries and bindings there have been.
    count: u64,
}

/// A message in a queue that is being restored.
struct Waiting {
    id: MessageId,
    entry: Entry,
    /// Its Packet Identifier, when it got it, and whether only PUBREL and PUBCOMP are left.
    bound: Option<(u16, u64, bool)>,
}

impl Restored {
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn insert(&mut self, id: MessageId, entry: Entry) {
        let at = self.next();
        self.by_id.insert(id, at);
        self.entries.insert(at, Waiting { id, entry, bound: None });
    }

    fn remove(&mut self, id: MessageId) -> Option<Entry> {
        let waiting = self.entries.remove(&self.by_id.remove(&id)?)?;
        if let Some((packet_id, order, _)) = waiting.bound {
            self.bound.remove(&order);
            self.by_packet_id.remove(&packet_id);
        }
        Some(waiting.entry)
    }

    fn bind(&mut self, id: MessageId, packet_id: u16) {
        let order = self.next();
        let Some(at) = self.by_id.get(&id) else { return };
        let Some(waiting) = self.entries.get_mut(at).filter(|w| w.bound.is_none()) else { return };
        if packet_id == 0 || self.by_packet_id.contains_key(&packet_id) {
            return;
        }
        waiting.bound = Some((packet_id, order, false));
        self.bound.insert(order, *at);
        self.by_packet_id.insert(packet_id, *at);
    }

    fn release(&mut self, packet_id: u16) {
        let waiting = self.by_packet_id.get(&packet_id).and_then(|at| self.entries.get_mut(at));
        if let Some((_, _, released)) = waiting.and_then(|w| w.bound.as_mut()) {
            *released = true;
        }
    }
}

impl Broker {
    pub(crate) fn replay(&mut self, wall: Instant, bytes: &[u8]) -> Result<Instant, RestoreError> {
        if self.journal.begun {
            return Err(RestoreError::Late);
        }
        let mut restoring = self.restoring.take().unwrap_or_default();
        restoring.carried.extend_from_slice(bytes);
        let mut carried = core::mem::take(&mut restoring.carried);
        let mut at = 0;
        let result = loop {
            match read(&carried[at..]) {
                Read::Record(record, length) => {
                    self.apply(&mut restoring, record);
                    at += length;
                }
                Read::Torn => break Ok(()),
                Read::Version => break Err(RestoreError::Version(Position(restoring.read + at as u64))),
                Read::Corrupt => break Err(RestoreError::Corrupt(Position(restoring.read + at as u64))),
            }
        };
        carried.drain(..at);
        restoring.read += at as u64;
        if result.is_ok() {
            restoring.carried = carried;
        }
        let start = wall.max(restoring.newest);
        self.restoring = Some(restoring);
        result.map(|()| start)
    }

    fn apply(&mut self, restoring: &mut Restoring, record: Record<'_>) {
        match record {
            Record::Start { at } => {
                restoring.newest = restoring.newest.max(at);
                // Numbers before this mean nothing behind it: sessions that go on are named anew.
                restoring.names.clear();
            }
            Record::Session(session) => self.restore_session(restoring, &session),
            Record::SessionEnd(who) => {
                let index = restoring.names.remove(&key(who));
                if let Some((index, restored)) =
                    index.and_then(|index| restoring.sessions.remove_entry(&index))
                {
                    for waiting in restored.entries.values() {
                        self.depot.unidentify(waiting.entry);
                    }
                    self.forget_restored(index);
                }
            }
            Record::Subscribed { who, filter, options, identifier } => {
                if let Some((index, _)) = restoring.named(who) {
                    self.restore_subscription(index, filter, options, identifier);
                }
            }
            Record::Unsubscribed { who, filter } => {
                if let Some((index, _)) = restoring.named(who) {
                    self.unsubscribe_one(index, filter);
                }
            }
            Record::Distributed { id } => {
                self.undistributed.remove(&id);
            }
            Record::Known { id } => {
                self.mailed_here.insert(id);
            }
            Record::Forget { id } => {
                self.mailed_here.remove(&id);
            }
            Record::Message { message, receipt, places, mail } => {
                if mail.here {
                    self.mailed_here.insert(message.id);
                }
                if let Some((who, packet_id)) = receipt
                    && let Some((index, restored)) = restoring.named(who)
                {
                    restored.receipts.insert(packet_id);
                    if mail.out {
                        let kept = with_view(&message, |view| Kept::new(view, QoS::ExactlyOnce));
                        let left = Left {
                            topic: message.topic.into(),
                            message: Arc::new(kept),
                            retain: mail.retain,
                            publisher: self.sessions.recipient(index),
                            packet_id,
                        };
                        self.undistributed.insert(message.id, left);
                    }
                }
                self.restore_message(restoring, &message, &places);
            }
            Record::Ended { who, id } => {
                if let Some(entry) = restoring.named(who).and_then(|(_, restored)| restored.remove(id)) {
                    self.depot.unidentify(entry);
                }
            }
            Record::Bound { who, id, packet_id } => {
                if let Some((_, restored)) = restoring.named(who) {
                    restored.bind(id, packet_id);
                }
            }
            Record::Released { who, packet_id } => {
                if let Some((_, restored)) = restoring.named(who) {
                    restored.release(packet_id);
                }
            }
            Record::Receipt { who, packet_id } => {
                if let Some((_, restored)) = restoring.named(who) {
                    restored.receipts.insert(packet_id);
                }
            }
            Record::ReceiptEnd { who, packet_id } => {
                if let Some((_, restored)) = restoring.named(who) {
                    restored.receipts.remove(&packet_id);
                }
            }
            Record::Retained { message, qos } => self.restore_retained(restoring, &message, qos),
            Record::RetainedEnd { topic } => {
                self.retained.clear(topic);
            }
            Record::Will { who, will } => {
                if let Some((index, _)) = restoring.named(who) {
                    self.sessions[index].more.get_or_insert_default().will = Some(will);
                }
            }
            Record::WillEnd(who) => {
                if let Some((index, restored)) = restoring.named(who) {
                    restored.will_at = None;
                    if let Some(more) = self.sessions[index].more.as_deref_mut() {
                        more.will = None;
                    }
                }
            }
        }
    }

    fn restore_session(&mut self, restoring: &mut Restoring, record: &SessionRecord<'_>) {
        restoring.newest = restoring.newest.max(record.at);
        // Journals of all shards may be replayed here: of their sessions, those stay that are at home here.
        if self.home(record.client_id) != self.shard {
            return;
        }
        let known = restoring.named(record.who).map(|(index, _)| index);
        let index = match known.or_else(|| self.sessions.find(record.client_id)) {
            Some(index) => index,
            None => self.sessions.insert(record.client_id, Kind::Client),
        };
        let grant = self.grants.set(record.identity, None);
        let old = self.sessions[index].grant;
        if old != grant {
            self.grants[grant].sessions += 1;
            if old != NONE {
                self.grants[old].sessions -= 1;
                self.grants.rest(old);
            }
        }
        let s = &mut self.sessions[index];
        (s.grant, s.expiry) = (grant, record.expiry);
        s.version = match record.version {
            3 => Version::V3_1,
            5 => Version::V5,
            _ => Version::V3_1_1,
        };
        restoring.names.insert(key(record.who), index);
        let restored = restoring.sessions.entry(index).or_default();
        restored.connected = record.connected;
        (restored.ends_at, restored.will_at) = (record.ends_at, record.will_at);
    }

    fn restore_subscription(&mut self, session: u32, filter: &str, options: u8, identifier: u32) {
        let Some(qos) = QoS::from_bits(options & 3) else { return };
        let options = Options {
            qos,
            no_local: options & 4 != 0,
            retain_as_published: options & 8 != 0,
            identifier: NonZeroU32::new(identifier & 0x0fff_ffff),
        };
        let (node, replaced) = self.router.subscribe(filter, Subscriber::session(session), options);
        if !replaced.0 {
            self.sessions[session].subscriptions.get_or_insert_default().push(node);
            if self.router.sessions_at(node) == 1 {
                self.tell_interest(filter, true);
            }
        }
    }

    fn restore_message(&mut self, restoring: &mut Restoring, record: &MessageRecord<'_>, places: &[Place]) {
        for place in places {
            let Some(index) = restoring.names.get(&key(place.who)) else { continue };
            let Some(restored) = restoring.sessions.get_mut(index) else { continue };
            if place.qos == QoS::AtMostOnce || restored.by_id.contains_key(&record.id) {
                continue;
            }
            let message = match restoring.messages.get(&record.id) {
                Some(message) => *message,
                None => {
                    let message = with_view(record, |view| self.depot.store.put(view));
                    restoring.messages.insert(record.id, message);
                    message
                }
            };
            let identifiers = self.depot.identify(&place.identifiers);
            let entry = Entry::message(message, place.qos, place.retain, identifiers);
            restored.insert(record.id, entry);
        }
    }

    fn restore_retained(&mut self, restoring: &mut Restoring, record: &MessageRecord<'_>, qos: QoS) {
        restoring.newest =
            restoring.newest.max(Instant::from_micros(record.id.millis().saturating_mul(1000)));
        with_view(record, |view| {
            let kept = Arc::new(Kept::new(view, qos));
            self.retained.set(
                view.topic.as_str(),
                kept,
                crate::broker::retain::charge(view),
                view.expires_at,
            );
        });
    }

    /// A session that the journal says has ended.
    fn forget_restored(&mut self, session: u32) {
        let subscriptions = self.sessions[session].subscriptions.take();
        for node in subscriptions.into_iter().flat_map(|s| *s) {
            self.unsubscribe_at(node, session);
        }
        let grant = self.sessions[session].grant;
        self.sessions.remove(session);
        if grant != NONE {
            self.grants[grant].sessions -= 1;
            self.grants.rest(grant);
        }
    }

    /// Puts what was read of the queues of all sessions where it belongs.
    fn settle_restored(&mut self, restoring: &mut Restoring) {
        for (session, restored) in core::mem::take(&mut restoring.sessions) {
            let who = self.sessions.recipient(session);
            let mut flow = self.sessions.take_flow_or_new(session);
            for waiting in restored.bound.values().filter_map(|at| restored.entries.get(at)) {
                let Some((packet_id, _, released)) = waiting.bound else { continue };
                let Some(packet_id) = PacketId::new(packet_id) else { continue };
                if !flow.sender.restore(waiting.entry, packet_id, waiting.entry.qos(), released) {
                    self.depot.unidentify(waiting.entry);
                    continue;
                }
                self.depot.store.share(waiting.entry.message_ref());
                self.depot.books.moved(waiting.id, who, None, Fate::Queued);
                self.depot.books.moved(waiting.id, who, Some(Fate::Queued), Fate::InFlight);
            }
            for waiting in restored.entries.values().filter(|w| w.bound.is_none()) {
                self.depot.enqueue(&mut flow.queue, waiting.entry, who);
            }
            for packet_id in restored.receipts.iter().filter_map(|id| PacketId::new(*id)) {
                flow.receiver.receive(packet_id);
            }
            self.sessions[session].flow = Some(flow);
            self.sessions.rest(session);
            let more = self.sessions[session].more.get_or_insert_default();
            (more.ends_at, more.will_at) = (restored.ends_at, restored.will_at);
            // Whoever is away knows when it ends, or does not end; who does not counts as cut.
            let expiry = self.sessions[session].expiry;
            let is_away = expiry == NEVER || (expiry > 0 && restored.ends_at.is_some());
            if restored.connected || !is_away {
                self.cut.push(session);
            }
        }
        for message in core::mem::take(&mut restoring.messages).into_values() {
            self.depot.store.release(message);
        }
    }

    /// The journal has been read: from here on time runs. Whoever was connected counts as cut now.
    pub(crate) fn finish_restore(&mut self, now: Instant) {
        let Some(mut restoring) = self.restoring.take() else { return };
        self.settle_restored(&mut restoring);
        if self.shards > 1 {
            self.gather();
        }
        let identities: Vec<_> = self.grants.iter().map(|(_, granted)| granted.identity).collect();
        for identity in identities {
            if let Some(grant) = self.known(now, identity) {
                self.grants.set(identity, Some(grant));
            }
        }
        let sessions: Vec<u32> = self.sessions.iter().map(|(index, _)| index).collect();
        for session in sessions {
            self.journal_session(now, session, true);
        }
        for session in core::mem::take(&mut self.cut) {
            self.after_connection(now, session, crate::broker::ending::Leaving::Lost);
        }
        let sessions: Vec<u32> = self.sessions.iter().map(|(index, _)| index).collect();
        for session in sessions {
            self.watch_session(now, session);
        }
    }
}

fn key(who: Recipient) -> (u32, u32) {
    (who.session, who.generation)
}

/// A record's message, its payload in chunks if it is large.
fn with_view<T>(record: &MessageRecord<'_>, f: impl FnOnce(&View<'_>) -> T) -> T {
    let chunks: Arc<[Bytes]>;
    let content = match record.payload {
        Payload::Whole(bytes) if bytes.len() >= LARGE => {
            chunks = bytes.chunks(CHUNK).map(Bytes::copy_from_slice).collect();
            Content::Large(&chunks)
        }
        Payload::Whole(bytes) => Content::Small(bytes),
        // Only what is written is in pieces.
        Payload::Chunks(_) => Content::Small(&[]),
    };
    f(&View {
        id: record.id,
        origin: record.origin,
        expires_at: record.expires_at,
        topic: record.topic,
        properties: record.properties,
        content,
    })
}
