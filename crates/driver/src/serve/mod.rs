//! What a whole server consists of, whatever the runtime.
mod builder;
mod error;
mod journals;
mod listeners;
mod options;

pub use crate::accept::Notice;
pub use builder::{Serve, Start};
pub use error::StartError;
pub use journals::{Journals, Recorded};
pub use listeners::{Bound, DEFAULT_LISTEN, IPV6_SKIPPED};
pub use options::{ForEachShard, Options};

use crate::accept::Turns;
use crate::client::{Connect, Pending, Result};
use crate::clients::{Lasting, Maker, Over, Slot};
use crate::{Clock, Mailbox, Post, ShardSetup, Socket, Wait, thread};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tidewire_core::broker::Broker;
use tidewire_core::time::Instant;

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

/// What an adapter does for clients of its server in the same process: it starts a loop, with this clock and a [reactor that
/// connects](crate::WithPipes::within) to these shards.
pub type Launch = fn(Clock, Arc<Turns>) -> Result<Maker>;

/// A server that runs until it is stopped. Dropping this doesn't stop it.
pub struct Running {
    threads: Vec<JoinHandle<()>>,
    stopper: Stopper,
    listeners: Vec<Bound>,
    launch: Launch,
    /// Each thread has it until it ends.
    over: Arc<Over>,
    end: Arc<Slot<()>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

/// Stops a server from anywhere.
#[derive(Clone)]
pub struct Stopper {
    clock: Clock,
    /// The loop of the clients in this process, once there is one.
    within: Arc<Mutex<Option<Arc<Lasting>>>>,
    stop_accepting: Arc<dyn Fn() + Send + Sync>,
    mailboxes: Vec<ServerMailbox>,
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").field("mailboxes", &self.mailboxes).finish_non_exhaustive()
    }
}

impl Stopper {
    /// Accepts nobody any more. The server's clients in this process say goodbye, within half of the time, and then it says
    /// so to everybody else; it ends after `grace` at the latest.
    pub fn shutdown(&self, grace: Duration) {
        (self.stop_accepting)();
        let deadline = self.clock.now().after(grace);
        let Some(within) = lock(&self.within).clone() else { return self.shut_down(deadline) };
        let (goodbyes, stopper) = (within.0.shutdown(grace / 2), self.clone());
        // They may be on a runtime that nobody drives any more: so it is not their end that begins the server's.
        let then = move || {
            let _ = goodbyes.wait_for(grace / 2);
            stopper.shut_down(deadline);
        };
        if thread::spawn("shutdown".to_owned(), then).is_err() {
            self.shut_down(deadline);
        }
    }

    fn shut_down(&self, deadline: Instant) {
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
    /// A server whose threads are still to be started. `stop_accepting` closes its listeners, soon; `launch` makes a loop for
    /// clients of it.
    pub fn new(
        clock: Clock,
        mailboxes: Vec<ServerMailbox>,
        stop_accepting: impl Fn() + Send + Sync + 'static,
        launch: Launch,
    ) -> Self {
        let stop_accepting = Arc::new(stop_accepting);
        let stopper = Stopper { clock, within: Arc::default(), stop_accepting, mailboxes };
        let end = Slot::new();
        let over = Arc::new(Over::of(&end));
        Self { threads: Vec::new(), stopper, listeners: Vec::new(), launch, over, end }
    }

    /// These are its listeners.
    fn at(self, listeners: Vec<Bound>) -> Self {
        Self { listeners, ..self }
    }

    /// One more thread of it, whose panic ends the process. Where there is none to be had, those that were
    /// started end.
    pub fn spawn(&mut self, name: String, thread: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let over = Arc::clone(&self.over);
        let thread = thread::spawn(name, move || {
            thread();
            drop(over);
        });
        self.threads.push(thread.inspect_err(|_| self.stopper.shutdown(Duration::ZERO))?);
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

    /// Where it listens, with the ports that were given to port 0; of a server that was made by [`Serve`].
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|listener| listener.address)
    }

    /// A client of it in this process: no socket, and otherwise like any other. All of them share a loop, which is a task of
    /// the runtime that the first of them is made in, or a thread.
    pub fn connect(&self) -> Connect {
        let mut within = lock(&self.stopper.within);
        let lasting = match &*within {
            // One whose runtime has ended is gone with it.
            Some(lasting) if !lasting.0.is_over() => Ok(Arc::clone(lasting)),
            _ => {
                let shards = Arc::new(Turns::new(self.mailboxes().to_vec()));
                (self.launch)(self.stopper.clock, shards).map(|maker| Arc::new(Lasting(maker)))
            }
        };
        *within = lasting.as_ref().ok().cloned();
        Connect::within(lasting)
    }

    /// The same as a [`Stopper`]'s; done when all of its threads have ended, which they do whether or not anybody waits.
    pub fn shutdown(self, grace: Duration) -> Pending<()> {
        self.stopper.shutdown(grace);
        Pending::asked(self.end)
    }

    /// Waits until all of its threads have ended.
    pub fn join(self) {
        for thread in self.threads {
            // One that panics takes the process with it.
            let _ = thread.join();
        }
    }
}

/// A loop that could not be launched leaves nothing torn.
fn lock(within: &Mutex<Option<Arc<Lasting>>>) -> MutexGuard<'_, Option<Arc<Lasting>>> {
    within.lock().unwrap_or_else(PoisonError::into_inner)
}
