//! What goes over the wire: acknowledgements, goodbyes, second attempts.
use super::support::{Running, said, tool};
use crate::server::{Server, Wire};
use std::process::Stdio;
use std::sync::mpsc::channel;

const PUBACK: u8 = 0x40;

fn acknowledged(packets: &[Vec<u8>]) -> Vec<u8> {
    packets.iter().filter(|packet| packet[0] == PUBACK).map(|packet| packet[3]).collect()
}

#[test]
fn what_is_not_printed_is_not_acknowledged() {
    for v5 in [false, true] {
        let server = Server::once(move |wire| {
            let connect = wire.lets_in(v5);
            // Receive Maximum, as many as are wanted.
            assert_eq!(connect.windows(3).any(|bytes| bytes == [0x21, 0, 2]), v5);
            wire.grants(v5, 1);
            for packet_id in 1..=if v5 { 2 } else { 4 } {
                wire.publishes(v5, packet_id);
            }
            let packets = wire.rest();
            assert_eq!(acknowledged(&packets), [1, 2]);
            assert_eq!(packets.last().map(|packet| packet[0]), Some(0xe0), "DISCONNECT");
        });
        let version = if v5 { "5" } else { "311" };
        let words = ["sub", "-V", version, "-t", "t", "-q", "1", "-C", "2"];
        let output = tool(server.address, &words).output().expect("it was built");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"b\nc\n"[..]));
        server.join();
    }
}

#[test]
fn what_nobody_reads_is_not_acknowledged() {
    // The second is too large for any buffer.
    let large = [&[0x32, 0x86, 0x7d, 0, 1, b't', 0, 1, 0][..], &[b'x'; 16_000]].concat();
    for message in [vec![0x32, 7, 0, 1, b't', 0, 1, 0, b'x'], large] {
        let (go, wait) = channel();
        let server = Server::once(move |wire| {
            wire.lets_in(true);
            wire.grants(true, 1);
            wait.recv().expect("the test goes on");
            wire.says(&message);
            assert_eq!(acknowledged(&wire.rest()), []);
        });
        let mut subscriber = Running::subscribed(tool(server.address, &["sub", "-d", "-t", "t", "-q", "1"]));
        subscriber.stop_reading();
        go.send(()).expect("the server waits");
        assert_eq!(subscriber.end().0, Some(0));
        server.join();
    }
}

#[test]
fn a_pipe_that_nobody_empties_does_not_silence_it() {
    const FULL: usize = 256 * 1024;
    let (pinged, ping) = channel();
    let server = Server::once(move |wire| {
        wire.lets_in(true);
        wire.grants(true, 0);
        let message = [&[0x30, 104, 0, 1, b't', 0][..], &[b'x'; 100]].concat();
        for _ in 0..FULL / message.len() {
            wire.says(&message);
        }
        assert_eq!(wire.packet().0, 0xc0, "PINGREQ");
        pinged.send(()).expect("the test waits");
    });
    let subscriber = Running::subscribed(tool(server.address, &["sub", "-d", "-t", "t", "-k", "1"]));
    ping.recv().expect("the server's side of it");
    drop(subscriber);
    server.join();
}

#[test]
fn a_signal_ends_it_in_order() {
    // With 5.0 its Will is published.
    for (version, signal, goodbye) in
        [("5", "-INT", vec![0xe0, 1, 4]), ("5", "-TERM", vec![0xe0, 1, 4]), ("311", "-TERM", vec![0xe0, 0])]
    {
        let v5 = version == "5";
        let server = Server::once(move |wire| {
            wire.lets_in(v5);
            wire.grants(v5, 0);
            assert_eq!(wire.rest(), [goodbye]);
        });
        let subscriber = Running::subscribed(tool(server.address, &["sub", "-d", "-V", version, "-t", "t"]));
        subscriber.signal(signal);
        assert_eq!(subscriber.end().0, Some(0));
        server.join();
    }
}

#[test]
fn a_signal_ends_a_publisher_that_waits_for_more() {
    let server = Server::once(|wire| {
        wire.lets_in(true);
        assert_eq!(wire.rest(), [[0xe0, 0]]);
    });
    let mut command = tool(server.address, &["pub", "-d", "-t", "t", "-l"]);
    // The standard input stays open.
    command.stdin(Stdio::piped());
    let mut publisher = Running::start(command, "connected");
    publisher.signal("-INT");
    publisher.waits_for("not published");
    assert_eq!(publisher.end().0, Some(130));
    server.join();
}

#[test]
fn a_subscriber_comes_back_once_it_was_connected() {
    let server = Server::start(vec![
        Box::new(|wire: &mut Wire| {
            wire.lets_in(true);
            wire.grants(true, 1);
        }),
        Box::new(|wire: &mut Wire| {
            wire.lets_in(true);
            wire.grants(true, 1);
            wire.publishes(true, 1);
            assert_eq!(acknowledged(&wire.rest()), [1]);
        }),
    ]);
    let output =
        tool(server.address, &["sub", "-t", "t", "-q", "1", "-C", "1"]).output().expect("it was built");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"b\n"[..]), "{}", said(&output));
    server.join();
}

#[test]
fn a_server_that_knows_only_the_older_version_is_spoken_to_in_that() {
    let server = Server::start(vec![
        Box::new(|wire: &mut Wire| {
            assert_eq!(wire.packet().1[6], 5);
            wire.says(&[0x20, 2, 0, 1]);
        }),
        Box::new(|wire: &mut Wire| {
            assert_eq!(wire.lets_in(false)[6], 4);
            wire.packet();
        }),
    ]);
    let output = tool(server.address, &["pub", "-t", "t", "-m", "x"]).output().expect("it was built");
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""));
    server.join();
}

#[test]
fn the_code_of_a_refusal_is_the_exit_code() {
    for (version, connack, code, word) in [
        ("311", vec![0x20, 2, 0, 2], 2, "-i"),
        ("311", vec![0x20, 2, 0, 3], 3, "later"),
        ("311", vec![0x20, 2, 0, 4], 4, "-u and -P"),
        ("31", vec![0x20, 2, 0, 5], 5, "-u and -P"),
        ("5", vec![0x20, 3, 0, 0x84, 0], 132, "-V"),
        ("5", vec![0x20, 3, 0, 0x86, 0], 134, "-u and -P"),
        ("5", vec![0x20, 3, 0, 0x87, 0], 135, "-u and -P"),
        ("5", vec![0x20, 3, 0, 0x8a, 0], 138, "operator"),
    ] {
        for words in [&["pub", "-m", "x"][..], &["sub"]] {
            let connack = connack.clone();
            let server = Server::once(move |wire| {
                wire.packet();
                wire.says(&connack);
            });
            let words = [words, &["-t", "t", "-u", "joe", "-P", "wrong", "-V", version]].concat();
            let output = tool(server.address, &words).output().expect("it was built");
            let said = said(&output);
            assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
            assert!(said.lines().count() == 1 && said.contains(word), "{words:?}: {said}");
            server.join();
        }
    }
}

#[test]
fn who_asks_for_no_version_hears_the_code_of_the_one_that_was_spoken() {
    let server = Server::start(vec![
        Box::new(|wire: &mut Wire| {
            wire.packet();
        }),
        Box::new(|wire: &mut Wire| {
            wire.packet();
            wire.says(&[0x20, 2, 0, 5]);
        }),
    ]);
    let output = tool(server.address, &["pub", "-t", "t", "-m", "x"]).output().expect("it was built");
    assert_eq!(output.status.code(), Some(5));
    server.join();
}

#[test]
fn a_session_that_was_taken_over_is_not_taken_back() {
    let server = Server::once(|wire| {
        wire.lets_in(true);
        wire.grants(true, 0);
        wire.says(&[0xe0, 1, 0x8e]);
    });
    let output = tool(server.address, &["sub", "-t", "t"]).output().expect("it was built");
    assert_eq!(output.status.code(), Some(0x8e));
    assert!(said(&output).contains("-i"), "{}", said(&output));
    server.join();
}
