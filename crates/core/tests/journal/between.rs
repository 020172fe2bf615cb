//! What one shard promises on the word of another.
use crate::host::{Got, ack, publish, retained};
use crate::shards::{Cluster, at_home};
use tidewire_core::codec::Packet;
use tidewire_core::qos::QoS;

fn count(got: &[Got], of: &str) -> usize {
    got.iter().filter(|got| matches!(got, Got::Publish { payload, .. } if payload == of)).count()
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
        cluster.send(bob, &retained(&topic, "kept", QoS::AtLeastOnce, 7, false));
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

/// What new subscriptions on each shard are answered with.
fn kept(cluster: &mut Cluster) -> [Vec<String>; 2] {
    [0, 1].map(|shard| {
        let (reader, _) = at_home(cluster, shard, "new");
        cluster.got(reader);
        cluster.subscribe(reader, "#");
        cluster.rest();
        let payload = |got| match got {
            Got::Publish { payload, .. } => Some(payload),
            _ => None,
        };
        cluster.got(reader).into_iter().filter_map(payload).collect()
    })
}

/// The older one is mailed again, because nobody has said that all have it. It was retained there, and replaced by one
/// that is acknowledged.
#[test]
fn what_is_mailed_again_does_not_replace_what_was_retained_after_it() {
    let mut acknowledged = 0;
    for n in 0..8 {
        let mut cluster = Cluster::new(2);
        let (alice, _) = at_home(&mut cluster, 0, "alice");
        let (bob, _) = at_home(&mut cluster, 1, "bob");
        let (topic, now) = (format!("t/{n}"), cluster.now);
        cluster.send(alice, &retained(&topic, "old", QoS::ExactlyOnce, 7, false));
        cluster.shards[0].sync(now);
        cluster.turn(0);
        cluster.turn(1);
        cluster.got(bob);
        cluster.send(bob, &retained(&topic, "new", QoS::AtLeastOnce, 8, false));
        cluster.shards[1].sync(now);
        cluster.turn(1);
        cluster.turn(0);
        cluster.shards[0].sync(now);
        cluster.turn(0);
        cluster.turn(1);
        cluster.shards[1].sync(now);
        cluster.turn(1);
        let is_acknowledged = cluster.got(bob).contains(&Got::Puback(8));
        cluster.crash(|| 0);
        cluster.rest();
        cluster.rest();
        if is_acknowledged {
            acknowledged += 1;
            assert_eq!(kept(&mut cluster), [["new"], ["new"]], "{topic}");
        }
    }
    assert!(acknowledged > 0, "the other shard orders some of the topics");
}

/// What is sent with QoS 0 comes at most once, also where the one that it comes from has it with QoS 2.
#[test]
fn what_was_delivered_with_qos_0_does_not_come_again_after_a_crash() {
    let mut cluster = Cluster::new(2);
    let (alice, _) = at_home(&mut cluster, 0, "alice");
    let (reader, name) = at_home(&mut cluster, 1, "reader");
    cluster.subscribe_with(reader, "t", QoS::AtMostOnce);
    cluster.rest();
    let now = cluster.now;
    cluster.send(alice, &publish("t", "first", QoS::ExactlyOnce, 7, false));
    cluster.shards[0].sync(now);
    cluster.turn(0);
    cluster.turn(1);
    cluster.shards[1].sync(now);
    let before = count(&cluster.got(reader), "first");
    cluster.crash(|| 0);
    let reader = cluster.open(&name);
    cluster.rest();
    cluster.rest();
    assert_eq!((before, count(&cluster.got(reader), "first")), (1, 0));
}

/// How many ids a snapshot says may come again.
fn known(cluster: &mut Cluster, shard: usize) -> usize {
    let mut bytes = Vec::new();
    let now = cluster.now;
    while cluster.shards[shard].broker.poll_snapshot(now, 1000, &mut bytes) {}
    let mut rest = bytes.as_slice();
    let mut known = 0;
    while let Some((length, _)) = rest.split_first_chunk() {
        // Behind length and check stand the format's version and the kind.
        known += usize::from(rest[9] == 17);
        rest = &rest[8 + u32::from_le_bytes(*length) as usize..];
    }
    known
}

/// The word that an id may be forgotten is lost in a crash, and nobody says it again.
#[test]
pub(crate) fn an_id_that_will_not_come_again_is_forgotten_also_after_a_crash() {
    let mut cluster = Cluster::new(2);
    let (alice, _) = at_home(&mut cluster, 0, "alice");
    let (reader, name) = at_home(&mut cluster, 1, "reader");
    cluster.subscribe(reader, "t");
    cluster.rest();
    let now = cluster.now;
    cluster.send(alice, &publish("t", "first", QoS::ExactlyOnce, 7, false));
    cluster.shards[0].sync(now);
    cluster.turn(0);
    cluster.turn(1);
    cluster.shards[1].sync(now);
    cluster.turn(1);
    cluster.turn(0);
    cluster.shards[0].sync(now);
    // Durable is that all have it; posted is not yet that they may forget it.
    cluster.crash(|| 0);
    cluster.rest();
    let reader = cluster.open(&name);
    cluster.rest();
    assert_eq!(count(&cluster.got(reader), "first"), 1);
    cluster.rest();
    assert!(cluster.shards.iter().all(|shard| shard.broker.is_settled()), "nothing is under way");
    assert_eq!(known(&mut cluster, 1), 0);
}
