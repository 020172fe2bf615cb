//! Topic Aliases that a client binds.
use crate::support::{Client, Hello, Kind, Shards, delivery, publish_as, subscribe};
use tidewire_core::broker::policy::{Admission, Answer};
use tidewire_core::codec::{Decoder, Item, Limits, Mode, Packet};
use tidewire_core::version::{Role, Version};

/// A PUBLISH of QoS 0 with this alias.
fn aliased(s: &mut Shards, client: Client, alias: u16, topic: &str, payload: &[u8]) {
    s.send(client, &publish_as(alias, topic, payload, delivery(0, 0, false)));
}

/// What its CONNACK says of Topic Aliases.
fn announced(version: Version, limits: &[(&str, &str)]) -> Option<u16> {
    let mut s = Shards::with(1, limits);
    let client = s.greet(&Hello::new("c").version(version));
    let bytes = s.hear_bytes(client);
    let mut decoder = Decoder::new(Mode { role: Role::Client, version: Some(version) });
    match decoder.next(&Limits::default(), &mut &bytes[..]) {
        Ok(Some(Item::Packet(Packet::Connack(connack)))) => connack.properties.topic_alias_maximum(),
        other => panic!("not a CONNACK: {other:?}"),
    }
}

#[test]
fn connack_says_how_many_a_client_may_use() {
    assert_eq!(announced(Version::V5, &[]), Some(32));
    assert_eq!(announced(Version::V5, &[("topic_aliases", "7")]), Some(7));
    assert_eq!(announced(Version::V5, &[("topic_aliases", "unlimited")]), Some(u16::MAX));
    assert_eq!(announced(Version::V5, &[("topic_aliases", "0")]), None);
    assert_eq!(announced(Version::V3_1_1, &[]), None);
}

#[test]
fn an_alias_stands_for_its_topic_with_each_qos() {
    for shards in [1, 3] {
        let mut s = Shards::new(shards);
        let reader = s.subscriber("reader", "#", 2);
        let c = s.connect("c");
        aliased(&mut s, c, 3, "some/topic", b"0");
        aliased(&mut s, c, 3, "", b"1");
        s.send(c, &publish_as(3, "", b"2", delivery(1, 1, false)));
        s.send(c, &publish_as(3, "", b"3", delivery(2, 2, false)));
        aliased(&mut s, c, 32, "another", b"4");
        aliased(&mut s, c, 3, "", b"5");
        // Bound again: to another topic, and one topic to two.
        aliased(&mut s, c, 3, "another", b"6");
        aliased(&mut s, c, 3, "", b"7");
        aliased(&mut s, c, 32, "", b"8");
        assert_eq!(s.hear(c), ["PUBACK 1", "PUBREC 2"]);
        assert_eq!(
            s.hear(reader),
            [
                "PUBLISH some/topic 0",
                "PUBLISH some/topic 1",
                "PUBLISH some/topic 2 q1 #1",
                "PUBLISH some/topic 3 q2 #2",
                "PUBLISH another 4",
                "PUBLISH some/topic 5",
                "PUBLISH another 6",
                "PUBLISH another 7",
                "PUBLISH another 8",
            ],
            "{shards} shards: and no reader hears of an alias"
        );
    }
}

#[test]
fn an_alias_that_is_not_allowed_or_not_bound_ends_the_connection() {
    for (limit, alias, topic, heard) in [
        ("32", 33, "t", "DISCONNECT 0x94"),
        ("32", 33, "", "DISCONNECT 0x94"),
        ("32", u16::MAX, "t", "DISCONNECT 0x94"),
        ("0", 1, "t", "DISCONNECT 0x94"),
        ("32", 0, "t", "DISCONNECT 0x94"),
        ("32", 2, "", "DISCONNECT 0x82"),
        ("32", 32, "", "DISCONNECT 0x82"),
    ] {
        let mut s = Shards::with(1, &[("topic_aliases", limit)]);
        let reader = s.subscriber("reader", "#", 0);
        let c = s.connect("c");
        if limit != "0" {
            aliased(&mut s, c, 1, "first", b"x");
        }
        s.hear(reader);
        aliased(&mut s, c, alias, topic, b"x");
        assert_eq!(s.hear(c), [heard, "closed"], "{alias} of {limit}, {topic:?}");
        assert_eq!(s.hear(reader), Vec::<String>::new());
    }
}

#[test]
fn all_that_were_announced_are_accepted() {
    let mut s = Shards::with(1, &[("topic_aliases", "unlimited")]);
    s.checking = false;
    let reader = s.subscriber("reader", "#", 0);
    let c = s.connect("c");
    for alias in [1, 2, 1_000, u16::MAX] {
        aliased(&mut s, c, alias, &format!("t/{alias}"), b"x");
        aliased(&mut s, c, alias, "", b"y");
        assert_eq!(s.hear(reader), [format!("PUBLISH t/{alias} x"), format!("PUBLISH t/{alias} y")]);
    }
}

#[test]
fn a_new_connection_knows_none() {
    let mut s = Shards::new(1);
    let hello = Hello::new("c").resume().expiry(100);
    let c = s.greet(&hello);
    aliased(&mut s, c, 1, "t/t", b"x");
    // Another client has its own.
    let other = s.connect("other");
    aliased(&mut s, other, 1, "", b"x");
    assert_eq!(s.hear(other), ["DISCONNECT 0x82", "closed"]);
    s.cut(c);
    let c = s.greet(&hello);
    aliased(&mut s, c, 1, "", b"x");
    assert_eq!(s.hear(c), ["CONNACK present 0x00", "DISCONNECT 0x82", "closed"]);
    // Who takes a session over begins anew, too.
    let old = s.greet(&hello);
    aliased(&mut s, old, 1, "t/t", b"x");
    let new = s.greet(&hello);
    aliased(&mut s, new, 1, "", b"x");
    assert_eq!(s.hear(new), ["CONNACK present 0x00", "DISCONNECT 0x82", "closed"]);
}

/// Whoever sent it takes it for bound.
#[test]
fn what_is_not_published_binds_all_the_same() {
    let mut s = Shards::new(1);
    let reader = s.subscriber("reader", "#", 0);
    s.authority().deny("c", Kind::Publish, "secret");
    s.authority().admit(
        "denied",
        Admission::Deny(tidewire_core::broker::policy::Denial::new(
            tidewire_core::reason::ReasonCode::NotAuthorized,
        )),
    );
    let c = s.connect("c");
    s.send(c, &publish_as(1, "secret", b"x", delivery(1, 1, false)));
    s.send(c, &publish_as(1, "", b"x", delivery(1, 2, false)));
    s.send(c, &publish_as(2, "denied", b"x", delivery(1, 3, false)));
    s.send(c, &publish_as(2, "", b"x", delivery(1, 4, false)));
    assert_eq!(s.hear(c), ["PUBACK 1 0x87", "PUBACK 2 0x87", "PUBACK 3 0x87", "PUBACK 4 0x87"]);
    // Nobody publishes to such topics, by whatever name.
    s.send(c, &publish_as(4, "$SYS/x", b"x", delivery(1, 6, false)));
    s.send(c, &publish_as(4, "", b"x", delivery(1, 7, false)));
    assert_eq!(s.hear(c), ["PUBACK 6 0x87", "PUBACK 7 0x87"]);
    // A message that comes again is not published, either.
    s.send(c, &publish_as(3, "once", b"x", delivery(2, 5, false)));
    s.send(c, &publish_as(3, "again", b"x", delivery(2, 5, true)));
    aliased(&mut s, c, 3, "", b"y");
    assert_eq!(s.hear(c), ["PUBREC 5", "PUBREC 5"]);
    assert_eq!(s.hear(reader), ["PUBLISH once x", "PUBLISH again y"]);
}

#[test]
fn the_policy_judges_the_topic_and_its_change_binds_nothing() {
    let mut s = Shards::new(1);
    let reader = s.subscriber("reader", "#", 0);
    s.authority().admit("slow", Admission::Later);
    let c = s.connect("c");
    aliased(&mut s, c, 1, "slow", b"1");
    let pipelined = [
        publish_as(1, "", b"2", delivery(0, 0, false)),
        publish_as(1, "quick", b"3", delivery(0, 0, false)),
        publish_as(1, "", b"4", delivery(0, 0, false)),
    ];
    s.send(c, &pipelined.concat());
    let topic = tidewire_core::topic::TopicName::new("elsewhere").expect("a Topic Name");
    s.answer(Answer::Changed(tidewire_core::message::Publication::new(topic, "changed")));
    s.answer(Answer::Admit);
    assert_eq!(
        s.hear(reader),
        ["PUBLISH elsewhere changed", "PUBLISH slow 2", "PUBLISH quick 3", "PUBLISH quick 4"]
    );
}

#[test]
fn a_large_payload_may_come_under_an_alias() {
    let payload = vec![b'x'; 300_000];
    let mut s = Shards::new(2);
    let reader = s.subscriber("reader", "#", 0);
    let c = s.connect("c");
    for bytes in [
        publish_as(1, "large", &payload, delivery(0, 0, false)),
        publish_as(1, "", &payload, delivery(1, 1, false)),
        publish_as(1, "", b"small", delivery(0, 0, false)),
    ] {
        bytes.chunks(50_000).for_each(|piece| s.send(c, piece));
    }
    assert_eq!(s.hear(reader), ["PUBLISH large <300000>", "PUBLISH large <300000>", "PUBLISH large small"]);
    // Refused while it comes, it has bound its alias.
    s.authority().deny("d", Kind::Publish, "secret");
    let d = s.connect("d");
    let secret = publish_as(9, "secret", &payload, delivery(1, 1, false));
    secret.chunks(50_000).for_each(|piece| s.send(d, piece));
    s.send(d, &publish_as(9, "", b"x", delivery(1, 2, false)));
    assert_eq!(s.hear(d), ["PUBACK 1 0x87", "PUBACK 2 0x87"]);
    assert_eq!(s.stats().incomplete_bytes, 0);
}

/// The place where the last topic was remembered is the publisher's, not its alias's.
#[test]
fn topics_that_change_under_one_alias_reach_their_own_subscribers() {
    let mut s = Shards::new(1);
    let readers = ["a/a", "b/b", "+/+"].map(|filter| s.subscriber(filter, filter, 0));
    let c = s.connect("c");
    for _ in 0..3 {
        for topic in ["a/a", "b/b"] {
            aliased(&mut s, c, 1, topic, b"x");
            (0..2).for_each(|_| aliased(&mut s, c, 1, "", b"y"));
            s.publish(c, "b/b", b"z", 0, 0);
        }
    }
    let heard = readers.map(|reader| s.hear(reader));
    let count =
        |said: &str| heard.iter().map(|h| h.iter().filter(|l| *l == said).count()).collect::<Vec<_>>();
    assert_eq!(count("PUBLISH a/a x"), [3, 0, 3]);
    assert_eq!(count("PUBLISH a/a y"), [6, 0, 6]);
    assert_eq!(count("PUBLISH b/b x"), [0, 3, 3]);
    assert_eq!(count("PUBLISH b/b y"), [0, 6, 6]);
    assert_eq!(count("PUBLISH b/b z"), [0, 6, 6]);
}

#[test]
fn a_retained_message_is_kept_under_its_topic() {
    let mut s = Shards::new(3);
    let c = s.connect("c");
    for n in 0..8 {
        aliased(&mut s, c, 1, &format!("kept/{n}"), b"x");
        s.send(c, &retained(1, b"y"));
    }
    let reader = s.connect("reader");
    s.send(reader, &subscribe(Version::V5, 1, &[("kept/+", 0)]));
    let mut heard = s.hear(reader);
    heard.sort();
    let all: Vec<_> = (0..8).map(|n| format!("PUBLISH kept/{n} y retain")).collect();
    assert_eq!(heard, [&all[..], &["SUBACK 1 [0]".to_owned()]].concat());
}

/// A Retained Message of QoS 0 under an alias, without a topic.
fn retained(alias: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = publish_as(alias, "", payload, delivery(0, 0, false));
    bytes[0] |= 1;
    bytes
}
