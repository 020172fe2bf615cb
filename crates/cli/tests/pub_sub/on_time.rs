//! `-W`, `--patience` and signals are on time, whoever is silent.
use super::support::{Running, said, tool};
use crate::server::{Server, Wire};
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tidewire_driver::Clock;

/// What may be lost on a machine that has other things to do.
const LATE: Duration = Duration::from_millis(1200);

/// A server that accepts, or does not even do that, and never says anything.
enum Silent {
    Accepts(TcpListener),
    DoesNot(#[expect(dead_code, reason = "it is there as long as this is")] Vec<Socket>, SocketAddr),
}

impl Silent {
    fn all() -> [Self; 2] {
        let accepts = TcpListener::bind("127.0.0.1:0").expect("loopback");
        // One connection waits to be accepted, and there is room for no other: a further SYN is not answered.
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("loopback");
        listener.listen(0).expect("it is bound");
        let address = listener.local_addr().expect("bound");
        let mut sockets = vec![listener];
        for _ in 0..3 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.set_nonblocking(true).expect("it is a socket");
            // It is under way, and stays so.
            let _ = socket.connect(&address);
            sockets.push(socket);
        }
        [Self::Accepts(accepts), Self::DoesNot(sockets, address.as_socket().expect("IPv4"))]
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Accepts(listener) => listener.local_addr().expect("bound"),
            Self::DoesNot(_, address) => *address,
        }
    }
}

/// One that lets a client in, answers so many packets with this, and nothing more, until it is told to go.
fn falls_silent(answer: fn(&mut Wire)) -> (Server, Sender<()>) {
    let (go, wait) = channel();
    let server = Server::once(move |wire| {
        wire.lets_in(true);
        answer(wire);
        // The test has ended in one way or the other.
        let _ = wait.recv();
    });
    (server, go)
}

fn grants(wire: &mut Wire) {
    wire.grants(true, 1);
}

/// What comes of it, not much later than it should.
fn within<T>(time: Duration, what: impl FnOnce() -> T) -> T {
    let clock = Clock::start();
    let begun = clock.now();
    let result = what();
    let took = clock.now().saturating_duration_since(begun);
    assert!((time..time + LATE).contains(&took), "it took {took:?} instead of {time:?}");
    result
}

fn run(server: SocketAddr, words: &[&str]) -> Output {
    tool(server, words).output().expect("it was built")
}

#[test]
fn the_time_is_up_on_time() {
    let time = Duration::from_millis(300);
    for silent in Silent::all() {
        let output = within(time, || run(silent.address(), &["sub", "-t", "t", "-W", "0.3"]));
        assert_eq!(output.status.code(), Some(27), "{}", said(&output));
    }
    for answer in [grants, |_: &mut Wire| {}] {
        let (server, go) = falls_silent(answer);
        let output = within(time, || run(server.address, &["sub", "-t", "t", "-W", "0.3"]));
        assert_eq!(output.status.code(), Some(27), "{}", said(&output));
        drop(go);
        server.join();
    }
}

/// It has all that it wanted, and the server does not say goodbye.
#[test]
fn the_time_includes_the_goodbye() {
    let (server, go) = falls_silent(|wire| {
        wire.grants(true, 1);
        wire.publishes(true, 1);
    });
    let words = ["sub", "-t", "t", "-q", "1", "-C", "1", "-W", "0.3"];
    let output = within(Duration::ZERO, || run(server.address, &words));
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"b\n"[..]));
    drop(go);
    server.join();
}

#[test]
fn a_signal_ends_it_at_once() {
    for silent in Silent::all() {
        for (words, code) in [
            (&["sub", "-d", "-t", "t"][..], 0),
            (&["pub", "-d", "-t", "t", "-m", "x"], 130),
            (&["pub", "-d", "-t", "t", "-m", "x", "--patience", "20"], 130),
        ] {
            let running = Running::start(tool(silent.address(), words), "connecting");
            running.signal("-INT");
            assert_eq!(within(Duration::ZERO, || running.end().0), Some(code), "{words:?}");
        }
    }
    let (server, go) = falls_silent(grants);
    let subscriber = Running::subscribed(tool(server.address, &["sub", "-d", "-t", "t", "-q", "1"]));
    subscriber.signal("-INT");
    assert_eq!(within(Duration::ZERO, || subscriber.end().0), Some(0));
    drop(go);
    server.join();
}

/// Of what is too large for any buffer on the way, part has not left.
#[test]
fn a_signal_during_the_goodbye_is_not_a_success() {
    let ((begun, has_begun), (go, wait)) = (channel(), channel::<()>());
    let server = Server::once(move |wire| {
        wire.lets_in(true);
        wire.begins();
        begun.send(()).expect("the test waits");
        // The test has ended in one way or the other.
        let _ = wait.recv();
    });
    let large = concat!(env!("CARGO_TARGET_TMPDIR"), "/large");
    std::fs::write(large, vec![b'x'; 32 << 20]).expect("a file");
    let words = ["pub", "-d", "-t", "t", "-f", large];
    let publisher = Running::start(tool(server.address, &words), "connected");
    has_begun.recv().expect("it does");
    publisher.signal("-TERM");
    assert_eq!(within(Duration::ZERO, || publisher.end().0), Some(143));
    drop(go);
    server.join();
}

#[test]
fn a_signal_says_how_much_is_left() {
    let (server, go) = falls_silent(|wire| {
        wire.packet();
    });
    let words = ["pub", "-d", "-t", "t", "-m", "x", "-q", "1", "--repeat", "3"];
    let mut publisher = Running::start(tool(server.address, &words), "connected");
    publisher.signal("-INT");
    let line = within(Duration::ZERO, || publisher.waits_for("acknowledged"));
    assert!(line.ends_with("3 of 3 messages not acknowledged"), "{line}");
    assert_eq!(publisher.end().0, Some(130));
    drop(go);
    server.join();
}

#[test]
fn patience_ends() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    let words = ["pub", "-t", "t", "-q", "1", "-m", "x", "--patience", "0.4"];
    let patience = Duration::from_millis(400);
    let output = within(patience, || run(nobody, &words));
    let line = said(&output);
    assert_eq!(output.status.code(), Some(27), "{line}");
    for word in ["refused", "0.4 s (--patience)", "1 of 1 messages not acknowledged"] {
        assert!(line.contains(word), "{line}");
    }
    for silent in Silent::all() {
        assert_eq!(within(patience, || run(silent.address(), &words)).status.code(), Some(27));
    }
    let (server, go) = falls_silent(|wire| {
        wire.packet();
    });
    let output = within(patience, || run(server.address, &words));
    assert_eq!(output.status.code(), Some(27));
    assert!(said(&output).contains("no answer"), "{}", said(&output));
    drop(go);
    server.join();
}
