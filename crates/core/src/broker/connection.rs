//! What a network connection knows, and the table of them.
use super::incoming::Incoming;
use super::policy::Peer;
use super::table::{Row, Table};
use crate::codec::{Decoder, Mode};
use crate::id::{ConnectionId, PacketId};
use crate::time::Instant;
use crate::version::{Role, Version};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// "No session", "no grant" and the like, where an `Option` would cost.
pub(super) const NONE: u32 = u32::MAX;

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
pub(super) enum State {
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
pub(super) struct Flags(u16);

impl Flags {
    /// `Transmit` was announced and not polled since.
    pub(super) const ANNOUNCED: Self = Self(1);
    /// The socket took no more.
    pub(super) const BLOCKED: Self = Self(2);
    /// Those that it publishes to are behind.
    pub(super) const PAUSED: Self = Self(4);
    /// Input is refused until a verdict.
    pub(super) const HELD: Self = Self(8);
    /// The client does not want Reason Strings and User Properties. (Section 3.1.2.11.7)
    pub(super) const TERSE: Self = Self(16);
    /// Its CONNACK has left for the output: messages may follow.
    pub(super) const GREETED: Self = Self(32);
    /// Whoever polls has been told that there is more.
    pub(super) const MORE: Self = Self(64);
    /// It stands in the list of those whose `Transmit` is to be announced, wanted or not.
    pub(super) const LISTED: Self = Self(128);
    /// It has said by its Protocol Level that it is a bridge.
    pub(super) const BRIDGE: Self = Self(256);
    /// It waits until more of its packets have been answered.
    pub(super) const WINDOW: Self = Self(512);
    /// It waits for room for its unfinished input.
    pub(super) const CRAMPED: Self = Self(1024);
    /// It waits for another shard.
    pub(super) const MAIL: Self = Self(2048);
    /// It does not read, and much waits for it.
    pub(super) const UNHEARD: Self = Self(4096);

    /// We have asked for nothing to be read from it for now.
    pub(super) fn is_unread(self) -> bool {
        self.has(Self::UNHEARD) || self.is_silenced()
    }

    /// The same, and not because of itself: that it says nothing is our doing.
    pub(super) fn is_silenced(self) -> bool {
        const OURS: u16 =
            Flags::HELD.0 | Flags::PAUSED.0 | Flags::MAIL.0 | Flags::WINDOW.0 | Flags::CRAMPED.0;
        self.0 & OURS != 0
    }

    pub(super) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(super) fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    pub(super) fn clear(&mut self, flag: Self) {
        self.0 &= !flag.0;
    }
}

pub(super) struct Connection {
    pub(super) decoder: Decoder,
    /// When something came that counts for the Keep Alive.
    pub(super) heard: Instant,
    /// What only a busy connection needs.
    pub(super) lane: Option<Box<Lane>>,
    pub(super) generation: u32,
    pub(super) session: u32,
    /// Where this publisher's last topic was remembered.
    pub(super) hint: u32,
    /// When it was accepted: milliseconds, of which the upper bits don't matter here.
    pub(super) accepted_ms: u32,
    address: [u8; 16],
    port: u16,
    listener: u16,
    /// In seconds; 0 is none.
    pub(super) keep_alive: u16,
    /// Bytes of an unfinished packet that came since `heard`.
    pub(super) progress: u16,
    /// Bytes of unfinished input that the shard has charged to it.
    pub(super) charged: u32,
    /// As its CONNECT said.
    pub(super) spoken: Option<Version>,
    pub(super) state: State,
    pub(super) flags: Flags,
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

    pub(super) fn peer(&self) -> Peer {
        let ip = Ipv6Addr::from(self.address).to_canonical();
        Peer { address: SocketAddr::new(ip, self.port), listener: self.listener }
    }

    /// Whose connections are counted together.
    pub(super) fn address(&self) -> [u8; 16] {
        self.address
    }

    pub(super) fn is_loopback(&self) -> bool {
        Ipv6Addr::from(self.address).to_canonical().is_loopback()
    }

    /// 3.1.1 until a CONNECT has said something else.
    pub(super) fn version(&self) -> Version {
        self.spoken.unwrap_or(Version::V3_1_1)
    }

    /// When it was accepted, if that is less than 49 days ago.
    pub(super) fn accepted(&self, now: Instant) -> Instant {
        let age = millis(now).wrapping_sub(self.accepted_ms);
        Instant::from_micros((now.as_millis() - u64::from(age).min(now.as_millis())) * 1000)
    }

    /// Accepted before the other one, but not by more than so many seconds: nobody waits longer for a verdict. Within
    /// one millisecond neither is older.
    ///
    /// 32 bits of milliseconds come round after 49 days, and connections get older than that.
    pub(super) fn is_older_than(&self, other: &Self, seconds: u32) -> bool {
        let ahead = other.accepted_ms.wrapping_sub(self.accepted_ms);
        ahead != 0 && ahead <= seconds.saturating_mul(1000).min(u32::MAX / 2)
    }

    /// It has begun a packet that it could go on with.
    pub(super) fn keeps_others_waiting(&self) -> bool {
        self.state == State::Up && self.charged > 0 && !self.flags.is_unread()
    }

    /// Its output is done for, but for what the lane still holds.
    pub(super) fn is_ending(&self) -> bool {
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
pub(super) struct Lane {
    /// Encoded, in order, free to leave.
    pub(super) out: Vec<u8>,
    /// In order, behind `out`; the first one may have to wait.
    pub(super) answers: VecDeque<super::answers::Answer>,
    /// The number of the first of `answers`; they are numbered from 0 on each connection.
    pub(super) answered: u32,
    /// How many of `answers` are PUBACKs.
    pub(super) pubacks: u32,
    /// Read, and not decoded because a verdict is pending.
    pub(super) kept: Vec<u8>,
    /// Bytes of the message that the verdict is about.
    pub(super) waiting: usize,
    /// A large payload on its way in.
    pub(super) incoming: Option<Box<Incoming>>,
    /// Messages encoded into `out` early: they have their fate when it is handed over.
    pub(super) early: Vec<super::outbound::Early>,
    /// The exchange before CONNACK.
    pub(super) greeting: Option<Box<super::connect::Greeting>>,
    /// The question whose answer it waits for.
    pub(super) question: Option<u64>,
}

impl Lane {
    /// Does a PUBREC for this Packet Identifier wait for its turn?
    pub(super) fn is_to_answer(&self, packet_id: PacketId) -> bool {
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

/// How many idle lanes are kept warm, and how large they may be.
const POOL: usize = 256;
const POOLED_BYTES: usize = 256 * 1024;

/// All connections, by index and generation.
#[derive(Default)]
pub(super) struct Connections {
    table: Table<Connection>,
    free: Vec<u32>,
    #[expect(clippy::vec_box, reason = "what is pooled is the box")]
    pool: Vec<Box<Lane>>,
    /// How many were [forgiven](Decoder::forgave) something.
    pub(super) forgiven: u64,
    /// How many have a session.
    pub(super) up: u32,
}

impl Connections {
    pub(super) fn open(&mut self, accepted: Instant, peer: &Peer) -> ConnectionId {
        if let Some(index) = self.free.pop() {
            let generation = self.table[index].generation;
            self.table[index] = Connection::new(accepted, peer, generation);
            return ConnectionId { index, generation };
        }
        let index = self.table.push(Connection::new(accepted, peer, 0));
        ConnectionId { index, generation: 0 }
    }

    /// Forgets it. A later event about it will find nothing.
    pub(super) fn free(&mut self, id: ConnectionId) {
        self.recycle(id.index);
        let connection = &mut self.table[id.index];
        connection.decoder = Decoder::default();
        connection.lane = None;
        connection.state = State::Free;
        connection.generation = connection.generation.wrapping_add(1);
        self.free.push(id.index);
    }

    /// If it is still the one that the id names.
    pub(super) fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.table.get_mut(id.index).filter(|c| c.generation == id.generation && c.state != State::Free)
    }

    /// Is it still the one that the id names?
    pub(super) fn is(&self, id: ConnectionId) -> bool {
        self.table.get(id.index).is_some_and(|c| c.generation == id.generation && c.state != State::Free)
    }

    pub(super) fn id(&self, index: u32) -> ConnectionId {
        ConnectionId { index, generation: self.table[index].generation }
    }

    /// What a busy connection needs, from the pool if it had none.
    pub(super) fn lane(&mut self, index: u32) -> &mut Lane {
        let pool = &mut self.pool;
        self.table[index].lane.get_or_insert_with(|| pool.pop().unwrap_or_default())
    }

    /// An idle connection owns nothing.
    pub(super) fn rest(&mut self, index: u32) {
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

    pub(super) fn len(&self) -> usize {
        self.table.len() - self.free.len()
    }

    /// Those that exist, by index.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
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
