//! What becomes of every message, and that its trace says so.
use crate::support::{Client, Hello, Kind, Shards, ack, delivery, publish, publish_with};
use tidewire_core::broker::Event;
use tidewire_core::broker::ledger::{Fate, Memory, Reason};
use tidewire_core::broker::policy::QueuePolicy;
use tidewire_core::id::{LocalId, MessageId};
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::topic::TopicName;
use tidewire_core::version::Version;

/// Each way a message can go, and its fate.
fn fates() -> Vec<(&'static str, Fate)> {
    vec![
        ("delivered", Fate::Delivered),
        ("delivered to a local", Fate::Delivered),
        ("expired", Fate::Expired),
        ("too large", Fate::Dropped(Reason::TooLarge)),
        ("offline", Fate::Dropped(Reason::Offline)),
        ("refused", Fate::Dropped(Reason::Refused)),
        ("session ended", Fate::Dropped(Reason::SessionEnded)),
        ("in flight, session ended", Fate::Dropped(Reason::SessionEnded)),
        ("made room", Fate::Dropped(Reason::MadeRoom)),
        ("queue full", Fate::Dropped(Reason::QueueFull)),
        ("shard full", Fate::Dropped(Reason::ShardFull)),
        ("may not receive", Fate::Dropped(Reason::NotAuthorized)),
        ("connection lost", Fate::Dropped(Reason::ConnectionLost)),
    ]
}

/// A message on one of these ways: a local subscriber publishes it, "r" is to receive it.
struct Way {
    path: &'static str,
    shards: Shards,
    hello: Hello,
    recipient: Client,
    publisher: LocalId,
}

impl Way {
    fn begin(path: &'static str) -> Self {
        let limits: &[(&str, &str)] = match path {
            "made room" | "queue full" => &[("queued_messages", "1")],
            "shard full" => &[("shard_queued_bytes", "0")],
            _ => &[],
        };
        let mut s = Shards::with(1, limits);
        if path == "made room" {
            s.authority().queue("r", QueuePolicy::DropOldest);
        }
        if path == "may not receive" {
            s.authority().deny("r", Kind::Receive, "t");
        }
        let mut hello = Hello::new("r").resume().expiry(1000);
        if path == "too large" {
            hello = hello.maximum_packet_size(50);
        }
        let recipient = s.greet(&hello);
        s.subscribe(recipient, "t", 1);
        match path {
            "expired" | "offline" | "session ended" | "made room" | "queue full" => s.cut(recipient),
            _ => {}
        }
        let grant = s.grant("rule");
        let publisher = s.brokers[0].open_local(s.now, "rule", grant);
        Self { path, shards: s, hello, recipient, publisher }
    }

    /// Publishes a message of so many bytes.
    fn say(&mut self, size: usize) -> Option<MessageId> {
        let s = &mut self.shards;
        let topic = TopicName::new("t").expect("a Topic Name");
        let mut publication = Publication::new(topic, vec![b'x'; size]).qos(match self.path {
            "offline" | "connection lost" => QoS::AtMostOnce,
            _ => QoS::AtLeastOnce,
        });
        publication.message_expiry_interval = (self.path == "expired").then_some(5);
        let ticket = s.brokers[0].publish(s.now, self.publisher, &publication).expect("it may");
        // Encoded at once, and cut before anybody could take it.
        if self.path == "connection lost" {
            s.cut(self.recipient);
        }
        s.settle();
        s.events.iter().find_map(|e| match e {
            Event::Acknowledged { ticket: t, message, .. } if *t == ticket => Some(*message),
            _ => None,
        })
    }

    /// What happens to the message after it was published.
    fn end(&mut self, message: MessageId) {
        let s = &mut self.shards;
        match self.path {
            "delivered" | "delivered to a local" => s.acknowledge(self.recipient, 4, 1),
            "expired" => {
                s.wait(6);
                s.greet(&self.hello);
            }
            "refused" => s.send(self.recipient, &ack(Version::V5, 4, 1, 0x80)),
            "session ended" => {
                assert_eq!(s.brokers[0].trace(message).standing[0].fate, Fate::Queued);
                s.wait(2000);
            }
            "in flight, session ended" => {
                assert_eq!(s.brokers[0].trace(message).standing[0].fate, Fate::InFlight);
                s.greet(&Hello::new("r"));
            }
            "made room" => drop(self.say(1)),
            _ => {}
        }
    }
}

// verb: open_local, publish, trace
#[test]
fn every_message_has_one_fate_and_its_trace_says_which() {
    for (path, fate) in fates() {
        let mut way = Way::begin(path);
        if path == "queue full" {
            way.say(1);
        }
        let id = way.say(100).expect("what becomes of it is told");
        way.end(id);
        let s = &way.shards;
        s.check();
        let trace = s.brokers[0].trace(id);
        assert!(trace.standing.is_empty(), "{path}: {trace:?}");
        let ends: Vec<_> = trace
            .remembered
            .iter()
            .filter_map(|m| match m {
                Memory::Fate { fate, .. } => Some(*fate),
                _ => None,
            })
            .collect();
        assert_eq!(ends, [fate], "{path}");
        assert!(s.stats().ledger.balances());
    }
}

#[test]
fn a_sibling_is_shown_only_what_is_its_own() {
    // QoS and RETAIN differ by recipient; the message does not.
    let mut s = Shards::new(2);
    let versions = [Version::V3_1_1, Version::V5];
    let mut readers = vec![];
    for (version, qos) in versions.into_iter().flat_map(|v| [0, 1, 2].map(|q| (v, q))) {
        let r = s.greet(&Hello::new(&format!("r{version:?}{qos}")).version(version));
        s.hear(r);
        s.subscribe(r, "t", qos);
        readers.push((r, qos));
    }
    let c = s.connect("c");
    for sent in 0..3 {
        s.send(
            c,
            &publish_with(
                Version::V5,
                "t",
                b"x",
                delivery(sent, 1 + u16::from(sent), sent > 0),
                sent == 2,
                None,
            ),
        );
        for (reader, granted) in &readers {
            let heard = s.hear(*reader);
            let qos = sent.min(*granted);
            assert_eq!(heard.len(), 1, "sent {sent} granted {granted}");
            assert!(
                heard[0].starts_with("PUBLISH t x")
                    && !heard[0].contains("dup")
                    && !heard[0].contains("retain")
            );
            assert_eq!(heard[0].contains(" q"), qos > 0);
            assert!(qos == 0 || heard[0].contains(&format!(" q{qos} ")), "{heard:?}");
        }
    }
}

/// What was encoded before the end leaves with the last packet: it has arrived, and the books say so.
#[test]
fn what_leaves_ahead_of_a_goodbye_is_delivered() {
    let mut s = Shards::new(1);
    let reader = s.subscriber("reader", "t", 0);
    // In one go: a message for itself, and the end.
    let mut bytes = publish(Version::V5, "t", b"x", 0, 0);
    bytes.extend([0xe0, 0]);
    s.send(reader, &bytes);
    assert_eq!(s.hear(reader), ["PUBLISH t x", "closed"]);
    assert_eq!((s.stats().ledger.delivered, s.dropped(Reason::ConnectionLost)), (1, 0));
}
