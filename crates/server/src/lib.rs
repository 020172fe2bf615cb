#![doc = include_str!("../README.md")]
//! ## Where to begin
//!
//! [`Server::start`] binds its listeners, sizes itself to the machine, and starts a shard for each core.
//!
//! A program that embeds it says by [`BrokerOptions::policy`] who is let in and who may do what, hears of everything by
//! [`BrokerOptions::host`], and reaches the shards through [`Server::mailboxes`].
#![forbid(unsafe_code)]
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod descriptors;
pub mod log;
mod memory;
mod runtime;
mod signals;

pub use descriptors::raise as raise_descriptors;
pub use runtime::{Runtime, UnknownRuntime};
pub use signals::{Hangups, Signal, Signals};
pub use tidewire_core::broker::policy::Policy;
pub use tidewire_core::broker::{Limit, LimitError, Limits};
pub use tidewire_core::codec::Leniency;
pub use tidewire_core::id::{Position, ShardId};
pub use tidewire_driver::client::Connect;
pub use tidewire_driver::serve::{
    Bound, DEFAULT_LISTEN, ForEachShard, IPV6_SKIPPED, Journals, Options as BrokerOptions, Recorded,
    ServerMailbox, StartError,
};
pub use tidewire_driver::{Host, Journal, Post, Synced};

use log::{Log, LogHost, Occurrence};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tidewire_driver::serve::{Notice, Running, ServeConfig};

/// What a server is to be like.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// What its broker is to be like. Where it does not say where to listen: [`DEFAULT_LISTEN`]; how many shards: one for
    /// each core; how much may wait on a shard: a share of this machine's memory.
    pub broker: BrokerOptions,
    /// What the shards run on.
    pub runtime: Runtime,
    /// Is told what an operator may want to know.
    pub log: Log,
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
        let broker = &options.broker;
        let bound = if broker.listen.is_empty() { broker.bind_default() } else { broker.bind() }?;
        let log = options.log.clone();
        let shards = broker.shards.unwrap_or_else(default_shards).max(1);
        log.tell(Occurrence::Started {
            version: env!("CARGO_PKG_VERSION"),
            shards,
            runtime: options.runtime,
        });
        if let Some(allowed) = descriptors::raise(connections_wanted(&broker.limits, shards)) {
            log.tell(Occurrence::FewFiles { allowed });
        }
        let (listeners, sockets): (Vec<_>, Vec<_>) = bound.into_iter().unzip();
        let names: Arc<[Arc<str>]> =
            listeners.iter().map(|listener| listener.address.to_string().into()).collect();
        let (setups, clock) = logged(options, shards, &names)?.set_up(shards)?;
        for (listener, name) in listeners.iter().zip(&*names) {
            log.tell(Occurrence::Listening { listener: Arc::clone(name), terms: listener.terms() });
        }
        let notices = notices(log.clone(), names);
        let mut config = ServeConfig::new(sockets, setups, clock);
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

    /// A client of it in this process: no socket, and otherwise like any other.
    pub fn connect(&self) -> Connect {
        self.running.connect()
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

/// Its broker, sized to the machine, with the log beside the program around it.
fn logged(options: &Options, shards: u16, listeners: &Arc<[Arc<str>]>) -> Result<BrokerOptions, StartError> {
    let mut broker = options.broker.clone();
    broker.limits = limits(options, shards)?;
    let (log, listeners, limits) =
        (options.log.clone(), Arc::clone(listeners), Arc::new(broker.limits.clone()));
    let (program, anonymous) = (broker.host.take(), broker.policy.is_none());
    broker.host = Some(Arc::new(move |shard| {
        Box::new(LogHost {
            log: log.clone(),
            program: program.as_ref().map(|make| make(shard)),
            anonymous,
            listeners: Arc::clone(&listeners),
            limits: Arc::clone(&limits),
        })
    }));
    Ok(broker)
}

/// The limits as they were set, sized to the machine; what is not as it would be by itself is told.
fn limits(options: &Options, shards: u16) -> Result<Limits, StartError> {
    let mut limits = options.broker.limits.clone();
    if !limits.is_set("shard_queued_bytes")
        && let Some(memory) = memory::usable()
    {
        // Whole MiB read better.
        let share = (memory / 4 / u64::from(shards)).max(1 << 20) >> 20 << 20;
        limits.set_number(Limit::shard_queued_bytes, share).map_err(StartError::Limit)?;
    }
    for row in Limits::table().iter().filter(|row| limits.is_set(row.name)) {
        let (limit, default, by_hand) = (row.name, row.default, options.broker.limits.is_set(row.name));
        let value = limits.get(limit).unwrap_or_default();
        options.log.tell(Occurrence::LimitSet { limit, value, default, by_hand });
    }
    Ok(limits)
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
