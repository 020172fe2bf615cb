//! Tokio's sockets keep what the driver's reactor promises: whoever stops asking is told when to ask again.
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use tidewire_driver::poll::{PollReactor, Watched};
use tidewire_driver::{Clock, Place, Reactor};
use tidewire_tokio::Tokio;

type Stream = Watched<tokio::net::TcpStream>;

/// A peer, and the socket that a reactor watches, all on one thread.
struct Bench {
    runtime: tokio::runtime::Runtime,
    reactor: PollReactor<Tokio>,
    stream: Stream,
    peer: TcpStream,
}

const PLACE: Place = Place { index: 3, generation: 1 };

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let peer = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (socket, _) = listener.accept().expect("it was connected to");
    socket.set_nonblocking(true).expect("a socket");
    (peer, socket)
}

impl Bench {
    fn new() -> Self {
        let (peer, socket) = pair();
        let runtime = runtime();
        let entered = runtime.enter();
        let mut reactor = PollReactor::new(Clock::start());
        let stream = reactor.attach(PLACE, socket).expect("a runtime");
        drop(entered);
        Self { runtime, reactor, stream, peer }
    }

    /// Waits until there is news about the socket.
    fn news(&mut self) {
        let ready = self.runtime.block_on(async {
            loop {
                if let Some(ready) = self.reactor.next_ready() {
                    return ready;
                }
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(ready.place, PLACE);
    }

    fn read(&mut self, room: usize) -> Result<Vec<u8>, ErrorKind> {
        let mut buffer = vec![0; room];
        let n = self.reactor.read(&mut self.stream, &mut buffer).map_err(|error| error.kind())?;
        buffer.truncate(n);
        Ok(buffer)
    }
}

#[test]
fn what_lay_in_the_socket_before_is_news() {
    let (mut peer, socket) = pair();
    peer.write_all(b"early").expect("connected");
    let mut bench = Bench::new();
    let entered = bench.runtime.enter();
    bench.stream = bench.reactor.attach(PLACE, socket).expect("a runtime");
    drop(entered);
    bench.news();
    assert_eq!(bench.read(9), Ok(b"early".to_vec()));
}

#[test]
fn after_a_short_read_more_is_news() {
    let mut bench = Bench::new();
    for text in [b"one", b"two"] {
        bench.peer.write_all(text).expect("connected");
        bench.news();
        assert_eq!(bench.read(9), Ok(text.to_vec()));
    }
    assert_eq!(bench.read(9), Err(ErrorKind::WouldBlock));
}

#[test]
fn the_end_that_came_with_the_last_bytes_is_news() {
    let mut bench = Bench::new();
    bench.peer.write_all(b"last").expect("connected");
    bench.peer.shutdown(Shutdown::Write).expect("connected");
    bench.news();
    let mut heard = vec![];
    // However the kernel cuts it: no read without news, and the end is reached.
    loop {
        match bench.read(9) {
            Ok(bytes) if bytes.is_empty() => break,
            Ok(bytes) => heard.extend(bytes),
            Err(error) => assert_eq!(error, ErrorKind::WouldBlock),
        }
        bench.news();
    }
    assert_eq!(heard, b"last");
}

#[test]
fn room_in_a_full_socket_is_news() {
    for slices in 1..3 {
        let mut bench = Bench::new();
        let bytes = vec![7; 1 << 20];
        let mut written = 0;
        loop {
            let slices = vec![IoSlice::new(&bytes); slices];
            match bench.reactor.write_vectored(&mut bench.stream, &slices) {
                Ok(n) => written += n,
                Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        let mut read = vec![0; written];
        bench.peer.read_exact(&mut read).expect("it was written");
        bench.news();
        let again = bench.reactor.write_vectored(&mut bench.stream, &[IoSlice::new(b"more")]);
        assert_eq!(again.map_err(|error| error.kind()), Ok(4));
    }
}

#[test]
fn a_half_close_leaves_the_way_in_open() {
    let mut bench = Bench::new();
    bench.reactor.finish(&mut bench.stream).expect("connected");
    assert_eq!(bench.peer.read(&mut [0; 1]).expect("no reset"), 0);
    bench.peer.write_all(b"still").expect("half open");
    bench.news();
    assert_eq!(bench.read(9), Ok(b"still".to_vec()));
}

#[test]
fn a_socket_crosses_to_another_runtime_with_what_lies_in_it() {
    let mut bench = Bench::new();
    bench.peer.write_all(b"unread").expect("connected");
    bench.news();
    let socket = bench.reactor.detach(bench.stream).expect("a socket");
    let other = runtime();
    let entered = other.enter();
    let mut reactor = PollReactor::new(Clock::start());
    let stream = reactor.attach(PLACE, socket).expect("a runtime");
    drop(entered);
    let mut bench = Bench { runtime: other, reactor, stream, peer: bench.peer };
    bench.news();
    assert_eq!(bench.read(9), Ok(b"unread".to_vec()));
}
