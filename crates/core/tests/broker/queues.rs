//! What a publisher is told, and what becomes of it, when queues are full.
use crate::support::{Hello, Kind, Shards, delivery, publish, publish_with};
use tidewire_core::broker::ledger::{Reason, Verdict};
use tidewire_core::broker::policy::QueuePolicy;
use tidewire_core::version::Version;

/// A publication, how it is answered with QoS 1, and as what it is counted.
struct Case {
    topic: &'static str,
    full: bool,
    denied: bool,
    v5: &'static [&'static str],
    v3: &'static [&'static str],
    booked: Verdict,
}

const CASES: [Case; 5] = [
    Case {
        topic: "nobody",
        full: false,
        denied: false,
        v5: &["PUBACK 1 0x10"],
        v3: &["PUBACK 1"],
        booked: Verdict::Accepted,
    },
    Case {
        topic: "t",
        full: false,
        denied: false,
        v5: &["PUBACK 1"],
        v3: &["PUBACK 1"],
        booked: Verdict::Accepted,
    },
    Case {
        topic: "t",
        full: true,
        denied: false,
        v5: &["PUBACK 1 0x97"],
        v3: &["PUBACK 1"],
        booked: Verdict::Refused,
    },
    Case {
        topic: "t",
        full: false,
        denied: true,
        v5: &["PUBACK 1 0x87"],
        v3: &["PUBACK 1"],
        booked: Verdict::NotAuthorized,
    },
    Case {
        topic: "$SYS/x",
        full: false,
        denied: false,
        v5: &["PUBACK 1 0x87"],
        v3: &["PUBACK 1"],
        booked: Verdict::NotAuthorized,
    },
];

#[test]
fn what_a_publisher_is_told() {
    for (case, version, qos, shards) in CASES.iter().flat_map(|c| {
        [(Version::V5, 1), (Version::V5, 2), (Version::V3_1_1, 1), (Version::V3_1_1, 2)]
            .into_iter()
            .flat_map(move |(v, shards)| [1, 3].map(|n| (c, v, n, shards)))
    }) {
        let said = format!(
            "{} full {} denied {} {version:?} {qos} {shards} shards",
            case.topic, case.full, case.denied
        );
        let qos = if qos == 3 { 2 } else { 1 };
        let mut s = Shards::with(shards, &[("queued_messages", if case.full { "0" } else { "10" })]);
        for name in ["one", "two", "three"] {
            s.sleeper(name, "t");
        }
        if case.denied {
            s.authority().deny("c", Kind::Publish, "#");
        }
        let c = s.greet(&Hello::new("c").version(version));
        s.hear(c);
        s.publish(c, case.topic, b"x", qos, 1);
        let expected = if version.is_v5() { case.v5 } else { case.v3 };
        let expected: Vec<_> = expected
            .iter()
            .map(|l| if qos == 2 { l.replace("PUBACK", "PUBREC") } else { (*l).to_owned() })
            .collect();
        assert_eq!(s.hear(c), expected, "{said}");
        let ledger = s.stats().ledger;
        let accepted = u64::from(case.booked == Verdict::Accepted || (shards > 1 && case.full));
        assert_eq!((ledger.accepted, ledger.refused), (accepted, 1 - accepted), "{said}");
        assert!(s.gates.is_empty() && s.is_open(c), "{said}: nobody is connected who could catch up");
        s.publish(c, case.topic, b"x", qos, 2);
        assert_eq!(s.hear(c).len(), 1, "{said}: it goes on");
    }
}

/// Before 5.0 a message can't be refused. Recipients who are connected and behind slow their publisher down, and then it
/// is acknowledged.
#[test]
fn before_5_a_publisher_whom_every_queue_refuses_is_slowed_down_and_then_answered() {
    for (shards, qos, catches_up) in [1, 2]
        .into_iter()
        .flat_map(|n| [1, 2].into_iter().flat_map(move |qos| [false, true].map(|c| (n, qos, c))))
    {
        let said = format!("{shards} shards, QoS {qos}, catches up: {catches_up}");
        let answered = |id| if qos == 1 { format!("PUBACK {id}") } else { format!("PUBREC {id}") };
        let mut s = Shards::with(shards, &[("queued_messages", "2")]);
        let slow = s.greet(&Hello::new("slow").receive_maximum(1));
        s.hear(slow);
        s.subscribe(slow, "t", 1);
        // At home on another shard, where there is one.
        let home = s.place(slow).0;
        let mut n = 0;
        let c = loop {
            let c = s.greet(&Hello::new(&format!("c{n}")).v3());
            if (s.place(c).0 != home) == (shards > 1) {
                break c;
            }
            n += 1;
        };
        s.hear(c);
        let all = [1, 2, 3, 4, 5].map(|id| publish(Version::V3_1_1, "t", b"x", qos, id));
        s.send(c, &all.concat());
        assert_eq!(s.hear(c), [1, 2, 3].map(answered), "{said}: the queue has room for two");
        assert_eq!(s.gates.last(), Some(&(c, "pause")), "{said}");
        assert_eq!(s.dropped(Reason::QueueFull), 2, "{said}");
        if catches_up && shards == 1 {
            (1..=3).for_each(|id| s.acknowledge(slow, 4, id));
        } else {
            s.wait(2);
        }
        assert_eq!(s.hear(c), [4, 5].map(answered), "{said}");
        assert_eq!(s.gates.last(), Some(&(c, "resume")), "{said}");
        if qos == 2 {
            s.send(c, &publish_with(Version::V3_1_1, "t", b"x", delivery(2, 5, true), false, None));
            s.acknowledge(c, 6, 5);
            assert_eq!(s.hear(c), ["PUBREC 5", "PUBCOMP 5"], "{said}: that exchange is like any other");
        }
        s.check_now();
    }
}

/// A dead subscriber shuts out nobody.
#[test]
fn a_full_queue_of_somebody_who_is_away_holds_up_nobody() {
    for (shards, version) in [(1, Version::V3_1_1), (2, Version::V3_1_1), (2, Version::V3_1)] {
        let mut s = Shards::with(shards, &[("queued_messages", "5")]);
        s.sleeper("dead", "t");
        let c = s.greet(&Hello::new("c").version(version));
        s.hear(c);
        for id in 1..=100 {
            s.publish(c, "t", b"x", 1, id);
            assert_eq!(s.hear(c), [format!("PUBACK {id}")], "{version:?} {shards} shards");
        }
        assert!(s.gates.is_empty());
        assert_eq!(s.dropped(Reason::QueueFull), 95);
    }
}

#[test]
fn each_queue_policy_at_its_limit() {
    let cases = [
        (QueuePolicy::Reject, ["a", "b"], "PUBACK 3 0x97", Reason::QueueFull),
        (QueuePolicy::DropOldest, ["b", "c"], "PUBACK 3", Reason::MadeRoom),
        (QueuePolicy::DropNewest, ["a", "b"], "PUBACK 3", Reason::QueueFull),
        (QueuePolicy::Disconnect, ["a", "b"], "PUBACK 3", Reason::QueueFull),
    ];
    for ((policy, kept, told, reason), online) in cases.into_iter().flat_map(|c| [(c, false), (c, true)]) {
        let mut s = Shards::with(1, &[("queued_messages", "2")]);
        s.authority().queue("slow", policy);
        let hello = s.sleeper("slow", "t").receive_maximum(1);
        let slow = online.then(|| s.greet(&hello));
        let c = s.connect("c");
        if online {
            // It has one that it does not acknowledge: the others queue behind it.
            s.publish(c, "t", b"first", 1, 9);
            assert_eq!(s.hear(c), ["PUBACK 9"]);
        }
        // In one read: what has come is handled, also where its publisher is to pause from here on.
        let all = [(1, b"a"), (2, b"b"), (3, b"c")];
        s.send(c, &all.map(|(id, payload)| publish(Version::V5, "t", payload, 1, id)).concat());
        assert_eq!(s.hear(c), ["PUBACK 1", "PUBACK 2", told], "{policy:?} online {online}");
        assert_eq!(s.dropped(reason), 1, "{policy:?} online {online}");
        let reader = match slow {
            Some(client) if policy != QueuePolicy::Disconnect => client,
            Some(client) => {
                assert_eq!(s.hear(client).last().map(String::as_str), Some("closed"), "too slow");
                s.greet(&hello)
            }
            None => s.greet(&hello),
        };
        (1..=3).for_each(|id| s.acknowledge(reader, 4, id));
        let heard = s.hear(reader);
        let got = heard.iter().filter(|l| l.contains(" q1 ") && !l.contains("first"));
        let got: Vec<_> = got.map(|l| l.split(' ').nth(2).unwrap()).collect();
        assert_eq!(got, kept, "{policy:?} online {online}: {heard:?}");
    }
}

/// What has no acknowledgement waits in its place with the rest, if somebody wants that.
#[test]
fn qos_0_waits_for_who_is_away_where_that_was_said() {
    for (limit, expected) in [("no", vec!["two q1"]), ("yes", vec!["one", "two q1", "three"])] {
        for version in [Version::V3_1_1, Version::V5] {
            let mut s = Shards::with(2, &[("queue_qos_0", limit)]);
            let hello = Hello::new("sleeper").resume().expiry(10_000).version(version);
            let client = s.greet(&hello);
            s.hear(client);
            s.subscribe(client, "t", 2);
            s.cut(client);
            let publisher = s.connect("publisher");
            s.publish(publisher, "t", b"one", 0, 0);
            s.publish(publisher, "t", b"two", 1, 1);
            s.publish(publisher, "t", b"three", 0, 0);
            let client = s.greet(&hello);
            let heard = s.hear(client);
            let came: Vec<_> = heard[1..]
                .iter()
                .map(|line| line.trim_start_matches("PUBLISH t ").trim_end_matches(" #1"))
                .collect();
            assert_eq!(came, expected, "{limit}, {version:?}");
            let ledger = s.stats().ledger;
            assert_eq!(ledger.queued, 0);
        }
    }
}

/// A clean session has nothing to come back to, and what waits is bounded as anything that waits.
#[test]
fn qos_0_that_waits_is_bounded_and_ends_with_its_session() {
    let mut s = Shards::with(1, &[("queue_qos_0", "yes"), ("queued_messages", "3")]);
    s.sleeper("sleeper", "t");
    let publisher = s.connect("publisher");
    (0..10).for_each(|_| s.publish(publisher, "t", b"x", 0, 0));
    assert_eq!((s.stats().ledger.queued, s.stats().messages), (3, 3));
    s.wait(10_001);
    assert_eq!((s.stats().ledger.queued, s.stats().messages, s.stats().sessions), (0, 0, 1));
}
