//! The replay of Retained Messages: a cursor that is pulled.
use crate::support::{Client, Hello, Kind, Shards, delivery, publish_with, subscribe};
use std::collections::BTreeSet;
use tidewire_core::version::Version;

fn keep(s: &mut Shards, client: Client, topic: &str, payload: &str) {
    let bytes = publish_with(Version::V5, topic, payload.as_bytes(), delivery(0, 0, false), true, None);
    s.send(client, &bytes);
}

/// A server that retains so many messages below `r/`.
fn stocked(shards: u16, limits: &[(&str, &str)], count: usize) -> (Shards, Client) {
    let mut s = Shards::with(shards, limits);
    s.checking = false;
    let keeper = s.connect("keeper");
    for n in 0..count {
        keep(&mut s, keeper, &format!("r/{n}"), "kept");
    }
    s.checking = true;
    assert_eq!(s.stats().retained, count as u64 * u64::from(shards), "on every shard");
    (s, keeper)
}

#[test]
fn a_slow_reader_gets_all_of_a_long_replay_beside_live_traffic_and_memory_stays_flat() {
    const COUNT: usize = 20_000;
    for shards in [1, 4] {
        let (mut s, keeper) =
            stocked(shards, &[("queued_messages", "100"), ("queued_bytes", "100KiB")], COUNT);
        s.checking = false;
        let slow = s.connect("slow");
        s.send(slow, &subscribe(Version::V5, 1, &[("r/#", 1), ("live", 1)]));
        let bystander = s.subscriber("bystander", "live", 0);
        let (mut seen, mut live, mut round) = (BTreeSet::new(), 0, 0_u16);
        while seen.len() < COUNT {
            round += 1;
            assert!(round < 2_000, "it goes on: {}", seen.len());
            s.publish(keeper, "live", b"now", 0, 0);
            assert_eq!(s.hear(bystander), ["PUBLISH live now"]);
            s.window(slow, 3_000);
            let mut acks = vec![];
            for line in s.hear(slow) {
                if line.starts_with("PUBLISH live") {
                    live += 1;
                } else if let Some(rest) = line.strip_prefix("PUBLISH r/") {
                    assert!(rest.ends_with("retain"), "{line}");
                    assert!(seen.insert(rest.split(' ').next().unwrap().to_owned()), "twice: {line}");
                }
                if let Some((_, id)) = line.split_once('#') {
                    let id = id.split(' ').next().unwrap().parse().unwrap();
                    acks.extend(crate::support::ack(Version::V5, 4, id, 0));
                }
            }
            s.send(slow, &acks);
            assert!(s.stats().messages < 1_500, "{} messages in the store", s.stats().messages);
        }
        s.window(slow, usize::MAX);
        live += s.hear(slow).iter().filter(|l| l.starts_with("PUBLISH live")).count();
        assert!(live > 0, "live messages come too");
        s.check_now();
    }
}

#[test]
fn a_replay_that_was_cut_is_not_taken_up_again_without_a_subscribe() {
    for qos in [0, 1] {
        let (mut s, keeper) = stocked(1, &[], 5_000);
        let hello = Hello::new("c").resume().expiry(100);
        let c = s.greet(&hello);
        s.hear(c);
        s.window(c, 2_000);
        s.send(c, &subscribe(Version::V5, 1, &[("r/#", qos)]));
        s.cut(c);
        s.hear_bytes(c);
        let c = s.greet(&hello);
        let heard = s.hear(c);
        let flying = usize::from(qos) * 1024;
        assert!(heard.len() <= flying + 2, "only what had begun: {}", heard.len());
        keep(&mut s, keeper, "r/17", "news");
        assert!(s.hear(c).len() <= 1);
        s.check();
        let quiet = s.greet(&Hello::new("other").resume());
        s.hear(quiet);
        s.send(quiet, &subscribe(Version::V5, 1, &[("r/#", 0)]));
        assert_eq!(s.hear(quiet).len(), 5_001, "others are not touched");
    }
}

#[test]
fn what_changes_during_a_replay_comes_in_its_newest_form_and_live() {
    let (mut s, keeper) = stocked(1, &[], 3_000);
    let c = s.connect("c");
    s.limit(c, 1_000);
    s.window(c, 500);
    s.send(c, &subscribe(Version::V5, 1, &[("r/#", 0)]));
    for n in 0..3_000 {
        if n % 3 == 0 {
            keep(&mut s, keeper, &format!("r/{n}"), "changed");
        } else if n % 3 == 1 {
            keep(&mut s, keeper, &format!("r/{n}"), "");
        }
    }
    s.window(c, usize::MAX);
    let heard = s.hear(c);
    let live: Vec<_> = heard.iter().filter(|l| !l.ends_with("retain") && l.contains("changed")).collect();
    assert_eq!(live.len(), 1_000, "each change comes live, once");
    let untouched = heard.iter().filter(|l| l.ends_with("kept retain")).count();
    assert!(untouched >= 1_000, "{untouched}");
    let topics: BTreeSet<_> =
        heard.iter().filter(|l| l.ends_with("retain")).map(|l| l.split(' ').nth(1)).collect();
    assert_eq!(
        topics.len(),
        heard.iter().filter(|l| l.ends_with("retain")).count(),
        "none is replayed twice"
    );
}

#[test]
fn only_what_was_granted_is_replayed_and_behind_its_suback() {
    for shards in [1, 3] {
        let mut s = Shards::new(shards);
        let keeper = s.connect("keeper");
        for topic in ["open/1", "secret/1", "open/hidden", "other/1"] {
            keep(&mut s, keeper, topic, "kept");
        }
        s.authority().deny("c", Kind::Subscribe, "secret/#");
        s.authority().deny("c", Kind::Receive, "open/hidden");
        let c = s.connect("c");
        s.hold_mail();
        s.send(
            c,
            &subscribe(
                Version::V5,
                1,
                &[("secret/#", 0), ("open/#", 0), ("$share/g/other/#", 0), ("none", 0)],
            ),
        );
        if shards > 1 {
            assert!(s.hear(c).is_empty(), "nothing before the SUBACK, and that waits for all shards");
        }
        s.let_mail_go();
        assert_eq!(s.hear(c), ["SUBACK 1 [135, 0, 0, 0]", "PUBLISH open/1 kept retain"]);
    }
}

#[test]
fn a_retained_message_is_gone_when_it_is_too_old() {
    let mut s = Shards::new(2);
    let keeper = s.connect("keeper");
    for (topic, expiry) in [("soon", 5), ("late", 500)] {
        let bytes = publish_with(Version::V5, topic, b"x", delivery(1, 1, false), true, Some(expiry));
        s.send(keeper, &bytes);
    }
    assert_eq!(s.stats().retained, 4);
    s.wait(7);
    assert_eq!(s.stats().retained, 2);
    let c = s.connect("c");
    s.send(c, &subscribe(Version::V5, 1, &[("#", 0)]));
    assert_eq!(s.hear(c), ["SUBACK 1 [0]", "PUBLISH late x retain"]);
}

/// The session goes to another connection in the middle of it: that has what was begun, once, and none of the rest.
#[test]
fn a_replay_does_not_begin_again_for_whoever_takes_the_session_over() {
    for (shards, qos) in [(1, 0), (1, 1), (3, 0), (3, 1)] {
        let case = format!("{shards} shards, QoS {qos}");
        let (mut s, keeper) = stocked(shards, &[], 0);
        s.checking = false;
        for n in 0..3_000 {
            let delivery = delivery(qos, n % 1000 + 1, false);
            s.send(keeper, &publish_with(Version::V5, &format!("r/{n}"), b"kept", delivery, true, None));
        }
        let hello = Hello::new("c").resume().expiry(100);
        let old = s.greet(&hello);
        s.hear(old);
        s.window(old, 2_000);
        s.send(old, &subscribe(Version::V5, 1, &[("r/#", qos), ("live", 0)]));
        let new = s.greet(&hello);
        assert!(!s.is_open(old), "{case}");
        s.wait(1);
        let heard = s.hear(new);
        let replayed: Vec<_> = heard.iter().filter(|line| line.starts_with("PUBLISH r/")).collect();
        let begun = usize::from(qos) * 1024;
        assert!(replayed.len() <= begun, "{case}: {} came", replayed.len());
        assert_eq!(replayed.is_empty(), qos == 0, "{case}: a delivery that was begun is finished");
        let topics: BTreeSet<_> = replayed.iter().map(|line| line.split(' ').nth(1)).collect();
        assert_eq!(topics.len(), replayed.len(), "{case}: none comes twice");
        s.publish(keeper, "live", b"now", 0, 0);
        assert_eq!(s.hear(new), ["PUBLISH live now"], "{case}: nothing else comes");
        s.check_now();
    }
}
