//! Authorities that take their time: slow, silent, beside the point.
use crate::support::{Hello, Shards, Verdict, auth, denied, publish, subscribe};
use tidewire_core::broker::Question;
use tidewire_core::broker::policy::{Admission, Answer, Denial};
use tidewire_core::message::Publication;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicName;
use tidewire_core::version::Version;

#[test]
fn silence_lets_nobody_in() {
    for answer_seconds in ["3", "60"] {
        let mut s = Shards::with(1, &[("answer_seconds", answer_seconds)]);
        s.authority().says("guest", Verdict::Later);
        let guest = s.greet(&Hello::new("guest"));
        s.wait(4);
        let heard = s.hear(guest);
        if answer_seconds == "3" {
            assert_eq!(heard, ["CONNACK new 0x89", "closed"]);
        } else {
            assert!(heard.is_empty(), "the authority still has time");
            s.wait(8);
            assert_eq!(s.hear(guest), ["closed"], "but the client's is over");
        }
        assert_eq!((s.stats().connections, s.stats().sessions, s.stats().questions), (0, 0, 0));
        let grant = s.grant("guest");
        s.answer(Answer::Allow(grant));
        assert_eq!(s.stats().sessions, 0, "an answer that comes too late does nothing");
    }
}

#[test]
fn only_the_first_answer_counts() {
    let mut s = Shards::new(1);
    s.authority().says("guest", Verdict::Later);
    let guest = s.greet(&Hello::new("guest"));
    let (shard, question) = s.asked[0];
    let grant = s.grant("guest");
    s.answer(Answer::Allow(grant.clone()));
    s.answer_to(shard, question, denied(ReasonCode::Banned));
    s.answer_to(shard, question, Answer::Allow(grant));
    s.answer_to(shard, tidewire_core::id::QuestionId(u64::MAX), Answer::Admit);
    assert_eq!(s.hear(guest), ["CONNACK new 0x00"]);
    assert!(s.is_open(guest));
}

#[test]
fn an_answer_to_another_question_lets_nobody_in_and_publishes_nothing() {
    let mut s = Shards::new(1);
    s.authority().says("guest", Verdict::Later);
    s.authority().admit("t", Admission::Later);
    let changed = Publication::new(TopicName::new("t").unwrap(), "x");
    for wrong in [Answer::Admit, Answer::Changed(changed)] {
        let guest = s.greet(&Hello::new("guest"));
        s.answer(wrong);
        assert_eq!(s.hear(guest), ["CONNACK new 0x87", "closed"]);
    }
    let watcher = s.subscriber("watcher", "#", 0);
    let sender = s.connect("sender");
    for (at, wrong) in [Answer::Allow(s.grant("sender")), Answer::continue_with([])].into_iter().enumerate() {
        let refused = s.stats().ledger.refused;
        s.publish(sender, "t", b"x", 1, 5);
        s.answer(wrong);
        assert_eq!(s.hear(sender), ["PUBACK 5 0x87"], "wrong answer {at}");
        assert_eq!(s.stats().ledger.refused, refused + 1, "each message that came is booked");
    }
    assert!(s.hear(watcher).is_empty());
}

#[test]
fn an_answer_after_a_takeover_is_for_nobody() {
    let mut s = Shards::new(1);
    s.authority().admit("slow", Admission::Later);
    let old = s.connect("c");
    s.publish(old, "slow", b"x", 1, 1);
    let watcher = s.subscriber("watcher", "#", 0);
    let new = s.greet(&Hello::new("c"));
    assert_eq!(s.hear(old), ["DISCONNECT 0x8e", "closed"]);
    assert_eq!(s.stats().questions, 0);
    s.answer(Answer::Admit);
    assert_eq!(s.hear(new), ["CONNACK new 0x00"]);
    assert!(s.hear(watcher).is_empty());
}

#[test]
fn so_many_questions_are_open_and_no_more() {
    let mut s = Shards::with(1, &[("answers_open", "2")]);
    for name in ["a", "b", "c"] {
        s.authority().says(name, Verdict::Later);
    }
    let clients = ["a", "b", "c"].map(|name| s.greet(&Hello::new(name)));
    assert_eq!(s.hear(clients[2]), ["CONNACK new 0x89", "closed"]);
    let grant = s.grant("a");
    s.answer(Answer::Allow(grant));
    assert_eq!(s.hear(clients[0]), ["CONNACK new 0x00"]);
    let again = s.greet(&Hello::new("c"));
    assert!(s.hear(again).is_empty());
    assert_eq!(s.stats().questions, 2);
}

#[test]
fn with_no_room_for_a_question_a_message_is_refused_and_booked_whatever_its_size() {
    for size in [3, 200_000] {
        let mut s = Shards::with(1, &[("answers_open", "0")]);
        s.authority().admit("t", Admission::Later);
        let sender = s.connect("sender");
        s.publish(sender, "t", &vec![1; size], 1, 1);
        s.publish(sender, "t", &vec![1; size], 0, 0);
        assert_eq!(s.hear(sender), ["PUBACK 1 0x97"]);
        assert_eq!(s.stats().ledger.refused, 2, "{size} bytes");
        assert_eq!(s.stats().incomplete_bytes, 0);
    }
}

/// What the policy says of a message, and what comes of it.
fn admissions() -> Vec<(Admission, Option<Answer>, &'static str, bool)> {
    let changed = |payload: &'static str| Publication::new(TopicName::new("other").expect("a name"), payload);
    let no = Denial::new(ReasonCode::PayloadFormatInvalid);
    vec![
        (Admission::AsIs, None, "t", true),
        (Admission::Changed(changed("new")), None, "other", true),
        (Admission::Deny(no.clone()), None, "", false),
        (Admission::Later, Some(Answer::Admit), "t", true),
        (Admission::Later, Some(Answer::Changed(changed("new"))), "other", true),
        (Admission::Later, Some(Answer::Deny(no)), "", false),
    ]
}

#[test]
fn a_message_is_published_as_the_policy_says_and_those_behind_it_wait_their_turn() {
    for size in [3, 70_000, 600_000] {
        for (admission, answer, topic, accepted) in admissions() {
            let case = format!("{size} bytes, {admission:?}, {answer:?}");
            let mut s = Shards::new(1);
            let watcher = s.subscriber("watcher", "#", 0);
            s.authority().admit("t", admission);
            let sender = s.connect("sender");
            let bytes = [
                publish(Version::V5, "before", b"1", 0, 0),
                publish(Version::V5, "t", &vec![b'x'; size], 1, 3),
                publish(Version::V5, "behind", b"2", 1, 4),
            ]
            .concat();
            for piece in bytes.chunks(10_007) {
                s.send(sender, piece);
            }
            if let Some(answer) = answer {
                assert!(s.hear(sender).is_empty() && !s.reads(sender), "{case}");
                let (shard, question) = s.asked[0];
                let Some(Question::Admit { publication, .. }) = s.brokers[shard].question(question) else {
                    panic!("{case}: it was asked about the message")
                };
                let told = if size < 65_536 { size } else { 0 };
                assert_eq!(publication.payload.len(), told, "{case}");
                s.answer(answer);
            }
            let own = if accepted { "PUBACK 3" } else { "PUBACK 3 0x99" };
            assert_eq!(s.hear(sender), [own, "PUBACK 4"], "{case}");
            let mut heard = vec!["PUBLISH before 1".to_owned()];
            if accepted {
                let payload = match (size, topic) {
                    (3, "t") => "xxx".to_owned(),
                    (3, _) => "new".to_owned(),
                    _ => format!("<{size}>"),
                };
                heard.push(format!("PUBLISH {topic} {payload}"));
            }
            heard.push("PUBLISH behind 2".to_owned());
            assert_eq!(s.hear(watcher), heard, "{case}");
            assert_eq!((s.stats().incomplete_bytes, s.stats().questions), (0, 0), "{case}");
        }
    }
}

#[test]
fn whatever_reason_is_given_the_packet_says_one_that_it_can_say() {
    for reason in (0..=u8::MAX).filter_map(ReasonCode::from_byte) {
        let mut s = Shards::new(1);
        s.authority().says("guest", Verdict::Deny(reason));
        s.authority().admit("t", Admission::Deny(Denial::new(reason)));
        let guest = s.greet(&Hello::new("guest"));
        let told = s.hear(guest);
        assert!(told[0].starts_with("CONNACK new 0x") && told[0] != "CONNACK new 0x00", "{reason}: {told:?}");
        assert_eq!(told[1..], ["closed"], "{reason}");
        let sender = s.connect("sender");
        s.publish(sender, "t", b"x", 1, 1);
        assert!(s.hear(sender)[0].starts_with("PUBACK 1 0x"), "{reason}");
        let (shard, id) = s.place(sender);
        s.brokers[shard].disconnect(s.now, id, reason);
        s.settle();
        assert!(s.hear(sender)[0].starts_with("DISCONNECT "), "{reason}");
    }
}

#[test]
fn what_waits_for_a_verdict_is_charged() {
    let mut s = Shards::with(1, &[("incomplete_bytes", "100KiB")]);
    s.authority().admit("t", Admission::Later);
    let one = s.connect("one");
    s.publish(one, "t", &[1; 60_000], 1, 1);
    assert!(s.stats().incomplete_bytes >= 60_000, "{}", s.stats().incomplete_bytes);
    let two = s.connect("two");
    s.publish(two, "t", &[1; 60_000], 1, 1);
    assert!(!s.is_open(two), "there is no room for another one");
    s.answer(Answer::Admit);
    assert_eq!(s.hear(one), ["PUBACK 1 0x10"]);
    assert_eq!(s.stats().incomplete_bytes, 0);
}

#[test]
fn who_waits_for_a_verdict_is_not_taken_for_dead() {
    let mut s = Shards::new(1);
    s.authority().admit("t", Admission::Later);
    let sender = s.greet(&Hello::new("sender").keep_alive(2));
    s.publish(sender, "t", b"x", 1, 1);
    s.wait(8);
    assert!(s.is_open(sender), "its pings wait in a socket that nobody reads");
    s.answer(Answer::Admit);
    assert_eq!(s.hear(sender), ["CONNACK new 0x00", "PUBACK 1 0x10"]);
    s.wait(2);
    assert!(s.is_open(sender), "from here on it has its time again");
    s.wait(4);
    assert!(!s.is_open(sender));
}

/// [MQTT-4.12.0-2]
#[test]
fn an_exchange_of_several_steps_ends_in_welcome_refusal_or_silence() {
    let auth = |data: &str| auth(ReasonCode::ContinueAuthentication, "SCRAM", data);
    let hello = Hello::new("guest").method("SCRAM");
    for later in [false, true] {
        let mut s = Shards::new(1);
        s.authority().says("guest", if later { Verdict::Later } else { Verdict::Continue });
        let guest = s.greet(&hello);
        if later {
            s.answer(Answer::continue_with(*b"who?"));
        }
        assert_eq!(s.hear(guest), ["AUTH"]);
        s.send(guest, &[auth("it is me"), subscribe(Version::V5, 1, &[("a", 0)])].concat());
        assert_eq!(s.hear(guest), ["CONNACK new 0x00", "SUBACK 1 [0]"], "later {later}");
    }
    let mut s = Shards::new(1);
    s.authority().says("guest", Verdict::Continue);
    s.authority().says("again", Verdict::Continue);
    let silent = s.greet(&hello);
    s.wait(12);
    assert_eq!(s.hear(silent), ["AUTH", "closed"]);
    let endless = s.greet(&hello);
    for _ in 0..100 {
        if s.is_open(endless) {
            s.send(endless, &auth("again"));
        }
    }
    assert_eq!(s.hear(endless).last().map(String::as_str), Some("closed"), "so many rounds and no more");
    let steps = s.authority().steps;
    assert!(steps < 30, "{steps}");
    let impatient = s.greet(&hello);
    s.send(impatient, &publish(Version::V5, "a", b"x", 0, 0));
    assert_eq!(s.hear(impatient), ["AUTH", "CONNACK new 0x82", "closed"]);
    assert_eq!((s.stats().connections, s.stats().sessions), (0, 0));
}

/// [MQTT-3.15.2-2] [MQTT-3.15.2-3]
#[test]
fn who_takes_no_packet_as_long_as_a_question_is_not_asked() {
    // The AUTH has two bytes of header, two of its own, eight of the method and seven of the data.
    for (takes, said) in [(19, vec!["AUTH"]), (18, vec!["CONNACK new 0x95", "closed"])] {
        let mut s = Shards::new(1);
        s.authority().says("guest", Verdict::Continue);
        let guest = s.greet(&Hello::new("guest").method("SCRAM").maximum_packet_size(takes));
        assert_eq!(s.hear(guest), said, "of {takes} bytes");
    }
}

// action: Pause
#[test]
fn a_verdict_does_not_let_go_who_has_to_pause() {
    let mut s = Shards::with(1, &[("queued_messages", "1")]);
    s.authority().admit("t", Admission::Later);
    let slow = s.greet(&Hello::new("slow").receive_maximum(1));
    s.hear(slow);
    s.subscribe(slow, "t", 1);
    let sender = s.greet(&Hello::new("sender").v3());
    let three = [1, 2, 3].map(|id| publish(Version::V3_1_1, "t", b"x", 1, id));
    s.send(sender, &three.concat());
    (0..3).for_each(|_| s.answer(Answer::Admit));
    assert_eq!(s.hear(sender), ["CONNACK new 0x00", "PUBACK 1", "PUBACK 2"]);
    assert_eq!(s.gates.last(), Some(&(sender, "pause")), "before 5.0 a refusal is a pause");
    s.wait(2);
    assert_eq!(s.hear(sender), ["PUBACK 3"]);
    assert_eq!(s.gates.last(), Some(&(sender, "resume")));
}
