//! Tokio's sockets keep what the driver's reactor promises.
use std::net::{SocketAddr, TcpStream};
use tidewire_driver::poll::{PollReactor, Watched};
use tidewire_driver::suite::{Bench, PATIENCE, tcp_listen, tcp_pair};
use tidewire_driver::{Clock, Place, Reactor, Ready};
use tidewire_tokio::Tokio;

tidewire_driver::reactor_contract!(tokio, TokioBench);

struct TokioBench {
    runtime: ::tokio::runtime::Runtime,
    reactor: PollReactor<Tokio>,
}

impl Bench for TokioBench {
    type Reactor = PollReactor<Tokio>;
    type Peer = TcpStream;

    fn new() -> Self {
        let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { runtime: runtime.expect("a runtime"), reactor: PollReactor::new(Clock::start()) }
    }

    fn pair(&mut self) -> (TcpStream, TcpStream) {
        tcp_pair()
    }

    fn listen(&mut self) -> (SocketAddr, Box<dyn FnOnce() -> TcpStream>) {
        tcp_listen()
    }

    fn attach(&mut self, place: Place, socket: TcpStream) -> Watched<::tokio::net::TcpStream> {
        let _entered = self.runtime.enter();
        self.reactor.attach(place, socket).expect("a runtime")
    }

    fn reactor(&mut self) -> &mut PollReactor<Tokio> {
        &mut self.reactor
    }

    fn news(&mut self) -> Ready {
        let news = async {
            loop {
                if let Some(ready) = self.reactor.next_ready() {
                    return ready;
                }
                ::tokio::task::yield_now().await;
            }
        };
        self.runtime.block_on(async { ::tokio::time::timeout(PATIENCE, news).await }).expect("news in time")
    }
}
