//! The broker without a runtime, as it stands: started, talked to over sockets, and killed.
#![forbid(unsafe_code)]
#![cfg(feature = "broker")]
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::scope;
use std::time::Duration;

const CONNACK: &[u8] = &[0x20, 2, 0, 0];

/// Killed with this.
struct Broker {
    child: Child,
    printed: BufReader<ChildStdout>,
    address: String,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Broker {
    fn start(journal: Option<&Path>) -> Self {
        let mut program = Command::new(place("broker"));
        program.arg("0").args(journal).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = program.spawn().expect("it can be run");
        let mut printed = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        printed.read_line(&mut line).expect("it says where it listens");
        let address = line.trim_end().strip_prefix("mqtt://").expect("in that form").to_owned();
        Self { child, printed, address }
    }

    fn open(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("it can be set");
        stream
    }

    /// A client of 3.1.1; a name in capitals is one whose session stays.
    fn connect(&self, client_id: &str) -> TcpStream {
        let mut stream = self.open();
        let clean = if client_id.chars().all(char::is_uppercase) { 0 } else { 2 };
        let body = [b"\0\x04MQTT\x04", &[clean, 0, 60][..], &text(client_id)].concat();
        stream.write_all(&packet(0x10, &body)).expect("it listens");
        stream
    }

    fn subscribe(&self, client_id: &str, filter: &str) -> TcpStream {
        let mut stream = self.connect(client_id);
        expect(&mut stream, CONNACK);
        let body = [&[0, 1][..], &text(filter), &[1]].concat();
        stream.write_all(&packet(0x82, &body)).expect("it listens");
        expect(&mut stream, &[0x90, 3, 0, 1, 1]);
        stream
    }

    /// Its words, up to a line that begins with these.
    fn read_until(&mut self, beginning: &str) {
        let said = self.printed.by_ref().lines().map_while(Result::ok);
        assert!(said.into_iter().any(|line| line.starts_with(beginning)), "it ended before it said so");
    }
}

/// Where Cargo puts examples: beside the tests of their package, and built with them.
fn place(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this is one");
    let folder = test.ancestors().nth(2).expect("target/PROFILE/deps").join("examples");
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("it is short");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

fn packet(head: u8, body: &[u8]) -> Vec<u8> {
    let (mut packet, mut left) = (vec![head], body.len());
    while left > 127 {
        packet.push(u8::try_from(left % 128).expect("seven bits") | 128);
        left /= 128;
    }
    packet.push(u8::try_from(left).expect("seven bits"));
    [&packet, body].concat()
}

/// With QoS 1.
fn publish(topic: &str, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    packet(0x32, &[&text(topic), &packet_id.to_be_bytes()[..], payload].concat())
}

fn puback(packet_id: u16) -> Vec<u8> {
    [&[0x40, 2][..], &packet_id.to_be_bytes()].concat()
}

fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut came = vec![0; bytes.len()];
    stream.read_exact(&mut came).expect("so much comes");
    assert!(came == bytes, "{:?}", came.get(..64).unwrap_or(&came));
}

/// With QoS 1, for the first time or again, under whichever Packet Identifier.
fn expect_publish(stream: &mut TcpStream, topic: &str, payload: &[u8]) -> u16 {
    let mut expected = publish(topic, 0, payload);
    let mut came = vec![0; expected.len()];
    stream.read_exact(&mut came).expect("so much comes");
    expected[0] |= came[0] & 8;
    let at = expected.len() - payload.len() - 2;
    expected[at..at + 2].copy_from_slice(&came[at..at + 2]);
    assert!(came == expected, "{:?}", came.get(..64).unwrap_or(&came));
    u16::from_be_bytes([came[at], came[at + 1]])
}

fn numbered(n: u16, payload: &[u8]) -> Vec<u8> {
    [&n.to_be_bytes()[..], payload].concat()
}

fn expect_end(stream: &mut TcpStream) {
    assert_eq!(stream.read(&mut [0]).expect("it is closed in order"), 0);
}

#[test]
fn a_subscriber_that_is_slower_than_its_publisher_gets_everything_in_order() {
    let mut broker = Broker::start(None);
    let mut bob = broker.subscribe("bob", "t/#");
    let alice = broker.connect("alice");
    // More than sockets and queues take.
    let (payload, messages) = (vec![b'x'; 200_000], 300);
    scope(|scope| {
        let (mut reading, mut writing) = (&alice, &alice);
        let payload = &payload;
        scope.spawn(move || {
            let mut all = CONNACK.to_vec();
            all.extend((1..=messages).flat_map(puback));
            let mut came = vec![0; all.len()];
            reading.read_exact(&mut came).expect("all are acknowledged");
            assert!(came == all);
        });
        scope.spawn(move || {
            for n in 1..=messages {
                let message = publish("t/1", n, &numbered(n, payload));
                writing.write_all(&message).expect("it waits, and goes on");
            }
        });
        broker.read_until("Paused { client_id: \"alice\"");
        for n in 1..=messages {
            let packet_id = expect_publish(&mut bob, "t/1", &numbered(n, payload));
            bob.write_all(&puback(packet_id)).expect("it listens");
        }
    });
}

#[test]
fn whoever_has_only_half_closed_still_hears_what_it_asked_for() {
    let broker = Broker::start(None);
    let mut alice = broker.connect("alice");
    expect(&mut alice, CONNACK);
    alice.write_all(&publish("t", 7, b"last words")).expect("it listens");
    alice.shutdown(Shutdown::Write).expect("it is open");
    expect(&mut alice, &puback(7));
    expect_end(&mut alice);
}

#[test]
fn what_is_not_mqtt_and_who_is_replaced_is_closed() {
    let broker = Broker::start(None);
    let mut stranger = broker.open();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it listens");
    expect_end(&mut stranger);
    let mut first = broker.connect("same");
    expect(&mut first, CONNACK);
    let mut second = broker.connect("same");
    expect(&mut second, CONNACK);
    expect_end(&mut first);
}

#[test]
fn it_prints_what_is_published_to_its_screen() {
    let mut broker = Broker::start(None);
    let mut alice = broker.connect("alice");
    alice.write_all(&publish("screen/1", 1, b"hello\n")).expect("it listens");
    broker.read_until("screen/1: hello\\n");
}

#[test]
fn with_a_journal_what_was_acknowledged_outlives_it_and_a_torn_end() {
    let journal = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example_broker.journal");
    let _ = std::fs::remove_file(&journal);
    let broker = Broker::start(Some(&journal));
    drop(broker.subscribe("BOB", "t/#"));
    let mut alice = broker.connect("alice");
    expect(&mut alice, CONNACK);
    alice.write_all(&publish("t/1", 1, b"kept")).expect("it listens");
    expect(&mut alice, &puback(1));
    drop(broker);
    let mut file = std::fs::File::options().append(true).open(&journal).expect("it is there");
    file.write_all(&[1]).expect("it is ours");
    // Twice: what it makes of the journal is a journal.
    for _ in 0..2 {
        let broker = Broker::start(Some(&journal));
        let mut bob = broker.connect("BOB");
        expect(&mut bob, &[0x20, 2, 1, 0]);
        expect_publish(&mut bob, "t/1", b"kept");
    }
}
