//! Who writes records.
use super::Journal;
use super::record::{InMail, MessageRecord, Payload, Place, Record, SessionRecord, Taken};
use crate::broker::authority::grants::Grants;
use crate::broker::base::NONE;
use crate::broker::base::rules::{Rule, Rules};
use crate::broker::messages::accepted::{Accepted, Arrival};
use crate::broker::messages::ledger::Recipient;
use crate::broker::messages::owned::{Owned, Undistributed};
use crate::broker::messages::queue::Entry;
use crate::broker::messages::store::{Content, Store, View};
use crate::broker::router::Options;
use crate::broker::session::{Kind, Sessions};
use crate::id::{MessageId, PacketId};
use crate::qos::QoS;
use crate::time::Instant;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What writes records, for as long as nothing else happens: it sees which sessions outlive a crash, and what has ended
/// since the last record.
pub(crate) struct Pen<'a> {
    pub(crate) journal: &'a mut Journal,
    pub(crate) sessions: &'a Sessions,
    pub(crate) grants: &'a Grants,
    pub(crate) store: &'a Store,
    pub(crate) ended: &'a mut Vec<(Recipient, MessageId)>,
    pub(crate) rules: Rules,
}

impl Pen<'_> {
    /// Writes a record, behind what has ended before it.
    fn record(&mut self, record: &Record<'_>) {
        if self.journal.on {
            self.flush();
            self.journal.write(record);
        }
    }

    /// Entries of queues that have had their fate since the last record.
    pub(crate) fn flush(&mut self) {
        if self.ended.is_empty() {
            return;
        }
        let mut ended = core::mem::take(self.ended);
        for (who, name) in ended.drain(..) {
            if who.as_group().is_some() || self.is_kept(who.session) {
                self.journal.write(&Record::Ended { who, name });
            }
        }
        *self.ended = ended;
    }

    /// Does this session outlive its connection?
    pub(crate) fn is_kept(&self, session: u32) -> bool {
        let s = &self.sessions[session];
        self.journal.on && s.expiry > 0 && s.kind == Kind::Client
    }

    fn has_will(&self, session: u32) -> bool {
        self.sessions[session].rare.as_deref().is_some_and(|rare| rare.will.is_some())
    }

    /// Whose record it is to be, if that session is to outlive a crash.
    fn kept(&self, session: u32) -> Option<Recipient> {
        self.is_kept(session).then(|| self.sessions.recipient(session))
    }

    /// How a session stands, if it or its will is to outlive a crash; or if the journal says that it would.
    pub(crate) fn session(&mut self, now: Instant, session: u32, known: bool) {
        if self.journal.on && (known || self.is_kept(session) || self.has_will(session)) {
            self.flush();
            self.journal.write(&session_record(self.sessions, self.grants, now, session));
        }
    }

    pub(crate) fn session_end(&mut self, session: u32) {
        let who = self.sessions.recipient(session);
        self.ended.retain(|(ended, _)| *ended != who);
        self.record(&Record::SessionEnd(who));
    }

    /// A will is set, or has had its exit.
    pub(crate) fn will(&mut self, session: u32) {
        if !self.journal.on {
            return;
        }
        let who = self.sessions.recipient(session);
        match self.sessions[session].rare.as_deref().and_then(|m| m.will.clone()) {
            Some(will) => self.record(&Record::Will { who, will }),
            None => self.record(&Record::WillEnd(who)),
        }
    }

    pub(crate) fn subscribed(&mut self, session: u32, filter: &str, options: Options) {
        if let Some(who) = self.kept(session) {
            let identifier = options.identifier.map_or(0, |i| i.get());
            self.record(&Record::Subscribed { who, filter, options: options_byte(options), identifier });
        }
    }

    pub(crate) fn unsubscribed(&mut self, session: u32, filter: &str) {
        if let Some(who) = self.kept(session) {
            self.record(&Record::Unsubscribed { who, filter });
        }
    }

    /// A message has been routed: what is taken with it and its places are one record. `leaves`: it goes to other shards as
    /// well. True if it is to be mailed again after a crash, until they all have it.
    pub(crate) fn message(&mut self, accepted: &Accepted<'_>, places: Vec<Place>, leaves: bool) -> bool {
        let mail = InMail { retain: accepted.retain, ..InMail::default() };
        self.write_message(accepted, places, leaves, mail)
    }

    /// A message goes to the shard that owns its topic: it has no place here before that has ordered it. True if it is
    /// to be mailed again after a crash, until all have it.
    pub(crate) fn message_to_owner(&mut self, accepted: &Accepted<'_>) -> bool {
        let mail = InMail { retain: accepted.retain, by_owner: true, ..InMail::default() };
        self.write_message(accepted, Vec::new(), true, mail)
    }

    /// A message has to wait before it is routed. A will does so with its client gone: it is accepted here and now.
    pub(crate) fn message_waits(&mut self, accepted: &Accepted<'_>) {
        let mail = InMail { retain: accepted.retain, waits: true, ..InMail::default() };
        self.write_message(accepted, Vec::new(), true, mail);
    }

    fn write_message(
        &mut self,
        accepted: &Accepted<'_>,
        places: Vec<Place>,
        leaves: bool,
        mail: InMail,
    ) -> bool {
        let Accepted { view, qos, arrival, .. } = *accepted;
        let taken = self.taken(arrival);
        let is_will = matches!(arrival, Arrival::Will { .. }) && self.journal.on;
        let waited = is_will && self.journal.undistributed.remove(&view.id).is_some();
        let tracked = matches!(taken, Taken::Receipt(..)) || (is_will && qos > QoS::AtMostOnce);
        let out = (leaves && tracked).then_some(qos);
        let here = arrival.may_come_again();
        if here {
            self.journal.mailed_here.insert(view.id);
        }
        if places.is_empty() && out.is_none() {
            self.take(taken);
            if waited {
                self.record(&Record::Distributed { id: view.id });
            }
            if here {
                self.record(&Record::Known { id: view.id });
            }
            return false;
        }
        let InMail { retain, by_owner, waits, .. } = mail;
        if out.is_some() {
            let (topic, message) = (view.topic.into(), Arc::new(Owned::new(view, qos)));
            self.journal
                .undistributed
                .insert(view.id, Undistributed { topic, message, retain, by_owner, waits });
        }
        let taken = self.torn(taken);
        let mail = InMail { out, here, ..mail };
        self.record(&Record::Message { message: message_record(view), taken, places, mail });
        out.is_some()
    }

    /// What is taken from its publisher with a message, as far as that outlives a crash.
    fn taken(&self, arrival: Arrival) -> Taken {
        match arrival {
            Arrival::Socket { session, receipt: Some(packet_id), .. } => {
                self.kept(session).map_or(Taken::Nothing, |who| Taken::Receipt(who, packet_id.get()))
            }
            // While it waited, its session may have ended, or have got another one.
            Arrival::Will { session } if session != NONE && self.journal.on && !self.has_will(session) => {
                Taken::Will(self.sessions.recipient(session))
            }
            Arrival::Socket { .. } | Arrival::Will { .. } | Arrival::Inner { .. } | Arrival::Mail { .. } => {
                Taken::Nothing
            }
        }
    }

    /// What is taken, as a record of its own.
    fn take(&mut self, taken: Taken) {
        match taken {
            Taken::Nothing => {}
            Taken::Receipt(who, packet_id) => self.record(&Record::Receipt { who, packet_id }),
            Taken::Will(who) => self.record(&Record::WillEnd(who)),
        }
    }

    /// Where that rule is left out, what is taken is a record of its own. For tests.
    fn torn(&mut self, taken: Taken) -> Taken {
        if self.rules.obeys(Rule::OneRecord) {
            return taken;
        }
        self.take(taken);
        Taken::Nothing
    }

    /// All shards have a message that was to be mailed again; false if they had it before.
    pub(crate) fn distributed(&mut self, id: MessageId) -> bool {
        let was_left = self.journal.undistributed.remove(&id).is_some();
        if was_left {
            self.record(&Record::Distributed { id });
        }
        was_left
    }

    /// A message that came by mail won't come again.
    pub(crate) fn forget(&mut self, id: MessageId) {
        if self.journal.mailed_here.remove(&id) {
            self.record(&Record::Forget { id });
        }
    }

    pub(crate) fn receipt(&mut self, session: u32, packet_id: PacketId) {
        if let Some(who) = self.kept(session) {
            self.record(&Record::Receipt { who, packet_id: packet_id.get() });
        }
    }

    pub(crate) fn receipt_end(&mut self, session: u32, packet_id: PacketId) {
        if let Some(who) = self.kept(session) {
            self.record(&Record::ReceiptEnd { who, packet_id: packet_id.get() });
        }
    }

    /// A copy of a message stands in a queue that is kept.
    pub(crate) fn queued(&mut self, entry: Entry, place: Place) {
        let message = entry.message_ref();
        let (view, name) = (self.store.get(message), self.store.name(message));
        self.record(&Record::Queued { message: message_record(&view), name, place });
    }

    /// There is a group.
    pub(crate) fn group(&mut self, who: Recipient, name: &str) {
        self.record(&Record::Group { who, name });
    }

    /// What a session has of a group stands in its queue, and is not to be given to anybody else.
    pub(crate) fn lent(&mut self, entry: Entry, place: Place, group: &str) {
        let name = self.store.name(entry.message_ref());
        self.record(&Record::Lent { who: place.who, name, group });
        self.queued(entry, place);
    }

    pub(crate) fn bound(&mut self, session: u32, entry: Entry, packet_id: PacketId) {
        if let Some(who) = self.kept(session) {
            let name = self.store.name(entry.message_ref());
            self.record(&Record::Bound { who, name, packet_id: packet_id.get() });
        }
    }

    pub(crate) fn released(&mut self, session: u32, entry: Entry) {
        if let Some(who) = self.kept(session) {
            let name = self.store.name(entry.message_ref());
            self.record(&Record::Released { who, name });
        }
    }

    pub(crate) fn retained(&mut self, view: &View<'_>, qos: QoS) {
        if view.content.len() == 0 {
            self.record(&Record::RetainedEnd { topic: view.topic.as_str() });
        } else {
            self.record(&Record::Retained { message: message_record(view), qos });
        }
    }

    pub(crate) fn retained_end(&mut self, topic: &str) {
        self.record(&Record::RetainedEnd { topic });
    }
}

pub(crate) fn session_record<'a>(
    sessions: &'a Sessions,
    grants: &Grants,
    now: Instant,
    session: u32,
) -> Record<'a> {
    let s = &sessions[session];
    let rare = s.rare.as_deref();
    let (identity, variant) = grants.name(s.grant);
    Record::Session(SessionRecord {
        who: sessions.recipient(session),
        at: now,
        client_id: &s.client_id,
        identity,
        variant,
        expiry: s.expiry,
        version: s.version.level(),
        connected: s.connection != NONE,
        ends_at: rare.and_then(|m| m.ends_at),
        will_at: rare.and_then(|m| m.will_at),
    })
}

pub(crate) fn message_record<'a>(view: &View<'a>) -> MessageRecord<'a> {
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

pub(crate) fn options_byte(options: Options) -> u8 {
    options.qos.bits() | u8::from(options.no_local) << 2 | u8::from(options.retain_as_published) << 3
}
