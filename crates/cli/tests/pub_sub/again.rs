//! Connections that end, and those that follow them.
use super::support::{Running, fed, said, tool};
use crate::server::{Connection, Server, Wire};
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

const PUBACK: u8 = 0x40;

/// A PUBLISH with QoS 1 of 5.0 to a topic of one letter: its payload; it is acknowledged.
fn takes(wire: &mut Wire) -> Vec<u8> {
    let (payload, packet_id) = receives(wire);
    wire.says(&[PUBACK, 2, 0, packet_id]);
    payload
}

fn receives(wire: &mut Wire) -> (Vec<u8>, u8) {
    let (first, publish) = wire.packet();
    assert_eq!(first & 0xf6, 0x32, "PUBLISH with QoS 1");
    (publish[6..].to_vec(), publish[4])
}

const CLOSED: &str = "the server closed the connection; connecting again";

#[test]
fn a_publisher_comes_back_with_what_was_not_acknowledged() {
    for (words, input, payloads) in [
        (&["-l"][..], &b"one\ntwo\nthree\n"[..], ["one", "two", "three"]),
        (&["-m", "x", "--repeat", "3"], b"", ["x", "x", "x"]),
    ] {
        let expected = payloads.map(|payload| payload.as_bytes().to_vec());
        let [first, second, third] = expected;
        let (again, last) = (second.clone(), third);
        let server = Server::start(vec![
            Box::new(move |wire: &mut Wire| {
                wire.lets_in(true);
                assert_eq!(takes(wire), first);
                assert_eq!(receives(wire).0, second);
            }),
            Box::new(|wire: &mut Wire| {
                wire.lets_in(true);
                receives(wire);
            }),
            Box::new(move |wire: &mut Wire| {
                wire.lets_in(true);
                assert_eq!(takes(wire), again);
                assert_eq!(takes(wire), last);
                assert_eq!(wire.rest(), [[0xe0, 0]]);
            }),
        ]);
        let words = [&["pub", "-t", "t", "-q", "1"], words].concat();
        let output = fed(tool(server.address, &words), input);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.lines().count() == 1 && said.ends_with(&format!("{CLOSED}\n")), "{said}");
        server.join();
    }
}

#[test]
fn what_was_never_sent_is_counted() {
    let server = Server::once(|wire| {
        wire.lets_in(true);
    });
    let mut command = tool(server.address, &["pub", "-t", "t", "-l", "--patience", "2"]);
    command.stdin(Stdio::piped());
    let mut publisher = Running::start(command, CLOSED);
    publisher.reads(b"one\ntwo\nthree\n");
    let line = publisher.waits_for("--patience");
    assert!(line.ends_with("3 of 3 messages not sent"), "{line}");
    assert_eq!(publisher.end().0, Some(27));
    server.join();
}

/// Without patience it ends at once; with it a server may come up later.
#[test]
fn with_patience_also_the_first_connection_is_tried_again() {
    let later = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    later.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("loopback");
    let address = later.local_addr().expect("bound").as_socket().expect("IPv4");
    let words = ["pub", "-t", "t", "-q", "1", "-m", "x"];
    let output = tool(address, &words).output().expect("it was built");
    assert_eq!(
        (output.status.code(), said(&output).contains("again")),
        (Some(1), false),
        "{}",
        said(&output)
    );
    let patient = [&words[..], &["--patience", "20"]].concat();
    let publisher = Running::start(tool(address, &patient), "connecting again");
    later.listen(1).expect("it is bound");
    let server = Server::with(TcpListener::from(later), |wire| {
        wire.lets_in(true);
        assert_eq!(takes(wire), b"x");
    });
    assert_eq!(publisher.end().0, Some(0));
    server.join();
}

#[test]
fn an_end_that_would_come_again_is_the_last() {
    let server = Server::start(vec![
        Box::new(|wire: &mut Wire| {
            wire.lets_in(true);
            receives(wire);
        }),
        Box::new(|wire: &mut Wire| {
            wire.packet();
            wire.says(&[0x20, 3, 0, 0x87, 0]);
        }),
    ]);
    let output = fed(tool(server.address, &["pub", "-t", "t", "-q", "1", "-l"]), b"one\ntwo\n");
    let line = said(&output);
    assert_eq!(output.status.code(), Some(0x87), "{line}");
    assert!(line.lines().count() == 2 && line.contains("2 of 2 messages not acknowledged"), "{line}");
    server.join();
}

/// It may be why they end, and then it will not end by itself.
#[test]
fn what_ten_connections_in_a_row_do_not_survive_is_given_up() {
    let in_vain = || {
        Box::new(|wire: &mut Wire| {
            wire.lets_in(true);
            receives(wire);
        })
    };
    let mut connections: Vec<Connection> = vec![];
    // Between these something came of one.
    connections.extend((0..3).map(|_| in_vain() as Box<_>));
    connections.push(Box::new(|wire: &mut Wire| {
        wire.lets_in(true);
        takes(wire);
        receives(wire);
    }));
    connections.extend((0..9).map(|_| in_vain() as Box<_>));
    let server = Server::start(connections);
    let output = fed(tool(server.address, &["pub", "-t", "t", "-q", "1", "-l"]), b"one\ntwo\n");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().expect("it says why");
    assert!(last.contains("too large") && last.ends_with("1 of 2 messages not acknowledged"), "{said}");
    server.join();
}

/// A line for each cause, and none for each attempt.
#[test]
fn a_subscriber_says_why_it_connects_again() {
    let lets_in = |wire: &mut Wire| {
        wire.lets_in(true);
    };
    let server = Server::start(vec![
        Box::new(|wire: &mut Wire| {
            wire.lets_in(true);
            wire.grants(true, 1);
        }),
        Box::new(lets_in),
        Box::new(|wire: &mut Wire| {
            wire.lets_in(true);
            wire.says(&[0xe0, 1, 0x8b]);
        }),
        Box::new(lets_in),
        Box::new(|wire: &mut Wire| {
            wire.lets_in(true);
            wire.publishes(true, 1);
        }),
    ]);
    let words = ["sub", "-t", "t", "-q", "1", "-C", "1"];
    let output = tool(server.address, &words).output().expect("it was built");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"b\n"[..]));
    let said = said(&output);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    let place = server.address;
    assert_eq!(lines[0], format!("tidewire: {place}: {CLOSED}"));
    let shutting = "the server ended the connection: 0x8b ServerShuttingDown; connecting again";
    assert_eq!(lines[1], format!("tidewire: {place}: {shutting}"));
    server.join();
}

/// The end of a connection of which nothing more is wanted is no news, whether or not it is heard of in time.
#[test]
fn whoever_is_done_does_not_say_that_it_connects_again() {
    for (words, subscribes) in [
        (&["pub", "-t", "t", "-q", "1", "-m", "x"][..], false),
        (&["sub", "-t", "t", "-q", "1", "-C", "1"], true),
    ] {
        for _ in 0..10 {
            let server = Server::once(move |wire| {
                wire.lets_in(true);
                if subscribes {
                    wire.grants(true, 1);
                    wire.publishes(true, 1);
                } else {
                    takes(wire);
                }
            });
            let output = tool(server.address, words).output().expect("it was built");
            assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""));
            server.join();
        }
    }
}

/// The pipe is watched, also while there is nothing to print.
#[test]
fn a_subscriber_ends_when_nobody_can_read_what_it_prints() {
    let server = Server::once(|wire| {
        wire.lets_in(true);
        wire.grants(true, 0);
        assert_eq!(wire.rest(), [[0xe0, 0]]);
    });
    let mut subscriber = Running::subscribed(tool(server.address, &["sub", "-d", "-t", "t", "-W", "20"]));
    subscriber.stop_reading();
    assert_eq!(subscriber.end().0, Some(0));
    server.join();
}
