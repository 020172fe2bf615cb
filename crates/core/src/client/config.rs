//! What a client is, and what it does without being asked.
use crate::codec::PropertiesBuf;
use crate::message::Publication;
use crate::time::Duration;
use crate::version::Version;
use alloc::boxed::Box;
use core::fmt;

/// What a [`Client`](super::Client) is made from. Begin with `Config::default()` and change what matters.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The Client Identifier; if it is empty, the server assigns one. (Section 3.1.3.1)
    pub client_id: Box<str>,
    /// The version to speak. `None`: 5.0, and 3.1.1 with a server that does not know it.
    pub version: Option<Version>,
    /// Begin with a new session at the first connection. Later ones resume what there is.
    pub clean_start: bool,
    /// How long the server keeps the session without a connection. Before 5.0 there is only "not at all" (0) and
    /// "for ever" (anything else).
    pub session_expiry_seconds: u32,
    /// The server hears from us at least so often; 0 turns it off. A server may decide otherwise.
    pub keep_alive_seconds: u16,
    /// User Name.
    pub username: Option<Box<str>>,
    /// Password: any bytes. Before 5.0 it needs a User Name.
    pub password: Option<Box<[u8]>>,
    /// Ask for both before each CONNECT, by [`Action::Credentials`](super::Action::Credentials), and use what is said then
    /// instead: tokens expire.
    pub ask_credentials: bool,
    /// Published by the server if the connection ends without goodbye.
    pub will: Option<Will>,
    /// Further properties of CONNECT, User Properties for example. (5.0)
    pub properties: PropertiesBuf,
    /// An authentication that takes several steps. (5.0, section 4.12)
    pub authentication: Option<Authentication>,

    /// When a message that came is acknowledged.
    pub acknowledge: Acknowledge,
    /// So many messages may come unacknowledged: [`Receive Maximum`](https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901049).
    pub receive_maximum: u16,
    /// The largest packet that may come, in bytes. Before 5.0 the server can't be told, and a larger one ends the
    /// connection.
    pub maximum_packet_size: u32,
    /// Topic Aliases that a server may use; 0 for none. Each keeps one topic as long as the connection lasts. They end here:
    /// each message has its topic. (5.0)
    pub topic_alias_maximum: u16,
    /// Messages of QoS 0 that came and were not taken yet; beyond this nothing is read. Those of QoS 1 and 2 are bounded by
    /// the Receive Maximum, and count only beyond it: what comes behind them may be what the application waits for.
    pub inbox_messages: usize,
    /// All messages that were not taken yet, in bytes. One message may go beyond it.
    pub inbox_bytes: usize,

    /// Topic Filters in one SUBSCRIBE or UNSUBSCRIBE, at most; more are asked for in several packets. Some services take
    /// no more than 8. A server's Maximum Packet Size may leave room for fewer.
    pub filters_per_packet: u16,
    /// Messages that are sent and not acknowledged, at most; the server may want fewer.
    pub in_flight: u16,
    /// The same before 5.0, where a server can't say how many it takes. Some take no more than 20, and drop those of QoS 2
    /// beyond with an acknowledgement that looks like any other.
    pub in_flight_v3: u16,
    /// Topic Aliases that are used for topics that come again, at most, and never more than 256; the server may want fewer. 0
    /// turns them off. (5.0)
    pub topic_aliases: u16,
    /// Messages that were accepted from the application and have not ended, at most.
    pub outbox_messages: usize,
    /// The same in bytes of topic, properties and payload.
    pub outbox_bytes: usize,
    /// What happens when they are too many.
    pub outbox_full: OutboxFull,

    /// What becomes of QoS 2 messages of which nobody knows whether a server that lost the session has them.
    pub session_lost: SessionLost,
    /// Subscribe again to everything when the server has lost the session.
    pub resubscribe: bool,
    /// Connect again when a connection ends, unless the server said that it would be in vain.
    pub reconnect: bool,
    /// The same before a server has let us in for the first time. If not, it ends once each server was tried.
    pub reconnect_at_first: bool,
    /// How long to wait before that.
    pub backoff: Backoff,
    /// Go on even if another connection with the same Client Identifier took the session. Both would do so for ever.
    pub fight_for_session: bool,
    /// How many servers there are to be tried in turn.
    pub servers: u16,
    /// From the beginning of an attempt to CONNACK.
    pub connect_seconds: u32,
    /// How long a server may take to close after we have, at most. One that was quick to let us in has less.
    pub linger_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client_id: Box::default(),
            version: None,
            clean_start: true,
            session_expiry_seconds: 0,
            keep_alive_seconds: 60,
            username: None,
            password: None,
            ask_credentials: false,
            will: None,
            properties: PropertiesBuf::new(),
            authentication: None,
            acknowledge: Acknowledge::WhenTaken,
            receive_maximum: 1024,
            maximum_packet_size: 16 * 1024 * 1024,
            topic_alias_maximum: 32,
            inbox_messages: 1024,
            inbox_bytes: 16 * 1024 * 1024,
            filters_per_packet: 8,
            in_flight: 1024,
            in_flight_v3: 20,
            topic_aliases: 32,
            outbox_messages: 10_000,
            outbox_bytes: 64 * 1024 * 1024,
            outbox_full: OutboxFull::Reject,
            session_lost: SessionLost::SendAsNew,
            resubscribe: true,
            reconnect: true,
            reconnect_at_first: true,
            backoff: Backoff::default(),
            fight_for_session: false,
            servers: 1,
            connect_seconds: 30,
            linger_seconds: 2,
        }
    }
}

/// What a client proves with who it is.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// User Name.
    pub username: Option<Box<str>>,
    /// Password: any bytes. Before 5.0 it needs a User Name.
    pub password: Option<Box<[u8]>>,
    /// With what an [authentication](Config::authentication) begins this time, instead of what its configuration has.
    pub authentication_data: Option<Box<[u8]>>,
}

impl Credentials {
    /// Both of them.
    pub fn new(username: &str, password: &[u8]) -> Self {
        Self { username: Some(username.into()), password: Some(password.into()), ..Self::default() }
    }
}

impl fmt::Debug for Credentials {
    /// The password is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The Will Message, and how long its server waits before it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// The message. At most 65,535 bytes of payload.
    pub publication: Publication,
    /// Will Delay Interval. (5.0)
    pub delay_seconds: u32,
}

/// How an enhanced authentication begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// Authentication Method.
    pub method: Box<str>,
    /// The first Authentication Data.
    pub data: Option<Box<[u8]>>,
}

/// When PUBACK, or PUBREC, says that a message is in safe hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acknowledge {
    /// When the application takes it.
    WhenTaken,
    /// When the application says so, by [`acknowledge`](super::Client::acknowledge).
    ByToken,
}

/// What happens to a message for which the outbox has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutboxFull {
    /// It is not accepted.
    Reject,
    /// The oldest that were never sent make room, and their tickets say so.
    DropOldest,
}

/// QoS 2, sent, and then the server forgot about us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionLost {
    /// It is sent as a new message: it may arrive twice.
    SendAsNew,
    /// Its ticket fails: it may not have arrived.
    Fail,
}

/// Delays that double, of which each is drawn from its upper half. They begin anew after a connection that lasted for ten
/// seconds, or brought something forward: an acknowledgement of a message, or a message to be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first.
    pub first: Duration,
    /// None is longer.
    pub most: Duration,
}

impl Default for Backoff {
    /// Half a second to a minute.
    fn default() -> Self {
        Self { first: Duration::from_millis(500), most: Duration::from_secs(60) }
    }
}

/// What to subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// Which topics.
    pub filter: crate::topic::TopicFilter,
    /// How.
    pub options: crate::codec::SubscriptionOptions,
}

impl Subscription {
    /// With this QoS at most, and otherwise what every version has.
    pub fn new(filter: crate::topic::TopicFilter, qos: crate::qos::QoS) -> Self {
        Self {
            filter,
            options: crate::codec::SubscriptionOptions {
                qos,
                ..crate::codec::SubscriptionOptions::default()
            },
        }
    }
}
