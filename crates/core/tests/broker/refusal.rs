//! A CONNECT that is refused changes nothing outside its connection. [MQTT-3.1.3-8]
use crate::support::{Client, Hello, Shards, Verdict, denied, publish};
use tidewire_core::broker::Event;
use tidewire_core::broker::policy::Answer;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;

/// Why somebody who comes with the owner's Client Identifier is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    BadPassword,
    BadPasswordLater,
    Silence,
    OtherIdentity,
    OwnWillForbidden,
    TooManyTakeovers,
}

const WHYS: [Why; 6] = [
    Why::BadPassword,
    Why::BadPasswordLater,
    Why::Silence,
    Why::OtherIdentity,
    Why::OwnWillForbidden,
    Why::TooManyTakeovers,
];

/// The owner of a session: subscribed, with a will, and with one message that it has not taken.
fn owner(s: &mut Shards, online: bool) -> (Client, Client) {
    let publisher = s.connect("publisher");
    let owner = s.greet(&Hello::new("owner").user("owner").expiry(1000).will("wills", 60));
    assert_eq!(s.hear(owner), ["CONNACK new 0x00"]);
    s.subscribe(owner, "inbox", 1);
    if online {
        s.window(owner, 0);
    } else {
        s.cut(owner);
    }
    s.publish(publisher, "inbox", b"for you", 1, 1);
    (owner, publisher)
}

fn intruder(s: &mut Shards, why: Why, version: Version, clean: bool, will: bool) -> Client {
    let mut hello = Hello::new("owner").version(version).clean(clean);
    if will || why == Why::OwnWillForbidden {
        hello = hello.will("wills", 0);
    }
    let name = if why == Why::OtherIdentity { "mallory" } else { "owner" };
    let verdict = match why {
        Why::BadPassword => Verdict::Deny(ReasonCode::BadUserNameOrPassword),
        Why::BadPasswordLater | Why::Silence => Verdict::Later,
        _ => Verdict::Allow,
    };
    s.authority().says(name, verdict);
    let client = s.greet(&hello.user(name));
    match why {
        Why::BadPasswordLater => s.answer(denied(ReasonCode::BadUserNameOrPassword)),
        Why::Silence => s.wait(11),
        _ => {}
    }
    s.authority().says("owner", Verdict::Allow);
    client
}

fn refusal(why: Why, version: Version) -> Vec<&'static str> {
    match (why, version.is_v5()) {
        (Why::BadPassword | Why::BadPasswordLater, _) => vec!["CONNACK new 0x86", "closed"],
        // Whoever decides has been silent too long; nothing is said to somebody who may not even speak MQTT.
        (Why::Silence, _) => vec!["closed"],
        (Why::OtherIdentity, true) => vec!["CONNACK new 0x85", "closed"],
        (Why::OtherIdentity, false) | (Why::OwnWillForbidden, _) => vec!["CONNACK new 0x87", "closed"],
        (Why::TooManyTakeovers, true) => vec!["CONNACK new 0x97", "closed"],
        (Why::TooManyTakeovers, false) => vec!["CONNACK new 0x88", "closed"],
    }
}

// verb: handle_blocked, handle_timeout, poll_timeout, poll_transmit, stats
#[test]
fn the_owner_of_a_session_notices_nothing_of_a_refused_namesake() {
    let mut cases = vec![];
    for (why, version) in WHYS.into_iter().flat_map(|w| [Version::V3_1_1, Version::V5].map(|v| (w, v))) {
        for bits in 0..8 {
            cases.push((why, version, bits & 1 != 0, bits & 2 != 0, bits & 4 != 0));
        }
    }
    for (why, version, clean, will, online) in cases {
        if why == Why::TooManyTakeovers && !online {
            continue; // Nothing is taken over where nobody is.
        }
        let case = format!("{why:?} {version:?} clean {clean} will {will} online {online}");
        let takeovers = if why == Why::TooManyTakeovers { "0" } else { "30" };
        let mut s = Shards::with(1, &[("takeovers_per_minute", takeovers)]);
        let (owner, publisher) = owner(&mut s, online);
        let witness = s.subscriber("witness", "wills", 0);
        if why == Why::OwnWillForbidden {
            s.authority().deny("owner", crate::support::Kind::Publish, "wills");
        }
        let before = s.stats();
        let other = intruder(&mut s, why, version, clean, will);
        assert_eq!(s.hear(other), refusal(why, version), "{case}");
        let after = s.stats();
        assert_eq!((before.sessions, before.subscriptions), (after.sessions, after.subscriptions), "{case}");
        assert_eq!(before.ledger, after.ledger, "{case}");
        let owner = if online {
            s.window(owner, usize::MAX);
            assert!(s.is_open(owner), "{case}");
            owner
        } else {
            assert!(s.hear(witness).is_empty(), "its will waits for its own delay: {case}");
            let back = s.greet(&Hello::new("owner").user("owner").resume().expiry(1000));
            assert_eq!(s.hear(back).remove(0), "CONNACK present 0x00", "{case}");
            s.acknowledge(back, 4, 1);
            back
        };
        if online {
            assert_eq!(s.hear(owner), ["PUBLISH inbox for you q1 #1"], "{case}");
        }
        s.publish(publisher, "inbox", b"still here", 0, 0);
        assert_eq!(s.hear(owner).last().map(String::as_str), Some("PUBLISH inbox still here"), "{case}");
        if online {
            s.cut(owner);
            s.wait(61);
            assert_eq!(s.hear(witness), ["PUBLISH wills gone"], "the owner's own will, once: {case}");
        }
    }
}

#[test]
fn of_two_connections_the_one_accepted_later_keeps_the_session_whichever_verdict_is_last() {
    for first in [0, 1] {
        let mut s = Shards::new(1);
        s.authority().says("twice", Verdict::Later);
        let early = s.greet(&Hello::new("twice").expiry(100));
        s.wait(1);
        let late = s.greet(&Hello::new("twice").expiry(100));
        let asked: Vec<_> = s.asked.drain(..).collect();
        for at in [first, 1 - first] {
            let grant = s.grant("twice");
            s.answer_to(asked[at].0, asked[at].1, Answer::Allow(grant));
        }
        assert!(s.is_open(late), "verdicts in order {first}");
        assert!(!s.is_open(early));
        let heard = s.hear(early);
        if first == 0 {
            assert_eq!(heard, ["CONNACK new 0x00", "DISCONNECT 0x8e", "closed"]);
        } else {
            assert_eq!(heard, ["CONNACK new 0x88", "closed"]);
        }
        assert_eq!(s.stats().sessions, 1);
    }
}

// action: Event
// verb: poll_event
#[test]
fn at_an_identitys_quota_those_who_come_back_pass_and_strangers_do_not() {
    for (limit, version) in [
        ("sessions_per_identity", Version::V5),
        ("sessions_per_identity", Version::V3_1_1),
        ("connections_per_identity", Version::V5),
    ] {
        let mut s = Shards::with(1, &[(limit, "2")]);
        let hello = |id: &str| Hello::new(id).version(version).user("tenant").resume().expiry(100);
        let one = s.greet(&hello("one"));
        let two = s.greet(&hello("two"));
        assert_eq!((s.hear(one).len(), s.hear(two).len()), (1, 1));
        let three = s.greet(&hello("three"));
        let refused = if version.is_v5() { "CONNACK new 0x97" } else { "CONNACK new 0x88" };
        assert_eq!(s.hear(three), [refused, "closed"], "{limit}");
        assert!(matches!(s.events.last(), Some(Event::Refused { reason: ReasonCode::QuotaExceeded, .. })));
        s.cut(one);
        let again = s.greet(&hello("one"));
        assert_eq!(s.hear(again), ["CONNACK present 0x00"], "{limit}");
        assert!(s.is_open(two));
    }
}

#[test]
fn who_chooses_anothers_id_online_or_not_gets_neither_its_session_nor_its_messages() {
    let mut s = Shards::new(1);
    let alice = s.greet(&Hello::new("device").user("alice").expiry(1000));
    s.hear(alice);
    s.subscribe(alice, "secret", 1);
    s.cut(alice);
    let publisher = s.connect("publisher");
    s.send(publisher, &publish(Version::V5, "secret", b"for alice", 1, 1));
    for clean in [true, false] {
        let mallory = s.greet(&Hello::new("device").user("mallory").clean(clean));
        assert_eq!(s.hear(mallory), ["CONNACK new 0x85", "closed"]);
    }
    let alice = s.greet(&Hello::new("device").user("alice").resume().expiry(1000));
    assert_eq!(s.hear(alice), ["CONNACK present 0x00", "PUBLISH secret for alice q1 #1"]);
}

#[test]
fn who_sends_what_is_not_mqtt_hears_in_words_what_was_wrong() {
    const TOLD: &[u8] = b"packet-id-zero: the Packet Identifier is 0 [MQTT-2.2.1-3]";
    let goodbye = |maximum_packet_size| {
        let mut s = Shards::new(1);
        let c = s.greet(&Hello::new("c").maximum_packet_size(maximum_packet_size));
        s.hear(c);
        s.send(c, b"\x40\x02\0\0");
        s.hear_bytes(c)
    };
    let size = u32::try_from(TOLD.len() + 7).unwrap();
    let long = goodbye(size);
    assert_eq!((long.len(), &long[..2]), (size as usize, &b"\xe0\x3e"[..]));
    assert!(long.ends_with(TOLD) && long[2] == 0x82);
    assert_eq!(goodbye(size - 1), b"\xe0\x01\x82", "without them if there is no room [MQTT-3.14.2-3]");
    assert_eq!(goodbye(2), b"", "and nothing where nothing fits [MQTT-3.1.2-24]");
}

#[test]
fn a_connect_that_is_not_one_is_answered_in_words_too() {
    let mut s = Shards::new(1);
    let c = s.dial();
    s.send(c, b"\x10\x0d\0\x04MQTT\x05\x01\0\0\0\0\0");
    let connack = s.hear_bytes(c);
    assert_eq!(&connack[..5], b"\x20\x46\0\x81\x43");
    assert!(connack.ends_with(b"connect-flag: the reserved flag of CONNECT is set [MQTT-3.1.2-3]"));
}

/// What is valid and more than is taken here is refused within the Maximum Packet Size that it has said.
/// [MQTT-3.1.2-24] [MQTT-3.2.2-19]
#[test]
fn a_refusal_is_within_the_maximum_packet_size_of_the_connect_that_it_refuses() {
    let mut s = Shards::new(1);
    let will = "/".repeat(300);
    let c = s.greet(&Hello::new("c").maximum_packet_size(20).will(&will, 0));
    let heard = s.hear_bytes(c);
    assert!(!heard.is_empty() && heard.len() <= 20, "{}", String::from_utf8_lossy(&heard));
}

/// It is a Protocol Error, whatever stands in it. [MQTT-3.1.0-2]
#[test]
fn a_second_connect_is_a_protocol_error_whatever_it_says() {
    let level = b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x00\x00\x00\x00".to_vec();
    let name = b"\x10\x0d\x00\x04mqtt\x05\x02\x00\x00\x00\x00\x00".to_vec();
    let client_id = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01\x01".to_vec();
    for connect in [level, name, client_id] {
        let mut s = Shards::new(1);
        let c = s.connect("c");
        s.send(c, &connect);
        assert_eq!(s.hear(c).first().map(String::as_str), Some("DISCONNECT 0x82"), "{connect:x?}");
    }
}

/// A bridge of mosquitto sets the upper bit of the level, and does without once it has read a CONNACK of 3.x that
/// refuses that. (MQTT-3.1.2-2 of 3.1.1)
#[test]
fn a_bridge_of_mosquitto_hears_in_its_own_version_that_its_level_is_unknown() {
    for connect in [
        &b"\x10\x0d\x00\x04MQTT\x84\x02\x00\x00\x00\x01b"[..],
        b"\x10\x0f\x00\x06MQIsdp\x83\x02\x00\x00\x00\x01b",
    ] {
        let mut s = Shards::new(1);
        let c = s.dial();
        s.send(c, connect);
        assert_eq!(s.hear_bytes(c), [0x20, 2, 0, 1]);
    }
}
