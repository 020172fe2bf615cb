//! Rights that change while a message is on its way in, or lies where its publisher has no session.
use crate::support::{Kind, Shards, delivery, publish_with};
use std::sync::Arc;
use tidewire_core::broker::policy::{Access, Admission, Answer, Grant, Rights, Ruling};
use tidewire_core::version::Version;

fn regrant(s: &mut Shards, name: &str) {
    for shard in 0..s.brokers.len() {
        let grant = s.grant(name);
        s.brokers[shard].handle_grant(s.now, grant);
    }
    s.settle();
}

/// Where a PUBLISH waits when the right to it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitsFor {
    Verdict,
    End,
    Place,
}

#[test]
fn a_right_to_publish_that_ends_holds_for_what_waits_for_a_verdict() {
    ends_while_it(WaitsFor::Verdict);
}

#[test]
fn a_right_to_publish_that_ends_holds_for_what_has_not_come_to_its_end() {
    ends_while_it(WaitsFor::End);
}

#[test]
fn a_right_to_publish_that_ends_holds_for_what_waits_for_its_place() {
    ends_while_it(WaitsFor::Place);
}

/// From the change on it holds for what is live, too.
fn ends_while_it(waits: WaitsFor) {
    let mut waited = 0;
    // A retained message waits where another shard orders its topic; some of these are such topics.
    for n in 0..8 {
        let topic = format!("t/{n}");
        let mut s = Shards::new(2);
        let readers: Vec<_> = (0..4).map(|n| s.subscriber(&format!("reader-{n}"), "t/#", 1)).collect();
        let sender = s.connect("sender");
        let size = if waits == WaitsFor::End { 200_000 } else { 10 };
        let retain = waits == WaitsFor::Place;
        let bytes = publish_with(Version::V5, &topic, &vec![b'x'; size], delivery(1, 1, false), retain, None);
        let mut accepted = s.stats().ledger.accepted;
        match waits {
            WaitsFor::Verdict => {
                s.authority().admit(&topic, Admission::Later);
                s.send(sender, &bytes);
            }
            WaitsFor::End => s.send(sender, &bytes[..100_000]),
            WaitsFor::Place => {
                s.hold_mail();
                s.publish(sender, &topic, b"before", 0, 0);
                accepted = s.stats().ledger.accepted;
                s.send(sender, &bytes);
            }
        }
        if s.stats().ledger.accepted > accepted {
            continue;
        }
        waited += 1;
        s.authority().deny("sender", Kind::Publish, "t/#");
        regrant(&mut s, "sender");
        match waits {
            WaitsFor::Verdict => s.answer(Answer::Admit),
            WaitsFor::End => s.send(sender, &bytes[100_000..]),
            WaitsFor::Place => s.let_mail_go(),
        }
        let got = readers.iter().flat_map(|reader| s.hear(*reader)).filter(|line| !line.contains("before"));
        assert_eq!(got.collect::<Vec<_>>(), Vec::<String>::new(), "{waits:?}, {topic}");
    }
    assert!(waited > 0, "one waits");
}

/// Each client may publish below its own name.
struct OwnPlace;

impl Rights for OwnPlace {
    fn may(&self, client_id: &str, access: Access<'_>) -> Ruling {
        match access {
            Access::Publish { topic, .. }
                if topic.as_str().strip_prefix(client_id).is_none_or(|rest| !rest.starts_with('/')) =>
            {
                Ruling::deny(1)
            }
            _ => Ruling::allow(0),
        }
    }

    fn may_any(&self, access: Access<'_>) -> bool {
        !matches!(access, Access::Publish { topic, .. } if !topic.as_str().contains('/'))
    }
}

/// The same rights are told once more. Where no session of the publisher's is, its messages are still what they were.
#[test]
fn rights_that_are_told_again_take_nothing_away() {
    for shards in [3, 1] {
        let mut s = Shards::new(shards);
        let identity = s.identity("device");
        let tell = |s: &mut Shards| {
            for shard in 0..s.brokers.len() {
                s.brokers[shard].handle_grant(s.now, Grant::new(identity, Arc::new(OwnPlace)));
            }
            s.settle();
        };
        for n in 0..6 {
            s.sleeper(&format!("sleeper-{n}"), "device/#");
        }
        let device = s.connect("device");
        tell(&mut s);
        s.send(device, &publish_with(Version::V5, "device/state", b"on", delivery(1, 1, false), true, None));
        assert_eq!(s.hear(device), ["PUBACK 1"]);
        let before = (s.stats().retained, s.stats().ledger.queued);
        tell(&mut s);
        assert_eq!((s.stats().retained, s.stats().ledger.queued), before, "{shards} shards, it is connected");
        s.cut(device);
        let before = (s.stats().retained, s.stats().ledger.queued);
        tell(&mut s);
        assert_eq!((s.stats().retained, s.stats().ledger.queued), before, "{shards} shards, it is gone");
    }
}
