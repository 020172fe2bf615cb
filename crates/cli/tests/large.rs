//! What a large payload costs: itself once, whoever gets it and however slowly, on one shard or several.
#![cfg(target_os = "linux")]
#[path = "common/broker.rs"]
mod broker;

use broker::Broker;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const MIB: usize = 1024 * 1024;
const SIZE: usize = 64 * MIB;
/// What a shard's buffers may grow by while it takes and gives it.
const SLACK: usize = MIB;

fn start(runtime: &str, shards: usize) -> Broker {
    let limits = ["packet_bytes=80MiB", "queued_bytes=unlimited", "incomplete_bytes=unlimited"];
    let shards = shards.to_string();
    let words = ["--shards", &shards, "--runtime", runtime];
    Broker::start(&[&words[..], &limits.map(|limit| ["--limit", limit]).concat()].concat())
}

impl Broker {
    /// The most memory that it has had resident.
    fn peak(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find(|l| l.starts_with("VmHWM:")).expect("Linux tells");
        let kib: usize = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
        kib * 1024
    }

    fn connect(&self, client_id: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("not zero");
        let length = u8::try_from(client_id.len()).expect("short");
        let head = [0x10, 12 + length, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, length];
        stream.write_all(&[&head, client_id.as_bytes()].concat()).expect("it reads");
        expect(&mut stream, &[0x20, 2, 0, 0]);
        stream
    }

    fn subscriber(&self, client_id: &str) -> TcpStream {
        let mut stream = self.connect(client_id);
        stream.write_all(&[0x82, 6, 0, 1, 0, 1, b't', 1]).expect("it reads");
        expect(&mut stream, &[0x90, 3, 0, 1, 1]);
        stream
    }
}

fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    stream.read_exact(&mut read).expect("an answer");
    assert_eq!(read, bytes);
}

/// A PUBLISH with QoS 1 of so many bytes of payload, without them.
fn head(payload: usize) -> Vec<u8> {
    let mut length = payload + 5;
    let mut bytes = vec![0x32];
    while length > 127 {
        bytes.push(u8::try_from(length % 128 + 128).expect("a byte"));
        length /= 128;
    }
    bytes.push(u8::try_from(length).expect("a byte"));
    bytes.extend([0, 1, b't', 0, 1]);
    bytes
}

tidewire_driver::on_each! {
    [tokio, mio, #[cfg(feature = "async-std")] async_std] { to_two_slow_subscribers_it_costs_itself_and_a_mebibyte }
}

fn to_two_slow_subscribers_it_costs_itself_and_a_mebibyte(runtime: &str) {
    for shards in [1, 4] {
        let broker = start(runtime, shards);
        let mut slow: Vec<_> = ["slow-1", "slow-2"].iter().map(|name| broker.subscriber(name)).collect();
        let mut publisher = broker.connect("publisher");
        let chunk = vec![0x5a; MIB];
        // Whatever is touched once, is touched now.
        publisher.write_all(&head(MIB)).expect("it reads");
        publisher.write_all(&chunk).expect("it reads");
        expect(&mut publisher, &[0x40, 2, 0, 1]);
        for reader in &mut slow {
            take(reader, MIB);
        }
        let before = broker.peak();
        publisher.write_all(&head(SIZE)).expect("it reads");
        for _ in 0..SIZE / MIB {
            publisher.write_all(&chunk).expect("it reads");
        }
        expect(&mut publisher, &[0x40, 2, 0, 1]);
        // Nobody has read any of it: it waits.
        for reader in &mut slow {
            take(reader, SIZE);
        }
        let cost = broker.peak() - before;
        assert!(cost <= SIZE + SLACK, "{shards} shards: {} KiB beyond itself", (cost - SIZE) / 1024);
    }
}

/// Reads a PUBLISH to its end, and acknowledges it.
fn take(reader: &mut TcpStream, size: usize) {
    let mut start = vec![0; head(size).len()];
    reader.read_exact(&mut start).expect("a PUBLISH comes");
    let packet_id = [start[start.len() - 2], start[start.len() - 1]];
    let mut piece = vec![0; MIB];
    for _ in 0..size / MIB {
        reader.read_exact(&mut piece).expect("its payload comes");
        assert!(piece.iter().all(|b| *b == 0x5a));
    }
    reader.write_all(&[&[0x40, 2][..], &packet_id].concat()).expect("it reads");
}
