//! QoS and quota: windows, what a publisher is told, back-pressure, and what becomes of every message.
use crate::support::{Hello, Kind, Shards, delivery, publish, publish_with};
use tidewire_core::broker::policy::QueuePolicy;
use tidewire_core::version::Version;

#[test]
fn qos_2_without_pubrel_fills_a_window_and_no_memory() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut s = Shards::with(1, &[("receive_maximum", "100")]);
        s.checking = false;
        let mut accepted = 0;
        let hello = Hello::new("flood").version(version).resume().expiry(1000);
        for round in 0..3 {
            let flood = s.greet(&hello);
            s.hear(flood);
            for id in 1..=u16::MAX {
                s.send(flood, &publish_with(version, "t", b"x", delivery(2, id, round > 0), false, None));
                if !s.is_open(flood) {
                    break;
                }
            }
            let heard = s.hear(flood);
            accepted += heard.iter().filter(|line| line.starts_with("PUBREC")).count();
            let last = if version.is_v5() { "DISCONNECT 0x93" } else { "closed" };
            assert!(heard.iter().any(|line| line == last), "{version:?} round {round}: {:?}", heard.last());
            assert_eq!((s.stats().messages, s.stats().incomplete_bytes), (0, 0));
        }
        // The ids are the session's: what the first round left unreleased is all there is.
        assert!(accepted >= 100, "{accepted}");
        s.check_now();
        let fresh = s.greet(&Hello::new("flood").version(version));
        assert_eq!(s.hear(fresh), ["CONNACK new 0x00"]);
        s.publish(fresh, "t", b"x", 2, 1);
        let told = if version.is_v5() { "PUBREC 1 0x10" } else { "PUBREC 1" };
        assert_eq!(s.hear(fresh), [told], "with the session its ids are gone");
    }
}

#[test]
fn a_qos_2_message_counts_once_however_it_is_repeated() {
    // Sent, cut, sent again with DUP, without it, released, sent again as a new one.
    let mut s = Shards::new(1);
    let watcher = s.subscriber("watcher", "t", 0);
    let hello = Hello::new("c").resume().expiry(100);
    let mut c = s.greet(&hello);
    s.publish(c, "t", b"1", 2, 9);
    s.cut(c);
    for dup in [true, false] {
        c = s.greet(&hello);
        s.send(c, &publish_with(Version::V5, "t", b"1", delivery(2, 9, dup), false, None));
        assert_eq!(s.hear(c), ["CONNACK present 0x00", "PUBREC 9"], "dup {dup}");
        s.cut(c);
    }
    assert_eq!(s.hear(watcher), ["PUBLISH t 1"]);
    c = s.greet(&hello);
    s.acknowledge(c, 6, 9);
    s.send(c, &publish_with(Version::V5, "t", b"2", delivery(2, 9, true), false, None));
    s.acknowledge(c, 6, 9);
    s.acknowledge(c, 6, 9);
    assert_eq!(s.hear(c), ["CONNACK present 0x00", "PUBCOMP 9", "PUBREC 9", "PUBCOMP 9", "PUBCOMP 9 0x92"]);
    assert_eq!(s.hear(watcher), ["PUBLISH t 2"]);
}

/// A line that breaks after a few kilobytes has room for acknowledgements, and not only for what is sent again: otherwise
/// nothing would ever come forward on it. Who acknowledges nothing gets all of it a second later. [MQTT-4.4.0-1]
#[test]
fn an_interrupted_session_gets_again_what_it_had_by_and_by() {
    let count = |s: &mut Shards, client, word: &str| {
        let heard = s.hear(client);
        heard.iter().filter(|line| line.starts_with(word)).count()
    };
    for (qos, n, at_once) in [(1, 40, 16), (2, 40, 16), (1, 16, 16), (2, 5, 5)] {
        let mut s = Shards::new(1);
        let hello = Hello::new("c").resume().expiry(100);
        let c = s.greet(&hello);
        s.subscribe(c, "t", qos);
        s.hear(c);
        let publisher = s.connect("p");
        (1..=n).for_each(|id| s.publish(publisher, "t", b"x", qos, id));
        assert_eq!(count(&mut s, c, "PUBLISH"), usize::from(n), "all of them, as long as nothing breaks");
        for waits in [false, true] {
            s.cut(c);
            let c = s.greet(&hello);
            assert_eq!(count(&mut s, c, "PUBLISH"), at_once, "QoS {qos}, {n}");
            if waits {
                s.wait(1);
                assert_eq!(count(&mut s, c, "PUBLISH"), usize::from(n) - at_once, "QoS {qos}, {n}");
                let more = n + 1;
                s.publish(publisher, "t", b"x", qos, more);
                assert_eq!(count(&mut s, c, "PUBLISH"), 1, "and then only the Receive Maximum holds");
            } else if qos == 1 && n == 40 {
                // In batches, each of them larger: none of them twice.
                let mut next = 1;
                while next <= 16 {
                    s.acknowledge(c, 4, next);
                    assert_eq!(count(&mut s, c, "PUBLISH"), if next <= 12 { 2 } else { 0 }, "{next}");
                    next += 1;
                }
                s.check_now();
                break;
            }
            s.cut(c);
        }
    }
}

/// [MQTT-4.3.3-10] knows no exception; and what has been answered once need not be answered a thousand times while
/// the answer waits.
#[test]
fn until_pubrel_any_repetition_is_answered_with_pubrec() {
    for version in [Version::V5, Version::V3_1_1] {
        let mut s = Shards::new(2);
        for shard in 0..2 {
            s.accept_at(shard);
            s.subscriber(&format!("watcher-{shard}"), "t", 0);
        }
        let c = s.greet(&Hello::new("c").version(version));
        s.hear(c);
        for _ in 0..3 {
            s.publish(c, "t", b"1", 2, 1);
            assert_eq!(s.hear(c), ["PUBREC 1"], "{version:?}");
        }
        s.hold_mail();
        for _ in 0..100 {
            s.publish(c, "t", b"2", 2, 2);
        }
        assert!(s.is_open(c) && s.hear(c).is_empty());
        s.let_mail_go();
        assert_eq!(s.hear(c), ["PUBREC 2"], "{version:?}: all hundred at once");
        s.publish(c, "t", b"2", 2, 2);
        assert_eq!(s.hear(c), ["PUBREC 2"], "{version:?}");
    }
}

/// Section 3.7.2.1; before 5.0 there is no way to say it. PUBREC is answered all the same, so that the exchange ends.
#[test]
fn a_pubrel_for_an_unknown_packet_identifier_is_answered_as_such() {
    for (version, said) in [(Version::V5, " 0x92"), (Version::V3_1_1, "")] {
        let mut s = Shards::new(1);
        let c = s.greet(&Hello::new("c").version(version));
        s.hear(c);
        s.acknowledge(c, 6, 7);
        s.acknowledge(c, 5, 8);
        assert_eq!(s.hear(c), [format!("PUBCOMP 7{said}"), "PUBREL 8".to_owned()], "{version:?}");
    }
}

// verb: handle_grant
#[test]
fn a_right_that_ends_between_pubrec_and_pubrel_does_not_hurt_the_exchange() {
    let mut s = Shards::new(1);
    let watcher = s.subscriber("watcher", "t", 0);
    let c = s.connect("c");
    s.publish(c, "t", b"1", 2, 9);
    s.authority().deny("c", Kind::Publish, "t");
    let grant = s.grant("c");
    s.brokers[0].handle_grant(s.now, grant);
    s.settle();
    s.acknowledge(c, 6, 9);
    s.publish(c, "t", b"2", 2, 9);
    assert_eq!(s.hear(c), ["PUBREC 9", "PUBCOMP 9", "PUBREC 9 0x87"]);
    assert_eq!(s.hear(watcher), ["PUBLISH t 1"], "delivered onward at PUBLISH, and judged then");
}

#[test]
fn making_room_makes_as_much_as_is_needed() {
    let mut s = Shards::with(1, &[("queued_bytes", "10000")]);
    s.authority().queue("slow", QueuePolicy::DropOldest);
    let hello = s.sleeper("slow", "t");
    let c = s.connect("c");
    for id in 1..=30 {
        s.publish(c, "t", b"small", 1, id);
    }
    for id in 31..=60 {
        s.publish(c, "t", &[b'x'; 3000], 1, id);
    }
    s.publish(c, "t", &[b'y'; 30_000], 1, 61);
    s.hear(c);
    let slow = s.greet(&hello);
    let heard = s.hear(slow);
    assert!((2..=4).contains(&(heard.len() - 1)), "{} are kept", heard.len() - 1);
    assert!(heard[1..].iter().all(|l| l.contains("<3000>")), "what can't fit makes nobody go: {heard:?}");
}

#[test]
fn all_blocked_recipients_pause_a_publisher_and_one_of_many_does_not() {
    for (readers, blocked, paused) in [(1, 1, true), (3, 3, true), (3, 1, false), (3, 2, false)] {
        let mut s = Shards::with(1, &[("queued_messages", "40")]);
        let readers: Vec<_> = (0..readers).map(|n| s.subscriber(&format!("r{n}"), "t", 0)).collect();
        for reader in &readers[..blocked] {
            s.window(*reader, 0);
        }
        let c = s.connect("c");
        for _ in 0..30 {
            s.publish(c, "t", &[b'x'; 10_000], 0, 0);
        }
        assert_eq!(!s.gates.is_empty(), paused, "{blocked} of {} are blocked", readers.len());
        if paused {
            assert_eq!(s.gates, [(c, "pause")]);
            for reader in &readers[..blocked] {
                s.window(*reader, usize::MAX);
            }
            assert_eq!(s.gates, [(c, "pause"), (c, "resume")], "drained, and so it goes on");
        }
        assert!(s.is_open(c));
    }
}

#[test]
fn a_pause_ends_by_itself_when_nobody_drains() {
    let mut s = Shards::with(1, &[("queued_messages", "40"), ("pause_seconds", "2")]);
    let reader = s.subscriber("r", "t", 0);
    s.window(reader, 0);
    let c = s.connect("c");
    for _ in 0..30 {
        s.publish(c, "t", &[b'x'; 10_000], 0, 0);
    }
    assert_eq!(s.gates, [(c, "pause")]);
    s.wait(1);
    assert!(!s.reads(c));
    s.wait(2);
    assert!(s.gates.starts_with(&[(c, "pause"), (c, "resume")]), "{:?}", s.gates);
    assert!(s.is_open(c));
}

#[test]
fn qos_0_passes_a_head_that_waits_for_quota_and_keeps_its_own_order() {
    let mut s = Shards::new(1);
    let r = s.greet(&Hello::new("r").receive_maximum(1));
    s.hear(r);
    s.subscribe(r, "t", 1);
    let c = s.connect("c");
    for (payload, qos, id) in [("1", 1, 1), ("2", 1, 2), ("a", 0, 0), ("3", 1, 3), ("b", 0, 0)] {
        s.publish(c, "t", payload.as_bytes(), qos, id);
    }
    assert_eq!(s.hear(r), ["PUBLISH t 1 q1 #1", "PUBLISH t a", "PUBLISH t b"]);
    s.acknowledge(r, 4, 1);
    s.acknowledge(r, 4, 2);
    assert_eq!(s.hear(r), ["PUBLISH t 2 q1 #2", "PUBLISH t 3 q1 #3"]);
}

#[test]
fn stray_acknowledgements_add_no_quota() {
    let mut s = Shards::new(1);
    let r = s.greet(&Hello::new("r").receive_maximum(2));
    s.hear(r);
    s.subscribe(r, "t", 2);
    for packet in [4, 5, 6, 7] {
        for id in [77, 78, u16::MAX] {
            s.acknowledge(r, packet, id);
        }
    }
    s.hear(r);
    let c = s.connect("c");
    for id in 1..=5 {
        s.publish(c, "t", b"x", 2, id);
    }
    assert_eq!(s.hear(r), ["PUBLISH t x q2 #1", "PUBLISH t x q2 #2"]);
    s.acknowledge(r, 5, 1);
    assert_eq!(s.hear(r), ["PUBREL 1"], "PUBREC frees nothing");
    s.acknowledge(r, 7, 1);
    s.acknowledge(r, 7, 1);
    assert_eq!(s.hear(r), ["PUBLISH t x q2 #3"]);
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_ends_the_connection_and_no_delivery() {
    // QoS of the message, whether PUBREC has come, and what each of the four does.
    let cases = [
        (1, false, ["ends", "fault", "PUBCOMP 1 0x92", "fault"]),
        (2, false, ["fault", "PUBREL 1", "PUBCOMP 1 0x92", "fault"]),
        (2, true, ["fault", "PUBREL 1", "PUBCOMP 1 0x92", "ends"]),
    ];
    for (qos, received, outcomes) in cases {
        for (packet, outcome) in (4..).zip(outcomes) {
            let case = format!("packet {packet} for QoS {qos}, PUBREC before: {received}");
            let mut s = Shards::new(1);
            let r = s.greet(&Hello::new("r").resume().expiry(100));
            s.subscribe(r, "t", 2);
            let c = s.connect("c");
            s.publish(c, "t", b"x", qos, 1);
            if received {
                s.acknowledge(r, 5, 1);
            }
            s.hear(r);
            s.acknowledge(r, packet, 1);
            let heard = s.hear(r);
            match outcome {
                "ends" => assert_eq!((heard.len(), s.stats().ledger.in_flight), (0, 0), "{case}"),
                "fault" => {
                    assert_eq!(heard, ["DISCONNECT 0x82", "closed"], "{case}");
                    assert_eq!(s.stats().ledger.in_flight, 1, "{case}");
                }
                answer => {
                    assert_eq!(heard, [answer], "{case}");
                    assert_eq!(s.stats().ledger.in_flight, 1, "{case}");
                }
            }
        }
    }
}

#[test]
fn packet_ids_in_use_are_never_given_out_again() {
    let mut s = Shards::with(1, &[("in_flight", "unlimited"), ("queued_messages", "unlimited")]);
    s.checking = false;
    let hello = Hello::new("r").resume().expiry(1000);
    let mut r = s.greet(&hello);
    s.subscribe(r, "t", 1);
    let c = s.connect("c");
    let mut held = std::collections::BTreeSet::new();
    // One is never acknowledged, every tenth late; the ring of ids goes round more than once.
    for n in 0..70_000_u32 {
        let id = u16::try_from(n % 1000 + 1).unwrap();
        s.send(c, &publish(Version::V5, "t", b"x", 1, id));
        if n % 500 != 499 {
            continue;
        }
        for line in s.hear(r).iter().filter(|l| l.starts_with("PUBLISH")) {
            let id: u16 = line.rsplit('#').next().unwrap().trim_end_matches(" dup").parse().unwrap();
            assert!(held.insert(id) || line.ends_with("dup"), "{id} is in use: {line}");
        }
        let done: Vec<u16> = held.iter().copied().filter(|id| *id != 1).collect();
        for id in done {
            s.acknowledge(r, 4, id);
            held.remove(&id);
        }
        if n % 15_000 == 14_999 {
            s.cut(r);
            r = s.greet(&hello);
        }
    }
    s.check_now();
    assert!(held.contains(&1));
}

#[test]
fn nothing_is_sent_again_while_the_connection_lives() {
    let mut s = Shards::new(1);
    let r = s.subscriber("r", "t", 2);
    let c = s.connect("c");
    s.publish(c, "t", b"x", 1, 1);
    s.publish(c, "t", b"y", 2, 2);
    s.wait(86_400);
    assert_eq!(s.hear(r), ["PUBLISH t x q1 #1", "PUBLISH t y q2 #2"]);
}

/// One that is never acknowledged ends up far behind those that come, and they wait before they come round to it.
#[test]
fn behind_a_message_that_is_never_acknowledged_so_many_go_and_the_next_waits_for_it() {
    const MOST: u16 = 16 * 1024;
    let limits = ["in_flight", "queued_messages", "queued_bytes"].map(|limit| (limit, "unlimited"));
    let mut s = Shards::with(1, &limits);
    s.checking = false;
    let hello = Hello::new("r").resume().expiry(1000);
    let mut r = s.greet(&hello);
    s.hear(r);
    s.subscribe(r, "t", 1);
    let c = s.connect("c");
    for n in 0..MOST + 3 {
        s.send(c, &publish(Version::V5, "t", b"x", 1, n % 1000 + 1));
    }
    assert_eq!(s.hear(r).len(), usize::from(MOST));
    (2..=MOST).for_each(|id| s.acknowledge(r, 4, id));
    for _ in 0..2 {
        assert_eq!(s.hear(r), [""; 0], "they wait for the first");
        s.cut(r);
        r = s.greet(&hello);
        assert_eq!(s.hear(r), ["CONNACK present 0x00", "PUBLISH t x q1 #1 dup"]);
        s.wait(1);
    }
    s.acknowledge(r, 4, 1);
    assert_eq!(s.hear(r), [1, 2, 3].map(|n| format!("PUBLISH t x q1 #{}", MOST + n)));
    s.check_now();
}

#[test]
fn all_packet_ids_are_used_in_turn_and_none_of_those_in_use() {
    const HELD: usize = 5_000;
    let mut s = Shards::with(1, &[("in_flight", "unlimited")]);
    s.checking = false;
    let r = s.subscriber("r", "t", 1);
    let c = s.connect("c");
    let mut held = std::collections::VecDeque::new();
    let mut rounds = 0;
    for n in 0..140_000_u32 {
        s.send(c, &publish(Version::V5, "t", b"x", 1, u16::try_from(n % 1000 + 1).unwrap()));
        let heard = s.hear(r);
        let [one] = heard.as_slice() else { panic!("message {n}: {heard:?}") };
        let id: u16 = one.strip_prefix("PUBLISH t x q1 #").and_then(|id| id.parse().ok()).expect("a message");
        assert!(n % 1000 > 0 || !held.contains(&id), "message {n}: {id} is in use");
        rounds += u32::from(id == 1);
        held.push_back(id);
        if held.len() > HELD {
            s.acknowledge(r, 4, held.pop_front().unwrap());
        }
    }
    assert_eq!(rounds, 3, "and it goes round");
    s.check_now();
}
