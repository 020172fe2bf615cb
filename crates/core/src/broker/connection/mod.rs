//! What a network connection knows, and the table of them.
pub(crate) mod again;
pub(crate) mod answers;
pub(crate) mod applicant;
pub(crate) mod fault;
mod flags;
pub(crate) mod passage;
pub(crate) mod room;
mod table;
mod usage;

pub(crate) use flags::Unread;
pub(crate) use table::Connections;

use crate::broker::announce::Timer;
use crate::broker::authority::policy::Peer;
use crate::broker::base::NONE;
use crate::broker::base::limits::Limits;
use crate::broker::base::table::{Row, Tenant};
use crate::broker::messages::incoming::Incoming;
use crate::broker::messages::ledger::Recipient;
use crate::codec::{Decoder, Mode};
use crate::delivery::{InOrder, Inward, Outward};
use crate::id::{MessageId, PacketId, QuestionId};
use crate::time::Instant;
use crate::version::{Role, Version};
use alloc::boxed::Box;
use alloc::vec::Vec;
use answers::Pending;
use applicant::Applicant;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use flags::Flags;

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

pub(crate) struct Connection {
    pub(crate) decoder: Decoder,
    /// When something came that counts for the Keep Alive.
    pub(crate) heard: Instant,
    /// What only a busy connection needs.
    pub(crate) busy: Option<Box<Busy>>,
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
    flags: Flags,
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
            busy: None,
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

    /// Does the answer of that number still wait?
    pub(crate) fn is_to_answer(&self, number: u32) -> bool {
        self.busy.as_deref().is_some_and(|busy| busy.answers.has(number))
    }

    /// It has begun a packet that it could go on with.
    pub(crate) fn keeps_others_waiting(&self) -> bool {
        self.state == State::Up && self.charged > 0 && !self.is_unread()
    }

    /// Its output is done for, but for what is encoded already.
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

impl Tenant for Connection {
    fn is_nth(&self, generation: u32) -> bool {
        self.generation == generation && self.state != State::Free
    }
}

/// The lower 32 bits of the milliseconds.
fn millis(now: Instant) -> u32 {
    u32::try_from(now.as_millis() & 0xffff_ffff).unwrap_or_default()
}

/// What only a busy connection needs. Pooled.
#[derive(Default)]
pub(crate) struct Busy {
    /// Encoded, in order, free to leave.
    pub(crate) out: Vec<u8>,
    /// In order, behind `out`; the first one may have to wait.
    pub(crate) answers: InOrder<Pending>,
    /// Read, and not decoded because a verdict is pending.
    pub(crate) kept: Vec<u8>,
    /// Bytes of the message that the verdict is about.
    pub(crate) waiting: usize,
    /// A large payload on its way in.
    pub(crate) incoming: Option<Box<Incoming>>,
    /// Messages encoded into `out` early, and for whom: they have their fate when it is handed over.
    pub(crate) early: Vec<MessageId>,
    pub(crate) early_for: Option<Recipient>,
    /// The exchange before CONNACK.
    pub(crate) applicant: Option<Box<Applicant>>,
    /// The question whose answer it waits for.
    pub(crate) question: Option<QuestionId>,
}

/// What stands for topics on one connection.
#[derive(Default)]
pub(crate) struct Aliases {
    pub(crate) inward: Inward,
    pub(crate) outward: Outward,
}

impl Busy {
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
            && self.applicant.is_none()
            && self.question.is_none()
    }
}
