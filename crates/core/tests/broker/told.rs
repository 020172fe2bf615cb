//! What a broker tells those who run it: the causes of refusals and ends, and what it counts instead of repeating.
use crate::support::{Client, Hello, Kind, Shards, Verdict, delivery, publish_with, subscribe};
use core::net::SocketAddr;
use tidewire_core::Input;
use tidewire_core::broker::ledger::Reason;
use tidewire_core::broker::policy::Peer;
use tidewire_core::broker::{Cause, CloseCause, Event, Limit, Limits, ProtocolError, Timer};
use tidewire_core::codec::DecodeError;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::{TopicFilter, TopicName};
use tidewire_core::version::Version;

/// So many connections that are refused, and nobody looks at what is told of them.
fn flood(s: &mut Shards, connections: usize) {
    for _ in 0..connections {
        let peer = Peer::new(SocketAddr::from(([127, 0, 0, 1], 1)), 0);
        let id = s.brokers[0].handle_open(s.now, peer);
        assert_eq!(s.brokers[0].handle_bytes(s.now, id, &[0]), Input::Done);
        s.brokers[0].handle_close(s.now, id, CloseCause::PeerClosed);
    }
}

#[test]
fn the_end_of_a_ticket_and_of_a_shutdown_outlive_any_flood() {
    let mut s = Shards::new(1);
    let grant = s.grant("rule");
    let rule = s.brokers[0].open_local(s.now, "rule", grant);
    let filter = TopicFilter::new("t").expect("a filter");
    let subscribed = s.brokers[0].subscribe(s.now, rule, &filter, QoS::AtMostOnce);
    let publication = Publication::new(TopicName::new("t").expect("a name"), "x");
    let published = s.brokers[0].publish(s.now, rule, &publication).expect("it may");
    let unsubscribed = s.brokers[0].unsubscribe(s.now, rule, &filter);
    flood(&mut s, 10_000);
    s.brokers[0].shutdown(s.now, s.now.after_secs(3));
    let told: Vec<_> = core::iter::from_fn(|| s.brokers[0].poll_event()).collect();
    assert!(told.len() < 5000, "what is told is bounded: {}", told.len());
    for (what, is_there) in [
        (
            "subscribed",
            told.iter().any(|e| matches!(e, Event::Subscribed { ticket, .. } if *ticket == subscribed)),
        ),
        (
            "published",
            told.iter().any(|e| matches!(e, Event::Acknowledged { ticket, .. } if *ticket == published)),
        ),
        (
            "unsubscribed",
            told.iter().any(|e| matches!(e, Event::Unsubscribed { ticket, .. } if *ticket == unsubscribed)),
        ),
        ("drained", told.contains(&Event::Drained)),
    ] {
        assert!(is_there, "{what}");
    }
}

/// The causes that were told, by name.
fn causes(s: &Shards) -> Vec<&'static str> {
    s.events.iter().filter_map(cause_of).map(|(_, cause)| cause.name()).collect()
}

fn cause_of(event: &Event) -> Option<(&'static str, Cause)> {
    match event {
        Event::Refused { cause, .. } => Some(("refused", *cause)),
        Event::Disconnected { cause, .. } => Some(("gone", *cause)),
        _ => None,
    }
}

#[test]
fn who_comes_in_is_told_with_all_that_a_line_needs() {
    let mut s = Shards::new(1);
    let hello = Hello::new("pump").user("ada").keep_alive(60).expiry(10);
    let c = s.greet(&hello);
    let (_, id) = s.place(c);
    let identity = s.identity("ada");
    let Some(Event::Connected {
        id: told,
        peer,
        client_id,
        identity: who,
        version,
        keep_alive,
        session_present,
        ..
    }) = s.events.last()
    else {
        panic!("{:?}", s.events)
    };
    assert_eq!((*told, *who, &**client_id), (id, identity, "pump"));
    assert_eq!((*version, *keep_alive, *session_present), (Version::V5, 60, false));
    assert_eq!(peer.address.ip().to_string(), "127.0.0.1");
    s.cut(c);
    s.greet(&hello.resume());
    assert!(matches!(s.events.last(), Some(Event::Connected { session_present: true, .. })));
}

#[test]
fn each_end_has_its_cause() {
    let limits = [("keep_alive_seconds", "30"), ("incomplete_bytes", "100"), ("receive_maximum", "1")];
    let end = |how: &dyn Fn(&mut Shards, Client)| {
        let mut s = Shards::with(1, &limits);
        let c = s.connect("c");
        how(&mut s, c);
        let told: Vec<_> = s.events.iter().filter_map(cause_of).collect();
        let [("gone", cause)] = told[..] else { panic!("{told:?}") };
        let Some(Event::Disconnected { client_id, peer, .. }) =
            s.events.iter().rfind(|e| cause_of(e).is_some())
        else {
            panic!("{:?}", s.events)
        };
        assert_eq!((&**client_id, peer.address.ip().is_loopback()), ("c", true));
        cause
    };
    assert_eq!(end(&|s, c| s.send(c, &[0xe0, 0])), Cause::Disconnect);
    assert_eq!(end(&|s, c| s.leave(c)), Cause::PeerClosed);
    assert_eq!(end(&|s, c| s.cut(c)), Cause::Reset);
    let vanish = |s: &mut Shards, c| {
        let (shard, id) = s.place(c);
        s.brokers[shard].handle_close(s.now, id, CloseCause::Vanished);
        s.settle();
    };
    assert_eq!(end(&vanish), Cause::Vanished);
    assert_eq!(end(&|s, _| s.wait(46)), Cause::KeepAlive { seconds: 30 });
    assert_eq!(end(&|s, c| s.send(c, &[0])), Cause::Malformed(DecodeError::ReservedPacketType));
    assert_eq!(
        end(&|s, c| s.send(c, b"\xf0\x06\x18\x04\x15\0\x01m")),
        Cause::Protocol(ProtocolError::OutOfPlace)
    );
    let two = |s: &mut Shards, c| {
        s.publish(c, "t", b"", 2, 1);
        s.publish(c, "t", b"", 2, 2);
    };
    assert_eq!(end(&two), Cause::Protocol(ProtocolError::ReceiveMaximum));
    assert_eq!(
        end(&|s, c| s.send(c, &[&[0x30, 0x80, 0x08, 0, 1, b't', 0][..], &[0; 200]].concat())),
        Cause::Limit(Limit::incomplete_bytes)
    );
    let order = |s: &mut Shards, c| {
        let (shard, id) = s.place(c);
        s.brokers[shard].disconnect(s.now, id, ReasonCode::AdministrativeAction);
        s.settle();
    };
    assert_eq!(end(&order), Cause::Ordered);
    let revoke = |s: &mut Shards, _| {
        let identity = s.identity("c");
        s.brokers[0].handle_revoked(s.now, identity, ReasonCode::NotAuthorized);
        s.settle();
    };
    assert_eq!(end(&revoke), Cause::Revoked);
    let stop = |s: &mut Shards, _| {
        s.brokers[0].shutdown(s.now, s.now.after_secs(3));
        s.settle();
    };
    assert_eq!(end(&stop), Cause::Shutdown);
    let taken = end(&|s, _| {
        s.greet(&Hello::new("c"));
    });
    let Cause::TakenOver { by } = taken else { panic!("{taken:?}") };
    assert_eq!(by.address.to_string(), "127.0.0.1:1026", "the second that dialled");
}

#[test]
fn each_refusal_has_its_cause_and_the_names_that_were_given() {
    let limits = [("connect_seconds", "10"), ("connections_per_address", "2"), ("takeovers_per_minute", "0")];
    let refusal = |how: &dyn Fn(&mut Shards)| {
        let mut s = Shards::with(1, &limits);
        how(&mut s);
        let Some(Event::Refused { client_id, username, cause, .. }) = s.events.last().cloned() else {
            panic!("{:?}", s.events)
        };
        assert_eq!(causes(&s), [cause.name()]);
        (client_id, username, cause)
    };
    let named = |cause| (Some("c".into()), None, cause);
    let nameless = |cause| (None, None, cause);
    let sends = |bytes: &'static [u8]| {
        move |s: &mut Shards| {
            let c = s.dial();
            s.send(c, bytes);
        }
    };
    assert_eq!(refusal(&sends(&[0])), nameless(Cause::Malformed(DecodeError::ReservedPacketType)));
    assert_eq!(
        refusal(&sends(b"\x10\x0a\0\x04MQTT\x09\0\0\0")),
        nameless(Cause::Malformed(DecodeError::UnsupportedProtocolVersion { level: 9 }))
    );
    assert_eq!(
        refusal(&sends(b"\x10\x0c\0\x04MQTT\x04\0\0\0\0\0")),
        nameless(Cause::Protocol(ProtocolError::ClientIdMissing))
    );
    let late = |s: &mut Shards| {
        s.dial();
        s.wait(11);
    };
    assert_eq!(refusal(&late), nameless(Cause::Limit(Limit::connect_seconds)));
    let many = |s: &mut Shards| {
        for _ in 0..3 {
            s.dial_from("10.0.0.1");
        }
    };
    assert_eq!(refusal(&many), nameless(Cause::Limit(Limit::connections_per_address)));
    let denied = |s: &mut Shards| {
        s.authority().says("ada", Verdict::Deny(ReasonCode::BadUserNameOrPassword));
        s.greet(&Hello::new("c").user("ada"));
    };
    assert_eq!(refusal(&denied), (Some("c".into()), Some("ada".into()), Cause::Denied));
    let will = |s: &mut Shards| {
        s.greet(&Hello::new("c").will("$SYS/x", 0));
    };
    assert_eq!(refusal(&will), named(Cause::WillDenied));
    let others = |s: &mut Shards| {
        s.greet(&Hello::new("c").user("ada").expiry(100));
        s.greet(&Hello::new("c").user("bo"));
    };
    assert_eq!(refusal(&others), (Some("c".into()), Some("bo".into()), Cause::OthersSession));
    let takeover = |s: &mut Shards| {
        s.connect("c");
        s.greet(&Hello::new("c"));
    };
    assert_eq!(refusal(&takeover), named(Cause::Limit(Limit::takeovers_per_minute)));
}

#[test]
fn a_queue_that_stays_full_is_told_at_once_and_then_counted() {
    let mut s = Shards::with(1, &[("queued_messages", "1")]);
    let away = s.greet(&Hello::new("away").expiry(1000));
    s.subscribe(away, "t", 1);
    s.cut(away);
    let c = s.connect("c");
    for id in 1..=100 {
        s.publish(c, "t", b"x", 1, id);
    }
    let drops = |s: &Shards| -> Vec<u64> {
        let drop = |e: &Event| match e {
            Event::Dropped { client_id, reason: Reason::QueueFull, count, .. } if **client_id == *"away" => {
                Some(*count)
            }
            _ => None,
        };
        s.events.iter().filter_map(drop).collect()
    };
    assert_eq!(drops(&s), [1], "the first at once");
    s.wait(9);
    assert_eq!(drops(&s), [1]);
    s.wait(2);
    assert_eq!(drops(&s), [1, 98], "then all others");
    s.wait(30);
    s.publish(c, "t", b"x", 1, 101);
    assert_eq!(drops(&s), [1, 98, 1], "after a while it is news again");
    s.wait(30);
    let next = s.brokers[0].poll_timeout().map(|deadline| deadline.timer);
    assert_ne!(next, Some(Timer::Counts), "and who has nothing to tell has no timer");
}

#[test]
fn what_a_session_did_not_get_is_told_with_its_end() {
    let mut s = Shards::new(1);
    let away = s.greet(&Hello::new("away").expiry(5));
    s.subscribe(away, "t", 1);
    s.cut(away);
    let c = s.connect("c");
    for id in 1..=3 {
        s.publish(c, "t", b"x", 1, id);
    }
    s.wait(6);
    let told = s.events.iter().filter(|e| {
        matches!(e, Event::Dropped { client_id, peer: None, reason: Reason::SessionEnded, count: 3, .. }
            if **client_id == *"away")
    });
    assert_eq!(told.count(), 1, "{:?}", s.events);
}

#[test]
fn what_somebody_may_not_do_is_told_with_its_rule_and_then_counted() {
    let mut s = Shards::new(1);
    s.authority().deny("c", Kind::Publish, "secret/#");
    s.authority().deny("c", Kind::Subscribe, "secret/#");
    let c = s.connect("c");
    for id in 1..=7 {
        s.publish(c, &format!("secret/{id}"), b"x", 1, id);
    }
    s.send(c, &subscribe(Version::V5, 9, &[("secret/#", 1)]));
    let told = |s: &Shards| -> Vec<String> {
        let line = |e: &Event| match e {
            Event::PublishDenied { topic, rule, count, .. } => {
                Some(format!("publish {topic} {rule} {count}"))
            }
            Event::SubscribeDenied { filter, rule, count, .. } => {
                Some(format!("subscribe {filter} {rule} {count}"))
            }
            _ => None,
        };
        s.events.iter().filter_map(line).collect()
    };
    assert_eq!(told(&s), ["publish secret/1 1 1", "subscribe secret/# 2 1"]);
    s.wait(11);
    assert_eq!(told(&s)[2..], ["publish secret/2 1 6"]);
}

#[test]
fn limits_that_are_met_while_life_goes_on_are_told_by_name() {
    let mut s = Shards::with(1, &[("subscriptions", "1"), ("retained_messages", "0")]);
    let c = s.connect("c");
    s.send(c, &subscribe(Version::V5, 1, &[("a", 0), ("b", 0), ("c", 0)]));
    s.send(c, &publish_with(Version::V5, "t", b"x", delivery(1, 1, false), true, None));
    s.wait(11);
    let met: Vec<_> = s
        .events
        .iter()
        .filter_map(|e| match e {
            Event::Limited { limit, count, .. } => Some((limit.name(), *count)),
            _ => None,
        })
        .collect();
    assert_eq!(met, [("subscriptions", 2), ("retained_messages", 1)]);
}

#[test]
fn a_publisher_that_has_to_wait_is_told_with_whom_it_waits_for() {
    let mut s = Shards::with(1, &[("queued_messages", "8")]);
    let slow = s.subscriber("slow", "t", 0);
    s.window(slow, 0);
    let c = s.connect("c");
    for _ in 0..8 {
        s.publish(c, "t", &[0; 100], 0, 0);
    }
    let told = s.events.iter().find(|e| matches!(e, Event::Paused { .. }));
    let Some(Event::Paused { client_id, behind, count: 1, .. }) = told else { panic!("{:?}", s.events) };
    assert_eq!((&**client_id, behind.as_deref()), ("c", Some("slow")));
}

#[test]
fn the_memory_for_what_repeats_is_bounded_and_says_what_it_left_out() {
    let mut s = Shards::with(1, &[("queued_messages", "0")]);
    s.checking = false;
    for n in 0..3000 {
        let away = s.greet(&Hello::new(&format!("c{n}")).expiry(1000));
        s.subscribe(away, "t", 1);
        s.cut(away);
    }
    let c = s.connect("publisher");
    s.publish(c, "t", b"x", 1, 1);
    s.wait(11);
    let told = s.events.iter().filter(|e| matches!(e, Event::Dropped { .. })).count() as u64;
    let missed: u64 =
        s.events.iter().map(|e| if let Event::Missed { count, .. } = e { *count } else { 0 }).sum();
    assert!(told <= 1024, "{told}");
    assert_eq!(told + missed, 3000);
}

#[test]
fn each_limit_and_each_cause_has_a_name_of_its_own() {
    let rows: Vec<_> = Limits::table().iter().map(|row| row.name).collect();
    let names: Vec<_> = Limit::ALL.iter().map(|limit| limit.name()).collect();
    assert_eq!(rows, names);
    let mut codes: Vec<_> = ProtocolError::ALL.iter().map(|error| error.code()).collect();
    codes.extend(tidewire_core::codec::catalogue::CATALOGUE.iter().map(|specimen| specimen.error.code()));
    let all = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all, "`tidewire explain` finds each by its name");
}
