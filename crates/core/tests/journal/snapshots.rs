//! Snapshots that are taken while clients come and go.
use crate::host::{Got, Host};
use tidewire_core::qos::QoS;

/// One session ends and its client makes another, behind where the snapshot has come to; and somebody else's is in the
/// place of the first. Each is itself after a restart.
#[test]
fn who_comes_back_while_a_snapshot_is_taken_is_not_taken_for_somebody_else() {
    let mut host = Host::new();
    let x = host.connect("x", false);
    for n in 0..10 {
        let id = host.connect(&format!("other-{n}"), false);
        host.cut(id);
    }
    let (before, mut snapshot) = (host.disk.len(), Vec::new());
    assert!(host.broker.poll_snapshot(host.now, 1, &mut snapshot), "there is more");
    while snapshot.len() < 80 {
        assert!(host.broker.poll_snapshot(host.now, 1, &mut snapshot), "there is more");
    }
    // Its session ends, and so does the clean one that it has now.
    host.cut(x);
    let x = host.connect("x", true);
    host.cut(x);
    let y = host.connect("y", false);
    host.subscribe(y, "of/y", QoS::AtLeastOnce);
    host.cut(y);
    let x = host.connect("x", false);
    host.subscribe(x, "of/x", QoS::AtLeastOnce);
    host.cut(x);
    while host.broker.poll_snapshot(host.now, 1, &mut snapshot) {}
    snapshot.extend_from_slice(&host.disk[before..]);
    let sessions = host.broker.stats().sessions;
    host.disk = snapshot;
    host.restart();
    assert_eq!(host.broker.stats().sessions, sessions);
    let alice = host.connect("alice", true);
    host.publish(alice, "of/x", "for x", QoS::AtLeastOnce, 1);
    host.publish(alice, "of/y", "for y", QoS::AtLeastOnce, 2);
    for (name, other) in [("x", "y"), ("y", "x")] {
        let id = host.connect(name, false);
        let got = host.got(id);
        assert_eq!(got.first(), Some(&Got::Connack { present: true }), "{name}");
        let is_for = |of: &str| {
            let text = format!("for {of}");
            got.iter().any(|got| matches!(got, Got::Publish { payload, .. } if *payload == text))
        };
        assert!(is_for(name) && !is_for(other), "{name}: {got:?}");
    }
}
