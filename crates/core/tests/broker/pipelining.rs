//! What a client sends behind its CONNECT, without waiting for the verdict.
use crate::support::{Hello, Shards, Verdict, denied, publish, subscribe};
use tidewire_core::Input;
use tidewire_core::broker::policy::Answer;
use tidewire_core::broker::{Action, CloseCause};
use tidewire_core::output::Output;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;

/// How somebody is let in, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Allow,
    Later,
    Deny,
    LaterDeny,
}

const WAYS: [Way; 4] = [Way::Allow, Way::Later, Way::Deny, Way::LaterDeny];
const SHARDS: [u16; 2] = [1, 3];

/// Everything in one segment: CONNECT, SUBSCRIBE, PUBLISH, DISCONNECT.
fn segment(version: Version) -> Vec<u8> {
    let hello = Hello::new("eager").version(version);
    [
        hello.bytes(),
        subscribe(version, 1, &[("own", 0)]),
        publish(version, "news", b"hi", 1, 7),
        vec![0xe0, 0],
    ]
    .concat()
}

fn verdict(way: Way) -> Verdict {
    match way {
        Way::Allow => Verdict::Allow,
        Way::Later | Way::LaterDeny => Verdict::Later,
        Way::Deny => Verdict::Deny(ReasonCode::BadUserNameOrPassword),
    }
}

/// Sends the segment in two parts, and says what the eager one and a bystander hear.
fn converse(version: Version, shards: u16, way: Way, split: usize, fin: bool) -> (Vec<String>, Vec<String>) {
    let mut s = Shards::new(shards);
    let bystander = s.subscriber("bystander", "#", 0);
    s.authority().says("eager", verdict(way));
    let eager = s.dial();
    s.speaks(eager, version);
    let bytes = segment(version);
    s.send(eager, &bytes[..split]);
    s.send(eager, &bytes[split..]);
    if fin {
        s.leave(eager);
    }
    match way {
        Way::Later => {
            let grant = s.grant("eager");
            s.answer(Answer::Allow(grant));
        }
        Way::LaterDeny => s.answer(denied(ReasonCode::BadUserNameOrPassword)),
        Way::Allow | Way::Deny => {}
    }
    let said = (s.hear(eager), s.hear(bystander));
    s.cut(bystander);
    let stats = s.stats();
    assert_eq!((stats.connections, stats.questions, stats.incomplete_bytes), (0, 0, 0), "nothing is left");
    said
}

// verb: new, handle_open, handle_bytes, handle_close, handle_answer, take_passage, handle_passage, question, check
// action: Transmit, Close, Resume, Move, Ask
#[test]
fn a_whole_conversation_in_one_segment_has_one_outcome_wherever_it_is_split() {
    for (version, shards) in [Version::V3_1_1, Version::V5].into_iter().flat_map(|v| SHARDS.map(|s| (v, s))) {
        for (way, fin) in WAYS.into_iter().flat_map(|w| [(w, false), (w, true)]) {
            for split in 0..segment(version).len() {
                let case = format!("{version:?}, {shards} shards, {way:?}, split at {split}, FIN {fin}");
                let (own, others) = converse(version, shards, way, split, fin);
                if matches!(way, Way::Deny | Way::LaterDeny) {
                    assert_eq!((own, others), (lines(&["CONNACK new 0x86", "closed"]), vec![]), "{case}");
                    continue;
                }
                assert_eq!(others, ["PUBLISH news hi"], "{case}");
                // Who says goodbye does not wait for what other shards have yet to settle.
                let ends = [own.first().cloned(), own.last().cloned()].map(Option::unwrap_or_default);
                assert_eq!(ends, ["CONNACK new 0x00", "closed"], "{case}");
                assert!(shards > 1 || own[1..3] == lines(&["SUBACK 1 [0]", "PUBACK 7"]), "{case}");
            }
        }
    }
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn who_is_gone_before_the_verdict_was_never_here() {
    for shards in SHARDS {
        let mut s = Shards::new(shards);
        let bystander = s.subscriber("bystander", "#", 0);
        s.authority().says("eager", Verdict::Later);
        let eager = s.dial();
        s.send(eager, &segment(Version::V5));
        let (shard, question) = s.asked[0];
        assert!(s.brokers[shard].question(question).is_some());
        s.cut(eager);
        assert!(s.brokers[shard].question(question).is_none(), "nobody needs the answer any more");
        let grant = s.grant("eager");
        s.answer(Answer::Allow(grant));
        assert!(s.hear(bystander).is_empty());
        assert_eq!((s.stats().sessions, s.stats().questions), (1, 0));
    }
}

#[test]
fn a_connection_that_breaks_between_two_shards_is_found_dead_at_home() {
    let mut s = Shards::new(3);
    s.hold_passages();
    let moving = (0..8).map(|n| s.greet(&Hello::new(&format!("client {n}")))).collect::<Vec<_>>();
    s.let_passages_go();
    for client in moving {
        assert_eq!(s.hear(client), ["CONNACK new 0x00"]);
        s.cut(client);
    }
    assert_eq!((s.stats().connections, s.stats().sessions), (0, 0));
}

// verb: poll_action
#[test]
fn a_connection_that_closes_before_it_is_taken_does_not_move() {
    let mut s = Shards::new(2);
    let home = |s: &mut Shards, name: &str| {
        let client = s.connect(name);
        let place = s.place(client).0;
        s.cut(client);
        place
    };
    let name = (0..).map(|n| format!("c{n}")).find(|name| home(&mut s, name) == 1).unwrap();
    s.accept_at(0);
    let client = s.dial();
    let (shard, id) = s.place(client);
    assert_eq!(s.brokers[shard].handle_bytes(s.now, id, &Hello::new(&name).bytes()), Input::Hold);
    s.brokers[shard].handle_close(s.now, id, CloseCause::Reset);
    let moved = s.brokers[shard].poll_action();
    assert!(matches!(moved, Some(Action::Move { connection, .. }) if connection == id));
    assert!(s.brokers[shard].take_passage(id).is_none(), "there is nobody to move");
    s.settle();
    assert_eq!((s.stats().connections, s.stats().sessions, s.stats().incomplete_bytes), (0, 0, 0));
}

#[test]
fn calls_about_nobody_do_nothing() {
    let mut s = Shards::new(2);
    let client = s.connect("c");
    let (shard, id) = s.place(client);
    s.cut(client);
    let before = s.stats();
    let broker = &mut s.brokers[shard];
    let now = s.now;
    assert_eq!(broker.handle_bytes(now, id, &[0xc0, 0]), Input::Done);
    assert_eq!(broker.handle_payload(now, id, 5), Input::Done);
    assert!(broker.payload_space(id).is_none() && broker.take_passage(id).is_none());
    broker.handle_blocked(now, id, 7);
    broker.handle_close(now, id, CloseCause::PeerClosed);
    broker.disconnect(now, id, ReasonCode::ServerBusy);
    let mut output = Output::default();
    assert!(!broker.poll_transmit(now, id, 1000, &mut output) && output.is_empty());
    assert!(broker.poll_action().is_none());
    assert_eq!(s.stats(), before);
    s.check();
}
