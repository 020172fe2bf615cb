#![doc = include_str!("../README.md")]
//! ## Where to begin
//!
//! [`Server::start`] binds its listeners, sizes itself to the machine, and starts a shard for each core.
//!
//! A program that embeds it says by [`Options::policy`] who is let in and who may do what, hears of everything by
//! [`Options::host`], and reaches the shards through [`Server::mailboxes`].
#![forbid(unsafe_code)]
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod descriptors;
mod error;
mod journals;
mod listeners;
pub mod log;
mod memory;
mod runtime;
mod signals;

pub use descriptors::raise as raise_descriptors;
pub use error::StartError;
pub use journals::{Journals, Recorded};
pub use listeners::{Bound, DEFAULT_LISTEN, IPV6_SKIPPED};
pub use runtime::{Runtime, UnknownRuntime};
pub use signals::{Hangups, Signal, Signals};
pub use tidewire_core::broker::policy::Policy;
pub use tidewire_core::broker::{Limit, LimitError, Limits};
pub use tidewire_core::codec::Leniency;
pub use tidewire_core::id::{Position, ShardId};
pub use tidewire_driver::serve::ServerMailbox;
pub use tidewire_driver::{Host, Journal, Post, Synced};

use listeners::Door;
use log::{Log, LogHost, Occurrence};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tidewire_core::broker::Config;
use tidewire_core::broker::policy::Open;
use tidewire_core::time::Instant;
use tidewire_driver::serve::{Notice, Running, ServeConfig};
use tidewire_driver::{Clock, ShardSetup};

/// Makes what each shard has one of: called once for each, before the server starts. What it makes lives on the shard's
/// thread.
pub type ForEachShard<T> = Arc<dyn Fn(ShardId) -> Box<T> + Send + Sync>;

/// What a server is to be like.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Where to listen: `ADDRESS:PORT` or `NAME:PORT`. None: [`DEFAULT_LISTEN`].
    pub listen: Vec<String>,
    /// How many shards. None: one for each core.
    pub shards: Option<u16>,
    /// What the shards run on.
    pub runtime: Runtime,
    /// The table of limits.
    pub limits: Limits,
    /// Which faults of clients are forgiven. None: none.
    pub lenient: Leniency,
    /// Let everybody in on listeners beyond loopback, too. Not needed where there is a policy.
    pub allow_anonymous: bool,
    /// Who is let in, and may do what. None: everybody, and [all but the server's own
    /// topics](tidewire_core::broker::policy::Everything).
    ///
    /// What one of them says of an identity has to hold on all shards.
    pub policy: Option<ForEachShard<dyn Policy + Send>>,
    /// The program around the server: it is told all events, finds the answers that the policy puts off, and takes what
    /// comes for its local subscribers. What it has to say in turn it posts to [`Server::mailboxes`].
    pub host: Option<ForEachShard<dyn Host + Send>>,
    /// Where what must not be lost is written down. None: a restart forgets everything.
    pub journals: Option<Journals>,
    /// Is told what an operator may want to know.
    pub log: Log,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("shards", &self.shards)
            .field("runtime", &self.runtime)
            .field("allow_anonymous", &self.allow_anonymous)
            .finish_non_exhaustive()
    }
}

/// A server that runs. Dropping it doesn't stop it.
#[derive(Debug)]
pub struct Server {
    running: Running,
    listeners: Vec<Bound>,
    shards: u16,
    runtime: Runtime,
    log: Log,
}

/// Stops a server from anywhere.
#[derive(Clone, Debug)]
pub struct Stopper {
    stopper: tidewire_driver::serve::Stopper,
    log: Log,
}

impl Stopper {
    /// Accepts nobody any more, says goodbye to everybody, and ends after `grace` at the latest.
    pub fn shutdown(&self, grace: Duration) {
        self.log.tell(Occurrence::Stopping { grace });
        self.stopper.shutdown(grace);
    }
}

impl Server {
    /// Binds, sizes and starts. When it returns, connections are accepted.
    pub fn start(options: &Options) -> Result<Self, StartError> {
        let door = match (&options.policy, options.allow_anonymous) {
            (Some(_), _) => Door::Guarded,
            (None, true) => Door::Open,
            (None, false) => Door::OpenHere,
        };
        let bound = listeners::bind(&options.listen, door)?;
        let log = options.log.clone();
        let shards = options.shards.unwrap_or_else(default_shards).max(1);
        log.tell(Occurrence::Started {
            version: env!("CARGO_PKG_VERSION"),
            shards,
            runtime: options.runtime,
        });
        if let Some(allowed) = descriptors::raise(connections_wanted(&options.limits, shards)) {
            log.tell(Occurrence::FewFiles { allowed });
        }
        let (listeners, sockets): (Vec<_>, Vec<_>) = bound.into_iter().unzip();
        let names: Arc<[Arc<str>]> =
            listeners.iter().map(|listener| listener.address.to_string().into()).collect();
        let (setups, newest) = set_up(options, shards, &names)?;
        for (listener, name) in listeners.iter().zip(&*names) {
            log.tell(Occurrence::Listening { listener: Arc::clone(name), terms: listener.terms() });
        }
        let notices = notices(log.clone(), names);
        let mut config = ServeConfig::new(sockets, setups, Clock::start().not_before(newest));
        config.notices = notices;
        let running = options.runtime.serve(config).map_err(StartError::Runtime)?;
        Ok(Self { running, listeners, shards, runtime: options.runtime, log })
    }

    /// Where it listens, with the ports that were given to port 0.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|listener| listener.address)
    }

    /// Where it listens, and whom it lets in there.
    pub fn listeners(&self) -> &[Bound] {
        &self.listeners
    }

    /// Into each shard, by its number: for answers that a policy put off, and for what a program does with a broker on
    /// its own thread, such as opening a local subscriber.
    pub fn mailboxes(&self) -> &[ServerMailbox] {
        self.running.mailboxes()
    }

    /// How many shards it has.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// What its shards run on.
    pub fn runtime(&self) -> Runtime {
        self.runtime
    }

    /// Stops it, from another thread for instance.
    pub fn stopper(&self) -> Stopper {
        Stopper { stopper: self.running.stopper(), log: self.log.clone() }
    }

    /// Accepts nobody any more, says goodbye to everybody, and ends after `grace` at the latest.
    pub fn shutdown(&self, grace: Duration) {
        self.stopper().shutdown(grace);
    }

    /// Waits for its end.
    pub fn join(self) {
        self.running.join();
        self.log.tell(Occurrence::Stopped);
    }
}

fn default_shards() -> u16 {
    std::thread::available_parallelism().map_or(1, |n| u16::try_from(n.get()).unwrap_or(u16::MAX))
}

/// For so many connections there should be descriptors: as many as were asked for, or, where nobody has said how many,
/// as many as one address may have on a shard.
fn connections_wanted(limits: &Limits, shards: u16) -> u64 {
    if limits.is_set("connections") {
        u64::from(limits.connections()) * u64::from(shards)
    } else {
        limits.connections_per_address().into()
    }
}

/// Each shard, and the newest time that any of them knows of.
fn set_up(
    options: &Options,
    shards: u16,
    listeners: &Arc<[Arc<str>]>,
) -> Result<(Vec<ShardSetup>, Instant), StartError> {
    let limits = Arc::new(limits(options, shards)?);
    let (placement, incarnation) = match &options.journals {
        Some(journals) => (journals.placement, journals.incarnation),
        None => (secret()?, u32::from_ne_bytes(secret()?)),
    };
    let mut newest = Instant::default();
    let setups = (0..shards)
        .map(|shard| {
            let shard = ShardId(shard);
            let policy =
                options.policy.as_ref().map_or_else(|| Box::new(Open::new()) as _, |make| make(shard));
            let mut config = Config::new(policy, secret()?).one_of(shards, shard, placement);
            config.incarnation = incarnation;
            config.limits = Limits::clone(&limits);
            config.lenient = options.lenient;
            let host = LogHost {
                log: options.log.clone(),
                program: options.host.as_ref().map(|make| make(shard)),
                anonymous: options.policy.is_none(),
                listeners: Arc::clone(listeners),
                limits: Arc::clone(&limits),
            };
            let mut setup = match &options.journals {
                Some(journals) => {
                    let (setup, told) = journals.restore(config)?;
                    newest = newest.max(told);
                    setup
                }
                None => ShardSetup::new(config),
            };
            setup.host = Box::new(host);
            Ok(setup)
        })
        .collect::<Result<_, StartError>>()?;
    Ok((setups, newest))
}

/// The limits as they were set, sized to the machine; what is not as it would be by itself is told.
fn limits(options: &Options, shards: u16) -> Result<Limits, StartError> {
    let mut limits = options.limits.clone();
    if !limits.is_set("shard_queued_bytes")
        && let Some(memory) = memory::usable()
    {
        // Whole MiB read better.
        let share = (memory / 4 / u64::from(shards)).max(1 << 20) >> 20 << 20;
        limits.set_number(Limit::shard_queued_bytes, share).map_err(StartError::Limit)?;
    }
    for row in Limits::table().iter().filter(|row| limits.is_set(row.name)) {
        let (limit, default, by_hand) = (row.name, row.default, options.limits.is_set(row.name));
        let value = limits.get(limit).unwrap_or_default();
        options.log.tell(Occurrence::LimitSet { limit, value, default, by_hand });
    }
    Ok(limits)
}

/// Bytes that nobody can guess.
fn secret<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| StartError::Randomness)?;
    Ok(bytes)
}

fn notices(log: Log, names: Arc<[Arc<str>]>) -> Arc<dyn Fn(Notice) + Send + Sync> {
    let name = move |listener: u16| names.get(usize::from(listener)).cloned().unwrap_or_default();
    Arc::new(move |notice| match notice {
        Notice::Paused { listener, error } => {
            log.tell(Occurrence::AcceptPaused { listener: name(listener), error });
        }
        Notice::Resumed { listener } => log.tell(Occurrence::AcceptResumed { listener: name(listener) }),
        _ => {}
    })
}
