//! How each occurrence is put: what happened, why, and what to do.
use super::occurrence::{Act, Occurrence, Who};
use super::thrift::LeftOut;
use std::fmt;
use std::sync::Arc;
use tidewire_core::broker::ledger::Reason;
use tidewire_core::broker::limits::Unit;
use tidewire_core::broker::{Cause, Limit, Limits};
use tidewire_core::codec::DecodeError;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;
use tracing::Level;

/// A line, before it is text or JSON. The order of the fields is that in which they are written.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) what: &'static str,
    pub(crate) listener: Option<Arc<str>>,
    pub(crate) from: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) topic: Option<String>,
    pub(crate) behind: Option<String>,
    pub(crate) fault: Option<&'static str>,
    pub(crate) limit: Option<&'static str>,
    pub(crate) reason: Option<String>,
    pub(crate) count: Option<u64>,
    pub(crate) why: String,
    pub(crate) remedy: Option<String>,
    pub(crate) left_out: LeftOut,
}

/// So many characters of what a peer chose are shown.
const SHOWN: usize = 128;

impl Occurrence {
    /// In words.
    #[expect(clippy::too_many_lines, reason = "a table: each occurrence, and what its line says")]
    pub(crate) fn line(self, left_out: LeftOut) -> Line {
        let mut line = Line { left_out, ..Line::new(self.level(), self.what()) };
        match self {
            Self::Started { version, shards, runtime } => {
                let plural = if shards == 1 { "" } else { "s" };
                line.why = format!("tidewire {version}, {shards} shard{plural} on {runtime}");
            }
            Self::Listening { listener, terms } => {
                line.listener = Some(listener);
                line.why = terms.into();
            }
            Self::LimitSet { limit, value, default, by_hand } => {
                line.limit = Some(limit);
                line.why = if by_hand && value == default {
                    format!("{value}, as usual; set by hand, it exempts nobody")
                } else if by_hand {
                    format!("{value} instead of {default}")
                } else {
                    format!("{value}, as this machine allows, instead of {default}")
                };
            }
            Self::FewFiles { allowed } => {
                line.why = format!("only {allowed} files may be open, and each connection needs one");
                line.does("raise that (ulimit -n, LimitNOFILE=), or set --limit connections");
            }
            Self::Connected { who, anonymous, version, keep_alive, session_present } => {
                line.of(who);
                line.why = welcome(anonymous, version, keep_alive, session_present);
            }
            Self::Refused { who, reason, cause, limit } | Self::Closed { who, reason, cause, limit } => {
                line.of(who);
                line.end(reason, &cause, limit.as_deref());
            }
            Self::MayNot { who, act, topic, count } => {
                line.of(who);
                line.topic = Some(cut(&topic));
                line.count = Some(count);
                line.why = match act {
                    Act::Publish => "publish: not allowed by this server's rules".into(),
                    Act::Subscribe => "subscribe: not allowed by this server's rules".into(),
                };
                if topic.starts_with('$') {
                    line.does("topics that begin with $ are the server's own; choose another");
                }
            }
            Self::LimitMet { who, limit, value, count } => {
                line.of(who);
                line.limit = Some(limit.name());
                line.count = Some(count);
                line.why = beyond(limit, value.as_deref());
                line.remedy = Some(raise(limit));
            }
            Self::Paused { who, behind, count } => {
                line.of(who);
                line.count = Some(count);
                line.why = match &behind {
                    Some(_) => {
                        "it has to wait, because that client takes messages more slowly than they come".into()
                    }
                    None => "it has to wait, because what it publishes can't be taken yet".into(),
                };
                line.behind = behind.map(|name| cut(&name));
            }
            Self::Dropped { who, reason, count } => {
                line.of(who);
                line.count = Some(count);
                line.dropped(reason);
            }
            Self::AcceptPaused { listener, error } => {
                line.listener = Some(listener);
                line.why =
                    format!("new connections have to wait ({error}); those that are connected are served");
                line.does("it is tried again by itself; if open files ran out, raise ulimit -n");
            }
            Self::AcceptResumed { listener } => {
                line.listener = Some(listener);
                line.why = "connections are accepted again".into();
            }
            Self::SignalIgnored { signal } => {
                line.why = format!("{signal}: there is no configuration that could be read again");
                line.does("send SIGTERM to end it");
            }
            Self::Stopping { grace } => {
                line.why = "clients are told, what is on its way is sent".into();
                line.remedy = Some(format!("it takes {} s at most", grace.as_secs()));
            }
            Self::Stopped => line.why = "all connections are closed".into(),
            Self::Missed { count } => {
                line.count = Some(count);
                line.why = "so many events of the broker were too many to be told one by one".into();
            }
        }
        line
    }
}

impl Line {
    pub(crate) fn new(level: Level, what: &'static str) -> Self {
        Self {
            level,
            what,
            listener: None,
            from: None,
            client: None,
            user: None,
            topic: None,
            behind: None,
            fault: None,
            limit: None,
            reason: None,
            count: None,
            why: String::new(),
            remedy: None,
            left_out: LeftOut::default(),
        }
    }

    fn of(&mut self, who: Who) {
        self.listener = who.listener;
        self.from = who.from.map(|from| from.to_string());
        self.client = who.client.map(|client| cut(&client));
        self.user = who.user.map(|user| cut(&user));
    }

    fn does(&mut self, remedy: &str) {
        self.remedy = Some(remedy.into());
    }

    fn fault(&mut self, code: &'static str, why: impl fmt::Display, statement: &str) {
        self.fault = Some(code);
        self.why = format!("{why} [{statement}]");
        self.remedy = Some(format!("tidewire explain {code}"));
    }

    /// Of somebody who was not let in, and whose first byte is no CONNECT's.
    fn guess(&mut self, error: DecodeError) {
        let is_first = matches!(
            error,
            DecodeError::ConnectExpected | DecodeError::ReservedFlags | DecodeError::ReservedPacketType
        );
        if is_first && self.what == "refused" && self.client.is_none() {
            let explained = self.remedy.take().unwrap_or_default();
            self.remedy =
                Some(format!("perhaps it speaks TLS or HTTP, and here is MQTT without TLS; {explained}"));
        }
    }

    /// Why somebody is not let in, or goes.
    #[expect(clippy::too_many_lines, reason = "a table: each cause, what it means and what to do")]
    fn end(&mut self, reason: ReasonCode, cause: &Cause, limit: Option<&str>) {
        if reason.is_error() && reason != ReasonCode::UnspecifiedError {
            self.reason = Some(format!("{:#04x}", reason.byte()));
        }
        let (why, remedy) = match cause {
            Cause::Malformed(error) => {
                self.fault(error.code(), error, error.statement());
                return self.guess(*error);
            }
            Cause::Protocol(error) => return self.fault(error.code(), error, error.statement()),
            Cause::Limit(limited) => {
                self.limit = Some(limited.name());
                self.why = beyond(*limited, limit);
                self.remedy = Some(raise(*limited));
                return;
            }
            Cause::KeepAlive { seconds } => {
                self.why = format!(
                    "nothing came for {} s, one and a half times its Keep Alive [MQTT-3.1.2-22]",
                    f64::from(*seconds) * 1.5
                );
                return self.does("look whether its network or the client itself is gone or stuck");
            }
            Cause::TakenOver { by } => {
                self.why = format!("the same Client Identifier has come from {}", by.address);
                return self.does("if these are two clients, give each an identifier of its own");
            }
            Cause::Disconnect if reason == ReasonCode::Success => ("it said goodbye", None),
            Cause::Disconnect if reason == ReasonCode::DisconnectWithWill => {
                ("it said goodbye, and that its will is to be published", None)
            }
            Cause::Disconnect => {
                self.why = format!("it said goodbye: {reason}");
                return;
            }
            Cause::PeerClosed => ("it closed the connection without a DISCONNECT", None),
            Cause::Reset => ("the connection broke", None),
            Cause::Vanished => ("it was not heard of any more: its machine or network is gone", None),
            Cause::Denied if reason == ReasonCode::BadAuthenticationMethod => (
                "there is no such authentication method here",
                Some("connect without one, by user name and password if any are wanted"),
            ),
            Cause::Denied if reason == ReasonCode::ServerBusy => (
                "nobody could say in time who it is",
                Some("look at who decides that, and at answer_seconds"),
            ),
            Cause::Denied => {
                self.why = format!("it is not let in: {reason}");
                return;
            }
            Cause::WillDenied => {
                ("its will may not be published by it", Some("give the will a topic that it may publish to"))
            }
            Cause::OthersSession => (
                "the session under this Client Identifier is another user's",
                Some("give each client an identifier of its own"),
            ),
            Cause::Outdated => ("a connection that came later has its session", None),
            Cause::Revoked => {
                self.why = format!("what let it in has ended: {reason}");
                return;
            }
            Cause::TooSlow => (
                "its queue is full, and whoever is too slow is disconnected",
                Some("look whether it is stuck, or raise --limit queued_messages"),
            ),
            Cause::JournalFailed => (
                "the journal can take no more, so nothing can be promised",
                Some("look at the disk, then restart"),
            ),
            Cause::Ordered => ("it was disconnected by order", None),
            Cause::Shutdown => ("this server ends", None),
            _ => (cause.name(), None),
        };
        self.why = why.into();
        self.remedy = remedy.map(Into::into);
    }

    /// Why messages did not reach somebody.
    fn dropped(&mut self, reason: Reason) {
        let (why, remedy) = match reason {
            Reason::QueueFull => {
                self.limit = Some("queued_messages");
                ("its queue is full, and new messages are dropped", Some(QUEUE))
            }
            Reason::MadeRoom => {
                self.limit = Some("queued_messages");
                ("its queue is full, and the oldest messages were dropped", Some(QUEUE))
            }
            Reason::ShardFull => {
                self.limit = Some("shard_queued_bytes");
                (
                    "all queues of the shard together are full",
                    Some("find who does not read, or raise the limit"),
                )
            }
            Reason::SessionEnded => ("its session ended before it got them", None),
            Reason::TooLarge => (
                "they are larger than the Maximum Packet Size that it gave [MQTT-3.1.2-25]",
                Some("raise that in the client"),
            ),
            Reason::NotAuthorized => {
                ("it may not receive them, or their publisher not publish them any more", None)
            }
            Reason::Refused => ("it refused them, by a Reason Code", Some("look at the client's own log")),
            other => (other.name(), None),
        };
        self.why = why.into();
        self.remedy = remedy.map(Into::into);
    }
}

const QUEUE: &str =
    "see that it comes and reads, end its session, or raise --limit queued_messages and queued_bytes";

fn welcome(anonymous: bool, version: Version, keep_alive: u16, session_present: bool) -> String {
    let session = if session_present { "its session goes on" } else { "a new session" };
    let version = match version {
        Version::V3_1 => "3.1",
        Version::V3_1_1 => "3.1.1",
        Version::V5 => "5.0",
    };
    let anonymous = if anonymous { ", anonymous" } else { "" };
    match keep_alive {
        0 => format!("MQTT {version}{anonymous}, no Keep Alive, {session}"),
        seconds => format!("MQTT {version}{anonymous}, Keep Alive {seconds} s, {session}"),
    }
}

/// How much a limit allows, and of what.
fn beyond(limit: Limit, value: Option<&str>) -> String {
    let Some(row) = Limits::table().iter().find(|row| row.name == limit.name()) else {
        return "there is a limit".into();
    };
    // Of several sentences the first says what is limited.
    let about = decapitalised(row.doc.split(". ").next().unwrap_or(row.doc).trim_end_matches('.'));
    let unit = match row.unit {
        Unit::Seconds => " s",
        Unit::PerSecond => " a second",
        Unit::PerMinute => " a minute",
        _ => "",
    };
    match value {
        Some(value) => format!("more than {value}{unit}: {about}"),
        None => format!("too much: {about}"),
    }
}

fn decapitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    // Names of the specification keep their capitals.
    let (rest, next) = chars.as_str().split_once(' ').unwrap_or((chars.as_str(), ""));
    let is_name = rest.chars().any(char::is_uppercase) || next.starts_with(char::is_uppercase);
    if is_name { text.into() } else { first + chars.as_str() }
}

fn raise(limit: Limit) -> String {
    format!("if so much is meant, raise it by --limit {}=…", limit.name())
}

/// What a peer chose may be as long as it likes.
fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}
