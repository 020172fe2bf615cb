//! async-std's sockets keep what the driver's reactor promises.
use async_io::{Async, Timer};
use std::future::{Future, poll_fn};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::Poll;
use tidewire_async_std::AsyncStd;
use tidewire_driver::poll::{PollReactor, Watched};
use tidewire_driver::suite::{Bench, PATIENCE, tcp_listen, tcp_pair};
use tidewire_driver::{Clock, Place, Reactor, Ready};

tidewire_driver::reactor_contract!(async_std, AsyncStdBench);

struct AsyncStdBench {
    reactor: PollReactor<AsyncStd>,
}

impl Bench for AsyncStdBench {
    type Reactor = PollReactor<AsyncStd>;
    type Peer = TcpStream;

    fn new() -> Self {
        Self { reactor: PollReactor::new(Clock::start()) }
    }

    fn pair(&mut self) -> (TcpStream, TcpStream) {
        tcp_pair()
    }

    fn listen(&mut self) -> (SocketAddr, Box<dyn FnOnce() -> TcpStream>) {
        tcp_listen()
    }

    fn attach(&mut self, place: Place, socket: TcpStream) -> Watched<Async<TcpStream>> {
        self.reactor.attach(place, socket).expect("a reactor")
    }

    fn reactor(&mut self) -> &mut PollReactor<AsyncStd> {
        &mut self.reactor
    }

    fn news(&mut self) -> Ready {
        let mut patience = Timer::after(PATIENCE);
        let news = poll_fn(|cx| {
            if let Some(ready) = self.reactor.next_ready() {
                return Poll::Ready(ready);
            }
            assert!(Pin::new(&mut patience).poll(cx).is_pending(), "no news in time");
            // A turn of the reactor comes before the next look.
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        async_io::block_on(news)
    }
}

/// async-io has a thread that waits when nobody else does; here it does so in most rounds.
#[test]
fn a_refused_connection_is_known_after_a_few_events_whoever_else_waits_in_the_reactor() {
    let mut bench = AsyncStdBench::new();
    for index in 0..50 {
        let (address, accept) = tcp_listen();
        drop(accept);
        let socket = bench.reactor.connect(address, None).expect("it is begun");
        let mut stream = bench.attach(Place { index, generation: 1 }, socket);
        let mut events = 0;
        while bench.reactor.connected(&mut stream).is_ok_and(|is_connected| !is_connected) {
            events += 1;
            assert!(events < 10, "it goes round in circles");
            bench.news();
        }
    }
}
