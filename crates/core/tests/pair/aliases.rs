//! Topic Aliases in both directions, byte by byte.
use super::*;
use tidewire_core::codec::{Decoder, Item, Limits, Mode};
use tidewire_core::version::Role;

/// A PUBLISH with this alias, and without a topic if that is empty.
fn aliased(alias: u16, topic: &str, payload: &[u8], qos: u8, n: u16) -> Vec<u8> {
    let properties = with(&[Property::TopicAlias(alias), Property::ContentType("c")]);
    let Packet::Publish(publish) = publish(qos, n, payload, &properties) else { panic!("it is a PUBLISH") };
    encode(V5, &Packet::Publish(Publish { topic: Text::new(topic).expect("it has no U+0000"), ..publish }))
}

/// Topics and aliases of the PUBLISHes in these bytes.
fn read(mut bytes: &[u8]) -> Vec<(String, Option<u16>)> {
    let mut decoder = Decoder::new(Mode { role: Role::Server, version: Some(V5) });
    let mut all = vec![];
    while let Some(item) = decoder.next(&Limits::default(), &mut bytes).expect("MQTT") {
        if let Item::Packet(Packet::Publish(publish)) | Item::Head(publish) = item {
            all.push((publish.topic.as_str().to_owned(), publish.properties.topic_alias()));
        }
    }
    all
}

fn said(topic: &str, alias: impl Into<Option<u16>>) -> (String, Option<u16>) {
    (topic.to_owned(), alias.into())
}

impl Scripted {
    fn publish_to(&mut self, topic: &str, payload: &[u8], bits: u8) {
        let publication = Publication::new(TopicName::new(topic).unwrap(), payload.to_vec());
        self.client.publish(self.now, publication.qos(crate::pair::qos(bits))).expect("it is accepted");
        self.act();
    }

    /// Publishes to each of them; what was sent.
    fn sends(&mut self, topics: &[&str]) -> Vec<(String, Option<u16>)> {
        topics.iter().for_each(|topic| self.publish_to(topic, b"x", 0));
        read(&self.sent())
    }

    fn topics(&mut self) -> Vec<String> {
        let messages = std::iter::from_fn(|| self.message());
        let topic = |message: Message| {
            assert_eq!(message.properties().topic_alias(), None);
            assert_eq!(message.properties().content_type(), Some("c"), "and nothing else is gone");
            message.topic.to_string()
        };
        messages.map(topic).collect()
    }

    /// The connection ends, and the next one is up.
    fn comes_back(&mut self, properties: &PropertiesBuf) {
        self.closes();
        self.now = self.client.poll_timeout().expect("it comes back").at;
        self.client.handle_timeout(self.now);
        self.open();
        self.says(V5, &connack(ReasonCode::Success, properties));
        while self.event().is_some() {}
    }
}

#[test]
fn connect_says_how_many_a_server_may_use() {
    for (most, bytes) in [(32, [0x22, 0, 32]), (258, [0x22, 1, 2])] {
        let mut s = Scripted::new(|config| config.topic_alias_maximum = most);
        assert!(s.open().windows(3).any(|part| part == bytes), "{most}");
    }
    assert!(Scripted::new(|_| {}).open().contains(&0x22), "it does so by default");
    assert!(!Scripted::new(|config| config.topic_alias_maximum = 0).open().contains(&0x22));
}

/// [MQTT-3.3.2-10]
#[test]
fn a_message_has_its_topic_whatever_alias_it_came_under() {
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |config| config.topic_alias_maximum = 3);
    for (alias, topic, qos, n) in [
        (3, "a", 0, 0),
        (3, "", 0, 0),
        (1, "b", 1, 1),
        (3, "", 2, 2),
        (3, "b", 0, 0),
        (3, "", 0, 0),
        (1, "c", 0, 0),
        (1, "", 1, 3),
    ] {
        s.says_bytes(&aliased(alias, topic, b"x", qos, n));
    }
    assert_eq!(s.topics(), ["a", "a", "b", "a", "b", "b", "c", "c"]);
    assert!(!s.closed);
    // One that came before is not delivered again, and binds all the same.
    s.says_bytes(&aliased(2, "again", b"x", 2, 2));
    s.says_bytes(&aliased(2, "", b"x", 0, 0));
    assert_eq!(s.topics(), ["again"]);
    // A large one binds with its first bytes.
    let large = aliased(2, "large", &vec![b'x'; 300_000], 0, 0);
    large.chunks(70_000).for_each(|piece| s.says_bytes(piece));
    s.says_bytes(&aliased(2, "", &vec![b'x'; 300_000], 0, 0));
    assert_eq!(s.topics(), ["large", "large"]);
}

#[test]
fn a_wrong_alias_ends_the_connection() {
    for (most, alias, topic, reason) in [
        (3, 4, "a", ReasonCode::TopicAliasInvalid),
        (3, 4, "", ReasonCode::TopicAliasInvalid),
        (0, 1, "a", ReasonCode::TopicAliasInvalid),
        (3, 2, "", ReasonCode::ProtocolError),
        (3, 3, "", ReasonCode::ProtocolError),
    ] {
        let mut s = Scripted::up(V5, &PropertiesBuf::new(), |config| config.topic_alias_maximum = most);
        if most > 0 {
            s.says_bytes(&aliased(1, "first", b"x", 0, 0));
            assert_eq!(s.topics(), ["first"]);
        }
        s.says_bytes(&aliased(alias, topic, b"x", 0, 0));
        assert!(s.closed && s.topics().is_empty());
        assert_eq!(s.sent(), [0xe0, 1, reason.byte()], "{alias} of {most}, {topic:?}");
        assert_eq!(s.cause(), Cause::Violation(reason));
    }
}

#[test]
fn a_new_connection_knows_no_alias_of_the_old_one() {
    let none = PropertiesBuf::new();
    let mut s = Scripted::up(V5, &none, |_| {});
    s.says_bytes(&aliased(1, "a", b"x", 0, 0));
    s.comes_back(&none);
    s.says_bytes(&aliased(1, "", b"x", 0, 0));
    assert_eq!(s.cause(), Cause::Violation(ReasonCode::ProtocolError));
}

/// [MQTT-3.2.2-17] [MQTT-3.2.2-18]
#[test]
fn a_topic_that_comes_again_is_sent_as_its_alias() {
    let two = with(&[Property::TopicAliasMaximum(2)]);
    let mut s = Scripted::up(V5, &two, |_| {});
    assert_eq!(s.client.server().map(|server| server.topic_alias_maximum), Some(2));
    let all =
        ["some/topic", "some/topic", "t", "t", "other", "other", "third", "third", "some/topic", "other"];
    let sent = s.sends(&all);
    let first = [said("some/topic", None), said("some/topic", 1), said("t", None), said("t", None)];
    assert_eq!(sent[..4], first);
    assert_eq!(sent[4..8], [said("other", None), said("other", 2), said("third", None), said("third", 2)]);
    assert_eq!(sent[8..], [said("", 1), said("other", None)]);
    // A new connection begins anew, and its server may take none.
    s.comes_back(&two);
    assert_eq!(s.sends(&all[..2]), first[..2]);
    s.comes_back(&PropertiesBuf::new());
    assert!(s.sends(&all).iter().all(|(topic, alias)| !topic.is_empty() && alias.is_none()));
    // They can be turned off.
    let mut s = Scripted::up(V5, &two, |config| config.topic_aliases = 0);
    assert!(s.sends(&all).iter().all(|(topic, alias)| !topic.is_empty() && alias.is_none()));
}

#[test]
fn what_is_sent_again_has_its_topic() {
    let two = with(&[Property::TopicAliasMaximum(2), Property::SessionExpiryInterval(100)]);
    let mut s = Scripted::up(V5, &two, |config| config.session_expiry_seconds = 100);
    (0..3).for_each(|_| s.publish_to("some/topic", &vec![b'x'; 70_000], 1));
    let sent = [said("some/topic", None), said("some/topic", 1), said("", 1)];
    assert_eq!(read(&s.sent()), sent);
    s.comes_back(&two);
    assert_eq!(read(&s.sent()), sent[..1], "on a connection that has bound nothing yet");
    (1..7).for_each(|n| s.says_bytes(&ack(AckKind::Puback, n, ReasonCode::Success)));
    assert_eq!(read(&s.sent()), sent[1..]);
}

/// A PUBLISH of QoS 0 with `some/topic` has 16 bytes and its payload.
#[test]
fn what_the_server_takes_no_more_of_binds_nothing() {
    let small = with(&[Property::TopicAliasMaximum(2), Property::MaximumPacketSize(30)]);
    let mut s = Scripted::up(V5, &small, |_| {});
    let mut publish = |n: usize| {
        s.publish_to("some/topic", &vec![b'x'; n], 0);
        let mut bytes = s.sent();
        (bytes.len(), read(&bytes).remove(0), bytes.clear()).1
    };
    assert_eq!(publish(12), said("some/topic", None));
    assert_eq!(publish(13), said("some/topic", None), "no room to bind");
    assert_eq!(publish(12), said("some/topic", 1), "all 30 bytes");
    assert_eq!(publish(14), said("", 1));
}
