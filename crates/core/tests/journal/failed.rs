//! A journal that can take no more, or takes its time: what waits for it stays small.
use crate::host::{Host, retained};
use tidewire_core::codec::Packet;
use tidewire_core::qos::QoS;

/// Nobody will ever ask for what is written from here on. [MQTT-4.8.0-2 of 3.1.1]
#[test]
fn nothing_is_written_to_a_journal_that_has_failed() {
    let mut host = Host::new();
    let alice = host.connect("alice", true);
    host.prompt = false;
    host.broker.handle_journal_failed(host.now);
    let payload = "x".repeat(1000);
    for _ in 0..1000 {
        host.send(alice, &retained("t", &payload, QoS::AtMostOnce, 0, false));
    }
    let mut left = Vec::new();
    host.broker.poll_journal(&mut left);
    assert!(left.len() < 10_000, "{} bytes lie there", left.len());
}

/// Two clients wait for the same record. Each time one of them is written to it is noted down once more that it waits.
#[test]
fn who_waits_for_the_journal_waits_once() {
    let mut host = Host::new();
    let readers = ["bob", "carol"].map(|name| host.connect(name, false));
    readers.iter().for_each(|reader| host.subscribe(*reader, "t", QoS::ExactlyOnce));
    let alice = host.connect("alice", true);
    host.prompt = false;
    host.publish(alice, "t", "x", QoS::ExactlyOnce, 7);
    let rounds = |n: usize, host: &mut Host| {
        let taken = allocation_counter::measure(|| {
            for _ in 0..n {
                readers.iter().for_each(|reader| host.send(*reader, &Packet::Pingreq));
                readers.iter().for_each(|reader| drop(host.bytes(*reader)));
            }
        });
        taken.bytes_current
    };
    rounds(10, &mut host);
    let kept = rounds(5000, &mut host);
    assert!(kept < 10_000, "{kept} bytes more are kept for two who wait");
}
