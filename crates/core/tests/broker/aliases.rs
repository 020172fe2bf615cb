//! Topic Aliases: what a client binds, and what is bound towards it.
use crate::support::{Client, Hello, Kind, Shards, delivery, publish, publish_as, publish_with, subscribe};
use std::collections::BTreeMap;
use tidewire_core::broker::ledger::Reason;
use tidewire_core::broker::policy::{Admission, Answer, QueuePolicy};
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

/// One that takes so many aliases, and has subscribed to everything.
fn taker(s: &mut Shards, hello: &Hello, qos: u8) -> Client {
    let reader = s.greet(hello);
    s.hear(reader);
    s.subscribe(reader, "#", qos);
    reader
}

/// What its PUBLISHes say where each alias is what was bound to it before, and what they have as aliases.
fn resolved(heard: &[String], bound: &mut BTreeMap<u16, String>) -> (Vec<String>, Vec<u16>) {
    let mut aliases = vec![];
    let said = heard.iter().map(|line| {
        let Some((line, alias)) = line.split_once(" as ") else { return line.clone() };
        let alias: u16 = alias.parse().expect("a number");
        aliases.push(alias);
        let (topic, rest) = line.strip_prefix("PUBLISH ").and_then(|l| l.split_once(' ')).expect("a PUBLISH");
        if !topic.is_empty() {
            bound.insert(alias, topic.to_owned());
        }
        let topic = bound.get(&alias).expect("an alias that came without a topic was bound before");
        format!("PUBLISH {topic} {rest}")
    });
    (said.collect(), aliases)
}

#[test]
fn a_topic_that_comes_again_is_sent_as_its_alias() {
    for qos in 0..3 {
        let mut s = Shards::new(1);
        let reader = taker(&mut s, &Hello::new("reader").topic_alias_maximum(2), qos);
        let c = s.connect("c");
        for (n, topic) in ["some/topic", "some/topic", "some/topic", "t", "t", "other", "other", "some/topic"]
            .into_iter()
            .enumerate()
        {
            s.publish(c, topic, b"x", qos, u16::try_from(n + 1).unwrap());
        }
        let heard: Vec<_> =
            s.hear(reader).iter().map(|line| line.split(" q").next().unwrap().to_owned()).collect();
        let expected = [
            "PUBLISH some/topic x",
            "PUBLISH some/topic x as 1",
            "PUBLISH  x as 1",
            "PUBLISH t x",
            "PUBLISH t x",
            "PUBLISH other x",
            "PUBLISH other x as 2",
            "PUBLISH  x as 1",
        ];
        if qos == 0 {
            assert_eq!(heard, expected);
        } else {
            assert_eq!(heard.len(), expected.len());
        }
    }
}

#[test]
fn nobody_is_sent_more_aliases_than_it_takes_and_we_allow() {
    for (hello, limit, most) in [
        (Hello::new("reader"), "32", 0),
        (Hello::new("reader").topic_alias_maximum(0), "32", 0),
        (Hello::new("reader").topic_alias_maximum(3), "32", 3),
        (Hello::new("reader").topic_alias_maximum(3), "2", 2),
        (Hello::new("reader").topic_alias_maximum(u16::MAX), "32", 32),
        (Hello::new("reader").topic_alias_maximum(9), "0", 0),
        (Hello::new("reader").topic_alias_maximum(9).v3(), "32", 0),
    ] {
        let mut s = Shards::with(1, &[("topic_aliases", limit)]);
        let reader = taker(&mut s, &hello, 0);
        let c = s.connect("c");
        let mut bound = BTreeMap::new();
        for n in 0..400 {
            let topic = format!("topic/{}", n / 4 % 50);
            s.publish(c, &topic, b"x", 0, 0);
            let (said, _) = resolved(&s.hear(reader), &mut bound);
            assert_eq!(said, [format!("PUBLISH {topic} x")]);
        }
        assert!(bound.keys().copied().eq(1..=most), "{most}: {bound:?}");
    }
}

/// Two that differ in nothing but aliases, over all ways that a message can go.
#[test]
fn who_takes_aliases_is_sent_the_same_as_who_takes_none() {
    // Small enough for both, or too large for both.
    for (shards, most, size, long) in
        [(1, 3, None, 45), (2, 1, None, 45), (1, 300, Some(80), 45), (3, 2, Some(60), 60)]
    {
        let mut s = Shards::new(shards);
        let hellos = [0, most].map(|most| {
            let hello = Hello::new(&format!("reader-{most}")).resume().expiry(1000).topic_alias_maximum(most);
            size.map_or(hello.clone(), |size| hello.maximum_packet_size(size))
        });
        let mut readers = hellos.each_ref().map(|hello| taker(&mut s, hello, 2));
        let mut bound = BTreeMap::new();
        let c = s.connect("c");
        let (mut random, mut heard, mut saved) = (7_u32, [vec![], vec![]], 0);
        for n in 1..600_u16 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let r = |of: u32| (random >> 16) % of;
            let topic =
                ["a", "some/topic", "another/topic", "and/yet/another", "last/but/one"][r(5) as usize % 5];
            let qos = u8::try_from(r(4)).unwrap() % 3;
            let expiry = (r(64) == 0).then_some(100);
            let payload = vec![b'x'; if r(32) == 1 { long } else { 3 }];
            let bytes =
                publish_with(Version::V5, topic, &payload, delivery(qos, n, false), r(16) == 3, expiry);
            s.send(c, &bytes);
            match n % 40 {
                0 => readers.iter().for_each(|r| s.window(*r, 0)),
                20 => readers.iter().for_each(|r| s.window(*r, usize::MAX)),
                _ => {}
            }
            for (at, reader) in readers.into_iter().enumerate() {
                let (said, aliases) = resolved(&s.hear(reader), &mut bound);
                assert!(aliases.iter().all(|alias| at == 1 && *alias <= most));
                saved += aliases.len();
                for line in &said {
                    let id =
                        line.split_once(" #").map(|(_, id)| id.split(' ').next().unwrap().parse().unwrap());
                    match id {
                        Some(id) if line.contains(" q1") => s.acknowledge(reader, 4, id),
                        Some(id) => s.acknowledge(reader, 5, id),
                        None => {}
                    }
                    if let Some(id) = line.strip_prefix("PUBREL ") {
                        s.acknowledge(reader, 7, id.parse().unwrap());
                    }
                }
                heard[at].extend(said.into_iter().filter(|line| !line.starts_with("PUBREL")));
            }
            if n % 150 == 0 {
                for (reader, hello) in readers.iter_mut().zip(&hellos) {
                    s.cut(*reader);
                    *reader = s.greet(hello);
                }
                bound.clear();
            }
        }
        assert!(
            heard[0] == heard[1],
            "{shards} shards: {:?}",
            heard[0].iter().zip(&heard[1]).find(|(a, b)| a != b)
        );
        assert!(saved > 100 && heard[0].len() > 400, "{saved} of {}", heard[0].len());
    }
}

#[test]
fn what_is_sent_again_on_a_later_connection_has_its_topic() {
    let mut s = Shards::new(1);
    let hello = Hello::new("reader").resume().expiry(100).topic_alias_maximum(5);
    let reader = taker(&mut s, &hello, 1);
    let c = s.connect("c");
    (1..4).for_each(|n| s.publish(c, "some/topic", b"x", 1, n));
    let first = ["PUBLISH some/topic x q1 #1", "PUBLISH some/topic x q1 #2 as 1", "PUBLISH  x q1 #3 as 1"];
    assert_eq!(s.hear(reader), first);
    s.cut(reader);
    let reader = s.greet(&hello);
    assert_eq!(
        s.hear(reader),
        [
            "CONNACK present 0x00",
            "PUBLISH some/topic x q1 #1 dup",
            "PUBLISH some/topic x q1 #2 dup as 1",
            "PUBLISH  x q1 #3 dup as 1",
        ]
    );
    // Once it takes none, it gets none.
    s.cut(reader);
    let reader = s.greet(&Hello::new("reader").resume().expiry(100));
    assert!(
        s.hear(reader)[1..]
            .iter()
            .all(|line| line.starts_with("PUBLISH some/topic x q1") && line.ends_with("dup"))
    );
}

/// A PUBLISH of QoS 0 with `some/topic` has 16 bytes and its payload; an alias takes 10 of them and adds 3.
#[test]
fn what_is_too_large_binds_nothing_and_its_size_is_what_is_sent() {
    let mut s = Shards::new(1);
    let reader = taker(&mut s, &Hello::new("reader").topic_alias_maximum(5).maximum_packet_size(30), 1);
    let c = s.connect("c");
    let mut publish = |n: usize| {
        s.publish(c, "some/topic", &vec![b'x'; n], 0, 0);
        (s.hear(reader).concat(), s.dropped(Reason::TooLarge))
    };
    let x = |n| "x".repeat(n);
    assert_eq!(publish(16), (String::new(), 1), "31 bytes");
    assert_eq!(publish(15), (format!("PUBLISH some/topic {}", x(15)), 1), "30 bytes");
    assert_eq!(publish(16), (String::new(), 2));
    assert_eq!(publish(13), (format!("PUBLISH some/topic {}", x(13)), 2), "no room to bind");
    assert_eq!(publish(12), (format!("PUBLISH some/topic {} as 1", x(12)), 2), "all 30 bytes");
    assert_eq!(publish(23), (String::new(), 3));
    assert_eq!(publish(22), (format!("PUBLISH  {} as 1", x(22)), 3), "30 bytes, and none of them topic");
}

/// What was dropped from its queue has bound nothing, and what is sent is what it would be without aliases.
#[test]
fn what_makes_room_for_others_binds_nothing() {
    let mut s = Shards::with(1, &[("queued_messages", "3"), ("unsent_bytes", "40")]);
    let readers = [0, 4].map(|most| {
        let name = format!("reader-{most}");
        s.authority().queue(&name, QueuePolicy::DropOldest);
        taker(&mut s, &Hello::new(&name).topic_alias_maximum(most), 1)
    });
    let c = s.connect("c");
    let (mut bound, mut heard) = (BTreeMap::new(), [vec![], vec![]]);
    for round in 0..30 {
        readers.iter().for_each(|reader| s.window(*reader, 0));
        // In one read: what has come is handled, also where its publisher is to pause from here on.
        let all = (0..12).flat_map(|n| {
            let topic = ["some/topic", "another", "and/yet/another"][(round + n) % 3];
            publish(Version::V5, topic, format!("{round}/{n}").as_bytes(), 0, 0)
        });
        s.publish(c, "some/topic", format!("{round}/{}", 2 * round).as_bytes(), 0, 0);
        s.send(c, &all.collect::<Vec<_>>());
        readers.iter().for_each(|reader| s.window(*reader, usize::MAX));
        for (reader, heard) in readers.iter().zip(&mut heard) {
            heard.push(resolved(&s.hear(*reader), &mut bound).0);
        }
    }
    assert!(s.dropped(Reason::MadeRoom) > 100 && bound.len() == 3, "{:?}: {bound:?}", s.stats().ledger);
    for (plain, aliased) in heard[0].iter().zip(&heard[1]) {
        assert_eq!(plain.last(), aliased.last(), "the last one is never dropped");
        assert!(plain.iter().all(|line| line.starts_with("PUBLISH ")));
        for line in aliased {
            let (topic, payload) = line["PUBLISH ".len()..].split_once(' ').expect("topic and payload");
            let (round, n) = payload.split_once('/').expect("two numbers");
            let at = round.parse::<usize>().unwrap() + n.parse::<usize>().unwrap();
            assert_eq!(topic, ["some/topic", "another", "and/yet/another"][at % 3]);
        }
    }
}

#[test]
fn what_has_expired_binds_nothing() {
    let mut s = Shards::new(1);
    let reader = taker(&mut s, &Hello::new("reader").topic_alias_maximum(5), 1);
    let c = s.connect("c");
    let timed = |s: &mut Shards, payload: &[u8]| {
        s.send(c, &publish_with(Version::V5, "some/topic", payload, delivery(0, 0, false), false, Some(10)));
    };
    timed(&mut s, b"1");
    assert_eq!(s.hear(reader), ["PUBLISH some/topic 1"]);
    s.window(reader, 0);
    s.publish(c, "another", b"2", 0, 0);
    timed(&mut s, b"3");
    timed(&mut s, b"4");
    s.wait(11);
    s.window(reader, usize::MAX);
    assert_eq!((s.hear(reader), s.stats().ledger.expired), (vec!["PUBLISH another 2".to_owned()], 2));
    timed(&mut s, b"5");
    timed(&mut s, b"6");
    assert_eq!(s.hear(reader), ["PUBLISH some/topic 5 as 1", "PUBLISH  6 as 1"]);
}

/// A Retained Message of QoS 0 under an alias, without a topic.
fn retained(alias: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = publish_as(alias, "", payload, delivery(0, 0, false));
    bytes[0] |= 1;
    bytes
}
