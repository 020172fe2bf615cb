//! Shutdown, and whatever a client may send whenever it likes.
use crate::support::{Client, Hello, Shards, Verdict};
use tidewire_core::broker::policy::{Admission, Answer, QueuePolicy};
use tidewire_core::broker::{CloseCause, Event};
use tidewire_core::message::Publication;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicName;
use tidewire_core::version::Version;

// verb: shutdown
#[test]
fn at_a_shutdown_everybody_is_told_and_the_end_is_announced_once() {
    let mut s = Shards::new(1);
    s.authority().says("asking", Verdict::Later);
    let v5 = s.connect("v5");
    let v3 = s.greet(&Hello::new("v3").v3());
    let asking = s.greet(&Hello::new("asking"));
    let silent = s.dial();
    let deaf = s.connect("deaf");
    s.hear(v3);
    s.window(deaf, 0);
    s.linger(deaf);
    s.brokers[0].shutdown(s.now, s.now.after_secs(3));
    s.settle();
    assert_eq!(s.hear(v5), ["DISCONNECT 0x8b", "closed"]);
    assert_eq!(s.hear(v3), ["closed"]);
    assert_eq!(s.hear(asking), ["CONNACK new 0x88", "closed"]);
    assert_eq!(s.hear(silent), ["closed"]);
    let late = s.dial();
    assert_eq!(s.hear(late), ["aborted"], "nobody new is let in");
    let drained = |s: &Shards| s.events.iter().filter(|e| **e == Event::Drained).count();
    assert_eq!(drained(&s), 0, "one has not read its goodbye");
    s.wait(4);
    assert_eq!(s.hear(deaf), ["aborted"]);
    assert_eq!((drained(&s), s.stats().connections), (1, 0));
    let later = s.dial();
    assert!(!s.is_open(later), "still nobody");
    assert_eq!(drained(&s), 1);
}

#[test]
fn a_shutdown_of_nobody_is_done_at_once() {
    let mut s = Shards::new(1);
    s.brokers[0].shutdown(s.now, s.now.after_secs(3));
    s.settle();
    assert_eq!(s.events, [Event::Drained]);
}

/// Where a connection can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    BeforeConnect,
    Asking,
    InAuth,
    Up,
    WaitingForAVerdict,
    Closing,
}

fn at(s: &mut Shards, standing: Standing, version: Version) -> Client {
    let hello = Hello::new("c").version(version);
    match standing {
        Standing::BeforeConnect => s.dial(),
        Standing::Asking => {
            s.authority().says("c", Verdict::Later);
            s.greet(&hello)
        }
        Standing::InAuth => {
            s.authority().says("c", Verdict::Continue);
            s.greet(&Hello::new("c").method("m"))
        }
        Standing::Up => s.greet(&hello),
        Standing::WaitingForAVerdict => {
            s.authority().admit("slow", Admission::Later);
            let c = s.greet(&hello);
            s.publish(c, "slow", b"x", 1, 1);
            c
        }
        Standing::Closing => {
            let c = s.greet(&hello);
            s.linger(c);
            let (shard, id) = s.place(c);
            s.brokers[shard].disconnect(s.now, id, ReasonCode::AdministrativeAction);
            s.settle();
            c
        }
    }
}

#[test]
fn any_first_byte_and_any_short_body_in_any_state_is_handled_or_an_error() {
    let standings = [
        Standing::BeforeConnect,
        Standing::Asking,
        Standing::InAuth,
        Standing::Up,
        Standing::WaitingForAVerdict,
        Standing::Closing,
    ];
    let bodies: [&[u8]; 9] = [
        &[],
        &[0],
        &[0, 1],
        &[0, 0],
        &[0, 1, 0],
        &[0, 1, 0, 1, b'a'],
        &[0, 1, b'a', 0, 1],
        &[0, 1, 0, 0, 1, b'a', 1],
        &[0xff; 8],
    ];
    for (standing, version) in
        standings.into_iter().flat_map(|st| [Version::V3_1, Version::V3_1_1, Version::V5].map(|v| (st, v)))
    {
        let mut s = Shards::new(1);
        s.checking = false;
        for first in 0..=u8::MAX {
            s.check_now();
            for body in bodies {
                let c = at(&mut s, standing, version);
                let length = u8::try_from(body.len()).unwrap();
                s.hear_bytes(c);
                s.send(c, &[&[first, length], body].concat());
                if standing == Standing::Asking
                    && let Some((shard, question)) = s.asked.pop_back()
                {
                    let grant = s.grant("c");
                    s.answer_to(shard, question, Answer::Allow(grant));
                }
                s.cut(c);
                s.asked.clear();
            }
        }
        assert_eq!(
            (s.stats().connections, s.stats().incomplete_bytes, s.stats().questions),
            (0, 0, 0),
            "{standing:?}"
        );
    }
}

#[test]
fn before_its_connect_a_client_says_nothing_else_and_afterwards_not_again() {
    for first in (0_u8..16).map(|kind| kind << 4) {
        let mut s = Shards::new(1);
        let c = s.dial();
        s.send(c, &[first | if matches!(first >> 4, 6 | 8 | 10) { 2 } else { 0 }, 0]);
        assert!(!s.is_open(c), "{first:#04x}");
    }
    for version in [Version::V3_1_1, Version::V5] {
        let mut s = Shards::new(1);
        let hello = Hello::new("c").version(version);
        let c = s.greet(&hello);
        s.send(c, &hello.bytes());
        assert!(!s.is_open(c));
        s.send(c, &hello.bytes());
        assert_eq!((s.stats().connections, s.stats().sessions), (0, 0));
    }
}

// verb: handle_durable, handle_journal_failed, poll_journal
#[test]
fn without_a_store_there_is_nothing_to_journal_and_every_promise_is_kept_at_once() {
    let mut s = Shards::new(2);
    let c = s.subscriber("c", "t", 2);
    s.hold_mail();
    s.publish(c, "t", b"x", 1, 1);
    let mut bytes = vec![];
    for broker in &mut s.brokers {
        assert!(broker.poll_journal(&mut bytes).is_none() && bytes.is_empty());
    }
    s.let_mail_go();
    let mut heard = s.hear(c);
    heard.sort();
    assert_eq!(heard, ["PUBACK 1", "PUBLISH t x q1 #1"]);
}

// verb: handle_revoked, shutdown, disconnect
/// Whatever call it is that finds somebody too slow, it ends that one before it returns.
#[test]
fn who_is_found_too_slow_goes_with_the_call_that_finds_it() {
    for verb in [
        "handle_bytes",
        "handle_answer",
        "handle_timeout",
        "handle_close",
        "handle_mail",
        "handle_revoked",
        "publish",
        "disconnect",
        "shutdown",
    ] {
        let shards = if verb == "handle_mail" { 2 } else { 1 };
        let mut s = Shards::with(shards, &[("queued_messages", "1")]);
        s.authority().queue("slow", QueuePolicy::Disconnect);
        let doomed = s.greet(&Hello::new("doomed").will("t", 0).keep_alive(60));
        s.hear(doomed);
        let slow = s.greet(&Hello::new("slow").receive_maximum(1));
        s.hear(slow);
        s.subscribe(slow, "t", 1);
        let publishers: Vec<_> = (0..8).map(|n| s.connect(&format!("publisher-{n}"))).collect();
        let elsewhere = |s: &Shards, p: &Client| (s.place(*p).0 != s.place(slow).0) == (shards == 2);
        let publisher = *publishers.iter().find(|p| elsewhere(&s, p)).expect("one of them is at home there");
        // Each of them waits for the slow one once it has published to it.
        for other in publishers.into_iter().filter(|other| *other != publisher).take(2) {
            s.publish(other, "t", b"x", 1, 1);
        }
        assert!(s.is_open(slow) && s.reads(publisher), "{verb}");
        let ((shard, id), (now, identity)) = (s.place(doomed), (s.now, s.identity("doomed")));
        let grant = s.grant("local");
        let broker = &mut s.brokers[shard];
        match verb {
            "handle_bytes" | "handle_mail" => s.publish(publisher, "t", b"x", 1, 3),
            "handle_answer" => {
                s.authority().admit("t", Admission::Later);
                s.publish(publisher, "t", b"x", 1, 3);
                assert!(s.is_open(slow), "nothing has been published yet");
                s.answer(Answer::Admit);
            }
            "handle_timeout" => broker.handle_timeout(now.after_secs(91)),
            "handle_close" => broker.handle_close(now, id, CloseCause::Reset),
            "handle_revoked" => broker.handle_revoked(now, identity, ReasonCode::NotAuthorized),
            "publish" => {
                let local = broker.open_local(now, "local", grant);
                let topic = TopicName::new("t").expect("a Topic Name");
                broker.publish(now, local, &Publication::new(topic, "x")).expect("it may");
            }
            "disconnect" => broker.disconnect(now, id, ReasonCode::AdministrativeAction),
            _ => broker.shutdown(now, now.after_secs(5)),
        }
        s.check();
        s.settle();
        assert!(!s.is_open(slow), "{verb}");
    }
}
