//! Limits: one less, as much, and one more.
use crate::support::{Hello, Shards, delivery, publish, publish_with, subscribe, unsubscribe_all};
use tidewire_core::broker::ledger::Reason;
use tidewire_core::version::Version;

fn filters(n: usize) -> Vec<u8> {
    filters_of(Version::V5, n)
}

fn filters_of(version: Version, n: usize) -> Vec<u8> {
    let names: Vec<_> = (0..n).map(|n| format!("f/{n}")).collect();
    let filters: Vec<_> = names.iter().map(|name| (name.as_str(), 0)).collect();
    subscribe(version, 1, &filters)
}

/// A client that is closed for it comes back and asks for the same again.
#[test]
fn filters_per_packet_beyond_which_each_is_refused_in_the_suback() {
    for (version, refused) in [(Version::V5, 0x97), (Version::V3_1_1, 0x80)] {
        for (n, granted) in [(9, 9), (10, 10), (13, 10)] {
            let mut s = Shards::with(1, &[("filters_per_packet", "10")]);
            let c = s.greet(&Hello::new("c").version(version));
            s.hear(c);
            s.send(c, &filters_of(version, n));
            let mut told = vec![0; granted];
            told.resize(n, refused);
            assert_eq!(s.hear(c), [format!("SUBACK 1 {told:?}")], "{version:?}");
            assert_eq!(s.stats().subscriptions, granted as u64);
        }
    }
}

#[test]
fn by_default_all_subscriptions_of_a_session_may_come_in_one_packet_and_go_in_one() {
    for shards in [1, 2] {
        let mut s = Shards::new(shards);
        let c = s.connect("c");
        s.send(c, &filters(10_001));
        let told = s.hear(c).remove(0);
        assert!(told.ends_with(" 0, 151]"), "{shards} shards");
        assert_eq!(s.stats().subscriptions, 10_000 * u64::from(shards), "each shard knows of them");
        let names: Vec<_> = (0..10_001).map(|n| format!("f/{n}")).collect();
        s.send(c, &unsubscribe_all(Version::V5, 2, &names));
        let told = s.hear(c).remove(0);
        assert!(told.ends_with(" 0, 17]"), "{shards} shards: the last one never was");
        assert_eq!(s.stats().subscriptions, 0);
    }
}

/// [MQTT-3.1.2-24] holds for all packets, not for PUBLISH alone.
#[test]
fn nobody_is_sent_a_packet_larger_than_it_takes() {
    for limit in 1..30 {
        let mut s = Shards::new(1);
        let c = s.dial();
        s.send(c, &Hello::new("c").maximum_packet_size(limit).bytes());
        let heard = s.hear_bytes(c);
        assert!(heard.len() <= limit as usize, "{limit}: {heard:x?}");
        let let_in = heard.get(3) == Some(&0);
        assert_eq!(s.is_open(c), let_in, "{limit}: who can't be welcomed is let go");
        assert_eq!(heard.get(3), [None, Some(&0x95), Some(&0)][usize::from(limit > 4) + usize::from(let_in)]);
        for packet in [filters(8), filters(40)] {
            s.send(c, &packet);
            let heard = s.hear_bytes(c);
            assert!(heard.len() <= limit as usize, "{limit}: {heard:x?}");
        }
        assert!(!s.is_open(c), "{limit}: an answer of 46 bytes is too large");
    }
}

#[test]
fn subscriptions_of_a_session_and_those_it_has_may_be_renewed() {
    let mut s = Shards::with(1, &[("subscriptions", "3")]);
    let c = s.connect("c");
    s.send(c, &filters(4));
    s.send(c, &filters(3));
    assert_eq!(s.hear(c), ["SUBACK 1 [0, 0, 0, 151]", "SUBACK 1 [0, 0, 0]"]);
    assert_eq!(s.stats().subscriptions, 3);
}

#[test]
fn connect_bytes() {
    for (limit, let_in) in [(1, false), (0, true), (-1, true)] {
        let bytes = Hello::new("a client with a name of some length").user("user").bytes();
        let most = bytes.len().checked_add_signed(-limit).unwrap().to_string();
        let mut s = Shards::with(1, &[("connect_bytes", &most)]);
        let c = s.dial();
        s.send(c, &bytes);
        assert_eq!(s.is_open(c), let_in, "{most} for {}", bytes.len());
        if let_in {
            s.publish(c, "t", &[b'x'; 1000], 1, 1);
            assert_eq!(s.hear(c), ["CONNACK new 0x00", "PUBACK 1 0x10"], "it is for CONNECT only");
        }
    }
}

/// Whatever the fields hold, by default: each may have 65,535 bytes, the properties together as many.
#[test]
fn by_default_any_legal_connect_is_let_in() {
    for version in [Version::V5, Version::V3_1_1] {
        let mut s = Shards::new(1);
        let long = "x".repeat(65_535);
        let c = s.greet(&Hello::new(&long).version(version).user(&long).will_of("w", &vec![b'w'; 65_535]));
        assert_eq!(s.hear(c), ["CONNACK new 0x00"], "{version:?}");
    }
}

/// 5.0 has words for it, as soon as the beginning says that it is 5.0, in however many pieces. (Section 3.1.4)
#[test]
fn a_connect_that_is_too_long_is_refused_in_the_words_of_its_version() {
    let hello = Hello::new(&"x".repeat(2_000));
    for (version, heard) in [
        (Version::V5, vec!["CONNACK new 0x95", "closed"]),
        (Version::V3_1_1, vec!["closed"]),
        (Version::V3_1, vec!["closed"]),
    ] {
        let bytes = hello.clone().version(version).bytes();
        for pieces in [vec![&bytes[..]], bytes[..12].chunks(1).collect(), vec![&bytes[..2], &bytes[2..]]] {
            let mut s = Shards::with(1, &[("connect_bytes", "1000")]);
            let c = s.dial();
            s.speaks(c, version);
            for piece in pieces {
                s.send(c, piece);
            }
            assert_eq!(s.hear(c), heard, "{version:?}");
            assert_eq!(s.stats().incomplete_bytes, 0);
        }
    }
}

#[test]
fn receive_maximum_inward_over_qos_1_and_2_together() {
    let mut s = Shards::with(2, &[("receive_maximum", "4")]);
    let names: Vec<_> = (0..8).map(|n| format!("r{n}")).collect();
    for name in &names {
        s.subscriber(name, "t", 1);
    }
    s.hold_mail();
    let c = s.connect("c");
    for (id, qos) in [(1, 1), (2, 2), (3, 1), (4, 2)] {
        s.publish(c, "t", b"x", qos, id);
    }
    assert!(s.is_open(c) && s.hear(c).is_empty(), "all wait for the other shard");
    s.publish(c, "t", b"x", 0, 0);
    assert!(s.is_open(c), "QoS 0 does not count");
    s.publish(c, "t", b"x", 1, 5);
    assert_eq!(s.hear(c), ["DISCONNECT 0x93", "closed"]);
    s.let_mail_go();
    assert_eq!(s.stats().ledger.mailed, s.stats().ledger.settled);
}

/// Before 5.0 a client can't know how much is taken at a time: it is read more slowly instead of being closed.
#[test]
fn before_5_the_window_slows_down_and_closes_nobody() {
    let mut s = Shards::with(2, &[("receive_maximum", "100")]);
    for n in 0..8 {
        s.subscriber(&format!("r{n}"), "t", 1);
    }
    s.hold_mail();
    let c = s.greet(&Hello::new("c").v3());
    s.hear(c);
    for id in 1..=300 {
        s.publish(c, "t", b"x", 1, id);
    }
    assert!(s.is_open(c) && !s.reads(c), "beyond twice the window they stay in the socket");
    s.wait(10);
    assert!(!s.reads(c), "as long as the other shard says nothing");
    s.let_mail_go();
    assert_eq!(s.hear(c), (1..=300).map(|id| format!("PUBACK {id}")).collect::<Vec<_>>());
    assert!(s.reads(c));
    // What it has to release itself is limited all the same.
    for id in 1..=101 {
        s.publish(c, "t", b"x", 2, id);
    }
    assert_eq!(s.hear(c).last().map(String::as_str), Some("closed"));
}

#[test]
fn in_flight_to_a_client_that_takes_everything() {
    for (version, most) in [(Version::V5, 5), (Version::V3_1_1, 3)] {
        let mut s = Shards::with(1, &[("in_flight", "5"), ("in_flight_v3", "3")]);
        let r = s.greet(&Hello::new("r").version(version));
        s.subscribe(r, "t", 1);
        let c = s.connect("c");
        (1..=10).for_each(|id| s.publish(c, "t", b"x", 1, id));
        assert_eq!(s.hear(r).len(), most);
        (1..=10).for_each(|id| s.acknowledge(r, 4, id));
        assert_eq!(s.hear(r).len(), 10 - most);
    }
}

#[test]
fn queued_messages_and_bytes_of_a_session_that_is_away() {
    for (limit, most, size) in [("queued_messages", 5, 1), ("queued_bytes", 3, 1000)] {
        let mut s = Shards::with(1, &[("queued_messages", "5"), ("queued_bytes", "3900")]);
        let hello = Hello::new("r").resume().expiry(100);
        let r = s.greet(&hello);
        s.subscribe(r, "t", 1);
        s.cut(r);
        let c = s.connect("c");
        (1..=7).for_each(|id| s.publish(c, "t", &vec![b'x'; size], 1, id));
        let refused = s.hear(c).iter().filter(|l| l.ends_with("0x97")).count();
        assert_eq!((7 - refused, s.dropped(Reason::QueueFull)), (most, refused as u64), "{limit}");
        let r = s.greet(&hello);
        assert_eq!(s.hear(r).len(), 1 + most, "{limit}");
    }
}

#[test]
fn retained_messages_and_bytes_and_clearing_always_works() {
    for (limit, value) in [("retained_messages", "2"), ("retained_bytes", "2500")] {
        let mut s = Shards::with(1, &[(limit, value)]);
        let c = s.connect("c");
        let keep = |s: &mut Shards, topic: &str, payload: &[u8]| {
            s.send(c, &publish_with(Version::V5, topic, payload, delivery(1, 1, false), true, None));
            s.hear(c).remove(0)
        };
        for topic in ["a", "b"] {
            assert_eq!(keep(&mut s, topic, &[b'x'; 1000]), "PUBACK 1 0x10", "{limit}");
        }
        assert_eq!(keep(&mut s, "c", &[b'x'; 1000]), "PUBACK 1 0x97", "{limit}");
        assert_eq!(keep(&mut s, "b", &[b'y'; 1000]), "PUBACK 1 0x10", "{limit}: replaced");
        assert_eq!(keep(&mut s, "a", b""), "PUBACK 1 0x10");
        assert_eq!(keep(&mut s, "c", &[b'x'; 1000]), "PUBACK 1 0x10");
        assert_eq!(s.stats().retained, 2);
    }
}

#[test]
fn incomplete_bytes() {
    let mut s = Shards::with(1, &[("incomplete_bytes", "10000")]);
    let clients: Vec<_> = (0..4).map(|n| s.connect(&format!("c{n}"))).collect();
    let bytes = publish(Version::V5, "t", &[1; 5000], 0, 0);
    for client in &clients {
        s.send(*client, &bytes[..4000]);
        assert!(s.stats().incomplete_bytes <= 10_000);
    }
    let open = clients.iter().filter(|c| s.is_open(**c)).count();
    assert!((1..=2).contains(&open), "{open}");
    for client in clients {
        if s.is_open(client) {
            s.send(client, &bytes[4000..]);
            assert!(s.is_open(client));
        } else {
            assert_eq!(s.hear(client)[0], "DISCONNECT 0x97");
        }
    }
    assert_eq!(s.stats().incomplete_bytes, 0);
}

#[test]
fn ten_thousand_strangers_own_next_to_nothing_and_a_friend_gets_in() {
    let mut s = Shards::with(1, &[("stranger_bytes", "1MiB")]);
    s.checking = false;
    let hello = Hello::new("a name that goes on for a while so that there is something to wait for").bytes();
    let mut strangers = vec![];
    for n in 0..10_000_usize {
        let stranger = s.dial();
        match n % 3 {
            // 256 MB are announced.
            0 => s.send(stranger, &[0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4, b'M', b'Q', b'T', b'T', 4]),
            // A CONNECT of legal length that never ends.
            1 => s.send(stranger, &[&[0x10, 0xff, 0xff, 0x03][..], &[0; 100]].concat()),
            _ => s.send(stranger, &hello[..n % 40]),
        }
        strangers.push(stranger);
        assert!(s.stats().incomplete_bytes <= 1 << 20);
    }
    let huge = strangers.iter().step_by(3).all(|c| !s.is_open(*c));
    assert!(huge, "who announces that much is gone at once");
    let friend = s.connect("friend");
    s.wait(11);
    assert!(s.is_open(friend));
    assert_eq!((s.stats().connections, s.stats().incomplete_bytes), (1, 0), "their time is over");
    s.check_now();
}

#[test]
fn who_is_not_known_says_connect_first_and_in_time() {
    for (bytes, heard) in [
        (vec![0x20, 2, 0, 0], vec!["closed"]),
        (vec![0xc0, 0], vec!["closed"]),
        (b"GET / HTTP/1.1\r\n".to_vec(), vec!["closed"]),
        (vec![0x16, 3, 1, 2, 0, 1], vec!["closed"]),
    ] {
        let mut s = Shards::new(1);
        let c = s.dial();
        s.send(c, &bytes);
        assert_eq!(s.hear(c), heard, "{bytes:?}");
    }
    let mut s = Shards::with(1, &[("connect_seconds", "3")]);
    let c = s.dial();
    for byte in &Hello::new("slowly").bytes()[..3] {
        s.send(c, &[*byte]);
        s.wait(1);
    }
    s.wait(1);
    assert_eq!(s.hear(c), ["closed"], "a byte a second puts nothing off");
}

#[test]
fn connections_of_an_address_and_how_fast_they_come() {
    let mut s = Shards::with(1, &[("connections_per_address", "3"), ("connects_per_second", "5")]);
    let four: Vec<_> = (0..4).map(|_| s.dial_from("192.0.2.1")).collect();
    assert_eq!(four.iter().filter(|c| s.is_open(**c)).count(), 3);
    let other = s.dial_from("192.0.2.2");
    assert!(s.is_open(other), "another address is another matter");
    s.cut(four[0]);
    let again = s.dial_from("192.0.2.1");
    assert!(s.is_open(again));
    for _ in 0..5 {
        let last = s.dial_from("192.0.2.3");
        s.cut(last);
    }
    let sixth = s.dial_from("192.0.2.3");
    assert!(!s.is_open(sixth));
    s.wait(1);
    let later = s.dial_from("192.0.2.3");
    assert!(s.is_open(later));
}

/// Whoever is on the machine is no stranger; but who sets a limit means everybody.
#[test]
fn loopback_has_no_quota_unless_it_is_set() {
    let open = |limits: &[(&str, &str)]| {
        let mut s = Shards::with(1, limits);
        s.checking = false;
        let all: Vec<_> = (0..1_500).map(|_| s.dial_from("127.0.0.1")).collect();
        s.check_now();
        all.into_iter().filter(|c| s.is_open(*c)).count()
    };
    assert_eq!(open(&[]), 1_500);
    assert_eq!(open(&[("connects_per_second", "5")]), 5);
    assert_eq!(open(&[("connections_per_address", "7")]), 7);
    assert_eq!(open(&[("connects_per_second", "1000")]), 1_000, "to the default as well");
}

/// A move to another shard is no new connection.
#[test]
fn a_connection_that_moves_is_made_once() {
    let mut s = Shards::with(2, &[("connects_per_second", "8")]);
    let clients: Vec<_> = (0..16).map(|n| s.connect(&format!("c{n}"))).collect();
    assert!(clients.into_iter().all(|c| s.is_open(c)), "eight accepted on each shard, wherever they live");
}

#[test]
fn connections_and_sessions_in_all_on_each_shard() {
    for limit in ["connections", "sessions"] {
        for version in [Version::V5, Version::V3_1_1] {
            let mut s = Shards::with(1, &[(limit, "2")]);
            let hello = |name: &str| Hello::new(name).version(version).resume().expiry(100);
            let clients = ["one", "two"].map(|name| s.greet(&hello(name)));
            assert!(clients.into_iter().all(|c| s.is_open(c)));
            let third = s.greet(&hello("three"));
            let refused = if version.is_v5() { "CONNACK new 0x97" } else { "CONNACK new 0x88" };
            assert_eq!(s.hear(third), [refused, "closed"], "{limit}: it hears why");
            let again = s.greet(&hello("one"));
            assert_eq!(s.hear(again), ["CONNACK present 0x00"], "{limit}: a takeover needs no more room");
            s.cut(again);
            let third = s.greet(&hello("three"));
            assert_eq!(s.is_open(third), limit == "connections", "{limit}: the session is still there");
            let back = s.greet(&hello("one"));
            assert_eq!(s.is_open(back), limit == "sessions", "{limit}");
            let stranger = s.dial();
            assert!(s.is_open(stranger), "{limit}: who has not said hello has no place to be counted in");
        }
    }
}

#[test]
fn the_costliest_legal_packets_are_answered() {
    let mut s = Shards::new(1);
    let c = s.connect("c");
    s.send(c, &filters(1000));
    assert_eq!(s.stats().subscriptions, 1000);
    let levels = vec!["l"; 200].join("/");
    s.publish(c, &levels, b"x", 1, 1);
    assert_eq!(s.hear(c).last().map(String::as_str), Some("PUBACK 1 0x10"));
    s.publish(c, &format!("{levels}/l"), b"x", 1, 1);
    assert!(!s.is_open(c), "one level more is too many");
}

/// What a stranger may keep is `connect_bytes`, whatever length it claims for its Protocol Name.
#[test]
fn a_protocol_name_that_is_none_is_refused_at_once() {
    let mut s = Shards::with(1, &[("connect_bytes", "1KiB")]);
    let c = s.dial();
    s.send(c, b"\x10\xff\xff\xff\x7f\xff\xff");
    s.send(c, &[b'x'; 60_000]);
    assert!(!s.is_open(c));
    assert_eq!(s.stats().incomplete_bytes, 0);
}

/// Who subscribes again and again and does not read gets no more replays than it may have subscriptions.
#[test]
fn retained_messages_that_wait_to_be_sent_again_are_limited() {
    let mut s = Shards::with(1, &[("subscriptions", "100")]);
    let publisher = s.connect("p");
    s.send(publisher, &publish_with(Version::V5, "t", b"kept", delivery(0, 0, false), true, None));
    let c = s.greet(&Hello::new("c").v3());
    s.hear(c);
    s.window(c, 0);
    s.send(c, &subscribe(Version::V3_1_1, 1, &[("t", 0)]).repeat(1_000));
    s.window(c, usize::MAX);
    let heard = s.hear(c);
    assert_eq!(heard.iter().filter(|line| line.starts_with("PUBLISH")).count(), 100);
    assert_eq!(heard.iter().filter(|line| *line == "SUBACK 1 [128]").count(), 900, "and is told");
}

/// What other shards are told of subscriptions is mail like any other: whoever causes it waits for their windows.
#[test]
fn subscriptions_wait_for_a_full_window_too() {
    let under_way = [false, true].map(|comes_again| {
        let mut s = Shards::with(2, &[("mail_notes", "100")]);
        s.checking = false;
        s.hold_mail();
        let mut c = s.connect("c");
        for n in 0..100 {
            let filters: Vec<_> = (0..100).map(|m| format!("t/{n}/{m}")).collect();
            let filters: Vec<_> = filters.iter().map(|filter| (filter.as_str(), 0)).collect();
            s.send(c, &subscribe(Version::V5, 1, &filters));
            if comes_again {
                s.cut(c);
                c = s.greet(&Hello::new("c"));
            }
        }
        s.check_now();
        s.stats().ledger.mailed - s.stats().ledger.settled
    });
    assert!(under_way.iter().all(|notes| *notes <= 1000), "of 100 notes: {under_way:?}");
}
