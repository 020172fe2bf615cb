//! What a whole server consists of, whatever the runtime.
pub use crate::accept::Notice;
use crate::{Clock, Mailbox, Post, ShardSetup, Socket};
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tidewire_core::broker::Broker;

/// Who wants to hear about listeners.
pub type Notices = Arc<dyn Fn(Notice) + Send + Sync>;

/// The mailbox into one shard of a server.
pub type ServerMailbox = Mailbox<Broker, Socket>;

/// What an adapter needs to run a server.
///
/// ```
/// use std::net::TcpListener;
/// use tidewire_core::broker::Config;
/// use tidewire_core::broker::policy::Open;
/// use tidewire_driver::serve::ServeConfig;
/// use tidewire_driver::{Clock, ShardSetup};
///
/// let listeners = vec![TcpListener::bind("127.0.0.1:0")?];
/// let shard = ShardSetup::new(Config::new(Box::new(Open::new()), [43; 32]));
/// let mut config = ServeConfig::new(listeners, vec![shard], Clock::start());
/// config.notices = std::sync::Arc::new(|notice| println!("{notice:?}"));
/// // For `serve` of an adapter; one of your own begins with a mailbox for each shard.
/// assert_eq!(config.mailboxes().len(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[non_exhaustive]
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

impl ServeConfig {
    /// A server that serves these listeners with these shards, and tells nobody when a listener can't accept.
    pub fn new(listeners: Vec<TcpListener>, shards: Vec<ShardSetup>, clock: Clock) -> Self {
        Self { listeners, shards, clock, notices: Arc::new(|_| ()) }
    }

    /// A mailbox for each shard.
    pub fn mailboxes(&self) -> Vec<ServerMailbox> {
        assert!(!self.shards.is_empty(), "a server has at least one shard");
        self.shards.iter().map(|_| Mailbox::default()).collect()
    }
}

/// A server that runs until it is stopped.
#[derive(Debug)]
pub struct Running {
    threads: Vec<JoinHandle<()>>,
    stopper: Stopper,
}

/// Stops a server from anywhere.
#[derive(Clone)]
pub struct Stopper {
    clock: Clock,
    stop_accepting: Arc<dyn Fn() + Send + Sync>,
    mailboxes: Vec<ServerMailbox>,
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").field("mailboxes", &self.mailboxes).finish_non_exhaustive()
    }
}

impl Stopper {
    /// Accepts nobody any more, says goodbye to everybody, and ends after `grace` at the latest.
    pub fn shutdown(&self, grace: Duration) {
        (self.stop_accepting)();
        let deadline = self.clock.now().after(grace);
        for mailbox in &self.mailboxes {
            mailbox.post(Post::Shutdown(deadline));
        }
    }

    /// Into each shard, by its number.
    pub fn mailboxes(&self) -> &[ServerMailbox] {
        &self.mailboxes
    }
}

impl Running {
    /// A server whose threads are still to be started. `stop_accepting` closes its listeners, soon.
    pub fn new(
        clock: Clock,
        mailboxes: Vec<ServerMailbox>,
        stop_accepting: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let stopper = Stopper { clock, stop_accepting: Arc::new(stop_accepting), mailboxes };
        Self { threads: Vec::new(), stopper }
    }

    /// One more thread of it, whose panic ends the process. Where there is none to be had, those that were
    /// started end.
    pub fn spawn(&mut self, name: String, thread: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread =
            crate::thread::spawn(name, thread).inspect_err(|_| self.stopper.shutdown(Duration::ZERO))?;
        self.threads.push(thread);
        Ok(())
    }

    /// The thread of a shard: `run` is given the shard's mailbox among all of them.
    pub fn spawn_shard(
        &mut self,
        setup: ShardSetup,
        run: impl FnOnce(ShardSetup, Vec<ServerMailbox>) + Send + 'static,
    ) -> io::Result<()> {
        let mailboxes = self.stopper.mailboxes.clone();
        self.spawn(format!("shard-{}", setup.shard().0), move || run(setup, mailboxes))
    }

    /// Into each shard, by its number.
    pub fn mailboxes(&self) -> &[ServerMailbox] {
        self.stopper.mailboxes()
    }

    /// Stops it, from another thread for instance.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits until all of its threads have ended.
    pub fn join(self) {
        for thread in self.threads {
            // One that panics takes the process with it.
            let _ = thread.join();
        }
    }
}
