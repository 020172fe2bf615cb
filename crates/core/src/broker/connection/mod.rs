//! What a network connection knows, and the table of them.
pub(crate) mod answers;
pub(crate) mod fault;
pub(crate) mod greeting;
pub(crate) mod passage;
pub(crate) mod room;
mod usage;

use crate::broker::announce::Timer;
use crate::broker::authority::policy::Peer;
use crate::broker::base::NONE;
use crate::broker::base::actions::Actions;
use crate::broker::base::limits::{Limit, Limits};
use crate::broker::base::table::{Row, Table};
use crate::broker::messages::incoming::Incoming;
use crate::codec::{Decoder, Mode};
use crate::id::{ConnectionId, MessageId, PacketId};
use crate::time::Instant;
use crate::version::{Role, Version};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use answers::Answer;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use greeting::Greeting;
use room::Room;
use usage::Usage;

/// Where a connection stands.
///
/// | state | a packet | the peer closes | its deadline |
/// |---|---|---|---|
/// | `Opened` | CONNECT → `Asking`, `Moving` or `Up`; other: fail | gone | fail |
/// | `Asking` | kept, undecoded; AUTH while that is awaited | gone, the question with it | refused |
/// | `Moving` | kept for the passage | found again at home | – |
/// | `Up` | handled | the will goes out | keep alive: fail |
/// | `Closing` | discarded | gone | abort |
/// | `Aborted` | discarded | gone | – |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    Free,
    /// Waits for CONNECT.
    Opened,
    /// Waits for the policy's answer, or for the client's next AUTH.
    Asking,
    /// Waits for the driver to take its passage.
    Moving,
    /// Has had its CONNACK, or will have it once that is durable.
    Up,
    /// Is being flushed; what comes is discarded.
    Closing,
    /// The driver has been told to drop it.
    Aborted,
}

/// What a connection is at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u16);

impl Flags {
    /// `Transmit` was announced and not polled since.
    pub(crate) const ANNOUNCED: Self = Self(1);
    /// The socket took no more.
    pub(crate) const BLOCKED: Self = Self(2);
    /// Those that it publishes to are behind.
    pub(crate) const PAUSED: Self = Self(4);
    /// Input is refused until a verdict.
    pub(crate) const HELD: Self = Self(8);
    /// The client does not want Reason Strings and User Properties. (Section 3.1.2.11.7)
    pub(crate) const TERSE: Self = Self(16);
    /// Its CONNACK has left for the output: messages may follow.
    pub(crate) const GREETED: Self = Self(32);
    /// Whoever polls has been told that there is more.
    pub(crate) const MORE: Self = Self(64);
    /// It stands in the list of those whose `Transmit` is to be announced, wanted or not.
    pub(crate) const LISTED: Self = Self(128);
    /// It has said by its Protocol Level that it is a bridge.
    pub(crate) const BRIDGE: Self = Self(256);
    /// It waits until more of its packets have been answered.
    pub(crate) const WINDOW: Self = Self(512);
    /// It waits for room for its unfinished input.
    pub(crate) const CRAMPED: Self = Self(1024);
    /// It waits for another shard.
    pub(crate) const MAIL: Self = Self(2048);
    /// It does not read, and much waits for it.
    pub(crate) const UNHEARD: Self = Self(4096);

    /// We have asked for nothing to be read from it for now.
    pub(crate) fn is_unread(self) -> bool {
        self.has(Self::UNHEARD) || self.is_silenced()
    }

    /// The same, and not because of itself: that it says nothing is our doing.
    pub(crate) fn is_silenced(self) -> bool {
        const OURS: u16 =
            Flags::HELD.0 | Flags::PAUSED.0 | Flags::MAIL.0 | Flags::WINDOW.0 | Flags::CRAMPED.0;
        self.0 & OURS != 0
    }

    pub(crate) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    pub(crate) fn clear(&mut self, flag: Self) {
        self.0 &= !flag.0;
    }
}

pub(crate) struct Connection {
    pub(crate) decoder: Decoder,
    /// When something came that counts for the Keep Alive.
    pub(crate) heard: Instant,
    /// What only a busy connection needs.
    pub(crate) lane: Option<Box<Lane>>,
    pub(crate) generation: u32,
    pub(crate) session: u32,
    /// Where this publisher's last topic was remembered.
    pub(crate) hint: u32,
    /// When it was accepted: milliseconds, of which the upper bits don't matter here.
    pub(crate) accepted_ms: u32,
    address: [u8; 16],
    port: u16,
    listener: u16,
    /// In seconds; 0 is none.
    pub(crate) keep_alive: u16,
    /// Bytes of an unfinished packet that came since `heard`.
    pub(crate) progress: u16,
    /// Bytes of unfinished input that the shard has charged to it.
    pub(crate) charged: u32,
    /// As its CONNECT said.
    pub(crate) spoken: Option<Version>,
    pub(crate) state: State,
    pub(crate) flags: Flags,
}
const _: () = assert!(size_of::<Connection>() <= 80); // one for each idle connection

impl Connection {
    fn new(accepted: Instant, peer: &Peer, generation: u32) -> Self {
        let address = match peer.address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self {
            decoder: Decoder::new(Mode { role: Role::Server, version: None }),
            heard: accepted,
            lane: None,
            generation,
            session: NONE,
            hint: NONE,
            accepted_ms: millis(accepted),
            address: address.octets(),
            port: peer.address.port(),
            listener: peer.listener,
            keep_alive: 0,
            progress: 0,
            charged: 0,
            spoken: None,
            state: State::Opened,
            flags: Flags::default(),
        }
    }

    pub(crate) fn peer(&self) -> Peer {
        let ip = Ipv6Addr::from(self.address).to_canonical();
        Peer { address: SocketAddr::new(ip, self.port), listener: self.listener }
    }

    /// Whose connections are counted together.
    pub(crate) fn address(&self) -> [u8; 16] {
        self.address
    }

    pub(crate) fn is_loopback(&self) -> bool {
        Ipv6Addr::from(self.address).to_canonical().is_loopback()
    }

    /// 3.1.1 until a CONNECT has said something else.
    pub(crate) fn version(&self) -> Version {
        self.spoken.unwrap_or(Version::V3_1_1)
    }

    /// When it was accepted, if that is less than 49 days ago.
    pub(crate) fn accepted(&self, now: Instant) -> Instant {
        let age = millis(now).wrapping_sub(self.accepted_ms);
        Instant::from_micros((now.as_millis() - u64::from(age).min(now.as_millis())) * 1000)
    }

    /// Accepted before the other one, but not by more than so many seconds: nobody waits longer for a verdict. Within
    /// one millisecond neither is older.
    ///
    /// 32 bits of milliseconds come round after 49 days, and connections get older than that.
    pub(crate) fn is_older_than(&self, other: &Self, seconds: u32) -> bool {
        let ahead = other.accepted_ms.wrapping_sub(self.accepted_ms);
        ahead != 0 && ahead <= seconds.saturating_mul(1000).min(u32::MAX / 2)
    }

    /// What its timer is for now, and when.
    pub(crate) fn due(&self, limits: &Limits) -> Option<(Instant, Timer)> {
        let seconds = |s: u64| self.heard.after_secs(s);
        match self.state {
            State::Opened | State::Asking => Some((seconds(limits.connect_seconds.into()), Timer::Connect)),
            State::Closing => Some((seconds(limits.linger_seconds.into()), Timer::Linger)),
            State::Up if self.keep_alive > 0 => {
                // One and a half times. [MQTT-3.1.2-22]
                let micros = u64::from(self.keep_alive) * 1_500_000;
                let at = self.heard.after(core::time::Duration::from_micros(micros));
                Some((at, Timer::KeepAlive))
            }
            _ => None,
        }
    }

    /// It has begun a packet that it could go on with.
    pub(crate) fn keeps_others_waiting(&self) -> bool {
        self.state == State::Up && self.charged > 0 && !self.flags.is_unread()
    }

    /// Its output is done for, but for what the lane still holds.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.state, State::Closing | State::Aborted | State::Free)
    }
}

impl Row for Connection {
    fn vacant() -> Self {
        let nobody = Peer { address: SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0), listener: 0 };
        Self { state: State::Free, ..Self::new(Instant::default(), &nobody, 0) }
    }
}

/// The lower 32 bits of the milliseconds.
fn millis(now: Instant) -> u32 {
    u32::try_from(now.as_millis() & 0xffff_ffff).unwrap_or_default()
}

/// What only a busy connection needs. Pooled.
#[derive(Default)]
pub(crate) struct Lane {
    /// Encoded, in order, free to leave.
    pub(crate) out: Vec<u8>,
    /// In order, behind `out`; the first one may have to wait.
    pub(crate) answers: VecDeque<Answer>,
    /// The number of the first of `answers`; they are numbered from 0 on each connection.
    pub(crate) answered: u32,
    /// How many of `answers` are PUBACKs.
    pub(crate) pubacks: u32,
    /// Read, and not decoded because a verdict is pending.
    pub(crate) kept: Vec<u8>,
    /// Bytes of the message that the verdict is about.
    pub(crate) waiting: usize,
    /// A large payload on its way in.
    pub(crate) incoming: Option<Box<Incoming>>,
    /// Messages encoded into `out` early: they have their fate when it is handed over.
    pub(crate) early: Vec<Early>,
    /// The exchange before CONNACK.
    pub(crate) greeting: Option<Box<Greeting>>,
    /// The ticket of the question whose answer it waits for.
    pub(crate) question: Option<u64>,
}

impl Lane {
    /// Does a PUBREC for this Packet Identifier wait for its turn?
    pub(crate) fn is_to_answer(&self, packet_id: PacketId) -> bool {
        self.answers.iter().any(|answer| answer.is_pubrec(packet_id))
    }

    fn is_idle(&self) -> bool {
        self.out.is_empty()
            && self.answers.is_empty()
            && self.kept.is_empty()
            && self.waiting == 0
            && self.early.is_empty()
            && self.incoming.is_none()
            && self.greeting.is_none()
            && self.question.is_none()
    }
}

/// A message that was encoded early and is not handed over yet.
pub(crate) struct Early {
    pub(crate) id: MessageId,
}

/// How many idle lanes are kept warm, and how large they may be.
const POOL: usize = 256;
const POOLED_BYTES: usize = 256 * 1024;

/// All connections, by index and generation.
pub(crate) struct Connections {
    table: Table<Connection>,
    free: Vec<u32>,
    #[expect(clippy::vec_box, reason = "what is pooled is the box")]
    pool: Vec<Box<Lane>>,
    usage: Usage,
    pub(crate) room: Room,
    /// How many have a session.
    pub(crate) up: u32,
}

impl Connections {
    pub(crate) fn new(seed: u64, room: Room) -> Self {
        let (table, free, pool) = (Table::default(), Vec::new(), Vec::new());
        Self { table, free, pool, usage: Usage::new(seed), room, up: 0 }
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
        let quiet = connection.flags.has(Flags::ANNOUNCED)
            || connection.flags.has(Flags::BLOCKED)
            || connection.flags.has(Flags::MORE)
            || matches!(connection.state, State::Aborted | State::Free | State::Moving);
        if !quiet {
            connection.flags.set(Flags::ANNOUNCED);
            if !connection.flags.has(Flags::LISTED) {
                connection.flags.set(Flags::LISTED);
                actions.touch(ConnectionId { index, generation: connection.generation });
            }
        }
    }

    /// The next one that was announced. Whoever was polled without being asked to is passed over.
    pub(crate) fn next_announced(&mut self, actions: &mut Actions) -> Option<ConnectionId> {
        while let Some(id) = actions.next_touched() {
            let Some(connection) = self.get(id) else { continue };
            connection.flags.clear(Flags::LISTED);
            if connection.flags.has(Flags::ANNOUNCED) {
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
        if let Some(lane) = connection.lane.as_deref() {
            held += lane.kept.len() + lane.waiting + lane.incoming.as_deref().map_or(0, |i| i.held());
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
        connection.flags.clear(Flags::CRAMPED);
        self.room.charge(connection.state, before, 0);
    }

    /// Takes the next one that waits for room out of its queue.
    pub(crate) fn next_waiting(&mut self) -> Option<ConnectionId> {
        while let Some(next) = self.room.pop() {
            if self.get(next).is_some_and(|c| c.flags.has(Flags::CRAMPED)) {
                return Some(next);
            }
        }
        None
    }

    /// Those who are gone wait for room no more.
    pub(crate) fn forget_gone(&mut self) {
        let Self { table, room, .. } = self;
        let is_here = |id: &ConnectionId| {
            table.get(id.index).is_some_and(|c| c.generation == id.generation && c.state != State::Free)
        };
        room.waiting.iter_mut().for_each(|queue| queue.retain(is_here));
    }

    pub(crate) fn open(&mut self, accepted: Instant, peer: &Peer) -> ConnectionId {
        if let Some(index) = self.free.pop() {
            let generation = self.table[index].generation;
            self.table[index] = Connection::new(accepted, peer, generation);
            return ConnectionId { index, generation };
        }
        let index = self.table.push(Connection::new(accepted, peer, 0));
        ConnectionId { index, generation: 0 }
    }

    /// Forgets it. A later event about it will find nothing.
    pub(crate) fn free(&mut self, id: ConnectionId) {
        self.recycle(id.index);
        let connection = &mut self.table[id.index];
        connection.decoder = Decoder::default();
        connection.lane = None;
        connection.state = State::Free;
        connection.generation = connection.generation.wrapping_add(1);
        self.free.push(id.index);
    }

    /// If it is still the one that the id names.
    pub(crate) fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.table.get_mut(id.index).filter(|c| c.generation == id.generation && c.state != State::Free)
    }

    /// Is it still the one that the id names?
    pub(crate) fn is(&self, id: ConnectionId) -> bool {
        self.table.get(id.index).is_some_and(|c| c.generation == id.generation && c.state != State::Free)
    }

    pub(crate) fn id(&self, index: u32) -> ConnectionId {
        ConnectionId { index, generation: self.table[index].generation }
    }

    /// What a busy connection needs, from the pool if it had none.
    pub(crate) fn lane(&mut self, index: u32) -> &mut Lane {
        let pool = &mut self.pool;
        self.table[index].lane.get_or_insert_with(|| pool.pop().unwrap_or_default())
    }

    /// An idle connection owns nothing.
    pub(crate) fn rest(&mut self, index: u32) {
        let connection = &self.table[index];
        if connection.lane.as_ref().is_some_and(|l| l.is_idle()) {
            self.recycle(index);
        }
    }

    fn recycle(&mut self, index: u32) {
        let Some(mut lane) = self.table[index].lane.take() else { return };
        if self.pool.len() < POOL {
            lane.answers.clear();
            lane.out.clear();
            lane.kept = Vec::new();
            lane.waiting = 0;
            lane.early.clear();
            lane.pubacks = 0;
            (lane.incoming, lane.greeting, lane.question, lane.answered) = (None, None, None, 0);
            if lane.out.capacity() > POOLED_BYTES {
                lane.out = Vec::new();
            }
            if lane.answers.capacity() > 1024 {
                lane.answers = VecDeque::new();
            }
            self.pool.push(lane);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len() - self.free.len()
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
