//! Every queue, buffer, table and wait has a limit, and this is the table of them.
mod error;
#[cfg(test)]
mod tests;

pub use error::LimitError;

use alloc::string::{String, ToString};
use core::fmt;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Written as a number, or with `KiB`, `MiB` or `GiB` behind it.
    Bytes,
    /// Whole seconds.
    Seconds,
    /// How many times in a second.
    PerSecond,
    /// How many times in a minute.
    PerMinute,
    /// How many of what the name says.
    Count,
    /// `yes` or `no`.
    Switch,
    /// How a member of a group is chosen: `in_turn`, `least_loaded`, `by_topic`, `random`.
    Strategy,
}

impl Unit {
    /// The words that stand for 0, 1 and so on, where it is no number that people write.
    pub const fn words(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Switch => Some(SWITCH),
            Self::Strategy => Some(STRATEGIES),
            _ => None,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
            Self::PerSecond => "per second",
            Self::PerMinute => "per minute",
            Self::Count => "count",
            Self::Switch => "yes or no",
            Self::Strategy => "in_turn, least_loaded, by_topic or random",
        })
    }
}

/// One limit, for help and documentation.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Row {
    /// As `set` takes it.
    pub name: &'static str,
    /// What is counted.
    pub unit: Unit,
    /// As `set` takes it.
    pub default: &'static str,
    /// What it limits.
    pub doc: &'static str,
    minimum: u64,
    /// What `unlimited` means: all that the number holds, or all that the protocol can say.
    maximum: u64,
}

macro_rules! limits {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $kind:ident = $unit:ident $default:literal, $minimum:literal..=$maximum:expr;
    )+) => {
        /// How much of everything a shard puts up with.
        ///
        /// The defaults suit a server that strangers can reach.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $( pub(crate) $name: $kind, )+
            /// Those that were set, by their [`bit`]s.
            set: u64,
        }

        /// A limit, by the name that `set` takes.
        #[expect(non_camel_case_types, reason = "they are the names that `set` takes")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Limit { $( $(#[doc = $doc])+ $name, )+ }

        impl Limit {
            /// All that there are, in the order of the table.
            pub const ALL: &[Self] = &[$( Self::$name, )+];

            /// As `set` takes it.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$name => stringify!($name), )+
                }
            }
        }

        const ROWS: &[Row] = &[$( Row {
            name: stringify!($name),
            unit: Unit::$unit,
            default: $default,
            doc: concat!($($doc),+).trim_ascii(),
            minimum: $minimum,
            maximum: $maximum as u64,
        }, )+];

        #[expect(clippy::cast_possible_truncation, reason = "`default` asserts that it fits")]
        impl Default for Limits {
            fn default() -> Self {
                Self {
                    $( $name: {
                        const { default($default, Unit::$unit, $minimum, $maximum as u64, $kind::MAX as u64) as $kind }
                    }, )+
                    set: 0,
                }
            }
        }

        impl Limits {
            $(
                $(#[doc = $doc])+
                pub fn $name(&self) -> $kind {
                    self.$name
                }
            )+

            fn number(&self, name: &str) -> Option<u64> {
                match name {
                    $( stringify!($name) => Some(self.$name.into()), )+
                    _ => None,
                }
            }

            /// It is in the limit's range.
            fn put(&mut self, name: &str, number: u64) {
                match name {
                    $( stringify!($name) => {
                        self.$name = number.try_into().expect("each row's greatest fits its type");
                    } )+
                    _ => {}
                }
            }
        }
    };
}

/// The longest packet that there can be: 256 MB behind a header of five bytes.
pub(crate) const PACKET_MAX: u32 = 268_435_455 + 5;

limits! {
    /// The longest packet that a client may send.
    packet_bytes: u32 = Bytes "16MiB", 1..=PACKET_MAX;
    /// The longest CONNECT, which comes from somebody unknown. By default each of its fields may be as long as
    /// the protocol allows.
    connect_bytes: u32 = Bytes "512KiB", 1..=PACKET_MAX;
    /// The longest Topic Name or Topic Filter.
    topic_bytes: u16 = Bytes "65535", 1..=u16::MAX;
    /// Levels of a Topic Name or Topic Filter.
    topic_levels: u32 = Count "200", 1..=u32::MAX;
    /// Topic Aliases of one connection, in each direction; to clients never more than 256. Each that a client uses
    /// keeps one Topic Name.
    topic_aliases: u16 = Count "32", 0..=u16::MAX;
    /// The greatest QoS with which clients may publish; a subscription is granted no more.
    maximum_qos: u8 = Count "2", 0..=2;
    /// Whether clients may publish with RETAIN.
    retain_available: u8 = Switch "yes", 0..=1;
    /// Who of a group gets a message: one after the other, whoever has the least that it has not acknowledged, one for
    /// each topic, or any. Of those that take one now.
    share_strategy: u8 = Strategy "in_turn", 0..=3;
    /// User Properties of one packet.
    user_properties: u32 = Count "128", 0..=u32::MAX;
    /// All properties of one packet together.
    property_bytes: u32 = Bytes "64KiB", 0..=PACKET_MAX;
    /// Topic Filters that one SUBSCRIBE is granted; those behind them are refused in its SUBACK.
    filters_per_packet: u32 = Count "10000", 1..=u32::MAX;
    /// Subscriptions of one session.
    subscriptions: u32 = Count "10000", 0..=u32::MAX;
    /// Messages with QoS above 0 that a client may have under way to here.
    receive_maximum: u16 = Count "1024", 1..=u16::MAX;
    /// Messages with QoS above 0 that are under way to a client, if its own Receive Maximum is not smaller.
    in_flight: u16 = Count "1024", 1..=u16::MAX;
    /// The same for clients of MQTT 3, which cannot say how many they take.
    in_flight_v3: u16 = Count "1024", 1..=u16::MAX;
    /// Whether QoS 0 waits for who is away, too; only in memory. No group keeps it.
    queue_qos_0: u8 = Switch "no", 0..=1;
    /// Messages that wait for one session.
    queued_messages: u32 = Count "10000", 0..=u32::MAX;
    /// Bytes of the messages that wait for one session.
    queued_bytes: u64 = Bytes "64MiB", 0..=u64::MAX;
    /// Bytes of all messages that wait on one shard. The server sets a quarter of the machine's memory, as far
    /// as nothing else is asked for.
    shard_queued_bytes: u64 = Bytes "1GiB", 0..=u64::MAX;
    /// Retained Messages.
    retained_messages: u32 = Count "1000000", 0..=u32::MAX;
    /// Bytes of all Retained Messages together.
    retained_bytes: u64 = Bytes "1GiB", 0..=u64::MAX;
    /// Bytes of packets that have not come completely yet, on one shard. From half of it on, connections wait for
    /// others to come to an end; what would go beyond it is closed.
    incomplete_bytes: u64 = Bytes "64MiB", 1..=u64::MAX;
    /// The same for all connections that have not been let in yet.
    stranger_bytes: u64 = Bytes "16MiB", 1..=u64::MAX;
    /// How long a packet that has begun may make no progress, while others wait for the room that it takes.
    stalled_seconds: u32 = Seconds "30", 1..=u32::MAX;
    /// From accepting a connection to its CONNACK, over all layers.
    connect_seconds: u32 = Seconds "10", 1..=u32::MAX;
    /// The longest Keep Alive. Only where this is unlimited may a client do without.
    keep_alive_seconds: u16 = Seconds "unlimited", 1..=u16::MAX;
    /// How long an answer of the policy may take.
    answer_seconds: u32 = Seconds "10", 1..=u32::MAX;
    /// Answers of the policy that one shard waits for.
    answers_open: u32 = Count "10000", 0..=u32::MAX;
    /// How long a connection that was closed from here is read on, so that its peer gets the last packet.
    linger_seconds: u32 = Seconds "5", 0..=u32::MAX;
    /// How long a publisher is kept waiting for slow subscribers.
    pause_seconds: u32 = Seconds "1", 0..=u32::MAX;
    /// Takeovers of one session.
    takeovers_per_minute: u32 = PerMinute "30", 0..=u32::MAX;
    /// New connections from one address, on each shard. From this machine any number, unless it is set.
    connects_per_second: u32 = PerSecond "1000", 1..=u32::MAX;
    /// Connections from one address, on each shard. From this machine any number, unless it is set.
    connections_per_address: u32 = Count "10000", 0..=u32::MAX;
    /// Connections of one identity, on each shard. Of anonymous clients any number, unless it is set.
    connections_per_identity: u32 = Count "10000", 0..=u32::MAX;
    /// Sessions of one identity, connected or not, on each shard. Of anonymous clients any number, unless it is set.
    sessions_per_identity: u32 = Count "10000", 0..=u32::MAX;
    /// Clients that are connected, on each shard. Who takes over its own session always may.
    connections: u32 = Count "unlimited", 0..=u32::MAX;
    /// Sessions of clients, connected or not, on each shard. Who comes back to its own always may.
    sessions: u32 = Count "unlimited", 0..=u32::MAX;
    /// How long a session is kept without a connection. Unlimited is forever.
    session_expiry_seconds: u32 = Seconds "604800", 0..=u32::MAX;
    /// Notes from one shard to another that are not settled yet.
    mail_notes: u32 = Count "4096", 1..=u32::MAX;
    /// Bytes of the notes from one shard to another that are not settled yet.
    mail_bytes: u64 = Bytes "4MiB", 1..=u64::MAX;
    /// Output that waits for one slow reader, beyond the packet that is being written.
    unsent_bytes: u64 = Bytes "1MiB", 1..=u64::MAX;
}

impl Limits {
    /// As people write it: `set("packet_bytes", "16MiB")`, `set("queued_messages", "unlimited")`.
    ///
    /// # Errors
    /// There is no such limit, this is no number of what it counts, or it is out of range. Nothing was changed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LimitError> {
        let row = row(name).ok_or_else(|| LimitError::unknown(name))?;
        let number =
            parse(value, row.unit, row.maximum).ok_or_else(|| LimitError::not_a_number(row, value))?;
        self.set_row(row, number)
    }

    /// As programs have it: in bytes, seconds, or how many there are. The greatest that the limit can be is unlimited.
    /// ```
    /// use tidewire_core::broker::{Limit, Limits};
    ///
    /// let mut limits = Limits::default();
    /// limits.set_number(Limit::packet_bytes, 64 * 1024)?;
    /// assert_eq!(limits.packet_bytes(), 65_536);
    /// # Ok::<(), tidewire_core::broker::LimitError>(())
    /// ```
    ///
    /// # Errors
    /// It is out of range. Nothing was changed.
    pub fn set_number(&mut self, limit: Limit, number: u64) -> Result<(), LimitError> {
        self.set_row(&ROWS[limit as usize], number)
    }

    fn set_row(&mut self, row: &Row, number: u64) -> Result<(), LimitError> {
        if !(row.minimum..=row.maximum).contains(&number) {
            return Err(LimitError::out_of_range(row));
        }
        self.put(row.name, number);
        self.set |= bit(row.name);
        Ok(())
    }

    /// Was it [set](Self::set), to whatever value? A limit that was exempts nobody.
    pub fn is_set(&self, name: &str) -> bool {
        row(name).is_some_and(|row| self.set & bit(row.name) != 0)
    }

    /// Whether connections from this machine itself are counted: once somebody has said how many there may be.
    pub(crate) fn counts_loopback(&self) -> bool {
        self.set & const { bit("connections_per_address") | bit("connects_per_second") } != 0
    }

    /// How many connections one address may have.
    pub(crate) fn connections_from(&self, is_loopback: bool) -> u32 {
        let exempt = is_loopback && self.set & const { bit("connections_per_address") } == 0;
        if exempt { u32::MAX } else { self.connections_per_address }
    }

    /// How many connections one address may make in a second.
    pub(crate) fn connects_from(&self, is_loopback: bool) -> u32 {
        let exempt = is_loopback && self.set & const { bit("connects_per_second") } == 0;
        if exempt { u32::MAX } else { self.connects_per_second }
    }

    /// How many connections one identity may have. Anonymous clients have one in common.
    pub(crate) fn connections_of(&self, is_anonymous: bool) -> u32 {
        let exempt = is_anonymous && self.set & const { bit("connections_per_identity") } == 0;
        if exempt { u32::MAX } else { self.connections_per_identity }
    }

    /// How many sessions one identity may have.
    pub(crate) fn sessions_of(&self, is_anonymous: bool) -> u32 {
        let exempt = is_anonymous && self.set & const { bit("sessions_per_identity") } == 0;
        if exempt { u32::MAX } else { self.sessions_per_identity }
    }

    /// How long a client may be silent: what it asked for, within our limit.
    pub(crate) fn keep_alive(&self, asked: u16) -> u16 {
        let most = self.keep_alive_seconds;
        if asked == 0 && most == u16::MAX {
            0
        } else if asked == 0 {
            most
        } else {
            asked.min(most)
        }
    }

    /// The value of a limit, as `set` would take it; `None` if there is no such limit.
    pub fn get(&self, name: &str) -> Option<String> {
        let number = self.number(name)?;
        let row = row(name)?;
        if let (Some(words), Ok(at)) = (row.unit.words(), usize::try_from(number)) {
            return words.get(at).map(|word| (*word).into());
        }
        if number == row.maximum {
            return Some(UNLIMITED.into());
        }
        let suffix = SUFFIXES.iter().find(|(_, size)| number > 0 && number % size == 0);
        Some(match suffix {
            Some((suffix, size)) if row.unit == Unit::Bytes => alloc::format!("{}{suffix}", number / size),
            _ => number.to_string(),
        })
    }

    /// All limits there are, for help and documentation.
    pub fn table() -> &'static [Row] {
        ROWS
    }
}

/// Where [`Limits`] notes down that this one was set. `const`, so that a name that is none does not compile.
const fn bit(name: &str) -> u64 {
    let mut at = 0;
    while at < ROWS.len() {
        if ROWS[at].name.len() == name.len() && ends_with(name.as_bytes(), ROWS[at].name) {
            return 1 << at;
        }
        at += 1;
    }
    panic!("there is no such limit")
}

fn row(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

const UNLIMITED: &str = "unlimited";
const SWITCH: &[&str] = &["no", "yes"];
const STRATEGIES: &[&str] = &["in_turn", "least_loaded", "by_topic", "random"];
const SUFFIXES: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// The number of a row's default; what is wrong with the row does not compile.
const fn default(text: &str, unit: Unit, minimum: u64, maximum: u64, type_maximum: u64) -> u64 {
    let number = parse(text, unit, maximum).expect("the default is a number");
    assert!(minimum <= number && number <= maximum, "the default is in range");
    assert!(maximum <= type_maximum, "the type holds all of the range");
    number
}

/// Digits, with a suffix where bytes are counted, or `unlimited`; or a word. `const`, so that defaults are checked when
/// they are compiled.
const fn parse(text: &str, unit: Unit, unlimited: u64) -> Option<u64> {
    let text = text.as_bytes();
    if let Some(words) = unit.words() {
        let mut at = 0;
        while at < words.len() {
            if is(text, words[at]) {
                return Some(at as u64);
            }
            at += 1;
        }
        return None;
    }
    if is(text, UNLIMITED) {
        return Some(unlimited);
    }
    let mut digits = text;
    let mut size = 1;
    let mut at = 0;
    while at < SUFFIXES.len() && matches!(unit, Unit::Bytes) {
        let (suffix, bytes) = SUFFIXES[at];
        if ends_with(text, suffix) {
            digits = text.split_at(text.len() - suffix.len()).0;
            size = bytes;
        }
        at += 1;
    }
    if digits.is_empty() {
        return None;
    }
    let mut number = 0_u64;
    while let [digit @ b'0'..=b'9', rest @ ..] = digits {
        // More than any limit can be is out of range rather than no number.
        number = number.saturating_mul(10).saturating_add((*digit - b'0') as u64);
        digits = rest;
    }
    if digits.is_empty() { Some(number.saturating_mul(size)) } else { None }
}

const fn is(text: &[u8], whole: &str) -> bool {
    text.len() == whole.len() && ends_with(text, whole)
}

const fn ends_with(text: &[u8], end: &str) -> bool {
    let end = end.as_bytes();
    if text.len() < end.len() {
        return false;
    }
    let mut at = 0;
    while at < end.len() {
        if text[text.len() - end.len() + at] != end[at] {
            return false;
        }
        at += 1;
    }
    true
}
