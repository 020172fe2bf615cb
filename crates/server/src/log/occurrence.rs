//! All that a server says of itself, and how each of it is put.
use super::thrift::Kind;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tidewire_core::broker::ledger::Reason;
use tidewire_core::broker::{Cause, Limit};
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;
use tracing::Level;

/// Something that an operator may want to know: one line of the log.
///
/// From this list follow the text, the JSON and the page of the guide.
#[derive(Debug)]
#[non_exhaustive]
pub enum Occurrence {
    /// A server has started.
    Started {
        /// Of this package.
        version: &'static str,
        /// Threads that serve clients.
        shards: u16,
        /// What they run on.
        runtime: crate::Runtime,
    },
    /// A listener is open.
    Listening {
        /// Its name.
        listener: Arc<str>,
        /// What is spoken there, and who is let in.
        terms: &'static str,
    },
    /// A limit is not what it would be by itself.
    LimitSet {
        /// By the name that `set` takes.
        limit: &'static str,
        /// As `set` takes it.
        value: String,
        /// What it would be.
        default: &'static str,
        /// The operator set it; otherwise it follows from the machine.
        by_hand: bool,
    },
    /// The process may open fewer files than it may need.
    FewFiles {
        /// So many.
        allowed: u64,
    },
    /// A client was let in.
    Connected {
        /// This one.
        who: Who,
        /// Without being asked who it is.
        anonymous: bool,
        /// What it speaks.
        version: Version,
        /// In seconds; 0 is none.
        keep_alive: u16,
        /// Its session was there, and goes on.
        session_present: bool,
    },
    /// Somebody was not let in.
    Refused {
        /// What is known of it.
        who: Who,
        /// What it is told, if its version has words for it.
        reason: ReasonCode,
        /// Why.
        cause: Cause,
        /// The value of the limit, if that is the cause.
        limit: Option<String>,
    },
    /// The connection of a client that was in has ended, or is being closed.
    Closed {
        /// This one.
        who: Who,
        /// As its DISCONNECT or ours said.
        reason: ReasonCode,
        /// Why.
        cause: Cause,
        /// The value of the limit, if that is the cause.
        limit: Option<String>,
    },
    /// Somebody did what the rules don't allow.
    MayNot {
        /// This one.
        who: Who,
        /// What.
        act: Act,
        /// The Topic Name or Topic Filter, one of them if there were several.
        topic: Box<str>,
        /// How often.
        count: u64,
    },
    /// A client asked for more than a limit allows, and goes on.
    LimitMet {
        /// This one.
        who: Who,
        /// The limit.
        limit: Limit,
        /// Its value.
        value: Option<String>,
        /// How often.
        count: u64,
    },
    /// A publisher has to wait.
    Paused {
        /// This one.
        who: Who,
        /// For this client; or for another shard.
        behind: Option<Box<str>>,
        /// How often.
        count: u64,
    },
    /// Messages for a client did not reach it.
    Dropped {
        /// For this one.
        who: Who,
        /// Why.
        reason: Reason,
        /// How many.
        count: u64,
    },
    /// A listener can't accept for the time being.
    AcceptPaused {
        /// Which.
        listener: Arc<str>,
        /// Why.
        error: io::Error,
    },
    /// It can again.
    AcceptResumed {
        /// Which.
        listener: Arc<str>,
    },
    /// A signal came that changes nothing.
    SignalIgnored {
        /// Its name.
        signal: &'static str,
    },
    /// An orderly end has begun.
    Stopping {
        /// It takes so long at most.
        grace: Duration,
    },
    /// The server has ended.
    Stopped,
    /// Events of the broker were lost before they could become lines.
    Missed {
        /// How many.
        count: u64,
    },
}

/// What somebody may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send messages there.
    Publish,
    /// Subscribe to that.
    Subscribe,
}

/// Whom a line is about, as far as that is known.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// The listener's name.
    pub listener: Option<Arc<str>>,
    /// Address and port.
    pub from: Option<SocketAddr>,
    /// Client Identifier.
    pub client: Option<Box<str>>,
    /// The user's name; of somebody who was not let in, what it said.
    pub user: Option<Box<str>>,
}

/// Lines of one kind and address that may be written at once, where each names somebody who was let in.
const BURST: u32 = 20;

impl Occurrence {
    /// The names of all kinds of lines; the guide explains each.
    pub const WHATS: [&str; 19] = [
        "started",
        "listening",
        "limit-set",
        "few-files",
        "connected",
        "refused",
        "closed",
        "taken-over",
        "may-not",
        "limit-met",
        "paused",
        "queue-full",
        "dropped",
        "accept-paused",
        "accept-resumed",
        "signal-ignored",
        "stopping",
        "stopped",
        super::LEFT_OUT,
    ];

    /// What kind of line it is.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Listening { .. } => "listening",
            Self::LimitSet { .. } => "limit-set",
            Self::FewFiles { .. } => "few-files",
            Self::Connected { .. } => "connected",
            Self::Refused { .. } => "refused",
            Self::Closed { cause: Cause::TakenOver { .. }, .. } => "taken-over",
            Self::Closed { .. } => "closed",
            Self::MayNot { .. } => "may-not",
            Self::LimitMet { .. } => "limit-met",
            Self::Paused { .. } => "paused",
            Self::Dropped { reason: Reason::QueueFull | Reason::MadeRoom, .. } => "queue-full",
            Self::Dropped { .. } => "dropped",
            Self::AcceptPaused { .. } => "accept-paused",
            Self::AcceptResumed { .. } => "accept-resumed",
            Self::SignalIgnored { .. } => "signal-ignored",
            Self::Stopping { .. } => "stopping",
            Self::Stopped => "stopped",
            Self::Missed { .. } => super::LEFT_OUT,
        }
    }

    /// How much it matters.
    pub fn level(&self) -> Level {
        match self {
            Self::Closed { who, cause, .. } => closed_level(who, cause),
            Self::Refused { cause: Cause::JournalFailed, .. } => Level::ERROR,
            Self::Refused { .. }
            | Self::MayNot { .. }
            | Self::LimitMet { .. }
            | Self::FewFiles { .. }
            | Self::AcceptPaused { .. }
            | Self::Missed { .. } => Level::WARN,
            Self::Dropped { reason, .. } if *reason == Reason::SessionEnded => Level::INFO,
            Self::Dropped { .. } => Level::WARN,
            _ => Level::INFO,
        }
    }

    /// What is counted together when there is too much of it.
    pub(crate) fn kind(&self) -> Kind {
        let who = self.who();
        let is_warning = self.level() < Level::INFO;
        let (which, burst) = match self {
            Self::Refused { cause, .. } => (cause.name(), 1),
            Self::Closed { cause, .. } if is_warning => (cause.name(), 1),
            Self::Closed { .. } => ("", BURST),
            Self::Dropped { reason, .. } => (reason.name(), BURST),
            Self::LimitMet { limit, .. } => (limit.name(), BURST),
            Self::LimitSet { .. } | Self::Listening { .. } => ("", u32::MAX),
            _ => ("", BURST),
        };
        Kind { what: self.what(), which, from: who.and_then(Who::ip), burst, is_warning }
    }

    /// How many it stands for.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Self::MayNot { count, .. }
            | Self::LimitMet { count, .. }
            | Self::Paused { count, .. }
            | Self::Dropped { count, .. } => *count,
            _ => 1,
        }
    }

    fn who(&self) -> Option<&Who> {
        match self {
            Self::Connected { who, .. }
            | Self::Refused { who, .. }
            | Self::Closed { who, .. }
            | Self::MayNot { who, .. }
            | Self::LimitMet { who, .. }
            | Self::Paused { who, .. }
            | Self::Dropped { who, .. } => Some(who),
            _ => None,
        }
    }
}

/// An end that is nobody's fault is no warning.
fn closed_level(who: &Who, cause: &Cause) -> Level {
    match cause {
        Cause::TakenOver { by } if who.ip() != Some(by.address.ip()) => Level::WARN,
        Cause::Disconnect
        | Cause::PeerClosed
        | Cause::Reset
        | Cause::Vanished
        | Cause::KeepAlive { .. }
        | Cause::TakenOver { .. }
        | Cause::Ordered
        | Cause::Shutdown => Level::INFO,
        Cause::JournalFailed => Level::ERROR,
        _ => Level::WARN,
    }
}

impl Who {
    fn ip(&self) -> Option<IpAddr> {
        self.from.map(|from| from.ip())
    }
}
