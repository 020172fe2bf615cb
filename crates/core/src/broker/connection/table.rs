//! The table of connections.
use super::again::Again;
use super::room::Room;
use super::usage::Usage;
use super::{Aliases, Busy, Connection, State, Unread};
use crate::broker::announce::Timer;
use crate::broker::authority::policy::{AuthStep, Peer};
use crate::broker::base::NONE;
use crate::broker::base::actions::Actions;
use crate::broker::base::limits::{Limit, Limits};
use crate::broker::base::table::Table;
use crate::codec::Decoder;
use crate::delivery::{Inward, Outward};
use crate::id::ConnectionId;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// How many boxes that nobody needs are kept warm, and how large they may be.
const POOL: usize = 256;
const POOLED_BYTES: usize = 256 * 1024;
/// All connections, by index and generation.
pub(crate) struct Connections {
    table: Table<Connection>,
    #[expect(clippy::vec_box, reason = "what is pooled is the box")]
    pool: Vec<Box<Busy>>,
    usage: Usage,
    pub(crate) room: Room,
    /// How many have a session.
    up: u32,
    /// Of those that have Topic Aliases or take any, by index.
    aliases: Vec<Aliased>,
    /// Of those that may authenticate again, by index.
    again: BTreeMap<u32, Again>,
}

/// Topic Aliases of a connection. They outlive what only a busy one needs.
#[derive(Default)]
struct Aliased {
    /// So many it takes.
    most: u16,
    bound: Option<Box<Aliases>>,
}

impl Connections {
    pub(crate) fn new(seed: u64, room: Room) -> Self {
        let (table, pool) = (Table::default(), Vec::new());
        Self {
            table,
            pool,
            usage: Usage::new(seed),
            room,
            up: 0,
            aliases: Vec::new(),
            again: BTreeMap::new(),
        }
    }

    /// Counts a connection among those of its address; refused if that has too many, or makes them too fast.
    pub(crate) fn count_opened(
        &mut self,
        now: Instant,
        index: u32,
        is_new: bool,
        limits: &Limits,
    ) -> Result<(), Limit> {
        self.usage.opened(now, &self.table[index], is_new, limits)
    }

    pub(crate) fn count_closed(&mut self, index: u32) {
        self.usage.closed(&self.table[index]);
    }

    /// It has something to send: it is announced, unless that goes without saying.
    pub(crate) fn announce(&mut self, actions: &mut Actions, index: u32) {
        let connection = &mut self.table[index];
        if connection.announce() {
            actions.touch(ConnectionId { index, generation: connection.generation });
        }
    }

    /// The next one that was announced. Whoever was polled without being asked to is passed over.
    pub(crate) fn next_announced(&mut self, actions: &mut Actions) -> Option<ConnectionId> {
        while let Some(id) = actions.next_touched() {
            let Some(connection) = self.get(id) else { continue };
            if connection.unlist() {
                return Some(id);
            }
        }
        None
    }

    /// What a connection's timer is for now, and when; if there is such a connection.
    pub(crate) fn due(&self, index: u32, limits: &Limits) -> Option<(Instant, Timer)> {
        self.table.get(index)?.due(limits)
    }

    /// Charges what it keeps of unfinished input: how much that is, if it has changed.
    pub(crate) fn charge(&mut self, index: u32) -> Option<u32> {
        let connection = &mut self.table[index];
        let mut held = connection.decoder.held();
        if let Some(busy) = connection.busy.as_deref() {
            held += busy.kept.len() + busy.waiting + busy.incoming.as_deref().map_or(0, |i| i.held());
        }
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        let before = core::mem::replace(&mut connection.charged, held);
        if held == before {
            return None;
        }
        self.room.charge(connection.state, before, held);
        Some(held)
    }

    /// Gives the charge back; before the state changes. Others may want the room.
    pub(crate) fn uncharge(&mut self, index: u32) {
        let connection = &mut self.table[index];
        let before = core::mem::take(&mut connection.charged);
        connection.let_go(Unread::CRAMPED);
        self.room.charge(connection.state, before, 0);
    }

    /// Takes the next one that waits for room out of its queue.
    pub(crate) fn next_waiting(&mut self) -> Option<ConnectionId> {
        while let Some(next) = self.room.pop() {
            if self.get(next).is_some_and(|c| c.is_stopped(Unread::CRAMPED)) {
                return Some(next);
            }
        }
        None
    }

    /// Those who are gone wait for room no more.
    pub(crate) fn forget_gone(&mut self) {
        let Self { table, room, .. } = self;
        room.keep_those(|id| table.tenant(id.index, id.generation).is_some());
    }

    pub(crate) fn open(&mut self, accepted: Instant, peer: &Peer) -> ConnectionId {
        let index = self.table.insert(|old| Connection::new(accepted, peer, old.generation));
        self.id(index)
    }

    /// It has a session from here on.
    pub(crate) fn attach(&mut self, index: u32, session: u32) {
        let connection = &mut self.table[index];
        (connection.session, connection.state) = (session, State::Up);
        self.up += 1;
    }

    /// What is bound on it, in both directions.
    #[cold]
    pub(crate) fn bound(&mut self, index: u32) -> &mut Aliases {
        let Aliased { most, bound } = self.aliased(index);
        let new = || Box::new(Aliases { inward: Inward::default(), outward: Outward::new(*most) });
        bound.get_or_insert_with(new)
    }

    /// The same, if there is anything.
    pub(crate) fn aliases(&self, index: u32) -> Option<&Aliases> {
        self.aliases.get(index as usize)?.bound.as_deref()
    }

    fn aliased(&mut self, index: u32) -> &mut Aliased {
        let index = index as usize;
        if self.aliases.len() <= index {
            self.aliases.resize_with(index + 1, Aliased::default);
        }
        &mut self.aliases[index]
    }

    /// So many it takes, before there is any. [MQTT-3.1.2-26]
    pub(crate) fn set_aliases(&mut self, index: u32, most: u16) {
        if most == 0 {
            return;
        }
        self.table[index].take_aliases();
        self.aliased(index).most = most;
    }

    /// It may authenticate again, with this method.
    pub(crate) fn set_method(&mut self, index: u32, method: Box<str>) {
        self.again.insert(index, Again::new(method));
    }

    /// What it needs to authenticate again, if it may.
    pub(crate) fn again(&mut self, index: u32) -> Option<&mut Again> {
        self.again.get_mut(&index)
    }

    /// What the policy is asked about its AUTH.
    pub(crate) fn step_again(&self, index: u32) -> Option<&AuthStep> {
        self.again.get(&index)?.step.as_ref()
    }

    /// It has none any more, and is about to change its state.
    pub(crate) fn detach(&mut self, index: u32) {
        self.table[index].session = NONE;
        self.up -= 1;
    }

    /// Forgets it. A later event about it will find nothing.
    pub(crate) fn free(&mut self, id: ConnectionId) {
        if let Some(aliased) = self.aliases.get_mut(id.index as usize) {
            *aliased = Aliased::default();
        }
        self.again.remove(&id.index);
        self.recycle(id.index);
        let connection = &mut self.table[id.index];
        connection.decoder = Decoder::default();
        connection.busy = None;
        connection.state = State::Free;
        connection.generation = connection.generation.wrapping_add(1);
        self.table.vacate(id.index);
    }

    /// If it is still the one that the id names.
    pub(crate) fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.table.tenant_mut(id.index, id.generation)
    }

    /// Is it still the one that the id names?
    pub(crate) fn is(&self, id: ConnectionId) -> bool {
        self.table.tenant(id.index, id.generation).is_some()
    }

    pub(crate) fn id(&self, index: u32) -> ConnectionId {
        ConnectionId { index, generation: self.table[index].generation }
    }

    /// What a busy connection needs, from the pool if it had none.
    #[inline]
    pub(crate) fn busy(&mut self, index: u32) -> &mut Busy {
        let pool = &mut self.pool;
        self.table[index].busy.get_or_insert_with(|| pool.pop().unwrap_or_default())
    }

    /// An idle connection owns nothing but its Topic Aliases.
    pub(crate) fn release_if_idle(&mut self, index: u32) {
        let connection = &self.table[index];
        if connection.busy.as_ref().is_some_and(|l| l.is_idle()) {
            self.recycle(index);
        }
    }

    fn recycle(&mut self, index: u32) {
        let Some(mut busy) = self.table[index].busy.take() else { return };
        if self.pool.len() < POOL {
            busy.answers.reset(1024);
            busy.out.clear();
            busy.kept = Vec::new();
            busy.waiting = 0;
            busy.early.clear();
            busy.early_for = None;
            (busy.incoming, busy.applicant, busy.question) = (None, None, None);
            if busy.out.capacity() > POOLED_BYTES {
                busy.out = Vec::new();
            }
            self.pool.push(busy);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many have a session.
    pub(crate) fn up(&self) -> u32 {
        self.up
    }

    pub(crate) fn check(&self) {
        assert_eq!(self.iter().count(), self.len(), "a row that is free is nobody's");
        let (mut incomplete, mut strangers) = (0, 0);
        for (index, connection) in self.iter() {
            let is_up = connection.state == State::Up;
            assert_eq!(connection.session != NONE, is_up, "who is up has a session, and nobody else");
            *(if is_up { &mut incomplete } else { &mut strangers }) += u64::from(connection.charged);
            if let Some(aliases) = self.aliases(index) {
                aliases.outward.check();
            }
        }
        assert!(self.again.keys().all(|index| self.table.get(*index).is_some()), "a method is somebody's");
        let charged = self.room.bytes();
        assert_eq!((incomplete, strangers), charged, "what is charged is what is kept");
        let up = self.iter().filter(|(_, c)| c.session != NONE).count();
        assert_eq!(up, self.up as usize, "who has a session is counted");
        assert!(self.pool.iter().all(|busy| busy.is_idle()), "what is pooled is idle");
    }

    /// Those that exist, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        self.table.iter_from(0).filter(|(_, c)| c.state != State::Free)
    }
}

impl core::ops::Index<u32> for Connections {
    type Output = Connection;

    fn index(&self, index: u32) -> &Connection {
        &self.table[index]
    }
}

impl core::ops::IndexMut<u32> for Connections {
    fn index_mut(&mut self, index: u32) -> &mut Connection {
        &mut self.table[index]
    }
}
