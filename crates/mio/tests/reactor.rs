//! mio's poll keeps what the driver's reactor promises.
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;
use tidewire_driver::suite::{Bench, PATIENCE, tcp_listen, tcp_pair};
use tidewire_driver::{Clock, Place, Reactor, Ready};
use tidewire_mio::MioReactor;

tidewire_driver::reactor_contract!(mio, MioBench);

struct MioBench {
    reactor: MioReactor,
}

impl Bench for MioBench {
    type Reactor = MioReactor;
    type Peer = TcpStream;

    fn new() -> Self {
        Self { reactor: MioReactor::new(Clock::start()).expect("a poll") }
    }

    fn pair(&mut self) -> (TcpStream, TcpStream) {
        tcp_pair()
    }

    fn listen(&mut self) -> (SocketAddr, Box<dyn FnOnce() -> TcpStream>) {
        tcp_listen()
    }

    fn attach(&mut self, place: Place, socket: TcpStream) -> ::mio::net::TcpStream {
        self.reactor.attach(place, socket).expect("a poll")
    }

    fn reactor(&mut self) -> &mut MioReactor {
        &mut self.reactor
    }

    fn news(&mut self) -> Ready {
        let deadline = self.reactor.now().after(PATIENCE);
        loop {
            if let Some(ready) = self.reactor.next_ready() {
                return ready;
            }
            let left = deadline.saturating_duration_since(self.reactor.now());
            assert!(!left.is_zero(), "news in time");
            self.reactor.wait(Some(left)).expect("a poll");
        }
    }
}

const PLACE: Place = Place { index: 0, generation: 7 };

#[test]
fn news_say_what_for() {
    let mut bench = MioBench::new();
    let (mut peer, socket) = bench.pair();
    let _stream = bench.attach(PLACE, socket);
    let ready = bench.news();
    assert!(ready.writable && !ready.readable && !ready.closed, "{ready:?}");
    peer.write_all(b"hello").expect("connected");
    let ready = bench.news();
    assert!(ready.readable && !ready.closed, "{ready:?}");
    peer.shutdown(Shutdown::Write).expect("connected");
    let ready = bench.news();
    assert!(ready.readable && ready.closed, "{ready:?}");
}

#[test]
fn a_wait_ends_in_time_and_when_somebody_rings() {
    let mut reactor = MioReactor::new(Clock::start()).expect("a poll");
    reactor.wait(Some(Duration::from_millis(1))).expect("a poll");
    let waker = reactor.waker().clone();
    let ringer = std::thread::spawn(move || waker.wake());
    reactor.wait(None).expect("a poll");
    ringer.join().expect("it rang");
    assert_eq!(reactor.next_ready(), None, "nobody's socket");
}
