//! Topic Aliases towards a client.
use crate::support::{Client, Hello, Shards, delivery, publish, publish_with};
use std::collections::BTreeMap;
use tidewire_core::broker::ledger::Reason;
use tidewire_core::broker::policy::QueuePolicy;
use tidewire_core::version::Version;

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
