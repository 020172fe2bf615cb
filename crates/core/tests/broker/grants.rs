//! Rights that change while messages are under way, and credentials that end.
use crate::support::{Hello, Kind, Shards, delivery, publish_with, subscribe};
use std::sync::atomic::Ordering;
use tidewire_core::broker::Event;
use tidewire_core::broker::ledger::Reason;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;

/// Tells every shard what this name's bearer may do from now on.
fn regrant(s: &mut Shards, name: &str) {
    for shard in 0..s.brokers.len() {
        let grant = s.grant(name);
        s.brokers[shard].handle_grant(s.now, grant);
    }
    s.settle();
}

/// Where a message can be when a right ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Live,
    Queued,
    InFlight,
    Retained,
}

// verb: handle_grant
#[test]
fn a_right_to_receive_that_ends_holds_on_every_path() {
    for (path, shards) in
        [Path::Live, Path::Queued, Path::InFlight, Path::Retained].into_iter().flat_map(|p| [(p, 1), (p, 3)])
    {
        let mut s = Shards::new(shards);
        let hello = Hello::new("reader").resume().expiry(100);
        let reader = s.greet(&hello);
        let sender = s.connect("sender");
        if path != Path::Retained {
            s.subscribe(reader, "t/#", 1);
        }
        if path == Path::Queued {
            s.cut(reader);
        }
        let send = |s: &mut Shards| {
            let bytes = publish_with(
                Version::V5,
                "t/x",
                b"secret",
                delivery(1, 1, false),
                path == Path::Retained,
                None,
            );
            s.send(sender, &bytes);
        };
        // Before the change the remembered match says that it may.
        if path == Path::Live {
            s.publish(sender, "t/x", b"before", 0, 0);
            s.publish(sender, "t/x", b"before", 0, 0);
        } else {
            send(&mut s);
        }
        s.hear(reader);
        s.authority().deny("reader", Kind::Receive, "t/x");
        regrant(&mut s, "reader");
        let heard = match path {
            Path::Live => {
                send(&mut s);
                s.hear(reader)
            }
            Path::Queued => {
                let back = s.greet(&hello);
                s.hear(back)
            }
            Path::InFlight => {
                s.cut(reader);
                let back = s.greet(&hello);
                s.hear(back)
            }
            Path::Retained => {
                s.send(reader, &subscribe(Version::V5, 1, &[("t/#", 1)]));
                s.hear(reader)
            }
        };
        assert!(!heard.iter().any(|l| l.contains("secret")), "{path:?}, {shards} shards: {heard:?}");
        if path != Path::Retained {
            assert_eq!(s.dropped(Reason::NotAuthorized), 1, "{path:?}, {shards} shards");
        }
    }
}

/// What filled the queue goes with the right to receive it, and nothing else would ever say so.
#[test]
fn a_publisher_goes_on_when_a_right_that_ends_empties_the_queue_that_it_waits_for() {
    let mut s = Shards::with(1, &[("queued_messages", "40")]);
    let reader = s.subscriber("reader", "t", 0);
    s.window(reader, 0);
    let publisher = s.connect("publisher");
    for _ in 0..30 {
        s.publish(publisher, "t", &[b'x'; 10_000], 0, 0);
    }
    assert!(!s.reads(publisher), "its recipient is behind");
    s.authority().deny("reader", Kind::Receive, "t");
    regrant(&mut s, "reader");
    assert!(s.reads(publisher), "nobody is behind any more");
}

#[test]
fn what_a_publisher_left_behind_goes_with_its_right_also_when_it_is_gone_itself() {
    for (path, present, shards) in [Path::Queued, Path::Retained]
        .into_iter()
        .flat_map(|p| [true, false].into_iter().flat_map(move |here| [(p, here, 1), (p, here, 3)]))
    {
        let case = format!("{path:?}, publisher present {present}, {shards} shards");
        let mut s = Shards::new(shards);
        let hello = Hello::new("reader").resume().expiry(100);
        let reader = s.greet(&hello);
        s.subscribe(reader, "t/#", 1);
        s.cut(reader);
        let sender = s.connect("sender");
        for topic in ["t/x", "t/y"] {
            s.send(
                sender,
                &publish_with(
                    Version::V5,
                    topic,
                    b"left",
                    delivery(1, 1, false),
                    path == Path::Retained,
                    None,
                ),
            );
        }
        if !present {
            s.cut(sender);
        }
        s.authority().deny("sender", Kind::Publish, "t/x");
        regrant(&mut s, "sender");
        let reader = s.greet(&hello);
        let heard = s.hear(reader);
        assert!(heard.iter().any(|l| l.contains("t/y")), "{case}");
        assert!(!heard.iter().any(|l| l.contains("t/x")), "{case}: {heard:?}");
        if path == Path::Retained {
            assert_eq!(s.stats().retained, u64::from(shards), "{case}");
        }
        if !present {
            s.cut(reader);
            s.wait(200);
            assert_eq!(s.stats().sessions, 0, "{case}");
        }
    }
}

#[test]
fn a_right_to_subscribe_that_ends_takes_the_subscription_along() {
    for shards in [1, 3] {
        let mut s = Shards::new(shards);
        let c = s.connect("c");
        s.send(c, &subscribe(Version::V5, 1, &[("a/+", 1), ("b", 1)]));
        s.authority().deny("c", Kind::Subscribe, "a/+");
        regrant(&mut s, "c");
        s.hear(c);
        let sender = s.connect("sender");
        s.publish(sender, "a/x", b"1", 1, 1);
        s.publish(sender, "b", b"2", 1, 2);
        assert_eq!(s.hear(c), ["PUBLISH b 2 q1 #1"]);
        assert_eq!(s.hear(sender), ["PUBACK 1 0x10", "PUBACK 2"]);
        s.send(c, &subscribe(Version::V5, 1, &[("a/+", 1)]));
        assert_eq!(s.hear(c), ["SUBACK 1 [135]"]);
    }
}

#[test]
fn a_deny_does_not_leak_through_a_wildcard_or_a_second_subscription() {
    let mut s = Shards::new(1);
    s.authority().deny("c", Kind::Receive, "a/secret");
    let c = s.connect("c");
    s.send(c, &subscribe(Version::V5, 1, &[("#", 0), ("a/+", 0), ("a/secret", 0), ("+/secret", 0)]));
    let other = s.subscriber("other", "#", 0);
    s.hear(c);
    let sender = s.connect("sender");
    for _ in 0..3 {
        s.publish(sender, "a/secret", b"x", 0, 0);
    }
    s.publish(sender, "a/open", b"x", 0, 0);
    assert!(s.hear(c).iter().all(|l| l == "PUBLISH a/open x"));
    assert_eq!(s.hear(other).len(), 4, "others may");
}

#[test]
fn who_comes_back_with_fewer_rights_has_fewer_from_then_on() {
    let mut s = Shards::new(1);
    let hello = Hello::new("c").resume().expiry(100);
    let c = s.greet(&hello);
    s.send(c, &subscribe(Version::V5, 1, &[("a/#", 1), ("gone", 1)]));
    let sender = s.connect("sender");
    s.publish(sender, "a/x", b"1", 0, 0);
    s.publish(sender, "a/x", b"1", 0, 0);
    s.cut(c);
    s.publish(sender, "a/x", b"waits", 1, 1);
    s.hear(sender);
    s.authority().deny("c", Kind::Receive, "a/x");
    s.authority().deny("c", Kind::Subscribe, "gone");
    s.authority().variant("c", 1);
    let c = s.greet(&hello);
    s.publish(sender, "a/x", b"2", 1, 1);
    s.publish(sender, "gone", b"3", 1, 2);
    assert_eq!(s.hear(c), ["CONNACK present 0x00"]);
    assert_eq!(s.hear(sender), ["PUBACK 1", "PUBACK 2 0x10"]);
}

#[test]
fn one_identity_may_have_several_rights_at_a_time() {
    let mut s = Shards::new(1);
    let inside = s.greet(&Hello::new("inside").user("alice"));
    s.authority().variant("alice", 1);
    s.authority().deny("alice", Kind::Receive, "secret");
    let outside = s.greet(&Hello::new("outside").user("alice"));
    for c in [inside, outside] {
        s.send(c, &subscribe(Version::V5, 1, &[("#", 0)]));
        s.hear(c);
    }
    let sender = s.connect("sender");
    for topic in ["secret", "open", "secret", "open"] {
        s.publish(sender, topic, b"x", 0, 0);
    }
    assert_eq!(s.hear(inside).len(), 4);
    assert_eq!(s.hear(outside), ["PUBLISH open x", "PUBLISH open x"]);
    // Who is revoked is so with all of them.
    let identity = s.identity("alice");
    s.brokers[0].handle_revoked(s.now, identity, ReasonCode::NotAuthorized);
    s.settle();
    for c in [inside, outside] {
        assert_eq!(s.hear(c), ["DISCONNECT 0x87", "closed"]);
    }
}

/// Its authority makes a new value for each CONNECT.
#[test]
fn the_same_rights_again_are_judged_once() {
    let mut s = Shards::new(1);
    let a = s.greet(&Hello::new("a").user("alice"));
    s.send(a, &subscribe(Version::V5, 1, &[("t", 0)]));
    let sender = s.greet(&Hello::new("sender").user("alice"));
    (0..3).for_each(|_| s.publish(sender, "t", b"x", 0, 0));
    let judged = s.authority().judged.clone();
    let before = judged.load(Ordering::Relaxed);
    for n in 0..5 {
        s.greet(&Hello::new(&format!("more-{n}")).user("alice"));
        s.publish(sender, "t", b"x", 0, 0);
    }
    assert_eq!(judged.load(Ordering::Relaxed), before, "what was judged is remembered");
    assert_eq!(s.hear(a).len(), 10, "CONNACK, SUBACK, and all of them");
}

// verb: handle_revoked
#[test]
fn who_is_revoked_hears_why_and_goes_on_every_connection() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut s = Shards::new(2);
        let mallory: Vec<_> = (0..4)
            .map(|n| {
                s.greet(&Hello::new(&format!("m{n}")).user("mallory").version(version).resume().expiry(100))
            })
            .collect();
        let other = s.connect("other");
        mallory.iter().for_each(|c| drop(s.hear(*c)));
        let identity = s.identity("mallory");
        for shard in 0..2 {
            s.brokers[shard].handle_revoked(s.now, identity, ReasonCode::Banned);
        }
        s.settle();
        for c in mallory {
            let heard: &[&str] = if version.is_v5() { &["DISCONNECT 0x98", "closed"] } else { &["closed"] };
            assert_eq!(s.hear(c), heard);
        }
        assert!(s.is_open(other));
        let banned =
            s.events.iter().filter(|e| matches!(e, Event::Disconnected { reason: ReasonCode::Banned, .. }));
        assert_eq!(banned.count(), 4);
        assert_eq!(s.stats().sessions, 5, "sessions live as agreed");
    }
}

#[test]
fn a_grant_that_ends_by_itself_ends_the_connection_and_a_renewed_one_does_not() {
    for renewed in [false, true] {
        let mut s = Shards::new(1);
        let at = s.now.after_secs(60);
        s.authority().until("c", at);
        let c = s.connect("c");
        s.wait(50);
        if renewed {
            let at = s.now.after_secs(60);
            s.authority().until("c", at);
            regrant(&mut s, "c");
        }
        s.wait(12);
        let heard: &[&str] = if renewed { &[] } else { &["DISCONNECT 0x87", "closed"] };
        assert_eq!(s.hear(c), heard, "renewed {renewed}");
    }
}

#[test]
fn who_is_banned_has_no_last_word_and_whose_credential_ends_has() {
    for (reason, wills) in [(ReasonCode::Banned, 0), (ReasonCode::NotAuthorized, 2)] {
        let mut s = Shards::new(1);
        let witness = s.subscriber("witness", "wills", 0);
        let here = s.greet(&Hello::new("here").user("mallory").will("wills", 0));
        let away = s.greet(&Hello::new("away").user("mallory").expiry(100).will("wills", 50));
        s.hear(here);
        s.cut(away);
        let identity = s.identity("mallory");
        s.brokers[0].handle_revoked(s.now, identity, reason);
        s.settle();
        s.wait(200);
        assert_eq!(s.hear(witness).len(), wills, "{reason}");
    }
}

/// What a SUBSCRIBE asks for is granted or refused filter by filter, and what is refused is nowhere kept. [MQTT-3.8.4-6]
#[test]
fn each_filter_of_a_subscribe_is_judged_by_itself_in_whatever_order() {
    const ASKED: [(&str, u8); 4] =
        [("open", 0), ("secret", 0x87), ("$share/g/in", 0), ("$share/g/out", 0x87)];
    for turned in 0..ASKED.len() {
        for (backwards, shards) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
            let mut asked = ASKED;
            asked.rotate_left(turned);
            if backwards {
                asked.reverse();
            }
            let mut s = Shards::new(shards);
            for filter in ["secret", "out"] {
                s.authority().deny("c", Kind::Subscribe, filter);
                s.authority().deny("c", Kind::Subscribe, &format!("$share/g/{filter}"));
            }
            let c = s.connect("c");
            let before = s.stats().subscriptions;
            s.send(c, &subscribe(Version::V5, 1, &asked.map(|(filter, _)| (filter, 0))));
            assert_eq!(s.hear(c), [format!("SUBACK 1 {:?}", asked.map(|(_, told)| told))]);
            assert!(s.stats().subscriptions > before);
            let sender = s.connect("sender");
            for topic in ["secret", "out", "open", "in"] {
                s.publish(sender, topic, b"x", 1, 1);
            }
            assert_eq!(s.hear(c), ["PUBLISH open x", "PUBLISH in x"], "{asked:?}");
            assert_eq!(s.hear(sender), ["PUBACK 1 0x10", "PUBACK 1 0x10", "PUBACK 1", "PUBACK 1"]);
            s.send(c, &[0xe0, 0]);
            assert_eq!(s.stats().subscriptions, 0, "{asked:?}");
        }
    }
}

/// One filter that is none makes it Malformed, and then none of the others is subscribed to.
#[test]
fn a_malformed_filter_among_others_subscribes_to_nothing_wherever_it_stands() {
    for at in 0..3 {
        let mut filters = [("a", 0), ("b", 0), ("$share/g/c", 0)];
        filters[at] = ("bad/x", 0);
        let mut bytes = subscribe(Version::V5, 1, &filters);
        let slash = bytes.windows(5).position(|part| part == b"bad/x").expect("it stands there") + 3;
        bytes[slash] = b'#';
        let mut s = Shards::new(2);
        let c = s.greet(&Hello::new("c").resume().expiry(100));
        s.hear(c);
        s.send(c, &bytes);
        let said = s.hear(c);
        assert!(said[0].starts_with("DISCONNECT 0x8") && !s.is_open(c), "{said:?}");
        assert_eq!((s.stats().sessions, s.stats().subscriptions), (1, 0), "filter {at}");
    }
}
