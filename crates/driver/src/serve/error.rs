//! Why a server doesn't start.
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use tidewire_core::broker::{LimitError, RestoreError};
use tidewire_core::id::ShardId;

/// Why a server doesn't start; its text is one line: place, cause, remedy.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// It says where to listen in a way that is not understood.
    Listen {
        /// What it said.
        listen: Box<str>,
    },
    /// A host name that has no address.
    Resolve {
        /// What it said.
        listen: Box<str>,
        /// What the resolver said.
        error: io::Error,
    },
    /// A listener can't be had.
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Strangers could reach it, and nobody has said that they may.
    Open {
        /// Where.
        address: SocketAddr,
    },
    /// The memory's share can't be set.
    Limit(LimitError),
    /// The system gave no random bytes.
    Randomness,
    /// A shard's journal can't be read.
    Journal {
        /// Which shard's.
        shard: ShardId,
        /// What the system said.
        error: io::Error,
    },
    /// What a shard's journal says can't be restored.
    Recorded {
        /// Which shard's.
        shard: ShardId,
        /// From where on, and why.
        error: RestoreError,
    },
    /// The system gave no thread or no way to wait for sockets.
    Runtime(io::Error),
}

impl StartError {
    /// It is the caller's to say it differently, whatever the machine is like.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Listen { .. } | Self::Open { .. })
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { listen } => listen_help(f, listen),
            Self::Resolve { listen, error } => {
                write!(f, "can't listen on {listen}: the name has no address ({error}); give an IP address")
            }
            Self::Bind { address, error } => {
                write!(f, "can't listen on {address}: {}", Cause { address: *address, error })
            }
            Self::Open { address } => write!(
                f,
                "won't listen on {address}: it can be reached from other machines, and nobody would be asked who \
                 they are; allow that (--allow-anonymous) if it is meant, or listen on {} only",
                loopback(*address)
            ),
            Self::Limit(error) => {
                write!(f, "can't size shard_queued_bytes to this machine ({error}); set it")
            }
            Self::Randomness => write!(f, "the operating system gives no random bytes; see getrandom(2)"),
            Self::Journal { shard, error } => {
                write!(f, "can't read the journal of shard {}: {error}", shard.0)
            }
            Self::Recorded { shard, error } => {
                write!(f, "can't restore shard {}: {error}", shard.0)?;
                // Of another version's format it says what to do itself.
                if let RestoreError::Corrupt(_) = error {
                    write!(f, "; put back a copy, or move it away to begin without what it holds")?;
                }
                Ok(())
            }
            Self::Runtime(error) => {
                write!(f, "can't start: {error}; try fewer shards, or raise ulimit -n and -u")
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Resolve { error, .. }
            | Self::Bind { error, .. }
            | Self::Journal { error, .. }
            | Self::Runtime(error) => Some(error),
            Self::Recorded { error, .. } => Some(error),
            Self::Listen { .. } | Self::Open { .. } | Self::Limit(_) | Self::Randomness => None,
        }
    }
}

fn listen_help(f: &mut fmt::Formatter<'_>, listen: &str) -> fmt::Result {
    write!(f, "can't listen on `{}`: ", listen.escape_debug())?;
    if listen.parse::<u16>().is_ok() {
        write!(f, "it has no address; say 127.0.0.1:{listen} for this machine, 0.0.0.0:{listen} for all")
    } else if let Ok(address) = listen.parse::<std::net::IpAddr>() {
        write!(f, "it has no port; say {}", SocketAddr::new(address, 1883))
    } else {
        write!(f, "it takes an address and a port, such as 127.0.0.1:1883 or [::1]:1883")
    }
}

fn loopback(address: SocketAddr) -> SocketAddr {
    let ip = if address.is_ipv4() {
        std::net::Ipv4Addr::LOCALHOST.into()
    } else {
        std::net::Ipv6Addr::LOCALHOST.into()
    };
    SocketAddr::new(ip, address.port())
}

struct Cause<'a> {
    address: SocketAddr,
    error: &'a io::Error,
}

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error.kind() {
            ErrorKind::AddrInUse => {
                write!(f, "the port is in use, perhaps by another broker; stop that, or choose another port")
            }
            ErrorKind::AddrNotAvailable => write!(
                f,
                "no interface of this machine has that address; use one it has, or {} for all",
                if self.address.is_ipv4() { "0.0.0.0" } else { "[::]" }
            ),
            ErrorKind::PermissionDenied => write!(
                f,
                "not permitted; ports below 1024 need a privilege (CAP_NET_BIND_SERVICE), so choose a higher one"
            ),
            _ => write!(f, "{}", self.error),
        }
    }
}
