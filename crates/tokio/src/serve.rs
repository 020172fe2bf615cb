//! A whole server: listeners, and a thread for each shard.
use crate::Tokio;
use crate::accept::{Acceptor, Notices, Turns};
use std::fmt;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tidewire_core::broker::Broker;
use tidewire_driver::poll::{PollReactor, ShardFuture};
use tidewire_driver::{Clock, Mailbox, Post, Shard, ShardSetup};
use tokio::runtime::Runtime;
use tokio::task::{AbortHandle, unconstrained};

/// What [`serve`] needs.
pub struct ServeConfig {
    /// Bound and listening. Their order numbers them, as in `Peer::listener`.
    pub listeners: Vec<TcpListener>,
    /// In the order of their numbers, at least one.
    pub shards: Vec<ShardSetup>,
    /// All shards' clock.
    pub clock: Clock,
    /// Is told when a listener can't accept for a while.
    pub notices: Notices,
}

impl fmt::Debug for ServeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeConfig")
            .field("listeners", &self.listeners)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

/// A server that runs until it is stopped.
#[derive(Debug)]
pub struct Running {
    threads: Vec<JoinHandle<()>>,
    stopper: Stopper,
}

/// Stops a server from anywhere.
#[derive(Clone, Debug)]
pub struct Stopper {
    clock: Clock,
    acceptors: Vec<AbortHandle>,
    mailboxes: Vec<Mailbox<Broker, TcpStream>>,
}

impl Stopper {
    /// Accepts nobody any more, says goodbye to everybody, and ends after `grace` at the latest.
    pub fn shutdown(&self, grace: Duration) {
        for acceptor in &self.acceptors {
            acceptor.abort();
        }
        let deadline = self.clock.now().after(grace);
        for mailbox in &self.mailboxes {
            mailbox.post(Post::Shutdown(deadline));
        }
    }

    /// Into each shard, by its number.
    pub fn mailboxes(&self) -> &[Mailbox<Broker, TcpStream>] {
        &self.mailboxes
    }
}

impl Running {
    /// Stops it, from another thread for instance.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits until all shards have ended.
    pub fn join(self) {
        for thread in self.threads {
            // A shard that panics takes the process with it.
            let _ = thread.join();
        }
    }
}

/// Starts a server. Each shard's panic ends the process.
pub fn serve(config: ServeConfig) -> io::Result<Running> {
    assert!(!config.shards.is_empty(), "a server has at least one shard");
    let mailboxes: Vec<_> = config.shards.iter().map(|_| Mailbox::default()).collect();
    let runtimes = config.shards.iter().map(|_| runtime()).collect::<io::Result<Vec<_>>>()?;
    let shards = Arc::new(Turns::new(mailboxes.clone()));
    let mut acceptors = Vec::new();
    for ((number, listener), runtime) in (0..).zip(config.listeners).zip(runtimes.iter().cycle()) {
        let _entered = runtime.enter();
        listener.set_nonblocking(true)?;
        let acceptor = Acceptor {
            listener: tokio::net::TcpListener::from_std(listener)?,
            number,
            clock: config.clock,
            notices: Arc::clone(&config.notices),
            shards: Arc::clone(&shards),
        };
        acceptors.push(runtime.spawn(acceptor.run()).abort_handle());
    }
    let stopper = Stopper { clock: config.clock, acceptors, mailboxes };
    let mut threads = Vec::new();
    for (runtime, setup) in runtimes.into_iter().zip(config.shards) {
        let (clock, mailboxes) = (config.clock, stopper.mailboxes.clone());
        let name = format!("shard-{}", setup.config.shard.0);
        let thread = tidewire_driver::spawn(name, move || run(&runtime, setup, clock, mailboxes));
        threads.push(thread.inspect_err(|_| stopper.shutdown(Duration::ZERO))?);
    }
    Ok(Running { threads, stopper })
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

/// A shard's thread. The shard is what the runtime blocks on, not a task: its wake-ups then cost nothing, and
/// readiness is looked for between any two turns.
fn run(runtime: &Runtime, setup: ShardSetup, clock: Clock, mailboxes: Vec<Mailbox<Broker, TcpStream>>) {
    let _entered = runtime.enter();
    let shard = Shard::start(setup, clock, PollReactor::<Tokio>::new(clock), mailboxes);
    runtime.block_on(unconstrained(ShardFuture::new(shard)));
}
