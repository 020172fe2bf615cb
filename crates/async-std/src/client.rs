//! Clients on async-std.
use crate::AsyncStd;
use async_std::task::{self, JoinHandle};
use std::fmt;
use std::net::TcpStream;
use std::time::Duration;
use tidewire_core::client::Config;
use tidewire_core::id::ShardId;
use tidewire_driver::clients::{self, Client, Endpoint, Maker};
use tidewire_driver::poll::{PollReactor, ShardFuture};
use tidewire_driver::{Clock, Mailbox, Post, Shard};

/// A loop that any number of clients share, as one task of async-std.
///
/// ```no_run
#[doc = include_str!("../examples/sensors_async_std.rs")]
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
    /// Starts the loop. It goes on until [`shutdown`](Self::shutdown).
    pub fn start() -> Self {
        let (clock, mailbox) = (Clock::start(), Mailbox::default());
        let (machine, maker) = clients::Clients::new(&mailbox);
        let reactor = PollReactor::<AsyncStd>::new(clock);
        let shard = Shard::new(ShardId(0), machine, reactor, Box::new(()), None, vec![mailbox.clone()]);
        let task = task::spawn(ShardFuture::new(shard));
        Self { maker, mailbox, clock, task }
    }

    /// A client of these servers, which are tried in turn. It connects at once.
    pub fn client(&self, config: Config, servers: Vec<Endpoint>) -> Client {
        self.maker.client(config, servers, clients::seed())
    }

    /// All clients say goodbye once what they have accepted has ended, at the latest after `grace`.
    pub async fn shutdown(self, grace: Duration) {
        self.mailbox.post(Post::Shutdown(self.clock.now().after(grace)));
        self.task.await;
    }
}
