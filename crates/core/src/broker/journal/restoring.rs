//! What is known only while a journal is read.
use super::record::{Record, SessionRecord};
use crate::broker::messages::ledger::Recipient;
use crate::broker::messages::queue::Entry;
use crate::broker::messages::store::MessageRef;
use crate::broker::session::NEVER;
use crate::id::{MessageId, Position};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

/// Why a journal can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// It was written in a format that this version does not know, from here on.
    Version(Position),
    /// What stands here is no record. What came before it has been restored.
    Corrupt(Position),
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
        }
    }
}

impl core::error::Error for RestoreError {}

/// What is known only while a journal is replayed.
#[derive(Default)]
pub(crate) struct Restoring {
    /// The beginning of a record whose end has not come.
    pub(crate) carried: Vec<u8>,
    pub(crate) read: u64,
    /// The newest time that a record told.
    pub(crate) newest: Instant,
    /// The numbers that sessions had in the journal, and their places here: one for each place.
    names: BTreeMap<Recipient, u32>,
    /// Sessions by their places here.
    pub(crate) sessions: BTreeMap<u32, Restored>,
    /// Groups by theirs.
    pub(crate) groups: BTreeMap<u32, Restored>,
    /// Messages that have been read, by their names, each with one reference of ours.
    pub(crate) messages: BTreeMap<MessageId, MessageRef>,
}

impl Restoring {
    /// Numbers before this mean nothing behind it: sessions that go on are named anew.
    pub(crate) fn start(&mut self, at: Instant) {
        self.newest = self.newest.max(at);
        self.names.clear();
    }

    /// The session of that number in the journal, and its place here.
    pub(crate) fn named(&mut self, who: Recipient) -> Option<(u32, &mut Restored)> {
        let index = *self.names.get(&who).filter(|_| who.as_group().is_none())?;
        Some((index, self.sessions.get_mut(&index)?))
    }

    /// The queue of that session or group.
    pub(crate) fn queue_of(&mut self, who: Recipient) -> Option<&mut Restored> {
        let place = self.names.get(&who)?;
        let table = if who.as_group().is_some() { &mut self.groups } else { &mut self.sessions };
        table.get_mut(place)
    }

    /// That number in the journal means the group at this place.
    pub(crate) fn name_group(&mut self, who: Recipient, place: u32) {
        self.names.insert(who, place);
        self.groups.entry(place).or_default();
    }

    /// What comes under this Packet Identifier has come before.
    pub(crate) fn take_receipt(&mut self, who: Recipient, packet_id: u16) {
        if let Some((_, restored)) = self.named(who) {
            restored.receipts.insert(packet_id);
        }
    }

    /// The number by which the journal has named the session at this place, since it began.
    pub(crate) fn name_of(&self, index: u32) -> Option<Recipient> {
        let who = self.sessions.get(&index)?.name?;
        (self.names.get(&who) == Some(&index)).then_some(who)
    }

    /// That number in the journal means the session at this place, which has no other.
    pub(crate) fn name(&mut self, record: &SessionRecord<'_>, index: u32) {
        self.names.insert(record.who, index);
        let restored = self.sessions.entry(index).or_default();
        restored.name = Some(record.who);
        restored.connected = record.connected;
        (restored.ends_at, restored.will_at) = (record.ends_at, record.will_at);
    }

    /// The journal says that a session has ended.
    pub(crate) fn forget(&mut self, who: Recipient) -> Option<(u32, Restored)> {
        let index = self.names.remove(&who).filter(|_| who.as_group().is_none())?;
        self.sessions.remove_entry(&index)
    }
}

/// A session that is being restored: its queues are filled at the end.
#[derive(Default)]
pub(crate) struct Restored {
    /// Its number in the journal, or in the one before that.
    name: Option<Recipient>,
    pub(crate) connected: bool,
    pub(crate) ends_at: Option<Instant>,
    pub(crate) will_at: Option<Instant>,
    /// In order, and what each is bound to.
    pub(crate) entries: BTreeMap<u64, Waiting>,
    pub(crate) by_name: BTreeMap<MessageId, u64>,
    /// Those bound to a Packet Identifier, in the order of their binding.
    pub(crate) bound: BTreeMap<u64, u64>,
    packet_ids: BTreeSet<u16>,
    pub(crate) receipts: BTreeSet<u16>,
    /// What is with a group as well, by its name, and that group's.
    pub(crate) lent: BTreeMap<MessageId, Box<str>>,
    /// How many entries and bindings there have been.
    count: u64,
}

/// A message in a queue that is being restored.
pub(crate) struct Waiting {
    pub(crate) entry: Entry,
    /// Its Packet Identifier, when it got it, and whether only PUBREL and PUBCOMP are left.
    pub(crate) bound: Option<(u16, u64, bool)>,
}

impl Restored {
    /// What a record says of its messages; an entry that is gone with it.
    pub(crate) fn apply(&mut self, record: &Record<'_>) -> Option<Entry> {
        match record {
            Record::Ended { name, .. } => return self.remove(*name),
            Record::Bound { name, packet_id, .. } => self.bind(*name, *packet_id),
            Record::Released { name, .. } => self.release(*name),
            Record::Lent { name, group, .. } => {
                self.lent.insert(*name, (*group).into());
            }
            Record::Receipt { packet_id, .. } => {
                self.receipts.insert(*packet_id);
            }
            Record::ReceiptEnd { packet_id, .. } => {
                self.receipts.remove(packet_id);
            }
            _ => {}
        }
        None
    }

    /// Whoever is away knows when it ends, or does not end; who does not was cut by the crash.
    pub(crate) fn is_away(&self, expiry: u32) -> bool {
        !self.connected && (expiry == NEVER || (expiry > 0 && self.ends_at.is_some()))
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Behind all others; but a copy stands where what was retained belongs, before what came live and waits: that is
    /// newer.
    pub(crate) fn insert(&mut self, name: MessageId, entry: Entry, is_copy: bool) {
        let at = self.next() + if is_copy { 0 } else { LIVE };
        self.by_name.insert(name, at);
        self.entries.insert(at, Waiting { entry, bound: None });
    }

    fn remove(&mut self, name: MessageId) -> Option<Entry> {
        self.lent.remove(&name);
        let waiting = self.entries.remove(&self.by_name.remove(&name)?)?;
        if let Some((packet_id, order, _)) = waiting.bound {
            self.bound.remove(&order);
            self.packet_ids.remove(&packet_id);
        }
        Some(waiting.entry)
    }

    fn bind(&mut self, name: MessageId, packet_id: u16) {
        let order = self.next();
        let Some(at) = self.by_name.get(&name) else { return };
        let Some(waiting) = self.entries.get_mut(at).filter(|w| w.bound.is_none()) else { return };
        if packet_id == 0 || !self.packet_ids.insert(packet_id) {
            return;
        }
        waiting.bound = Some((packet_id, order, false));
        self.bound.insert(order, *at);
    }

    fn release(&mut self, name: MessageId) {
        let waiting = self.by_name.get(&name).and_then(|at| self.entries.get_mut(at));
        if let Some((_, _, released)) = waiting.and_then(|w| w.bound.as_mut()) {
            *released = true;
        }
    }
}

/// What came live stands from here on.
const LIVE: u64 = 1 << 63;
