//! From journal bytes back to a broker. They are judged like a peer's: whatever they say, nothing panics.
use super::authority::policy::Grant;
use super::base::timers::Timers;
use super::base::{LARGE, NONE};
use super::journal::RestoreError;
use super::journal::record::{
    InMail, MessageRecord, Payload, Place, Read, Record, SessionRecord, Taken, read,
};
use super::journal::restoring::{Restored, Restoring};
use super::leaving::Leaving;
use super::messages::ledger::{Fate, Recipient};
use super::messages::owned::{Owned, Undistributed, charge};
use super::messages::queue::Entry;
use super::messages::store::{Content, View};
use super::router::{Options, Subscriber};
use super::session::Kind;
use super::{Broker, Config};
use crate::delivery::CHUNK;
use crate::id::{MessageId, PacketId, Position, ShardId};
use crate::qos::QoS;
use crate::time::Instant;
use crate::topic::group_of;
use crate::version::Version;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::num::NonZeroU32;

/// A broker in the making, out of what an earlier one had journaled, whatever its number of shards was.
///
/// [`feed`](Self::feed) it the bytes in order, piece by piece as they come; then [`finish`](Self::finish).
///
/// ```
/// use tidewire_core::broker::policy::Open;
/// use tidewire_core::broker::{Broker, Config, Restore};
/// use tidewire_core::message::Publication;
/// use tidewire_core::qos::QoS;
/// use tidewire_core::time::Instant;
/// use tidewire_core::topic::{TopicFilter, TopicName};
///
/// let config = |incarnation| {
///     let mut config = Config::new(Box::new(Open::new()), [2; 32]);
///     (config.durable, config.incarnation) = (true, incarnation);
///     config
/// };
/// let now = Instant::from_secs(1_700_000_000);
/// let mut broker = Broker::new(now, config(1));
/// let host = broker.open_local(now, "host", Open::new().grant());
/// let wish = Publication::new(TopicName::new("lights")?, "off").qos(QoS::AtLeastOnce).retain(true);
/// broker.publish(now, host, &wish).expect("it may");
/// let mut journal = Vec::new();
/// while broker.poll_journal(&mut journal).is_some() {}
/// drop(broker);
///
/// let mut restore = Restore::new(config(2));
/// restore.feed(&journal)?;
/// let now = restore.newest().max(Instant::from_secs(1_700_000_060));
/// let mut broker = restore.finish(now);
/// let host = broker.open_local(now, "host", Open::new().grant());
/// broker.subscribe(now, host, &TopicFilter::new("lights")?, QoS::AtLeastOnce);
/// let received = broker.poll_local(now, host).expect("it was retained");
/// assert_eq!(received.message.payload.to_vec(), b"off");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Restore {
    broker: Broker,
    restoring: Restoring,
}

impl fmt::Debug for Restore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restore").field("broker", &self.broker).finish_non_exhaustive()
    }
}

impl Restore {
    /// Nothing has been read yet. Of sessions, those stay that are at home on this shard.
    pub fn new(config: Config) -> Self {
        Self { broker: Broker::new(Instant::default(), config), restoring: Restoring::default() }
    }

    /// More of the journal; a record may end in a later piece.
    ///
    /// # Errors
    /// Where the bytes are no journal, and from where on. What came before has been read: the broker of
    /// [`finish`](Self::finish) is as it was there.
    pub fn feed(&mut self, journal: &[u8]) -> Result<(), RestoreError> {
        let Self { broker, restoring } = self;
        let mut carried = core::mem::take(&mut restoring.carried);
        carried.extend_from_slice(journal);
        let mut at = 0;
        let result = loop {
            match read(&carried[at..]) {
                Read::Record(record, length) => {
                    broker.apply(restoring, record);
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
        result
    }

    /// Of which shard.
    pub fn shard(&self) -> ShardId {
        self.broker.shards.me()
    }

    /// The newest time that what was read tells. The clock starts there, or at the wall clock's time if that is later.
    pub fn newest(&self) -> Instant {
        self.restoring.newest
    }

    /// How many bytes of the journal were whole records. What stands behind them is torn, or damaged: cut it off before
    /// anything is appended.
    pub fn read_up_to(&self) -> Position {
        Position(self.restoring.read)
    }

    /// From here on time runs. Whoever was connected counts as cut now; a record whose end has not come is forgotten.
    pub fn finish(self, now: Instant) -> Broker {
        let Self { mut broker, restoring } = self;
        // Nothing that was read has set a timer, and what it changed need not be journaled again.
        broker.timers = Timers::new(now);
        broker.journal.begin(now);
        broker.act(now, |b| b.on_restored(now, restoring));
        broker
    }

    /// What it restores breaks a rule. For tests.
    #[cfg(feature = "_rules")]
    pub fn without_rule(&mut self, rule: super::Rule) {
        self.broker.without_rule(rule);
    }
}

impl Broker {
    fn apply(&mut self, restoring: &mut Restoring, record: Record<'_>) {
        match record {
            Record::Start { at } => restoring.start(at),
            Record::Session(session) => self.restore_session(restoring, &session),
            Record::SessionEnd(who) => self.forget_restored(restoring, who),
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
            Record::Distributed { id } => self.journal.restore_undistributed(id, None),
            Record::Known { id } => self.journal.restore_known(id, true),
            Record::Forget { id } => self.journal.restore_known(id, false),
            Record::Message { message, taken, places, mail } => {
                match taken {
                    Taken::Nothing => {}
                    Taken::Receipt(who, packet_id) => restoring.take_receipt(who, packet_id),
                    Taken::Will(who) => self.end_restored_will(restoring, who),
                }
                self.restore_mail(&message, mail);
                self.restore_message(restoring, &message, message.id, &places);
            }
            Record::Queued { message, name, place } => {
                self.restore_message(restoring, &message, name, &[place]);
            }
            Record::Retained { message, qos } => self.restore_retained(restoring, &message, qos),
            Record::RetainedEnd { topic } => {
                self.retained.index.clear(topic);
            }
            Record::Will { who, will } => {
                if let Some((index, _)) = restoring.named(who) {
                    self.sessions[index].rare.get_or_insert_default().will = Some(will);
                }
            }
            Record::WillEnd(who) => self.end_restored_will(restoring, who),
            Record::Group { who, name } => {
                // Journals of all shards may be read here: of their groups, those stay that live here.
                if self.shards.home(name) == self.shards.me() {
                    let place = self.group(name);
                    self.groups.restoring(place);
                    restoring.name_group(who, place);
                }
            }
            Record::Ended { who, .. }
            | Record::Bound { who, .. }
            | Record::Released { who, .. }
            | Record::Lent { who, .. }
            | Record::Receipt { who, .. }
            | Record::ReceiptEnd { who, .. } => {
                if let Some(restored) = restoring.queue_of(who)
                    && let Some(entry) = restored.apply(&record)
                {
                    self.messages.unidentify(entry);
                }
            }
        }
    }

    fn restore_session(&mut self, restoring: &mut Restoring, record: &SessionRecord<'_>) {
        restoring.newest = restoring.newest.max(record.at);
        // Journals of all shards may be read here: of their sessions, those stay that are at home here.
        if self.shards.home(record.client_id) != self.shards.me() {
            return;
        }
        // There is one session per Client Identifier: the one that had another number has ended, although a snapshot, which
        // is taken piece by piece, says so later or not at all.
        let found = self.sessions.find(record.client_id);
        if let Some(other) = found.and_then(|index| restoring.name_of(index)).filter(|who| *who != record.who)
        {
            self.forget_restored(restoring, other);
        }
        let known = restoring.named(record.who).map(|(index, _)| index);
        let index = match known.or_else(|| self.sessions.find(record.client_id)) {
            Some(index) => index,
            None => self.sessions.insert(record.client_id, Kind::Client),
        };
        let grant = self.grants.place(record.identity, record.variant);
        self.rest_on(index, grant);
        let s = &mut self.sessions[index];
        s.expiry = record.expiry;
        s.version = match record.version {
            3 => Version::V3_1,
            5 => Version::V5,
            _ => Version::V3_1_1,
        };
        restoring.name(record, index);
    }

    fn restore_subscription(&mut self, session: u32, filter: &str, options: u8, identifier: u32) {
        let Some(qos) = QoS::from_bits(options & 3) else { return };
        let options = Options {
            qos,
            no_local: options & 4 != 0,
            retain_as_published: options & 8 != 0,
            identifier: NonZeroU32::new(identifier & 0x0fff_ffff),
        };
        if let Some(name) = group_of(filter) {
            let number = self.join(session, name, options);
            return self.tell_join(number, NONE);
        }
        let (node, replaced) = self.router.subscribe(filter, Subscriber::session(session), options);
        if !replaced.0 {
            self.sessions[session].subscriptions.get_or_insert_default().push(node);
            if self.router.subscribers_at(node) == 1 {
                self.shards.tell_interest(filter, true);
            }
        }
    }

    fn end_restored_will(&mut self, restoring: &mut Restoring, who: Recipient) {
        let Some((index, restored)) = restoring.named(who) else { return };
        restored.will_at = None;
        if let Some(rare) = self.sessions[index].rare.as_deref_mut() {
            rare.will = None;
        }
    }

    /// What a message has to do with other shards.
    fn restore_mail(&mut self, message: &MessageRecord<'_>, mail: InMail) {
        if mail.here {
            // Perhaps it comes back from the shard that orders it. Whether all have it is another matter.
            return self.journal.restore_known(message.id, true);
        }
        // Whether its publisher's session is still there or not; but where all shards' journals are read, one mails it.
        let is_ours = |qos: &QoS| *qos > QoS::AtMostOnce && self.shards.is_from_here(message.id);
        let out = mail.out.filter(is_ours);
        let left = out.map(|qos| Undistributed {
            topic: message.topic.into(),
            message: Arc::new(with_view(message, |view| Owned::new(view, qos))),
            retain: mail.retain,
            by_owner: mail.by_owner,
            waits: mail.waits,
        });
        self.journal.restore_undistributed(message.id, left);
    }

    fn restore_message(
        &mut self,
        restoring: &mut Restoring,
        record: &MessageRecord<'_>,
        name: MessageId,
        places: &[Place],
    ) {
        let is_copy = name != record.id;
        for place in places {
            let kept = restoring.messages.get(&name).copied();
            let Some(restored) = restoring.queue_of(place.who) else { continue };
            if place.qos == QoS::AtMostOnce || restored.by_name.contains_key(&name) {
                continue;
            }
            let message = kept.unwrap_or_else(|| with_view(record, |view| self.messages.store.put(view)));
            if is_copy {
                self.messages.store.set_name(message, name);
            }
            let identifiers = self.messages.identify(&place.identifiers);
            restored.insert(name, Entry::message(message, place.qos, place.retain, identifiers), is_copy);
            restoring.messages.insert(name, message);
        }
    }

    fn restore_retained(&mut self, restoring: &mut Restoring, record: &MessageRecord<'_>, qos: QoS) {
        let set_at = Instant::from_micros(record.id.millis().saturating_mul(1000));
        restoring.newest = restoring.newest.max(set_at);
        with_view(record, |view| {
            let kept = Arc::new(Owned::new(view, qos));
            self.retained.index.set(view.topic.as_str(), kept, charge(view), view.expires_at);
        });
    }

    /// A session that the journal says has ended.
    fn forget_restored(&mut self, restoring: &mut Restoring, who: Recipient) {
        let Some((session, restored)) = restoring.forget(who) else { return };
        for waiting in restored.entries.values() {
            self.messages.unidentify(waiting.entry);
        }
        let subscriptions = self.sessions[session].subscriptions.take();
        for node in subscriptions.iter().flat_map(|nodes| nodes.iter()) {
            self.unsubscribe_at(node, Subscriber::session(session));
        }
        self.leave_groups(session);
        self.rest_on(session, NONE);
        self.sessions.remove(session);
    }

    /// Puts what was read of a session's queue where it belongs.
    fn settle_restored(&mut self, session: u32, restored: &Restored) {
        let who = self.sessions.recipient(session);
        let mut busy = self.sessions.take_busy_or_new(session);
        for waiting in restored.bound.values().filter_map(|at| restored.entries.get(at)) {
            let Some((packet_id, _, released)) = waiting.bound else { continue };
            let Some(packet_id) = PacketId::new(packet_id) else { continue };
            if !busy.sender.restore(waiting.entry, packet_id, waiting.entry.qos(), released) {
                self.messages.unidentify(waiting.entry);
                continue;
            }
            self.messages.store.share(waiting.entry.message_ref());
            self.messages.enter(waiting.entry, who, None, Fate::Queued);
            self.messages.enter(waiting.entry, who, Some(Fate::Queued), Fate::InFlight);
        }
        for waiting in restored.entries.values().filter(|w| w.bound.is_none()) {
            self.messages.enqueue(&mut busy.queue, waiting.entry, who);
        }
        for packet_id in restored.receipts.iter().filter_map(|id| PacketId::new(*id)) {
            busy.receiver.receive(packet_id);
        }
        self.sessions[session].busy = Some(busy);
        self.sessions.release_if_idle(session);
        let rare = self.sessions[session].rare.get_or_insert_default();
        (rare.ends_at, rare.will_at) = (restored.ends_at, restored.will_at);
    }

    /// Puts what was read of groups where it belongs; what sessions have of theirs is with them alone.
    fn settle_restored_groups(&mut self, restoring: &mut Restoring) {
        for (place, restored) in &restoring.groups {
            let who = self.groups.recipient(*place);
            for waiting in restored.entries.values() {
                self.messages.store.share(waiting.entry.message_ref());
                self.messages.enter(waiting.entry, who, None, Fate::Queued);
                let size = self.messages.stored(waiting.entry).size();
                if let Some(group) = self.groups.get_mut(*place) {
                    group.push(waiting.entry, size);
                }
            }
        }
        // Their numbers are others than before, and what is said of them from here on names these.
        let names: Vec<_> = self.groups.iter().map(|(place, group)| (place, group.name.clone())).collect();
        for (place, name) in names {
            let who = self.groups.recipient(place);
            self.pen().group(who, &name);
        }
        for (session, restored) in &mut restoring.sessions {
            for (name, group) in core::mem::take(&mut restored.lent) {
                let at = restored.by_name.get(&name);
                if let Some(waiting) = at.and_then(|at| restored.entries.get_mut(at)) {
                    waiting.entry = self.restore_lent(*session, waiting.entry, &group);
                }
            }
        }
        if self.shards.is_alone() {
            self.settle_groups();
        }
    }

    /// The journal has been read.
    fn on_restored(&mut self, now: Instant, mut restoring: Restoring) {
        let mut cut = Vec::new();
        self.settle_restored_groups(&mut restoring);
        for (session, restored) in &restoring.sessions {
            self.settle_restored(*session, restored);
            if !restored.is_away(self.sessions[*session].expiry) {
                cut.push(*session);
            }
        }
        for message in restoring.messages.into_values() {
            self.messages.store.release(message);
        }
        if !self.shards.is_alone() {
            self.shards.gather();
        }
        self.wait_to_mail_again();
        let names: Vec<_> = self.grants.iter().map(|(_, g)| (g.identity, g.variant)).collect();
        for (identity, variant) in names {
            if let Some(grant) = self.policy.known(now, identity, variant) {
                self.grants.set(&Grant { identity, variant, ..grant });
            }
        }
        let sessions: Vec<u32> = self.sessions.iter().map(|(index, _)| index).collect();
        for session in sessions {
            self.pen().session(now, session, true);
        }
        for session in cut {
            self.after_connection(now, session, Leaving::Lost);
        }
        let sessions: Vec<u32> = self.sessions.iter().map(|(index, _)| index).collect();
        for session in sessions {
            self.watch_session(now, session);
        }
        self.take_up_postponed(now);
    }
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
