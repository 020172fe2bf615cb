//! What is mailed again after a crash keeps its order, and its way.
use crate::host::{Got, publish, retained};
use crate::shards::{Cluster, at_home};
use tidewire_core::qos::QoS;

fn payloads(got: Vec<Got>) -> Vec<String> {
    let payload = |got| match got {
        Got::Publish { payload, .. } => Some(payload),
        _ => None,
    };
    got.into_iter().filter_map(payload).collect()
}

/// A message that follows a retained one takes the same way to its readers, also when both are mailed again.
#[test]
pub(crate) fn mailed_again_nothing_passes_a_retained_message_on_its_topic() {
    for n in 0..12 {
        let mut cluster = Cluster::new(3);
        let (alice, _) = at_home(&mut cluster, 0, "alice");
        let readers = [0, 1, 2].map(|shard| at_home(&mut cluster, shard, "reader"));
        readers.iter().for_each(|(reader, _)| cluster.subscribe(*reader, "#"));
        cluster.rest();
        let topic = format!("t/{n}");
        cluster.send(alice, &retained(&topic, "first", QoS::ExactlyOnce, 7, false));
        cluster.send(alice, &publish(&topic, "second", QoS::ExactlyOnce, 8, false));
        let now = cluster.now;
        cluster.shards[0].sync(now);
        cluster.crash(|| 0);
        let readers = readers.map(|(_, name)| cluster.open(&name));
        cluster.rest();
        cluster.rest();
        let all = readers.map(|reader| payloads(cluster.got(reader)));
        for got in &all {
            assert_eq!(*got, ["first", "second"], "{topic}: {all:?}");
        }
    }
}

/// A retained message waits until those before it on its topic have arrived, also when all are mailed again.
#[test]
pub(crate) fn mailed_again_a_retained_message_passes_nothing_on_its_topic() {
    for n in 0..12 {
        let mut cluster = Cluster::new(3);
        // What shards with lower numbers say is read first.
        let (alice, _) = at_home(&mut cluster, 2, "alice");
        let readers = [0, 1].map(|shard| at_home(&mut cluster, shard, "reader"));
        readers.iter().for_each(|(reader, _)| cluster.subscribe(*reader, "#"));
        cluster.rest();
        let (topic, now) = (format!("t/{n}"), cluster.now);
        cluster.send(alice, &publish(&topic, "first", QoS::ExactlyOnce, 7, false));
        cluster.shards[2].sync(now);
        // The first one is handled everywhere, and not durable but where it was published.
        cluster.settle();
        cluster.send(alice, &retained(&topic, "second", QoS::ExactlyOnce, 8, false));
        cluster.shards[2].sync(now);
        cluster.crash(|| 0);
        let readers = readers.map(|(_, name)| cluster.open(&name));
        // All are ready, and the last shard mails again; only the first one reads it for now.
        for shard in [0, 1, 2, 2, 0, 0] {
            cluster.turn(shard);
            cluster.shards[shard].sync(now);
        }
        cluster.rest();
        cluster.rest();
        let all = readers.map(|reader| payloads(cluster.got(reader)));
        for got in &all {
            assert_eq!(*got, ["first", "second"], "{topic}: {all:?}");
        }
    }
}

/// Who owns a topic tells all shards, also those on which nobody wants it yet.
#[test]
pub(crate) fn mailed_again_a_retained_message_is_retained_everywhere() {
    for n in 0..12 {
        let mut cluster = Cluster::new(3);
        let (alice, _) = at_home(&mut cluster, 0, "alice");
        cluster.rest();
        let (topic, now) = (format!("t/{n}"), cluster.now);
        cluster.send(alice, &retained(&topic, "first", QoS::ExactlyOnce, 7, false));
        cluster.shards[0].sync(now);
        cluster.crash(|| 0);
        cluster.rest();
        cluster.rest();
        for shard in [0, 1, 2] {
            let (reader, _) = at_home(&mut cluster, shard, "reader");
            cluster.subscribe(reader, "#");
            cluster.rest();
            assert_eq!(payloads(cluster.got(reader)), ["first"], "{topic}, shard {shard}");
        }
    }
}
