use super::*;
use crate::codec::{Decoder, Delivery, Item, Limits, Mode, Packet, Publish};
use crate::version::Role;
use proptest::prelude::*;
use std::format;
use std::string::{String, ToString};
use std::vec;

fn text(topic: &str) -> Text<'_> {
    Text::known_str(topic)
}

fn head(topic: &str) -> PublishHead<'_> {
    PublishHead {
        delivery: Delivery::AtMostOnce,
        retain: false,
        topic: text(topic),
        topic_alias: None,
        message_expiry_interval: None,
        properties: &[],
        subscription_identifiers: &[],
        payload_len: 0,
    }
}

/// Topic and alias of the one PUBLISH that these bytes are.
fn read(mut bytes: &[u8]) -> (String, Option<u16>) {
    let mut decoder = Decoder::new(Mode { role: Role::Client, version: Some(Version::V5) });
    let Ok(Some(Item::Packet(Packet::Publish(Publish { topic, properties, .. })))) =
        decoder.next(&Limits::NONE, &mut bytes)
    else {
        panic!("it is a PUBLISH: {bytes:x?}")
    };
    assert!(bytes.is_empty());
    (topic.as_str().to_string(), properties.topic_alias())
}

/// Sends it: what stands in the packet.
fn send(outward: &mut Outward, topic: &str) -> (String, Option<u16>) {
    let mut out = vec![];
    outward.encode(&head(topic), u32::MAX, &mut out).expect("there is no limit");
    outward.check();
    read(&out)
}

/// Sends all of them; how many were without their topic.
fn saved<'a>(outward: &mut Outward, topics: impl IntoIterator<Item = &'a String>) -> usize {
    topics.into_iter().filter(|topic| send(outward, topic).0.is_empty()).count()
}

/// Sends all of them so many times.
fn send_all(outward: &mut Outward, topics: &[String], times: usize) {
    for topic in topics.iter().cycle().take(topics.len() * times) {
        send(outward, topic);
    }
}

fn topics(prefix: &str, n: usize) -> Vec<String> {
    (0..n).map(|n| format!("{prefix}/{n}")).collect()
}

fn said(topic: &str, alias: impl Into<Option<u16>>) -> (String, Option<u16>) {
    (topic.to_string(), alias.into())
}

#[test]
fn what_came_with_a_topic_stands_for_it() {
    let mut inward = Inward::default();
    let mut resolve = |alias, topic| inward.resolve(3, alias, text(topic)).map(|t| t.as_str().to_string());
    assert_eq!(resolve(0, "a"), Err(WrongAlias::OutOfRange));
    assert_eq!(resolve(4, "a"), Err(WrongAlias::OutOfRange));
    assert_eq!(resolve(4, ""), Err(WrongAlias::OutOfRange));
    assert_eq!(resolve(3, ""), Err(WrongAlias::Unbound));
    assert_eq!(resolve(3, "a"), Ok("a".to_string()));
    assert_eq!(resolve(3, ""), Ok("a".to_string()));
    assert_eq!(resolve(2, ""), Err(WrongAlias::Unbound), "one below it is none yet");
    assert_eq!(resolve(3, "b"), Ok("b".to_string()), "it can be bound again");
    assert_eq!(resolve(1, "b"), Ok("b".to_string()), "a topic may have two");
    assert_eq!((resolve(3, ""), resolve(1, "")), (Ok("b".to_string()), Ok("b".to_string())));
    assert_eq!(Inward::default().resolve(0, 1, text("a")), Err(WrongAlias::OutOfRange));
}

#[test]
fn a_topic_gets_its_alias_when_it_comes_again() {
    let mut outward = Outward::new(10);
    assert_eq!(send(&mut outward, "long/a"), said("long/a", None));
    assert_eq!(send(&mut outward, "long/b"), said("long/b", None));
    assert_eq!(send(&mut outward, "long/b"), said("long/b", 1));
    assert_eq!(send(&mut outward, "long/a"), said("long/a", 2));
    for _ in 0..3 {
        assert_eq!(send(&mut outward, "long/a"), said("", 2));
        assert_eq!(send(&mut outward, "long/b"), said("", 1));
    }
}

#[test]
fn what_an_alias_saves_nothing_of_has_none() {
    let mut outward = Outward::new(10);
    for _ in 0..5 {
        assert_eq!(send(&mut outward, "a/b"), said("a/b", None));
    }
    let last = (0..3).map(|_| send(&mut outward, "a/bc")).last();
    assert_eq!(last, Some(said("", 1)));
}

#[test]
fn no_more_are_used_than_the_peer_takes() {
    for most in [1, 2, 7, MOST, u16::MAX] {
        let mut outward = Outward::new(most);
        let all = topics("topic", 2 * usize::from(MOST));
        all.iter().for_each(|topic| send_all(&mut outward, &vec![topic.clone(); 2], 1));
        assert_eq!(outward.bound.len(), usize::from(most.min(MOST)), "{most}");
    }
    let mut none = Outward::new(0);
    assert!(none.is_off());
    assert_eq!(saved(&mut none, &vec!["topic".to_string(); 5]), 0);
}

#[test]
fn topics_that_come_once_take_no_alias_from_those_that_come_again() {
    let mut outward = Outward::new(4);
    let often = topics("often", 4);
    send_all(&mut outward, &often, 2);
    for n in 0..1_000 {
        assert_eq!(send(&mut outward, &format!("a/much/longer/topic/{n}")).1, None);
        assert_eq!(saved(&mut outward, &often[n % 4..=n % 4]), 1);
    }
}

/// The least recently used would be the next one needed, always.
#[test]
fn more_topics_in_turn_than_there_are_aliases_do_not_take_them_from_each_other() {
    let mut outward = Outward::new(32);
    let all = topics("in/turn", 100);
    send_all(&mut outward, &all, 20);
    let saved: Vec<_> = (0..5).map(|_| saved(&mut outward, &all)).collect();
    assert_eq!(saved, [32; 5]);
}

#[test]
fn topics_that_come_no_more_make_room_for_others() {
    let mut outward = Outward::new(8);
    for generation in 0..5 {
        let all = topics(&format!("generation/{generation}"), 8);
        send_all(&mut outward, &all, 40);
        assert_eq!(saved(&mut outward, &all), 8, "of generation {generation}");
    }
}

#[test]
fn what_saves_more_has_the_alias() {
    let mut outward = Outward::new(1);
    let both = ["short".to_string(), "long/".repeat(20)];
    send_all(&mut outward, &both, 10);
    assert_eq!(send(&mut outward, &both[0]), said("short", None));
    assert_eq!(send(&mut outward, &both[1]), said("", 1));
}

#[test]
fn what_does_not_fit_binds_nothing() {
    let mut outward = Outward::new(10);
    let mut out = vec![];
    let plain = head("topic").packet_length(Version::V5).expect("there is one");
    for _ in 0..5 {
        assert!(outward.encode(&head("topic"), plain - 1, &mut out).is_err());
    }
    assert_eq!(out, [], "and nothing was written");
    for _ in 0..5 {
        out.clear();
        outward.encode(&head("topic"), plain, &mut out).expect("it fits without an alias");
        assert_eq!(read(&out), said("topic", None), "there is no room to bind it");
    }
    assert_eq!(outward.packet_length(&head("topic")), Some(plain));
    assert_eq!(send(&mut outward, "topic"), said("topic", 1));
    let length = outward.packet_length(&head("topic")).expect("there is one");
    assert_eq!(length, plain - 2, "five bytes less, and three more");
    out.clear();
    outward.encode(&head("topic"), length, &mut out).expect("it fits with its alias");
    assert_eq!(read(&out), said("", 1));
    assert!(outward.encode(&head("topic"), length - 1, &mut out).is_err());
    outward.check();
}

proptest! {
    /// Whatever is sent, and whatever of it does not fit, the peer reads the same topics.
    #[test]
    fn the_peer_knows_every_topic(
        most in 0..6_u16,
        sent in prop::collection::vec((0..12_usize, 0..3_u8), 0..300),
    ) {
        let (mut outward, mut inward) = (Outward::new(most), Inward::default());
        for (topic, room) in sent {
            let topic = &"t/".repeat(topic + 1);
            let plain = head(topic).packet_length(Version::V5).expect("there is one");
            let limit = [plain - 1, plain, u32::MAX][usize::from(room)];
            let (least, mut out) = (outward.packet_length(&head(topic)), vec![]);
            let result = outward.encode(&head(topic), limit, &mut out);
            outward.check();
            prop_assert_eq!(result.is_ok(), least.is_some_and(|least| least <= limit));
            if result.is_err() {
                prop_assert!(out.is_empty());
                continue;
            }
            prop_assert!(out.len() <= limit as usize);
            let (name, alias) = read(&out);
            let read = match alias {
                Some(alias) => inward.resolve(most, alias, text(&name)),
                None => Ok(TopicName::known(text(&name))),
            };
            prop_assert_eq!(read.as_ref().map(TopicName::as_str), Ok(topic.as_str()));
            prop_assert!(out.len() <= plain as usize + COST);
        }
    }
}
