//! Output commit and recovery: nothing is asserted before it is durable, and after a crash at any point of the
//! journal nothing that was asserted is lost, and nothing comes twice that must not.
mod again;
mod between;
mod clients;
mod crashes;
mod failed;
mod groups;
mod host;
mod locals;
mod receipts;
mod replays;
mod rights;
#[cfg(feature = "_rules")]
mod rules;
mod shards;
mod snapshots;
mod wills;

use host::{Got, Host, config, connect, publish, retained};
use tidewire_core::broker::{Restore, RestoreError};
use tidewire_core::codec::{self, Connect, Disconnect, Packet, Properties, PropertiesBuf, Property};
use tidewire_core::id::{ConnectionId, Position};
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::Text;
use tidewire_core::version::Version;

// verb: poll_journal, handle_durable
// action: Journal
#[test]
fn nothing_is_asserted_before_it_is_durable() {
    let mut host = Host::new();
    host.prompt = false;
    let bob = host.connect("bob", false);
    assert_eq!(host.got(bob), [], "a session is promised by CONNACK");
    host.sync();
    host.run();
    assert_eq!(host.got(bob), [Got::Connack { present: false }]);
    host.subscribe(bob, "t", QoS::ExactlyOnce);
    assert_eq!(host.got(bob), []);
    host.sync();
    host.run();
    assert_eq!(host.got(bob), [Got::Suback]);
    let alice = host.connect("alice", true);
    host.sync();
    host.run();
    host.got(alice);
    for (qos, answer) in [(QoS::AtLeastOnce, Got::Puback(7)), (QoS::ExactlyOnce, Got::Pubrec(7))] {
        host.publish(alice, "t", "x", qos, 7);
        assert_eq!(host.got(alice), [], "the message is not safe yet");
        host.sync();
        host.run();
        assert_eq!(host.got(alice), [answer]);
    }
}

/// A client need not wait for CONNACK before it goes on. [MQTT-3.2.0-1]
#[test]
fn a_ping_behind_connect_is_answered_behind_connack() {
    let mut host = Host::new();
    host.prompt = false;
    let bob = host.open();
    host.send_all(bob, &[connect("bob", false), Packet::Pingreq]);
    assert_eq!(host.got(bob), [], "the session is not safe yet");
    host.sync();
    host.run();
    assert_eq!(host.got(bob), [Got::Connack { present: false }, Got::Pingresp]);
    host.send(bob, &Packet::Pingreq);
    assert_eq!(host.got(bob), [Got::Pingresp], "which waits for no disk otherwise");
}

/// It says all that it has to say at once, and listens until the broker closes.
#[test]
fn who_says_goodbye_at_once_hears_what_was_accepted_of_it() {
    for is_durable in [true, false] {
        let mut host = Host::new();
        host.prompt = false;
        let bob = host.open();
        let properties = Properties::default();
        let disconnect = Packet::Disconnect(Disconnect { reason: ReasonCode::Success, properties });
        host.send_all(
            bob,
            &[
                connect("bob", false),
                publish("t", "x", QoS::AtLeastOnce, 7, false),
                publish("t", "y", QoS::ExactlyOnce, 8, false),
                disconnect,
            ],
        );
        assert_eq!(host.got(bob), [], "nothing is safe yet");
        assert!(host.is_open(bob));
        if is_durable {
            host.sync();
            host.run();
            assert_eq!(host.got(bob), [Got::Connack { present: false }, Got::Puback(7), Got::Pubrec(8)]);
        } else {
            // It never is: nobody waits for that for ever.
            host.wait(60);
            assert_eq!(host.got(bob), []);
        }
        assert!(!host.is_open(bob), "durable {is_durable}");
    }
}

/// [MQTT-3.14.0-1]
#[test]
fn nobody_is_told_goodbye_who_was_not_told_welcome() {
    let mut host = Host::new();
    host.prompt = false;
    let bob = host.open();
    let properties = PropertiesBuf::of([Property::SessionExpiryInterval(100)]).expect("it can be sent");
    let mut bytes = Vec::new();
    let connect = Connect {
        bridge: false,
        version: Version::V5,
        clean_start: true,
        keep_alive: 0,
        properties: properties.as_properties(),
        client_id: Text::new("bob").expect("it has no U+0000"),
        will: None,
        username: None,
        password: None,
    };
    Packet::Connect(connect).encode(Version::V5, u32::MAX, &mut bytes).expect("it is small");
    bytes.extend(b"\xc1\x00");
    let _ = host.broker.handle_bytes(host.now, bob, &bytes);
    host.run();
    let heard = host.bytes(bob);
    assert_ne!(heard.first().map(|first| first >> 4), Some(14), "a DISCONNECT without a CONNACK: {heard:x?}");
}

// verb: handle_journal_failed
#[test]
fn a_journal_that_dies_promises_nothing_and_lets_nobody_in() {
    let mut host = Host::new();
    let bob = host.connect("bob", false);
    host.subscribe(bob, "t", QoS::AtLeastOnce);
    let alice = host.connect("alice", true);
    host.got(alice);
    host.prompt = false;
    host.broker.handle_journal_failed(host.now);
    host.publish(alice, "t", "x", QoS::AtLeastOnce, 7);
    assert_eq!(host.got(alice), [], "no acknowledgement will ever come");
    let carol = host.connect("carol", false);
    assert_eq!(host.got(carol), [Got::Other], "refused");
    host.broker.check();
}

#[test]
fn a_session_comes_back_with_its_subscriptions_and_its_queue() {
    let mut host = Host::new();
    let bob = host.connect("bob", false);
    host.subscribe(bob, "t/+", QoS::ExactlyOnce);
    host.cut(bob);
    let alice = host.connect("alice", true);
    host.publish(alice, "t/1", "one", QoS::AtLeastOnce, 1);
    host.publish(alice, "t/2", "two", QoS::ExactlyOnce, 2);
    host.crash(0);
    let alice = host.connect("alice", true);
    host.publish(alice, "t/3", "three", QoS::AtLeastOnce, 3);
    let bob = host.connect("bob", false);
    let got = host.got(bob);
    let payloads: Vec<_> = got
        .iter()
        .filter_map(|g| match g {
            Got::Publish { payload, .. } => Some(payload.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(got.first(), Some(&Got::Connack { present: true }));
    assert_eq!(payloads, ["one", "two", "three"]);
}

/// Bytes that a client of 5.0 sends; those of others here are of 3.1.1.
fn said(host: &mut Host, id: ConnectionId, bytes: &[u8]) {
    let _ = host.broker.handle_bytes(host.now, id, bytes);
    host.broker.check();
    host.run();
}

#[test]
fn options_and_identifiers_of_subscriptions_outlive_a_crash_and_go_with_what_waited() {
    const HELLO: &[u8] = b"\x10\x15\0\x04MQTT\x05\0\0\0\x05\x11\0\0\0\x64\0\x03bob";
    // QoS 1, Retain As Published, Subscription Identifier 7.
    const SUBSCRIBE: &[u8] = b"\x82\x0b\0\x01\x02\x0b\x07\0\x03t/+\x09";
    let mut host = Host::new();
    let bob = host.open();
    said(&mut host, bob, &[HELLO, SUBSCRIBE].concat());
    host.cut(bob);
    let alice = host.connect("alice", true);
    host.send(alice, &retained("t/1", "one", QoS::AtLeastOnce, 1, false));
    host.crash(0);
    let bob = host.open();
    said(&mut host, bob, HELLO);
    let alice = host.connect("alice", true);
    host.send(alice, &retained("t/1", "two", QoS::AtLeastOnce, 1, false));
    let heard = host.bytes(bob);
    let copy =
        |id: u8, payload: &[u8]| [b"\x33\x0d\0\x03t/1\0", [id].as_slice(), b"\x02\x0b\x07", payload].concat();
    assert!(heard.ends_with(&[copy(1, b"one"), copy(2, b"two")].concat()), "{heard:x?}");
}

// verb: poll_snapshot
#[test]
fn a_snapshot_taken_while_life_goes_on_is_as_good_as_the_journal() {
    for limit in [1, 100, 100_000] {
        let mut host = Host::new();
        let bob = host.connect("bob", false);
        host.subscribe(bob, "t", QoS::AtLeastOnce);
        host.cut(bob);
        let alice = host.connect("alice", true);
        let mut snapshot = Vec::new();
        let mut before = host.disk.len();
        let mut more = true;
        for n in 1..=20 {
            host.publish(alice, "t", &n.to_string(), QoS::AtLeastOnce, n);
            if n == 10 {
                before = host.disk.len();
            }
            if n >= 10 && more {
                more = host.broker.poll_snapshot(host.now, limit, &mut snapshot);
            }
        }
        while more {
            more = host.broker.poll_snapshot(host.now, limit, &mut snapshot);
        }
        snapshot.extend_from_slice(&host.disk[before..]);
        host.disk = snapshot;
        host.restart();
        let bob = host.connect("bob", false);
        let payloads: Vec<_> = host
            .got(bob)
            .into_iter()
            .filter_map(
                |g| if let Got::Publish { payload, .. } = g { payload.parse::<u32>().ok() } else { None },
            )
            .collect();
        assert_eq!(payloads, (1..=20).collect::<Vec<u32>>(), "pieces of {limit}");
    }
}

#[test]
fn damage_is_named_and_what_stands_before_it_is_restored() {
    let mut host = Host::new();
    let bob = host.connect("bob", false);
    host.cut(bob);
    let end = host.disk.len();
    host.connect("carol", false);
    host.disk[end + 12] ^= 1;
    let mut restore = Restore::new(config(1, true));
    let error = restore.feed(&host.disk).expect_err("a bit is flipped");
    assert_eq!(error, RestoreError::Corrupt(Position(end as u64)));
    assert!(error.to_string().contains(&format!("byte {end}")));
    let broker = restore.finish(host.now);
    assert_eq!(broker.stats().sessions, 1, "bob is there");
    broker.check();
}

#[test]
fn wills_of_those_who_were_connected_come_after_a_crash() {
    let mut host = Host::new();
    let watcher = host.connect("watcher", false);
    host.subscribe(watcher, "will", QoS::AtLeastOnce);
    let id = host.open();
    let Packet::Connect(mut doomed) = connect("doomed", true) else { unreachable!("it is one") };
    doomed.will = Some(codec::Will {
        topic: Text::new("will").expect("it has no U+0000"),
        payload: b"gone",
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: Properties::default(),
    });
    host.send(id, &Packet::Connect(doomed));
    host.crash(0);
    let watcher = host.connect("watcher", false);
    let got = host.got(watcher);
    assert!(matches!(&got[1], Got::Publish { payload, .. } if payload == "gone"), "{got:?}");
    host.crash(0);
    let watcher = host.connect("watcher", false);
    let again = host.got(watcher).iter().filter(|g| matches!(g, Got::Publish { dup: false, .. })).count();
    assert!(again <= 1, "one will, one message");
}

#[test]
fn a_session_that_was_to_end_with_its_connection_does_not_come_back() {
    let mut host = Host::new();
    let with_expiry = |host: &mut Host, seconds: u32| {
        let properties =
            PropertiesBuf::of([Property::SessionExpiryInterval(seconds)]).expect("it can be sent");
        let Packet::Connect(bob) = connect("bob", false) else { unreachable!("it is one") };
        let bob =
            Packet::Connect(Connect { version: Version::V5, properties: properties.as_properties(), ..bob });
        let mut bytes = Vec::new();
        bob.encode(Version::V5, u32::MAX, &mut bytes).expect("it is small");
        let id = host.open();
        let _ = host.broker.handle_bytes(host.now, id, &bytes);
        host.run();
        id
    };
    let bob = with_expiry(&mut host, 1000);
    host.cut(bob);
    with_expiry(&mut host, 0);
    assert_eq!(host.broker.stats().sessions, 1, "it has been resumed");
    host.crash(0);
    assert_eq!(host.broker.stats().sessions, 0);
}
