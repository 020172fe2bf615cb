//! Clients on tokio.
use crate::Tokio;
use std::fmt;
use std::net::TcpStream;
use std::time::Duration;
use tidewire_core::client::Config;
use tidewire_core::id::ShardId;
use tidewire_driver::clients::{self, Client, Endpoint, Maker};
use tidewire_driver::poll::{PollReactor, ShardFuture};
use tidewire_driver::{Clock, Mailbox, Post, Shard};
use tokio::task::{JoinHandle, unconstrained};

/// A loop that any number of clients share, as one task of the runtime that it is started in.
///
/// ```no_run
#[doc = include_str!("../examples/sensors.rs")]
/// ```
pub struct Clients {
    maker: Maker,
    mailbox: Mailbox<clients::Clients, TcpStream>,
    clock: Clock,
    task: JoinHandle<()>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// Starts the loop. It goes on until [`shutdown`](Self::shutdown), or as long as the runtime does.
    pub fn start() -> Self {
        let (clock, mailbox) = (Clock::start(), Mailbox::default());
        let (machine, maker) = clients::Clients::new(&mailbox);
        let reactor = PollReactor::<Tokio>::new(clock);
        let shard = Shard::new(ShardId(0), machine, reactor, Box::new(()), None, vec![mailbox.clone()]);
        let task = tokio::spawn(unconstrained(ShardFuture::new(shard)));
        Self { maker, mailbox, clock, task }
    }

    /// A client of these servers, which are tried in turn. It connects at once.
    pub fn client(&self, config: Config, servers: Vec<Endpoint>) -> Client {
        self.maker.client(config, servers, clients::seed())
    }

    /// All clients say goodbye once what they have accepted has ended, at the latest after `grace`.
    pub async fn shutdown(self, grace: Duration) {
        self.mailbox.post(Post::Shutdown(self.clock.now().after(grace)));
        // A loop that has panicked has ended as well.
        let _ = self.task.await;
    }
}
