//! Retained Messages on their way to a new subscription, over a crash.
use crate::host::{Got, Host, ack, retained};
use tidewire_core::codec::Packet;
use tidewire_core::id::ConnectionId;
use tidewire_core::qos::QoS;

fn retain(host: &mut Host, alice: ConnectionId, payload: &str, n: u16) {
    host.send(alice, &retained("t", payload, QoS::ExactlyOnce, n, false));
    host.send(alice, &Packet::Pubrel(ack(n)));
}

fn sent(got: &[Got]) -> Vec<(String, u16)> {
    let sent = got.iter().filter_map(|got| match got {
        Got::Publish { payload, id, .. } => Some((payload.clone(), *id)),
        _ => None,
    });
    sent.collect()
}

/// Whoever has said PUBREC takes all that comes under that Packet Identifier for the same message, until PUBREL.
/// [MQTT-4.3.3-10]
#[test]
fn a_packet_identifier_that_a_retained_message_went_out_under_is_not_forgotten() {
    let mut host = Host::new();
    let alice = host.connect("alice", true);
    retain(&mut host, alice, "old", 1);
    let bob = host.connect("bob", false);
    host.subscribe(bob, "t", QoS::ExactlyOnce);
    let first = sent(&host.got(bob));
    assert_eq!(first, [("old".to_owned(), 1)]);
    host.send(bob, &Packet::Pubrec(ack(1)));
    host.crash(0);
    let alice = host.connect("alice", true);
    let bob = host.connect("bob", false);
    let released = host.got(bob).contains(&Got::Pubrel(1));
    host.publish(alice, "t", "new", QoS::ExactlyOnce, 7);
    let next = sent(&host.got(bob));
    assert!(released || next != [("new".to_owned(), 1)], "bob takes it for the old one: {next:?}");
}

/// The same message is there twice: as it came, and as it is retained. The end of one is not that of the other.
#[test]
fn the_end_of_a_retained_message_is_not_that_of_the_one_that_came_live() {
    for has_ended in [false, true] {
        let mut host = Host::new();
        let bob = host.connect("bob", false);
        host.subscribe(bob, "t", QoS::ExactlyOnce);
        let alice = host.connect("alice", true);
        retain(&mut host, alice, "x", 1);
        assert_eq!(sent(&host.got(bob)), [("x".to_owned(), 1)], "live");
        host.subscribe(bob, "t", QoS::AtLeastOnce);
        assert_eq!(sent(&host.got(bob)), [("x".to_owned(), 2)], "retained");
        host.send(bob, &Packet::Pubrec(ack(1)));
        if has_ended {
            host.send(bob, &Packet::Puback(ack(2)));
        }
        host.crash(0);
        let bob = host.connect("bob", false);
        let got = host.got(bob);
        assert!(got.contains(&Got::Pubrel(1)), "bob waits for that, his PUBACK sent: {has_ended}: {got:?}");
    }
}

/// Two subscriptions are each told what is retained, and the same message goes out twice. The end of one is not that of the
/// other, whichever comes first, and over as many crashes as there are.
#[test]
fn the_same_retained_message_may_be_on_its_way_twice() {
    for (ended, left) in [(1, 2), (2, 1)] {
        let mut host = Host::new();
        let alice = host.connect("alice", true);
        retain(&mut host, alice, "x", 1);
        let bob = host.connect("bob", false);
        host.subscribe(bob, "t", QoS::ExactlyOnce);
        host.subscribe(bob, "+", QoS::ExactlyOnce);
        assert_eq!(sent(&host.got(bob)), [("x".to_owned(), 1), ("x".to_owned(), 2)]);
        host.send(bob, &Packet::Pubrec(ack(ended)));
        host.send(bob, &Packet::Pubcomp(ack(ended)));
        for _ in 0..2 {
            host.crash(0);
            let bob = host.connect("bob", false);
            assert_eq!(sent(&host.got(bob)), [("x".to_owned(), left)], "{ended} has ended");
        }
        let bob = host.connect("bob", false);
        host.send(bob, &Packet::Pubrec(ack(left)));
        host.crash(0);
        let bob = host.connect("bob", false);
        assert!(host.got(bob).contains(&Got::Pubrel(left)));
    }
}

/// What is retained is older than what comes live behind it, also where the journal has it later.
#[test]
fn what_was_retained_does_not_come_behind_what_is_newer_after_a_crash() {
    let mut host = Host::new();
    let alice = host.connect("alice", true);
    retain(&mut host, alice, "old", 1);
    let bob = host.connect("bob", false);
    host.prompt = false;
    // His SUBACK waits for the journal, and what is retained for that.
    host.subscribe(bob, "t", QoS::AtLeastOnce);
    host.publish(alice, "t", "new", QoS::AtLeastOnce, 7);
    host.prompt = true;
    host.sync();
    host.run();
    let before = sent(&host.got(bob));
    assert_eq!(before.iter().map(|(payload, _)| payload.as_str()).collect::<Vec<_>>(), ["old", "new"]);
    host.crash(0);
    let bob = host.connect("bob", false);
    let after = sent(&host.got(bob));
    assert_eq!(after.iter().map(|(payload, _)| payload.as_str()).collect::<Vec<_>>(), ["old", "new"]);
}
