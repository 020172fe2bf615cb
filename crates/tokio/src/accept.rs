//! From listeners to shards.
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tidewire_core::broker::Broker;
use tidewire_core::broker::policy::Peer;
use tidewire_driver::accept::{Advice, Notice, Patience};
use tidewire_driver::{Clock, Mailbox};
use tokio::net::{TcpListener, TcpStream};

/// How long to wait for a shard that has not taken what was accepted before.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Who wants to hear about listeners.
pub(crate) type Notices = Arc<dyn Fn(Notice) + Send + Sync>;

/// One listener's loop. It ends only when it is dropped.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) number: u16,
    pub(crate) clock: Clock,
    pub(crate) notices: Notices,
    pub(crate) shards: Arc<Turns>,
}

/// All shards, whose turn it is among them, for all listeners together.
pub(crate) struct Turns {
    mailboxes: Vec<Mailbox<Broker, std::net::TcpStream>>,
    next: AtomicUsize,
}

impl Turns {
    pub(crate) fn new(mailboxes: Vec<Mailbox<Broker, std::net::TcpStream>>) -> Self {
        Self { mailboxes, next: AtomicUsize::new(0) }
    }

    /// Gives the socket back if every shard has too many of them.
    fn hand_over(&self, mut socket: std::net::TcpStream, peer: Peer) -> Result<(), std::net::TcpStream> {
        for _ in 0..self.mailboxes.len() {
            let next = self.next.fetch_add(1, Ordering::Relaxed) % self.mailboxes.len();
            match self.mailboxes[next].post_accepted(socket, peer) {
                Ok(()) => return Ok(()),
                Err(back) => socket = back,
            }
        }
        Err(socket)
    }
}

impl Acceptor {
    pub(crate) async fn run(self) {
        let mut patience = Patience::default();
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    if patience.succeeded(self.clock.now()) {
                        (self.notices)(Notice::Resumed { listener: self.number });
                    }
                    self.hand_over(stream, address).await;
                }
                Err(error) => self.wait_out(&mut patience, error).await,
            }
        }
    }

    async fn wait_out(&self, patience: &mut Patience, error: io::Error) {
        match patience.failed(self.clock.now(), &error) {
            Advice::Next => tokio::task::yield_now().await,
            Advice::Pause { pause, first } => {
                if first {
                    (self.notices)(Notice::Paused { listener: self.number, error });
                }
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// As long as no shard takes it, no other is accepted.
    async fn hand_over(&self, stream: TcpStream, address: SocketAddr) {
        // Both fail only for a peer that is gone.
        let Ok(()) = stream.set_nodelay(true) else { return };
        let Ok(mut socket) = stream.into_std() else { return };
        let peer = Peer { address, listener: self.number };
        while let Err(back) = self.shards.hand_over(socket, peer) {
            socket = back;
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }
}
