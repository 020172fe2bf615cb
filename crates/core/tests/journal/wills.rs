//! Wills, over crashes: accepted with the CONNECT, and heard by whoever wants them.
use crate::host::{Got, Host, connect, publish};
use crate::shards::{Cluster, Line, at_home};
use tidewire_core::codec::{Packet, Properties, Will};
use tidewire_core::qos::QoS;
use tidewire_core::text::Text;

fn doomed(client_id: &str) -> Packet<'_> {
    doomed_with(connect(client_id, false), "will", false)
}

fn doomed_with<'a>(connect: Packet<'a>, topic: &'a str, retain: bool) -> Packet<'a> {
    let Packet::Connect(mut doomed) = connect else { unreachable!("it is one") };
    doomed.will = Some(Will {
        topic: Text::new(topic).expect("it has no U+0000"),
        payload: b"gone",
        qos: QoS::AtLeastOnce,
        retain,
        properties: Properties::default(),
    });
    Packet::Connect(doomed)
}

fn heard(got: &[Got]) -> usize {
    got.iter().filter(|got| matches!(got, Got::Publish { payload, .. } if payload == "gone")).count()
}

/// The journal may be torn anywhere: the will is there before it or behind it.
#[test]
fn wherever_the_journal_is_torn_a_will_is_heard() {
    let run = |unsynced: usize| {
        let mut host = Host::new();
        let watcher = host.connect("watcher", false);
        host.subscribe(watcher, "will", QoS::AtLeastOnce);
        host.cut(watcher);
        let id = host.open();
        host.send(id, &doomed("doomed"));
        host.prompt = false;
        let before = host.disk.len();
        host.cut(id);
        let written = host.disk.len() - before;
        host.crash(unsynced);
        host.prompt = true;
        host.run();
        let watcher = host.connect("watcher", false);
        (heard(&host.got(watcher)), written)
    };
    let written = run(0).1;
    let silent: Vec<_> = (0..=written).filter(|unsynced| run(*unsynced).0 == 0).collect();
    assert!(
        silent.is_empty(),
        "of {written} bytes so many are on the disk, and nobody hears of it: {silent:?}"
    );
}

/// Is the will of somebody on shard 0 heard by a watcher that is at home on shard 1?
fn is_heard_elsewhere(end: impl FnOnce(&mut Cluster, Line)) -> bool {
    let mut cluster = Cluster::new(2);
    let (watcher, name) = at_home(&mut cluster, 1, "watcher");
    cluster.subscribe(watcher, "will");
    let (line, of_doomed) = at_home(&mut cluster, 0, "doomed");
    cluster.cut(line);
    let line = cluster.open_by(&doomed(&of_doomed));
    cluster.rest();
    assert!(cluster.lines[line].is_some_and(|at| at.0 == 0), "its session is there");
    let before = heard(&cluster.got(watcher));
    end(&mut cluster, line);
    cluster.rest();
    let again = cluster.open(&name);
    cluster.rest();
    assert_eq!(before, 0, "nothing has happened to it");
    heard(&cluster.got(watcher)) + heard(&cluster.got(again)) > 0
}

#[test]
fn a_will_is_heard_on_other_shards() {
    assert!(is_heard_elsewhere(|cluster, line| cluster.cut(line)));
}

/// After a crash wills are due before the other shards have told what they want.
#[test]
fn a_will_is_heard_on_other_shards_after_a_crash() {
    assert!(is_heard_elsewhere(|cluster, _| cluster.crash(|| 0)));
}

/// It was mailed, and its own shard's journal says that it has had its exit. The other shard never had it.
#[test]
fn a_will_that_was_mailed_and_not_taken_is_heard_after_a_crash() {
    let is_heard = is_heard_elsewhere(|cluster, line| {
        cluster.cut(line);
        let now = cluster.now;
        cluster.turn(0);
        cluster.shards[0].sync(now);
        cluster.crash(|| 0);
    });
    assert!(is_heard);
}

/// A will with RETAIN waits until what was published before it on its topic has arrived on all shards. Its client is gone and
/// its session ends meanwhile, and then everything stops. It is heard once, where it is wanted, and retained.
#[test]
fn a_will_that_waits_for_its_place_outlives_a_crash() {
    for (n, snapshot) in (0..6).flat_map(|n| [(n, false), (n, true)]) {
        let case = format!("t/{n}, snapshot {snapshot}");
        let topic = format!("t/{n}");
        let mut cluster = Cluster::new(2);
        let readers = [0, 1].map(|shard| at_home(&mut cluster, shard, &format!("reader-of-{shard}")));
        readers.iter().for_each(|(reader, _)| cluster.subscribe(*reader, "#"));
        let (line, of_doomed) = at_home(&mut cluster, 0, "doomed");
        let (alice, _) = at_home(&mut cluster, 0, "alice");
        cluster.cut(line);
        cluster.rest();
        let line = cluster.open_by(&doomed_with(connect(&of_doomed, true), &topic, true));
        cluster.rest();
        cluster.send(alice, &publish(&topic, "before", QoS::AtLeastOnce, 7, false));
        cluster.cut(line);
        cluster.turn(0);
        if snapshot {
            cluster.snapshot(0);
        } else {
            let now = cluster.now;
            cluster.shards[0].sync(now);
        }
        cluster.crash(|| 0);
        cluster.rest();
        cluster.rest();
        for (_, name) in readers {
            let reader = cluster.open(&name);
            cluster.rest();
            let got = cluster.got(reader);
            assert_eq!(heard(&got), 1, "{case}: {name}: {got:?}");
        }
        for shard in [0, 1] {
            let (new, _) = at_home(&mut cluster, shard, "new");
            cluster.subscribe(new, "#");
            cluster.rest();
            assert_eq!(heard(&cluster.got(new)), 1, "{case}: retained on shard {shard}");
        }
    }
}
