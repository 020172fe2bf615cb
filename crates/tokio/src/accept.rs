//! From listeners to shards.
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tidewire_core::broker::policy::Peer;
use tidewire_driver::Clock;
use tidewire_driver::adapter::{Advice, FULL_PAUSE, Patience, Turns, prepare};
use tidewire_driver::serve::{Notice, Notices};
use tokio::net::{TcpListener, TcpStream};

/// One listener's loop. It ends only when it is dropped.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) number: u16,
    pub(crate) clock: Clock,
    pub(crate) notices: Notices,
    pub(crate) shards: Arc<Turns>,
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
        // It fails only for a peer that is gone.
        let Ok(mut socket) = stream.into_std() else { return };
        let Ok(()) = prepare(&socket) else { return };
        let peer = Peer::new(address, self.number);
        while let Err(back) = self.shards.hand_over(socket, peer) {
            socket = back;
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }
}
