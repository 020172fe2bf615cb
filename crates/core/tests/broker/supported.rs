//! What a server supports less of than the protocol has: it says so in CONNACK, and keeps to it.
use crate::support::{Client, Hello, Shards, delivery, publish_with};
use tidewire_core::broker::policy::Grant;
use tidewire_core::codec::{Decoder, Item, Limits, Mode, Packet, Property};
use tidewire_core::qos::QoS;
use tidewire_core::version::{Role, Version};

const BOTH: [Version; 2] = [Version::V3_1_1, Version::V5];

/// The properties of the CONNACK that has come.
fn welcomed(s: &mut Shards, client: Client) -> Vec<String> {
    let bytes = s.hear_bytes(client);
    let mut decoder = Decoder::new(Mode { role: Role::Client, version: Some(Version::V5) });
    let mut rest = bytes.as_slice();
    match decoder.next(&Limits::default(), &mut rest).expect("a server sends what can be read") {
        Some(Item::Packet(Packet::Connack(connack))) => {
            let said = connack.properties.iter();
            let about = |p: &Property<'_>| {
                matches!(
                    p,
                    Property::MaximumQoS(_) | Property::RetainAvailable(_) | Property::ResponseInformation(_)
                )
            };
            said.filter(about).map(|property| format!("{property:?}")).collect()
        }
        other => panic!("no CONNACK but {other:?}"),
    }
}

fn with_grants(limits: &[(&str, &str)], change: fn(&mut Grant)) -> Shards {
    let s = Shards::with(1, limits);
    s.authority().changes(change);
    s
}

/// [MQTT-3.2.2-9] [MQTT-3.2.2-10]
#[test]
fn a_maximum_qos_is_told_and_subscriptions_are_granted_no_more() {
    let mut s = Shards::with(1, &[("maximum_qos", "1")]);
    let client = s.greet(&Hello::new("a"));
    assert_eq!(welcomed(&mut s, client), ["MaximumQoS(AtLeastOnce)"]);
    for (asked, granted) in [(0, 0), (1, 1), (2, 1)] {
        s.send(client, &crate::support::subscribe(Version::V5, 7, &[("t", asked)]));
        assert_eq!(s.hear(client), [format!("SUBACK 7 [{granted}]")], "asked for {asked}");
    }
}

/// The least of both counts: what the server supports, and what this client's grant has.
#[test]
fn a_grant_may_have_less_than_the_server_supports_and_never_more() {
    let mut s = with_grants(&[], |grant| grant.maximum_qos = QoS::AtMostOnce);
    let client = s.greet(&Hello::new("a"));
    assert_eq!(welcomed(&mut s, client), ["MaximumQoS(AtMostOnce)"]);
    let mut s = with_grants(&[("maximum_qos", "1")], |grant| grant.retain_available = false);
    let client = s.greet(&Hello::new("a"));
    assert_eq!(welcomed(&mut s, client), ["MaximumQoS(AtLeastOnce)", "RetainAvailable(false)"]);
    let mut s = Shards::with(1, &[]);
    let client = s.greet(&Hello::new("a"));
    assert_eq!(welcomed(&mut s, client), [""; 0], "and all of it need not be said");
}

#[test]
fn who_publishes_above_the_maximum_qos_is_closed_and_reaches_nobody() {
    for version in BOTH {
        let mut s = Shards::with(1, &[("maximum_qos", "1")]);
        let other = s.subscriber("other", "t", 1);
        let client = s.greet(&Hello::new("a").version(version));
        s.hear(client);
        s.publish(client, "t", b"one", 1, 1);
        assert_eq!(s.hear(client), ["PUBACK 1"]);
        s.publish(client, "t", b"two", 2, 2);
        let end: &[&str] = if version.is_v5() { &["DISCONNECT 0x9b", "closed"] } else { &["closed"] };
        assert_eq!(s.hear(client), end);
        assert_eq!(s.hear(other), ["PUBLISH t one q1 #1"]);
    }
}

#[test]
fn who_publishes_with_retain_where_nothing_is_retained_is_closed_and_reaches_nobody() {
    for version in BOTH {
        let mut s = Shards::with(1, &[("retain_available", "no")]);
        let client = s.greet(&Hello::new("a").version(version));
        s.hear(client);
        s.send(client, &publish_with(version, "t", b"kept", delivery(0, 0, false), true, None));
        let end: &[&str] = if version.is_v5() { &["DISCONNECT 0x9a", "closed"] } else { &["closed"] };
        assert_eq!(s.hear(client), end);
        let late = s.subscriber("late", "t", 0);
        assert_eq!(s.hear(late), [""; 0]);
    }
}

/// [MQTT-3.2.2-12] [MQTT-3.2.2-13] [MQTT-3.1.4-2]
#[test]
fn a_will_that_is_not_supported_is_turned_away() {
    let not_so_much = [("maximum_qos", "1"), ("retain_available", "no")];
    for (qos, retain, reason) in [(2, false, "0x9b"), (1, true, "0x9a")] {
        for version in BOTH {
            let mut s = Shards::with(1, &not_so_much);
            let client = s.greet(&Hello::new("a").version(version).will_with("t", qos, retain));
            let reason = if version.is_v5() { reason } else { "0x87" };
            assert_eq!(s.hear(client), [format!("CONNACK new {reason}"), "closed".to_owned()]);
        }
    }
    let mut s = Shards::with(1, &not_so_much);
    let client = s.greet(&Hello::new("a").will_with("t", 1, false));
    assert_eq!(s.hear(client), ["CONNACK new 0x00"]);
}

/// [MQTT-3.1.2-28]
#[test]
fn response_information_is_for_those_who_ask() {
    let speak = |grant: &mut Grant| {
        *grant = grant.clone().with_response_information("answers/a").expect("a text that can be sent");
    };
    for (asks, told) in
        [(None, vec![]), (Some(false), vec![]), (Some(true), vec!["ResponseInformation(\"answers/a\")"])]
    {
        let mut s = with_grants(&[], speak);
        let mut hello = Hello::new("a");
        if let Some(asks) = asks {
            hello = hello.response_information(asks);
        }
        let client = s.greet(&hello);
        assert_eq!(welcomed(&mut s, client), told, "asked: {asks:?}");
    }
    let mut s = Shards::with(1, &[]);
    let client = s.greet(&Hello::new("a").response_information(true));
    assert_eq!(welcomed(&mut s, client), [""; 0], "there may be nothing to tell");
}
