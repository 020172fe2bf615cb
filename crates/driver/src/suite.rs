//! What the tests of all adapters share: the contract of a [`Reactor`], and a way to run one test on each runtime.
//!
//! An adapter brings a [`Bench`] and calls [`reactor_contract!`](crate::reactor_contract); each test then stands in a
//! module named after the runtime.
pub mod documented;
pub mod programs;

use crate::{Place, Reactor, Ready};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Longer than anything takes; whoever waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A reactor and the runtime that it lives in, on the thread of a test.
pub trait Bench: Sized {
    /// What is tested.
    type Reactor: Reactor;
    /// The other end of a connection.
    type Peer: Peer;

    /// One without connections.
    fn new() -> Self;
    /// Another one, that a socket can cross to.
    fn another(&self) -> Self {
        Self::new()
    }
    /// A connection: the peer's end, and a socket that doesn't block.
    fn pair(&mut self) -> (Self::Peer, <Self::Reactor as Reactor>::Socket);
    /// Takes connections there, until it is called: then it is the peer's end of the first of them.
    fn listen(&mut self) -> (SocketAddr, Box<dyn FnOnce() -> Self::Peer>);
    /// Attaches it, where the runtime wants that to be done.
    fn attach(&mut self, place: Place, socket: <Self::Reactor as Reactor>::Socket) -> StreamOf<Self>;
    /// What is tested.
    fn reactor(&mut self) -> &mut Self::Reactor;
    /// Waits until there is news, but not for ever.
    fn news(&mut self) -> Ready;
}

/// What a bench's reactor makes of a socket.
pub type StreamOf<B> = <<B as Bench>::Reactor as Reactor>::Stream;

/// A peer that waits for what it reads.
pub trait Peer: Read + Write {
    /// Half-closes.
    fn finish(&mut self);
}

impl Peer for TcpStream {
    fn finish(&mut self) {
        self.shutdown(Shutdown::Write).expect("connected");
    }
}

/// A connection over loopback: the peer's end, and a socket that doesn't block.
pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let (address, accept) = tcp_listen();
    let socket = TcpStream::connect(address).expect("it listens");
    socket.set_nonblocking(true).expect("a socket");
    (accept(), socket)
}

/// Takes connections over loopback.
pub fn tcp_listen() -> (SocketAddr, Box<dyn FnOnce() -> TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let accept = move || {
        let (peer, _) = listener.accept().expect("it was connected to");
        peer.set_read_timeout(Some(PATIENCE)).expect("not zero");
        peer
    };
    (address, Box::new(accept))
}

/// The contract of a reactor as tests, in a module with the runtime's name.
#[macro_export]
macro_rules! reactor_contract {
    ($runtime:ident, $bench:ty) => {
        $crate::reactor_contract!(@ $runtime, $bench,
            what_lay_in_the_socket_before_is_news
            after_a_short_read_more_is_news
            after_a_read_that_would_block_more_is_news
            the_end_is_news
            the_end_that_came_with_the_last_bytes_is_news
            room_in_a_full_socket_is_news
            a_half_close_leaves_the_way_in_open
            a_socket_crosses_to_another_reactor_with_what_lies_in_it
            a_place_that_was_given_away_again_has_its_own_news
            each_of_many_has_its_news
            a_connection_that_was_begun_is_there_or_is_news
            where_nobody_listens_there_is_an_error
        );
    };
    (@ $runtime:ident, $bench:ty, $($test:ident)*) => {
        mod $runtime {
            #[allow(unused_imports, reason = "a bench may stand beside or be imported")]
            use super::*;
            $(
                #[test]
                fn $test() {
                    $crate::suite::$test::<$bench>();
                }
            )*
        }
    };
}

/// Each test once on each runtime, in modules with the runtimes' names: `on_each! { [tokio, mio] { test… } }`. The
/// test is a function beside it that takes the runtime's name. A runtime that is not always there stands behind its
/// `#[cfg(…)]`, and a `-` in a name is a `_` in that of the module.
#[macro_export]
macro_rules! on_each {
    ([$($(#[$there:meta])* $runtime:ident),*] $tests:tt) => {
        $($crate::on_each!(@ [$(#[$there])*] $runtime $tests);)*
    };
    (@ [$($there:tt)*] $runtime:ident { $($(#[$attribute:meta])* $test:ident)* }) => {
        $($there)*
        mod $runtime {
            $(
                $(#[$attribute])*
                #[test]
                fn $test() {
                    super::$test(&stringify!($runtime).replace('_', "-"));
                }
            )*
        }
    };
}

const PLACE: Place = Place { index: 3, generation: 1 };

/// A bench with one connection.
struct Line<B: Bench> {
    bench: B,
    stream: StreamOf<B>,
    peer: B::Peer,
}

impl<B: Bench> Line<B> {
    fn new() -> Self {
        let mut bench = B::new();
        let (peer, socket) = bench.pair();
        let stream = bench.attach(PLACE, socket);
        Self { bench, stream, peer }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).expect("connected");
    }

    fn news(&mut self) {
        assert_eq!(self.bench.news().place, PLACE);
    }

    fn read(&mut self) -> Result<Vec<u8>, ErrorKind> {
        read(&mut self.bench, &mut self.stream)
    }

    /// Reads once there is something: what is news may say too much.
    fn hear(&mut self) -> Vec<u8> {
        loop {
            self.news();
            match self.read() {
                Ok(bytes) => return bytes,
                Err(error) => assert_eq!(error, ErrorKind::WouldBlock),
            }
        }
    }
}

/// Nine bytes at most.
fn read<B: Bench>(bench: &mut B, stream: &mut StreamOf<B>) -> Result<Vec<u8>, ErrorKind> {
    let mut buffer = vec![0; 9];
    let n = bench.reactor().read(stream, &mut buffer).map_err(|error| error.kind())?;
    buffer.truncate(n);
    Ok(buffer)
}

/// A connection that the reactor makes.
fn dial<B: Bench>(bench: &mut B, to: SocketAddr) -> io::Result<StreamOf<B>> {
    let socket = bench.reactor().connect(to, None)?;
    let mut stream = bench.attach(PLACE, socket);
    while !bench.reactor().connected(&mut stream)? {
        assert_eq!(bench.news().place, PLACE);
    }
    Ok(stream)
}

#[doc(hidden)]
pub fn what_lay_in_the_socket_before_is_news<B: Bench>() {
    let mut bench = B::new();
    let (mut peer, socket) = bench.pair();
    peer.write_all(b"early").expect("connected");
    let stream = bench.attach(PLACE, socket);
    assert_eq!(Line { bench, stream, peer }.hear(), b"early");
}

#[doc(hidden)]
pub fn after_a_short_read_more_is_news<B: Bench>() {
    let mut line = Line::<B>::new();
    for text in [b"one", b"two"] {
        line.send(text);
        assert_eq!(line.hear(), text);
    }
    assert_eq!(line.read(), Err(ErrorKind::WouldBlock));
}

#[doc(hidden)]
pub fn after_a_read_that_would_block_more_is_news<B: Bench>() {
    let mut line = Line::<B>::new();
    assert_eq!(line.read(), Err(ErrorKind::WouldBlock));
    line.send(b"more");
    assert_eq!(line.hear(), b"more");
}

#[doc(hidden)]
pub fn the_end_is_news<B: Bench>() {
    let mut line = Line::<B>::new();
    line.send(b"last");
    assert_eq!(line.hear(), b"last");
    line.peer.finish();
    assert_eq!(line.hear(), b"");
}

#[doc(hidden)]
pub fn the_end_that_came_with_the_last_bytes_is_news<B: Bench>() {
    let mut line = Line::<B>::new();
    line.send(b"last");
    line.peer.finish();
    let mut heard = vec![];
    // However it is cut, and as the loop does it: no read without news, except that who hung up is read to the end.
    let mut hung_up = false;
    loop {
        if !hung_up {
            let ready = line.bench.news();
            assert_eq!(ready.place, PLACE);
            hung_up = ready.closed;
        }
        match line.read() {
            Ok(bytes) if bytes.is_empty() => break,
            Ok(bytes) => heard.extend(bytes),
            Err(error) => assert_eq!(error, ErrorKind::WouldBlock),
        }
    }
    assert_eq!(heard, b"last");
}

/// [MQTT-4.2-1]
#[doc(hidden)]
pub fn room_in_a_full_socket_is_news<B: Bench>() {
    for slices in 1..3 {
        let mut line = Line::<B>::new();
        let bytes = vec![7; 1 << 20];
        let mut written = 0;
        loop {
            let slices = vec![IoSlice::new(&bytes); slices];
            match line.bench.reactor().write_vectored(&mut line.stream, &slices) {
                Ok(n) => written += n,
                Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        let mut read = vec![0; written];
        line.peer.read_exact(&mut read).expect("it was written");
        let more = loop {
            line.news();
            match line.bench.reactor().write_vectored(&mut line.stream, &[IoSlice::new(b"more")]) {
                Ok(n) => break n,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        };
        assert_eq!(more, 4);
    }
}

#[doc(hidden)]
pub fn a_half_close_leaves_the_way_in_open<B: Bench>() {
    let mut line = Line::<B>::new();
    line.bench.reactor().finish(&mut line.stream).expect("connected");
    assert_eq!(line.peer.read(&mut [0; 1]).expect("no reset"), 0);
    line.send(b"still");
    assert_eq!(line.hear(), b"still");
}

#[doc(hidden)]
pub fn a_socket_crosses_to_another_reactor_with_what_lies_in_it<B: Bench>() {
    let mut line = Line::<B>::new();
    line.send(b"unread");
    line.news();
    let socket = line.bench.reactor().detach(line.stream).expect("a socket");
    let mut bench = line.bench.another();
    let stream = bench.attach(PLACE, socket);
    assert_eq!(Line { bench, stream, peer: line.peer }.hear(), b"unread");
}

#[doc(hidden)]
pub fn a_place_that_was_given_away_again_has_its_own_news<B: Bench>() {
    let mut line = Line::<B>::new();
    line.send(b"old");
    line.news();
    drop(line.stream);
    let (mut peer, socket) = line.bench.pair();
    let place = Place { generation: 2, ..PLACE };
    let mut stream = line.bench.attach(place, socket);
    peer.write_all(b"new").expect("connected");
    let heard = loop {
        // What the old one's news were may still come, under its own name.
        if line.bench.news().place == place {
            match read(&mut line.bench, &mut stream) {
                Ok(bytes) => break bytes,
                Err(error) => assert_eq!(error, ErrorKind::WouldBlock),
            }
        }
    };
    assert_eq!(heard, b"new");
}

#[doc(hidden)]
pub fn each_of_many_has_its_news<B: Bench>() {
    let mut bench = B::new();
    let mut lines: Vec<_> = (0..100)
        .map(|index| {
            let (peer, socket) = bench.pair();
            (peer, bench.attach(Place { index, generation: index }, socket), false)
        })
        .collect();
    for (peer, ..) in &mut lines {
        peer.write_all(b"hello").expect("connected");
    }
    while lines.iter().any(|(.., heard)| !heard) {
        let place = bench.news().place;
        assert_eq!(place.index, place.generation);
        let (_, stream, heard) = &mut lines[place.index as usize];
        match read(&mut bench, stream) {
            Ok(bytes) => *heard = bytes == b"hello",
            Err(error) => assert_eq!(error, ErrorKind::WouldBlock),
        }
    }
}

#[doc(hidden)]
pub fn a_connection_that_was_begun_is_there_or_is_news<B: Bench>() {
    let mut bench = B::new();
    let (address, accept) = bench.listen();
    let stream = dial(&mut bench, address).expect("somebody listens");
    let mut line = Line { bench, stream, peer: accept() };
    line.send(b"welcome");
    assert_eq!(line.hear(), b"welcome");
}

#[doc(hidden)]
pub fn where_nobody_listens_there_is_an_error<B: Bench>() {
    let mut bench = B::new();
    let (address, accept) = bench.listen();
    drop(accept);
    let refused = dial(&mut bench, address).err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::ConnectionRefused));
}
