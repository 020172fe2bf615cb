//! Large payloads: in pieces, by the lent space, to many, refused, cut.
use crate::support::{Client, Hello, Kind, Shards, publish};
use tidewire_core::Input;
use tidewire_core::version::Version;

const SIZE: usize = 700_001;

/// Hands a PUBLISH in through the space that the broker lends, as far as it lends any.
fn send_by_space(s: &mut Shards, client: Client, bytes: &[u8]) {
    let (shard, id) = s.place(client);
    let mut rest = bytes;
    let mut lent = 0;
    while !rest.is_empty() {
        if let Some(space) = s.brokers[shard].payload_space(id) {
            let n = space.len().min(rest.len()).min(90_001);
            space[..n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            lent += n;
            assert_eq!(s.brokers[shard].handle_payload(s.now, id, n), Input::More);
        } else {
            let n = rest.len().min(1_003);
            assert_ne!(s.brokers[shard].handle_bytes(s.now, id, &rest[..n]), Input::Done);
            rest = &rest[n..];
        }
        s.settle();
    }
    assert!(lent > bytes.len() - 10_000, "nearly all of it was read straight into place: {lent}");
}

// verb: payload_space, handle_payload
#[test]
fn a_large_payload_reaches_everybody_whole_however_it_comes() {
    let payload: Vec<u8> = (0..SIZE).map(|n| u8::try_from(n % 251).unwrap()).collect();
    for (shards, lent) in [(1, false), (4, false), (1, true), (4, true)] {
        let mut s = Shards::new(shards);
        let mut readers: Vec<Client> = (0..6).map(|n| s.subscriber(&format!("r{n}"), "t", n % 3)).collect();
        let slow = s.subscriber("slow", "t", 1);
        s.window(slow, 10);
        let sender = s.connect("sender");
        let bytes =
            [publish(Version::V5, "t", &payload, 2, 1), publish(Version::V5, "t", b"after", 0, 0)].concat();
        if lent {
            send_by_space(&mut s, sender, &bytes);
        } else {
            bytes.chunks(65_521).for_each(|piece| s.send(sender, piece));
        }
        assert_eq!(s.hear(sender), ["PUBREC 1"], "{shards} shards");
        assert_eq!(s.stats().incomplete_bytes, 0);
        s.window(slow, usize::MAX);
        readers.push(slow);
        for (n, reader) in readers.into_iter().enumerate() {
            let bytes = s.hear_bytes(reader);
            let at = bytes.windows(16).position(|w| w == &payload[..16]).expect("it is there");
            assert!(bytes[at..].starts_with(&payload), "reader {n}");
            assert!(bytes.ends_with(b"after"), "in order, reader {n}");
        }
    }
}

#[test]
fn a_packet_is_as_large_as_it_may_be_and_no_larger() {
    for version in [Version::V3_1_1, Version::V5] {
        for (limit, size) in [("16MiB", 16 * 1024 * 1024_usize), ("1000", 1000)] {
            for (excess, accepted) in [(-1, true), (0, true), (1, false)] {
                if size > 1000 && (excess < 0 || !version.is_v5()) {
                    continue; // The small one shows the same.
                }
                let mut s = Shards::with(1, &[("packet_bytes", limit)]);
                let sender = s.greet(&Hello::new("sender").version(version));
                s.hear(sender);
                let empty = publish(version, "t", &[], 0, 0).len();
                let header = if size > 2_000_000 { 3 } else { 1 };
                let payload = vec![0; size.checked_add_signed(excess).unwrap() - empty - header];
                let bytes = publish(version, "t", &payload, 0, 0);
                assert_eq!(bytes.len(), size.checked_add_signed(excess).unwrap());
                s.send(sender, &bytes[..5]);
                if !accepted {
                    let said: &[&str] =
                        if version.is_v5() { &["DISCONNECT 0x95", "closed"] } else { &["closed"] };
                    assert_eq!(s.hear(sender), said, "by its header alone");
                    continue;
                }
                s.send(sender, &bytes[5..]);
                assert!(s.is_open(sender), "{version:?} {limit} {excess}");
                assert_eq!(s.stats().ledger.accepted, 1);
            }
        }
    }
}

#[test]
fn a_large_message_that_goes_nowhere_takes_no_memory() {
    let mut s = Shards::new(1);
    s.authority().deny("sender", Kind::Publish, "secret");
    let watcher = s.subscriber("watcher", "#", 0);
    let sender = s.connect("sender");
    let bytes = publish(Version::V5, "secret", &vec![1; SIZE], 1, 1);
    let mut most = 0;
    for piece in bytes.chunks(1000) {
        s.send(sender, piece);
        most = most.max(s.stats().incomplete_bytes);
    }
    assert!(most < 4096, "{most}");
    s.publish(sender, "open", b"next", 1, 2);
    assert_eq!(s.hear(sender), ["PUBACK 1 0x87", "PUBACK 2"]);
    assert_eq!(s.hear(watcher), ["PUBLISH open next"]);
    // One that was delivered before is consumed as well.
    let again = publish(Version::V5, "open", &vec![1; SIZE], 2, 3);
    s.send(sender, &again);
    s.send(sender, &again);
    assert_eq!(s.hear(sender), ["PUBREC 3", "PUBREC 3"]);
    assert_eq!(s.hear(watcher).len(), 1);
}

#[test]
fn a_cut_in_the_middle_frees_everything_wherever_it_comes() {
    let mut s = Shards::new(1);
    let watcher = s.subscriber("watcher", "#", 1);
    let bytes = publish(Version::V5, "t", &vec![1; SIZE], 1, 1);
    for at in [1, 3, 12, 13, 5_000, 262_144, 262_160, 600_000, bytes.len() - 1] {
        let sender = s.connect("sender");
        s.send(sender, &bytes[..at]);
        assert!(s.stats().incomplete_bytes > 0, "{at}");
        s.cut(sender);
        assert_eq!((s.stats().incomplete_bytes, s.stats().messages), (0, 0), "{at}");
    }
    assert!(s.hear(watcher).is_empty());
}

#[test]
fn more_was_read_than_was_lent_is_no_disaster() {
    let mut s = Shards::new(1);
    let sender = s.connect("sender");
    let bytes = publish(Version::V5, "t", &vec![1; 100_000], 1, 1);
    s.send(sender, &bytes[..50]);
    let (shard, id) = s.place(sender);
    assert!(s.brokers[shard].payload_space(id).is_some());
    let _ = s.brokers[shard].handle_payload(s.now, id, usize::MAX);
    s.settle();
    let _ = s.brokers[shard].handle_payload(s.now, id, 1);
    s.settle();
    assert_eq!(s.stats().incomplete_bytes, 0);
}
