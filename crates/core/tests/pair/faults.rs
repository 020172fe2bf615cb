//! Faults that were found, each with the conversation that shows it.
use super::*;
use crate::cuts::config;
use crate::pair::{Cut, Pair};
use tidewire_core::client::{OutboxFull, SessionLost, Will};
use tidewire_core::time::Duration;

const V3: Version = Version::V3_1_1;

fn again(s: &mut Scripted) -> Vec<u8> {
    s.closes();
    s.now = s.client.poll_timeout().unwrap().at;
    s.client.handle_timeout(s.now);
    s.act();
    s.open()
}

fn says_connack(s: &mut Scripted, version: Version, session_present: bool, properties: &PropertiesBuf) {
    let properties = properties.as_properties();
    s.says(version, &Packet::Connack(Connack { session_present, reason: ReasonCode::Success, properties }));
}

fn one(filter: &str) -> Subscription {
    Subscription::new(TopicFilter::new(filter).unwrap(), QoS::AtLeastOnce)
}

/// 3.1.1 servers may send again on a timer.
#[test]
fn a_qos_2_publish_that_is_repeated_blocks_no_later_acknowledgement() {
    let none = PropertiesBuf::new();
    let mut s = Scripted::up(V3, &none, |config| config.acknowledge = Acknowledge::ByToken);
    s.says(V3, &publish(2, 5, b"x", &none));
    s.says(V3, &publish(2, 5, b"x", &none));
    s.says(V3, &publish(1, 6, b"y", &none));
    while let Some(message) = s.message() {
        s.client.acknowledge(message.token.unwrap(), ReasonCode::Success);
    }
    let sent = s.sent();
    assert!(sent.ends_with(&[0x40, 2, 0, 6]), "the PUBACK of message 6: {sent:x?}");
}

#[test]
fn a_refusal_in_3_1_1_blocks_no_later_acknowledgement() {
    let none = PropertiesBuf::new();
    let mut s = Scripted::up(V3, &none, |config| config.acknowledge = Acknowledge::ByToken);
    s.says(V3, &publish(1, 5, b"x", &none));
    s.says(V3, &publish(1, 6, b"y", &none));
    let reasons = [ReasonCode::ImplementationSpecificError, ReasonCode::Success];
    for reason in reasons {
        let token = s.message().unwrap().token.unwrap();
        s.client.acknowledge(token, reason);
    }
    let sent = s.sent();
    assert!(sent.ends_with(&[0x40, 2, 0, 6]) || s.closed, "{sent:x?}");
}

#[test]
fn subscriptions_that_do_not_fit_into_one_packet_are_made_again() {
    let small = with(&[Property::MaximumPacketSize(100)]);
    let mut s = Scripted::up(V5, &small, |_| {});
    for n in 1..=10 {
        s.client.subscribe(&[one(&format!("a/filter/of/some/length/{n}"))], None).unwrap();
        assert_eq!(s.sent()[0], 0x82);
        let none = PropertiesBuf::new();
        let properties = none.as_properties();
        s.says(V5, &Packet::Suback(Suback { packet_id: id(n), properties, reasons: &[1] }));
        assert!(matches!(s.event(), Some(Event::Subscribed(..))));
    }
    again(&mut s);
    says_connack(&mut s, V5, false, &small);
    let sent = s.sent();
    let events: Vec<_> = std::iter::from_fn(|| s.event()).collect();
    let told = events.iter().any(|event| matches!(event, Event::SubscriptionLost(..)));
    assert!(!sent.is_empty() || told, "all ten are lost, and nobody is told: {events:?}");
}

/// The application has unsubscribed while away; the session is lost; the line is cut once more.
#[test]
fn what_was_unsubscribed_stays_so_over_two_cuts() {
    let none = PropertiesBuf::new();
    let mut s = Scripted::up(V5, &none, |config| config.session_expiry_seconds = 100);
    s.client.subscribe(&[one("f")], None).unwrap();
    s.sent();
    let properties = none.as_properties();
    s.says(V5, &Packet::Suback(Suback { packet_id: id(1), properties, reasons: &[1] }));
    s.client.unsubscribe(&[TopicFilter::new("f").unwrap()]).unwrap();
    again(&mut s);
    says_connack(&mut s, V5, false, &none);
    let first: Vec<u8> = s.sent();
    again(&mut s);
    says_connack(&mut s, V5, true, &none);
    let second: Vec<u8> = s.sent();
    let order = |bytes: &[u8]| {
        let mut kinds = vec![];
        let mut at = 0;
        while at < bytes.len() {
            kinds.push(bytes[at]);
            at += 2 + usize::from(bytes[at + 1]);
        }
        kinds
    };
    assert_eq!(order(&first), [0x82, 0xa2], "SUBSCRIBE of the old, then what was asked for since");
    assert_ne!(order(&second), [0xa2, 0x82], "it ends subscribed to what was unsubscribed");
}

/// The server still has a QoS 2 identifier of a message that the client gave up: it is not given to another.
#[test]
fn a_message_after_a_goodbye_that_failed_is_not_taken_for_an_old_one() {
    let mut pair = Pair::new(config(V5, true, SessionLost::SendAsNew));
    pair.settle();
    pair.publish(2);
    pair.up(usize::MAX);
    let deadline = pair.now.after_secs(1);
    pair.client.disconnect(pair.now, deadline, ReasonCode::Success).unwrap();
    pair.act();
    // The PUBREC is never heard.
    pair.wait(Duration::from_secs(2));
    pair.cut(Cut::Reset);
    while pair.take() {}
    assert_eq!((pair.ended, pair.arrived.as_slice()), (1, [0].as_slice()));
    pair.client.connect(pair.now);
    pair.act();
    pair.publish(2);
    pair.settle();
    assert_eq!(pair.connects, [false, true]);
    let stages = &pair.published[1].stages;
    assert_eq!(pair.arrived, [0, 1], "its ticket says {stages:?}");
}

/// The same for a program that was started again and asks for its old session.
#[test]
fn a_message_after_a_restart_is_not_taken_for_an_old_one() {
    let mut pair = Pair::new(config(V5, true, SessionLost::SendAsNew));
    pair.settle();
    pair.publish(2);
    pair.up(usize::MAX);
    pair.cut(Cut::Reset);
    // Its ticket went with the program.
    pair.published[0].ended = Some(0);
    let mut again = config(V5, true, SessionLost::SendAsNew);
    again.clean_start = false;
    pair.client = Client::new(again, &[4; 32]);
    pair.client.connect(pair.now);
    pair.act();
    pair.publish(2);
    pair.settle();
    assert_eq!(pair.connects.last(), Some(&true));
    let stages = &pair.published[1].stages;
    assert_eq!(pair.arrived, [0, 1], "its ticket says {stages:?}");
}

/// A large message on a slow line: nothing else leaves, and nothing comes, for longer than the Keep Alive.
#[test]
fn the_patience_for_an_answer_begins_when_the_question_has_left() {
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
    let large = Publication::new(TopicName::new("t").unwrap(), vec![7; 1_000_000]).qos(QoS::AtLeastOnce);
    s.client.publish(s.now, large).unwrap();
    let mut out = Output::default();
    let _ = s.client.poll_transmit(s.now, 65_536, &mut out);
    // The transport is busy with this for two minutes, and asks for no more meanwhile.
    for _ in 0..4 {
        s.now = s.now.after_secs(30);
        s.client.handle_timeout(s.now);
        s.act();
        out.advance(200_000);
    }
    assert!(!s.closed, "it has asked nothing yet");
}

#[test]
fn a_publish_that_fails_has_done_nothing() {
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |config| {
        config.outbox_full = OutboxFull::DropOldest;
        config.outbox_bytes = 1000;
        config.in_flight = 1;
    });
    let of = |n| Publication::new(TopicName::new("t").unwrap(), vec![7; n]).qos(QoS::AtLeastOnce);
    s.client.publish(s.now, of(500)).unwrap();
    s.sent();
    for _ in 0..3 {
        s.client.publish(s.now, of(100)).unwrap();
    }
    assert_eq!(s.client.publish(s.now, of(600)), Err(Misuse::OutboxFull));
    assert_eq!(s.client.stats().failed, 0, "a call that fails has done nothing");
}

/// A client need not wait for CONNACK (section 3.1.4), and without a DISCONNECT the will is published.
#[test]
fn who_says_goodbye_before_connack_discards_the_will() {
    let mut s = Scripted::new(|config| {
        config.version = Some(V5);
        let publication = Publication::new(TopicName::new("will").unwrap(), "dead");
        config.will = Some(Will { publication, delay_seconds: 0 });
    });
    s.open();
    s.client.disconnect(s.now, s.now.after_secs(5), ReasonCode::Success).unwrap();
    assert_eq!(s.sent(), [0xe0, 0]);
}

#[test]
fn without_an_identifier_3_1_1_asks_for_a_clean_session() {
    let mut s = Scripted::new(|config| {
        config.version = Some(V3);
        config.client_id = "".into();
        config.session_expiry_seconds = 100;
    });
    let connect = s.open();
    assert_eq!(connect[9] & 2, 2, "[MQTT-3.1.3-7]");
}

#[test]
fn an_assigned_identifier_is_used_to_resume() {
    let given = with(&[Property::AssignedClientIdentifier("given")]);
    let mut s = Scripted::up(V5, &given, |config| {
        config.client_id = "".into();
        config.session_expiry_seconds = 100;
    });
    let connect = again(&mut s);
    assert!(connect.windows(5).any(|w| w == b"given"), "{connect:x?}");
}

/// A server that asks for answers and reads none.
#[test]
fn answers_that_nobody_reads_are_bounded() {
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
    let flood = ack(AckKind::Pubrel, 1, ReasonCode::Success).repeat(16_384);
    let mut held = false;
    for _ in 0..64 {
        held |= s.client.handle_bytes(s.now, &flood) != Input::More;
    }
    let mut out = Output::default();
    let _ = s.client.poll_transmit(s.now, 65_536, &mut out);
    assert!(held || out.unsent() < 1_000_000, "{} bytes, when 65,536 were asked for", out.unsent());
}

#[test]
fn events_of_a_hostile_server_are_bounded() {
    let properties = with(&[Property::AuthenticationMethod("m"), Property::AuthenticationData(&[7; 60_000])]);
    let mut s = Scripted::up(V5, &properties, |config| {
        config.authentication = Some(Authentication { method: "m".into(), data: None });
    });
    let auth = Packet::Auth(Auth {
        reason: ReasonCode::ContinueAuthentication,
        properties: properties.as_properties(),
    });
    let bytes = encode(V5, &auth);
    let refused = (0..1000).any(|_| s.client.handle_bytes(s.now, &bytes) != Input::More);
    assert!(refused, "60 MB that nobody has asked for wait for the application");
}

#[test]
fn who_lets_us_in_names_the_method() {
    let mut s = Scripted::new(|config| {
        config.version = Some(V5);
        config.authentication = Some(Authentication { method: "m".into(), data: None });
    });
    s.open();
    s.says(V5, &connack(ReasonCode::Success, &PropertiesBuf::new()));
    assert!(s.closed, "[MQTT-4.12.0-5]");
}

/// Anybody who may publish to us can do this; with QoS 1 the server sends it again at each connection.
#[test]
fn a_message_with_many_user_properties_is_a_message() {
    let many = with(&[Property::UserProperty(("a", "b")); 129]);
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
    s.says(V5, &publish(1, 1, b"x", &many));
    assert!(!s.closed, "{:?}", s.cause());
}

/// Identifiers are scarce because of a SUBSCRIBE that is answered late; then they are not.
#[test]
fn an_answer_that_frees_identifiers_wakes_who_waits_for_one() {
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
    s.client.subscribe(&[one("f")], None).unwrap();
    s.sent();
    for n in 2..=16_384 {
        s.publish(1).unwrap();
        s.sent();
        s.says_bytes(&ack(AckKind::Puback, n, ReasonCode::Success));
        s.event();
    }
    s.sent();
    s.publish(1).unwrap();
    assert!(s.sent().is_empty(), "there is none");
    let none = PropertiesBuf::new();
    let properties = none.as_properties();
    let bytes = encode(V5, &Packet::Suback(Suback { packet_id: id(1), properties, reasons: &[1] }));
    let _ = s.client.handle_bytes(s.now, &bytes);
    let actions: Vec<_> = std::iter::from_fn(|| s.client.poll_action()).collect();
    assert!(actions.contains(&Action::Transmit), "{actions:?}");
}

/// The server may only close, and we ask again, for ever.
#[test]
fn what_is_a_protocol_error_is_not_asked_for() {
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
    let mut shared = one("$share/g/f");
    shared.options.no_local = true;
    let _ = s.client.subscribe(&[shared], None);
    assert_eq!(s.sent(), [], "[MQTT-3.8.3-4]");
}

/// To the byte, whatever stands in it.
#[test]
fn what_is_too_large_is_refused_before_it_is_accepted() {
    for limit in [100, 127, 128, 129, 130, 131, 200] {
        for words in [None, Some("a"), Some("text, and quite a long name for what that is")] {
            let mut s = Scripted::up(V5, &with(&[Property::MaximumPacketSize(limit)]), |_| {});
            let (mut largest, mut refused) = (0, 0);
            for length in 0..250 {
                let mut publication =
                    Publication::new(TopicName::new("a/topic").unwrap(), vec![b'x'; length]);
                if let Some(words) = words {
                    publication = publication.message_expiry_interval(60).content_type(words).unwrap();
                }
                let is_taken = s.client.publish(s.now, publication);
                let sent = s.sent().len();
                match is_taken {
                    Ok(_) => (largest, refused) = (sent, 0),
                    Err(error) => {
                        assert_eq!((error, sent), (Misuse::TooLarge, 0));
                        refused += 1;
                    }
                }
            }
            let limit = limit as usize;
            // There is not a packet of each length.
            assert!((limit - 1..=limit).contains(&largest), "{largest} bytes, where {limit} are taken");
            assert!(refused > 0, "and all that are larger are refused");
        }
    }
}
