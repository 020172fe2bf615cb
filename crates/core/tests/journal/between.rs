//! What one shard promises on the word of another.
use crate::host::{Got, ack, publish};
use crate::shards::{Cluster, at_home};
use tidewire_core::codec::{Packet, Publish};
use tidewire_core::qos::QoS;

fn count(got: &[Got], of: &str) -> usize {
    got.iter().filter(|got| matches!(got, Got::Publish { payload, .. } if payload == of)).count()
}

/// A topic that shard orders; found by what becomes of it.
fn retained<'a>(topic: &'a str, n: u16) -> Packet<'a> {
    match publish(topic, "kept", QoS::AtLeastOnce, n, false) {
        Packet::Publish(publish) => Packet::Publish(Publish { retain: true, ..publish }),
        other => other,
    }
}

/// The shard that orders a message has it in its journal, and is the last to have it durably.
#[test]
fn what_another_shard_orders_is_acknowledged_when_it_is_durable_there_as_well() {
    for n in 0..8 {
        let mut cluster = Cluster::new(2);
        let (bob, _) = at_home(&mut cluster, 1, "bob");
        let (reader, name) = at_home(&mut cluster, 0, "reader");
        cluster.subscribe(reader, "#");
        cluster.rest();
        cluster.cut(reader);
        cluster.rest();
        cluster.got(bob);
        let topic = format!("t/{n}");
        cluster.send(bob, &retained(&topic, 7));
        let now = cluster.now;
        // Shard 0 never syncs, and shard 1 does.
        for _ in 0..6 {
            cluster.turn(0);
            cluster.shards[1].sync(now);
            cluster.turn(1);
        }
        let acknowledged = cluster.got(bob).contains(&Got::Puback(7));
        cluster.crash(|| 0);
        let reader = cluster.open(&name);
        cluster.rest();
        let arrived = count(&cluster.got(reader), "kept");
        assert!(!acknowledged || arrived > 0, "{topic}: acknowledged, and lost");
    }
}

/// Alice has PUBCOMP for what is still being mailed again: her Packet Identifier is hers to use, also after a snapshot.
#[test]
fn a_snapshot_does_not_bring_back_a_receipt_that_was_released() {
    let mut cluster = Cluster::new(2);
    let (alice, of_alice) = at_home(&mut cluster, 0, "alice");
    let (reader, name) = at_home(&mut cluster, 1, "reader");
    cluster.subscribe(reader, "t");
    cluster.rest();
    let now = cluster.now;
    cluster.send(alice, &publish("t", "first", QoS::ExactlyOnce, 7, false));
    cluster.shards[0].sync(now);
    cluster.crash(|| 0);
    // All know who wants what, and the other shard's disk is slow.
    let slow = |cluster: &mut Cluster| {
        for _ in 0..4 {
            cluster.turn(0);
            cluster.turn(1);
            cluster.shards[0].sync(now);
        }
        cluster.turn(0);
    };
    slow(&mut cluster);
    let alice = cluster.open(&of_alice);
    slow(&mut cluster);
    cluster.send(alice, &publish("t", "first", QoS::ExactlyOnce, 7, true));
    slow(&mut cluster);
    cluster.send(alice, &Packet::Pubrel(ack(7)));
    slow(&mut cluster);
    let got = cluster.got(alice);
    assert!(got.contains(&Got::Pubcomp(7)), "the exchange is over: {got:?}");
    cluster.snapshot(0);
    cluster.crash(|| 0);
    let alice = cluster.open(&of_alice);
    let reader = cluster.open(&name);
    cluster.rest();
    cluster.send(alice, &publish("t", "second", QoS::ExactlyOnce, 7, false));
    cluster.rest();
    let got = cluster.got(reader);
    assert_eq!((count(&got, "first"), count(&got, "second")), (1, 1), "{got:?}");
}

/// She has PUBREC, and her session ends before the other shard has the message.
#[test]
fn a_snapshot_keeps_what_was_accepted_of_a_session_that_has_ended() {
    let mut cluster = Cluster::new(2);
    let (alice, of_alice) = at_home(&mut cluster, 0, "alice");
    let (reader, name) = at_home(&mut cluster, 1, "reader");
    cluster.subscribe(reader, "t");
    cluster.rest();
    let now = cluster.now;
    cluster.send(alice, &publish("t", "first", QoS::ExactlyOnce, 7, false));
    cluster.shards[0].sync(now);
    cluster.crash(|| 0);
    let slow = |cluster: &mut Cluster| {
        for _ in 0..4 {
            cluster.turn(0);
            cluster.turn(1);
            cluster.shards[0].sync(now);
        }
        cluster.turn(0);
    };
    slow(&mut cluster);
    let alice = cluster.open(&of_alice);
    slow(&mut cluster);
    cluster.send(alice, &publish("t", "first", QoS::ExactlyOnce, 7, true));
    slow(&mut cluster);
    assert!(cluster.got(alice).contains(&Got::Pubrec(7)), "it is accepted");
    cluster.cut(alice);
    // A clean session: the old one ends.
    let again = cluster.open_with(&of_alice, true);
    slow(&mut cluster);
    cluster.cut(again);
    cluster.snapshot(0);
    cluster.crash(|| 0);
    let reader = cluster.open(&name);
    cluster.rest();
    cluster.rest();
    let got = cluster.got(reader);
    assert_eq!(count(&got, "first"), 1, "{got:?}");
}
