//! What is forgiven only where somebody has said so.
use crate::support::{Client, Hello, Shards, delivery, publish, publish_with, subscribe, unsubscribe};
use tidewire_core::codec::Leniency;
use tidewire_core::version::Version;

/// A subscriber, and what it hears of somebody who sends these bytes; whether that one is let go on, and how many
/// have been forgiven something in the end.
fn outcome(lenient: Leniency, version: Version, bytes: &[u8]) -> (Vec<String>, bool, u64) {
    let mut s = Shards::forgiving(1, lenient);
    let subscriber = s.subscriber("s", "t", 0);
    s.hear(subscriber);
    let c: Client = s.greet(&Hello::new("c").version(version));
    s.hear(c);
    s.send(c, bytes);
    let open = s.is_open(c);
    let heard = s.hear(subscriber);
    s.cut(c);
    s.check();
    (heard, open, s.stats().forgiven)
}

fn forgiving(change: impl Fn(&mut Leniency)) -> Leniency {
    let mut lenient = Leniency::NONE;
    change(&mut lenient);
    lenient
}

#[test]
fn dup_with_qos_0_is_forgiven_where_that_was_said() {
    for version in [Version::V3_1, Version::V3_1_1, Version::V5] {
        let mut bytes = publish(version, "t", b"hello", 0, 0);
        bytes[0] |= 0b1000;
        assert_eq!(outcome(Leniency::default(), version, &bytes), (vec![], false, 0));
        let lenient = forgiving(|lenient| lenient.dup_without_qos = true);
        let heard = vec!["PUBLISH t hello".to_owned()];
        assert_eq!(outcome(lenient, version, &bytes), (heard, true, 1));
    }
}

#[test]
fn flags_of_the_fixed_header_are_forgiven_where_that_was_said() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut bytes = subscribe(version, 1, &[("x", 0)]);
        bytes[0] = 0x80;
        assert_eq!(outcome(Leniency::default(), version, &bytes), (vec![], false, 0));
        let lenient = forgiving(|lenient| lenient.fixed_header_flags = true);
        assert_eq!(outcome(lenient, version, &bytes), (vec![], true, 1));
    }
}

#[test]
fn a_connect_is_forgiven_its_flags_as_well_and_who_needed_nothing_is_not_counted() {
    let lenient = forgiving(|lenient| (lenient.fixed_header_flags, lenient.dup_without_qos) = (true, true));
    let mut s = Shards::forgiving(1, lenient);
    let mut bytes = Hello::new("c").bytes();
    bytes[0] |= 0b0010;
    let c = s.dial();
    s.send(c, &bytes);
    let other = s.connect("other");
    assert!(s.is_open(c) && s.is_open(other));
    s.cut(other);
    s.cut(c);
    assert_eq!(s.stats().forgiven, 1);
}

#[test]
fn who_says_goodbye_has_been_forgiven_as_well() {
    let lenient = forgiving(|lenient| lenient.fixed_header_flags = true);
    let mut s = Shards::forgiving(1, lenient);
    let mut bytes = Hello::new("c").bytes();
    bytes[0] |= 0b0010;
    let c = s.dial();
    s.send(c, &bytes);
    s.send(c, b"\xe0\x00");
    assert!(!s.is_open(c));
    assert_eq!(s.stats().forgiven, 1);
}

/// A bridge sets the upper bit of its level, in whichever version. What it asks for with that is what 5.0 has options for:
/// messages as they were published, and none of its own. [MQTT-3.8.3-3] [MQTT-3.3.1-13]
#[test]
fn a_bridge_is_taken_at_its_level_where_that_was_said() {
    let lenient = forgiving(|lenient| lenient.bridge_level = true);
    for (version, level_at) in [(Version::V3_1, 10), (Version::V3_1_1, 8), (Version::V5, 8)] {
        for shards in [1, 2] {
            let mut s = Shards::forgiving(shards, lenient);
            let mut bytes = Hello::new("bridge").version(version).bytes();
            bytes[level_at] |= 0x80;
            let bridge = s.dial();
            s.speaks(bridge, version);
            s.send(bridge, &[&bytes[..], &subscribe(version, 1, &[("t", 1)])].concat());
            assert_eq!(s.hear(bridge), ["CONNACK new 0x00", "SUBACK 1 [1]"], "{version:?}, {shards} shards");
            let other = s.connect("other");
            s.send(other, &publish_with(Version::V5, "t", b"kept", delivery(0, 0, false), true, None));
            assert_eq!(s.hear(bridge), ["PUBLISH t kept retain"], "{version:?}: as it was published");
            s.publish(bridge, "t", b"back", 0, 0);
            assert!(s.hear(bridge).is_empty(), "{version:?}: nothing comes back to it");
            let plain = s.dial();
            s.speaks(plain, version);
            s.send(plain, &Hello::new("plain").version(version).bytes());
            s.subscribe(plain, "t", 0);
            s.hear(plain);
            s.publish(plain, "t", b"echo", 0, 0);
            assert_eq!(s.hear(plain), ["PUBLISH t echo"], "{version:?}: who is no bridge hears itself");
        }
    }
}

/// Two clients that subscribe to `$queue/t`, and what each gets of four messages; then the first gives it back.
fn queue(lenient: Leniency, version: Version) -> (Vec<usize>, Vec<String>) {
    let mut s = Shards::forgiving(2, lenient);
    let members = ["a", "b"].map(|name| {
        let member = s.greet(&Hello::new(name).version(version));
        s.hear(member);
        s.subscribe(member, "$queue/t", 1);
        member
    });
    let publisher = s.connect("p");
    (1..=4).for_each(|id| s.publish(publisher, "t", b"x", 1, id));
    let had = members.map(|member| s.hear(member).len()).to_vec();
    s.send(members[0], &unsubscribe(version, 9, "$queue/t"));
    s.hear(members[0]);
    (5..=6).for_each(|id| s.publish(publisher, "t", b"x", 1, id));
    s.check();
    (had, s.hear(members[0]))
}

#[test]
fn an_older_spelling_of_a_group_is_one_where_that_was_said() {
    for version in [Version::V3_1_1, Version::V5] {
        let lenient = forgiving(|lenient| lenient.queue_filters = true);
        assert_eq!(queue(lenient, version), (vec![2, 2], vec![]));
        // Otherwise it is a filter like any other, for topics that nobody may publish to.
        assert_eq!(queue(Leniency::NONE, version), (vec![0, 0], vec![]));
    }
    let mut s = Shards::forgiving(1, forgiving(|lenient| lenient.queue_filters = true));
    let client = s.connect("c");
    s.send(client, &subscribe(Version::V5, 1, &[("$queue/", 1), ("$queue", 1)]));
    assert_eq!(s.hear(client), ["SUBACK 1 [143, 1]"], "without a filter behind it, it is none");
}
