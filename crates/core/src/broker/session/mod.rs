//! What outlives a connection, and the table of it.
mod nodes;
pub(crate) mod will;

use crate::broker::base::NONE;
use crate::broker::base::table::{Row, Table, Tenant};
use crate::broker::messages::ledger::Recipient;
use crate::broker::messages::queue::{Entry, Queue};
use crate::delivery::{Receiver, Sender};
use crate::id::{ConnectionId, LocalId, PacketId};
use crate::time::Instant;
use crate::version::Version;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use foldhash::quality::FixedState;
use hashbrown::HashTable;
use nodes::Nodes;
use will::Will;

/// A session that never ends by itself. (Section 3.1.2.11.2)
pub(crate) const NEVER: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Free,
    /// Of a client.
    Client,
    /// Of the host: no socket, pulled.
    Local,
}

pub(crate) struct Session {
    pub(crate) client_id: Box<str>,
    /// What only a busy session needs.
    pub(crate) busy: Option<Box<Busy>>,
    /// What few sessions have.
    pub(crate) rare: Option<Box<Rare>>,
    /// Where in the trie it subscribes.
    pub(crate) subscriptions: Option<Box<Nodes>>,
    /// Of its live connection, or [`NONE`].
    pub(crate) connection: u32,
    /// Whose it is, and what they may do: a place in the table of grants.
    pub(crate) grant: u32,
    /// Session Expiry Interval in seconds; [`NEVER`].
    pub(crate) expiry: u32,
    /// The client's Maximum Packet Size.
    pub(crate) maximum_packet_size: u32,
    pub(crate) generation: u32,
    /// The client's Receive Maximum, within our own limit.
    pub(crate) receive_maximum: u16,
    pub(crate) version: Version,
    pub(crate) kind: Kind,
}
const _: () = assert!(size_of::<Session>() <= 64); // one for each client that ever came and is not forgotten

impl Row for Session {
    fn vacant() -> Self {
        Self {
            client_id: Box::default(),
            busy: None,
            rare: None,
            subscriptions: None,
            connection: NONE,
            grant: NONE,
            expiry: 0,
            maximum_packet_size: u32::MAX,
            generation: 0,
            receive_maximum: u16::MAX,
            version: Version::V3_1_1,
            kind: Kind::Free,
        }
    }
}

impl Tenant for Session {
    fn is_nth(&self, generation: u32) -> bool {
        self.generation == generation && self.kind != Kind::Free
    }
}

/// What few sessions have.
#[derive(Default)]
pub(crate) struct Rare {
    /// What to publish when its connection ends without a DISCONNECT.
    pub(crate) will: Option<Box<Will>>,
    /// When the will is due, once the connection is gone.
    pub(crate) will_at: Option<Instant>,
    /// When the session ends, once the connection is gone.
    pub(crate) ends_at: Option<Instant>,
    /// When its timer goes off: one at a time, however often it is cut.
    pub(crate) armed: Option<Instant>,
    /// When its last connection was accepted, once that is gone: an older CONNECT may still wait for its verdict.
    pub(crate) accepted: Option<Instant>,
    /// The numbers of its memberships in groups, and of those whose groups wait to hear of room.
    pub(crate) shares: Vec<u64>,
    pub(crate) closed: Vec<u64>,
    /// How often it was taken over in the minute that began then.
    pub(crate) takeovers: (Instant, u32),
}

/// What only a session with something under way needs. Pooled.
#[derive(Default)]
pub(crate) struct Busy {
    pub(crate) queue: Queue,
    pub(crate) sender: Sender<Entry>,
    pub(crate) receiver: Receiver,
    /// What was bound to Packet Identifiers goes out when the journal is durable up to here.
    pub(crate) bound: u64,
    /// Its connection stands in the journal's list for that position, and need not be put there again.
    pub(crate) awaited: u64,
    /// Publishers that wait for this queue to drain.
    pub(crate) waiting: Vec<ConnectionId>,
    /// QoS 2 ids whose first PUBLISH is not settled by all shards yet, and the settlement each waits for.
    pub(crate) unsettled: Vec<(PacketId, u32)>,
}

/// Messages of an interrupted session that go out again at once. More follow as they are acknowledged: a line that breaks
/// every few kilobytes has room for acknowledgements then. And after [`RESENT_SECONDS`] all of them, for a client may well
/// acknowledge nothing before it has what there is. [MQTT-4.4.0-1]
const RESENT: u16 = 16;
pub(crate) const RESENT_SECONDS: u64 = 1;

impl Busy {
    /// There is a new connection; true if something goes out again, so that there is a window for a while.
    pub(crate) fn resume(&mut self, journal_end: u64) -> bool {
        self.sender.resume(RESENT);
        self.queue.stall(false);
        (self.bound, self.awaited) = (journal_end, 0);
        !self.sender.is_empty()
    }

    /// Nothing waits to be sent.
    #[inline]
    pub(crate) fn is_clear(&self) -> bool {
        self.queue.is_empty() && self.sender.all_sent()
    }

    /// What waits for its owner, and what is in flight.
    pub(crate) fn held(&self) -> impl Iterator<Item = Entry> {
        self.queue.iter().chain(self.sender.iter().map(|(entry, ..)| entry))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.sender.is_empty()
            && self.receiver.len() == 0
            && self.waiting.is_empty()
            && self.unsettled.is_empty()
    }
}

/// How many boxes that nobody needs are kept warm, and how many entries they may have room for.
const POOL: usize = 256;
const POOLED_ENTRIES: usize = 2048;

/// All sessions, by index and by Client Identifier.
pub(crate) struct Sessions {
    table: Table<Session>,
    /// How many are clients'.
    clients: u32,
    by_client_id: HashTable<u32>,
    hash: FixedState,
    #[expect(clippy::vec_box, reason = "what is pooled is the box")]
    pool: Vec<Box<Busy>>,
}

impl Sessions {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            table: Table::default(),
            clients: 0,
            by_client_id: HashTable::new(),
            hash: FixedState::with_seed(seed),
            pool: Vec::new(),
        }
    }

    /// A hash of a publisher's Client Identifier and its own Packet Identifier, to find its messages by.
    pub(crate) fn publisher_hash(&self, index: u32, packet_id: u16) -> u32 {
        let session_hash = index.wrapping_mul(0x9e37_79b9) ^ self.table[index].generation;
        session_hash.rotate_left(16) ^ u32::from(packet_id)
    }

    pub(crate) fn find(&self, client_id: &str) -> Option<u32> {
        self.by_client_id
            .find(hash(&self.hash, client_id), |&i| *self.table[i].client_id == *client_id)
            .copied()
    }

    /// What stands for a Client Identifier, whichever sessions come and go under it; never 0.
    pub(crate) fn key(&self, index: u32) -> u64 {
        hash(&self.hash, &self.table[index].client_id).max(1)
    }

    /// The session of that key, if there is one now.
    pub(crate) fn by_key(&self, key: u64) -> Option<u32> {
        let same = |i: &u32| self.key(*i) == key;
        self.by_client_id.find(key, same).copied()
    }

    pub(crate) fn insert(&mut self, client_id: &str, kind: Kind) -> u32 {
        self.clients += u32::from(kind == Kind::Client);
        let index = self.table.insert(|old| Session {
            client_id: client_id.into(),
            kind,
            generation: old.generation,
            ..Session::vacant()
        });
        let (table, state) = (&self.table, &self.hash);
        self.by_client_id.insert_unique(hash(state, client_id), index, |&i| hash(state, &table[i].client_id));
        index
    }

    /// Forgets it; its queues must be empty.
    pub(crate) fn remove(&mut self, index: u32) {
        self.release_if_idle(index);
        let session = &mut self.table[index];
        let client_id = core::mem::take(&mut session.client_id);
        self.clients -= u32::from(session.kind == Kind::Client);
        session.kind = Kind::Free;
        session.generation = session.generation.wrapping_add(1);
        (session.busy, session.rare, session.subscriptions) = (None, None, None);
        if let Ok(entry) = self.by_client_id.find_entry(hash(&self.hash, &client_id), |&i| i == index) {
            entry.remove();
        }
        self.table.vacate(index);
    }

    /// What a busy session needs, from the pool if it had none.
    pub(crate) fn busy(&mut self, index: u32) -> &mut Busy {
        let pool = &mut self.pool;
        self.table[index].busy.get_or_insert_with(|| pool.pop().unwrap_or_default())
    }

    /// An idle session owns nothing.
    pub(crate) fn release_if_idle(&mut self, index: u32) {
        let session = &mut self.table[index];
        if session.busy.as_ref().is_some_and(|f| f.is_idle())
            && let Some(mut busy) = session.busy.take()
            && self.pool.len() < POOL
        {
            busy.sender.clear();
            busy.sender.shrink(POOLED_ENTRIES);
            busy.receiver.shrink(POOLED_ENTRIES);
            busy.queue.release_if_idle(POOLED_ENTRIES);
            (busy.bound, busy.awaited) = (0, 0);
            self.pool.push(busy);
        }
    }

    /// The same, from the pool if it had none.
    pub(crate) fn take_busy_or_new(&mut self, index: u32) -> Box<Busy> {
        self.table[index].busy.take().or_else(|| self.pool.pop()).unwrap_or_default()
    }

    /// Takes what a busy session needs out, so that others can be borrowed meanwhile.
    pub(crate) fn take_busy(&mut self, index: u32) -> Option<Box<Busy>> {
        self.table[index].busy.take()
    }

    /// If it is still the one of that generation.
    pub(crate) fn get(&mut self, index: u32, generation: u32) -> Option<&mut Session> {
        self.table.tenant_mut(index, generation)
    }

    /// The same, to look at.
    pub(crate) fn get_ref(&self, index: u32, generation: u32) -> Option<&Session> {
        self.table.tenant(index, generation)
    }

    /// How its host knows the session of a local subscriber.
    pub(crate) fn local_id(&self, index: u32) -> LocalId {
        LocalId { index, generation: self.table[index].generation }
    }

    pub(crate) fn recipient(&self, index: u32) -> Recipient {
        Recipient { session: index, generation: self.table[index].generation }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many of them are clients'.
    pub(crate) fn clients(&self) -> u32 {
        self.clients
    }

    pub(crate) fn check(&self) {
        let clients = self.iter().filter(|(_, s)| s.kind == Kind::Client).count();
        assert_eq!(clients, self.clients as usize, "clients' sessions are counted");
        assert_eq!(
            (self.iter().count(), self.by_client_id.len()),
            (self.len(), self.len()),
            "each is known once"
        );
        for (index, session) in self.iter() {
            assert_eq!(self.find(&session.client_id), Some(index), "it is found by its Client Identifier");
            let Some(busy) = session.busy.as_deref() else { continue };
            assert!(!busy.is_idle(), "an idle session owns no busy");
            busy.sender.check();
            busy.receiver.check();
        }
        assert!(self.pool.iter().all(|busy| busy.is_idle()), "what is pooled is idle");
    }

    /// The first one at or behind this place.
    pub(crate) fn next_from(&self, place: u32) -> Option<u32> {
        self.table.iter_from(place).find(|(_, s)| s.kind != Kind::Free).map(|(index, _)| index)
    }

    /// All of them, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Session)> {
        self.table.iter_from(0).filter(|(_, s)| s.kind != Kind::Free)
    }
}

impl core::ops::Index<u32> for Sessions {
    type Output = Session;

    fn index(&self, index: u32) -> &Session {
        &self.table[index]
    }
}

impl core::ops::IndexMut<u32> for Sessions {
    fn index_mut(&mut self, index: u32) -> &mut Session {
        &mut self.table[index]
    }
}

fn hash(state: &FixedState, client_id: &str) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(client_id.as_bytes());
    hasher.finish()
}
