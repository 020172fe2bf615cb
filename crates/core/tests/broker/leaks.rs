//! What is repeated leaves nothing behind.
use crate::support::{Hello, Shards, Verdict, delivery, denied, publish_with, subscribe, unsubscribe};
use tidewire_core::broker::policy::Admission;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;

const CYCLES: usize = 10_000;

type Cycle = fn(&mut Shards, usize);

/// What comes and goes, one round of each.
fn cycles() -> [(&'static str, Cycle); 9] {
    [
        ("connect and go", |s, _| {
            let c = s.connect("c");
            s.send(c, &[0xe0, 0]);
        }),
        ("connect with a will, and cut", |s, n| {
            let c = s.greet(&Hello::new(&format!("c{n}")).will("w", 0));
            s.cut(c);
        }),
        ("refused", |s, _| {
            s.authority().says("no", Verdict::Deny(ReasonCode::NotAuthorized));
            let c = s.greet(&Hello::new("no").will("w", 0));
            s.cut(c);
        }),
        ("refused later", |s, _| {
            s.authority().says("maybe", Verdict::Later);
            s.greet(&Hello::new("maybe"));
            s.answer(denied(ReasonCode::NotAuthorized));
        }),
        ("half a packet, and cut", |s, n| {
            let c = s.connect("half");
            let bytes = publish_with(Version::V5, "t", &[1; 5000], delivery(1, 1, false), false, None);
            s.send(c, &bytes[..n % 5000 + 1]);
            s.cut(c);
        }),
        ("subscribe, receive, unsubscribe", |s, n| {
            let c = s.connect("sub");
            let filter = format!("a/{n}/+");
            s.send(c, &subscribe(Version::V5, 1, &[(&filter, 2), ("b/#", 1)]));
            s.publish(c, &format!("a/{n}/x"), b"hi", 2, 1);
            s.send(c, &unsubscribe(Version::V5, 2, &filter));
            s.cut(c);
        }),
        ("retain and clear", |s, n| {
            let c = s.connect("keep");
            for payload in [b"x".as_slice(), b""] {
                s.send(
                    c,
                    &publish_with(
                        Version::V5,
                        &format!("k/{n}/x"),
                        payload,
                        delivery(1, 1, false),
                        true,
                        None,
                    ),
                );
            }
            s.cut(c);
        }),
        ("in flight and queued, and the session ends", |s, _| {
            let r = s.greet(&Hello::new("r").receive_maximum(1));
            s.send(r, &subscribe(Version::V5, 1, &[("q", 2)]));
            let c = s.connect("c");
            (1..=3).for_each(|id| s.publish(c, "q", b"x", 2, id));
            s.cut(r);
            s.cut(c);
        }),
        ("asked, and cut", |s, _| {
            s.authority().admit("slow", Admission::Later);
            let c = s.connect("c");
            s.publish(c, "slow", b"x", 1, 1);
            s.cut(c);
            s.asked.clear();
        }),
    ]
}

#[test]
fn ten_thousand_of_each_leave_the_counts_where_they_were() {
    for (name, cycle) in cycles() {
        for shards in [1, 2] {
            let mut s = Shards::new(shards);
            s.checking = false;
            cycle(&mut s, 0);
            s.wait(20);
            let before = s.stats();
            for n in 1..=CYCLES / usize::from(shards * shards) {
                cycle(&mut s, n);
            }
            s.wait(20);
            s.check_now();
            let (mut before, mut after) = (before, s.stats());
            (before.ledger, after.ledger) = Default::default();
            assert_eq!(before, after, "{name}, {shards} shards");
            let ledger = s.stats().ledger;
            assert_eq!((ledger.queued, ledger.in_flight), (0, 0), "{name}");
            assert_eq!(ledger.mailed, ledger.settled, "{name}");
            assert!(ledger.balances());
        }
    }
}
