//! What comes all at once: in one read, or from everybody.
use crate::support::{Client, Hello, Shards, Verdict, delivery, publish, publish_with};
use tidewire_core::broker::policy::Answer;
use tidewire_core::version::Version;

/// So many more than any of the limits below.
const FLOOD: u16 = 1_100;

fn flood(of: impl Fn(u16) -> Vec<u8>) -> Vec<u8> {
    (1..=FLOOD).flat_map(of).collect()
}

/// Whatever is counted is counted as it is stored, and not once for a whole read.
#[test]
fn a_flood_in_one_read_passes_no_limit() {
    let limits = [("receive_maximum", "100"), ("queued_messages", "100")];
    for shards in [1, 2, 4] {
        let mut s = Shards::with(shards, &limits);
        s.checking = false;
        let c = s.connect("unreleased");
        s.send(c, &flood(|id| publish(Version::V5, "t", b"x", 2, id)));
        let heard = s.hear(c);
        assert!(heard.iter().filter(|line| line.starts_with("PUBREC")).count() <= 100, "{shards} shards");
        assert_eq!(heard[heard.len() - 2..], ["DISCONNECT 0x93", "closed"], "{shards} shards");

        let away = s.sleeper("away", "q");
        let c = s.connect("sender");
        s.send(c, &flood(|n| publish(Version::V5, "q", b"x", 1, n % 100 + 1)));
        let back = s.greet(&away);
        assert_eq!(s.hear(back).len(), 1 + 100, "{shards} shards");
        s.check_now();
    }
}

#[test]
fn on_one_shard_a_flood_in_one_read_has_no_more_retained_than_may_be() {
    let mut s = Shards::with(1, &[("retained_messages", "100")]);
    s.checking = false;
    let c = s.connect("keeper");
    let kept = |n| publish_with(Version::V5, &format!("r/{n}"), b"x", delivery(0, 0, false), true, None);
    s.send(c, &flood(kept));
    assert_eq!(s.stats().retained, 100);
    s.check_now();
}

/// A crowd that was thrown out comes back, and whoever decides takes a second for each: those who are told to come later
/// do, and after a while all are in.
#[test]
fn a_storm_of_those_who_come_back_settles_although_whoever_decides_is_slow() {
    const CROWD: usize = 1_000;
    let mut s = Shards::with(1, &[("answers_open", "50")]);
    s.checking = false;
    let names: Vec<_> = (0..CROWD).map(|n| format!("client-{n}")).collect();
    for name in &names {
        s.authority().says(name, Verdict::Later);
    }
    let early = s.connect("early");
    let mut outside: Vec<&String> = names.iter().collect();
    let mut inside: Vec<Client> = vec![];
    for second in 0..CROWD / 50 {
        let attempts: Vec<_> = outside.iter().map(|name| (*name, s.greet(&Hello::new(name)))).collect();
        assert!(s.stats().questions <= 50, "second {second}");
        assert_eq!(s.asked.len(), 50, "second {second}: as many are asked for as may be");
        s.publish(early, "t", b"x", 1, 1);
        assert_eq!(s.hear(early), ["PUBACK 1 0x10"], "who is in goes on");
        s.wait(1);
        while let Some((shard, question)) = s.asked.pop_front() {
            let grant = s.grant("somebody");
            s.answer_to(shard, question, Answer::Allow(grant));
        }
        outside.clear();
        for (name, client) in attempts {
            match s.hear(client).as_slice() {
                [told] if told == "CONNACK new 0x00" => inside.push(client),
                [told, end] if told == "CONNACK new 0x89" && end == "closed" => outside.push(name),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    assert_eq!((outside.len(), inside.len(), s.asked.len()), (0, CROWD, 0));
    assert!(inside.iter().all(|client| s.is_open(*client)));
    s.check_now();
}
