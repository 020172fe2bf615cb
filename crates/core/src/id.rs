//! The names of things: small numbers, one type each.
use core::fmt;
use core::num::NonZeroU16;

/// A network connection of a broker, from `handle_open` to its `handle_close`.
///
/// Never reused within one broker, so a late event cannot hit a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl ConnectionId {
    /// Small and dense: a place in the caller's own table.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// Tells those apart that had the same place one after the other.
    pub fn generation(self) -> u32 {
        self.generation
    }
}

/// One of the brokers that together serve the same clients, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    /// A place in a table of shards.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A Packet Identifier; never zero. [MQTT-2.2.1-3]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub NonZeroU16);

impl PacketId {
    /// `None` for zero.
    pub const fn new(id: u16) -> Option<Self> {
        match NonZeroU16::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// As it stands on the wire.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The one after; after 65,535 comes 1.
    #[must_use]
    pub const fn next(self) -> Self {
        match NonZeroU16::new(self.0.get().wrapping_add(1)) {
            Some(id) => Self(id),
            None => Self(NonZeroU16::MIN),
        }
    }

    /// How many steps of [`next`](Self::next) lead there.
    #[cfg(any(feature = "broker", feature = "client"))]
    pub(crate) fn steps_to(self, later: Self) -> u16 {
        let steps = (u32::from(later.get()) + 65_535 - u32::from(self.get())) % 65_535;
        u16::try_from(steps).unwrap_or_default()
    }
}

/// Names an accepted message: milliseconds 48 | shard 16 | incarnation 32 | counter 32.
///
/// Sortable by time of acceptance, unique over restarts and clock steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub(crate) u128);

impl MessageId {
    #[cfg(feature = "broker")]
    pub(crate) fn new(millis: u64, shard: ShardId, incarnation: u32, counter: u32) -> Self {
        Self(
            u128::from(millis & 0xffff_ffff_ffff) << 80
                | u128::from(shard.0) << 64
                | u128::from(incarnation) << 32
                | u128::from(counter),
        )
    }

    /// When it was accepted: milliseconds since the Unix epoch, as its broker's clock said.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0 >> 80).unwrap_or_default()
    }

    /// The shard that accepted it.
    #[cfg(feature = "broker")]
    pub(crate) fn shard(self) -> ShardId {
        ShardId(u16::try_from(self.0 >> 64 & 0xffff).unwrap_or_default())
    }

    /// The start of the server during which it was accepted.
    #[cfg(feature = "broker")]
    pub(crate) fn incarnation(self) -> u32 {
        u32::try_from(self.0 >> 32 & 0xffff_ffff).unwrap_or_default()
    }

    /// As one number.
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// From the number that [`as_u128`](Self::as_u128) gave.
    pub fn from_u128(id: u128) -> Self {
        Self(id)
    }
}

impl fmt::Display for MessageId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl core::str::FromStr for MessageId {
    type Err = core::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// Who somebody turned out to be; small enough to travel with each message.
///
/// Numbered by the policy: stable over restarts, the same on all shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId(pub u32);

/// A question of a broker's policy that waits for its answer: given by `Action::Ask`, given back to `handle_answer`.
///
/// Never reused within one broker, so a late answer cannot hit another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u64);

/// Ties what was asked of a client, or of a broker for a local subscriber, to the event that tells what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What to acknowledge a message with. Not `Copy`: it is done once.
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    pub(crate) packet_id: PacketId,
    pub(crate) epoch: u32,
}

impl Token {
    /// The Packet Identifier that the message came with.
    pub fn packet_id(&self) -> PacketId {
        self.packet_id
    }
}

/// A position in the journal; later bytes have greater positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// A subscriber inside the host process: a rule, a bridge, a dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}
