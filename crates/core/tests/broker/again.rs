//! Who named an Authentication Method may authenticate again while it is connected.
use crate::support::{Client, Hello, Kind, Shards, Verdict, auth, denied, publish};
use tidewire_core::broker::policy::Answer;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;

const METHOD: &str = "SCRAM";

/// `ada` is in, has a will, and another client waits for that.
fn ada(s: &mut Shards) -> (Client, Client) {
    let other = s.subscriber("other", "#", 0);
    let ada = s.greet(&Hello::new("ada").method(METHOD).will("wills", 0));
    assert_eq!(s.hear(ada), ["CONNACK new 0x00"]);
    (ada, other)
}

fn begin(data: &str) -> Vec<u8> {
    auth(ReasonCode::ReAuthenticate, METHOD, data)
}

fn go_on(data: &str) -> Vec<u8> {
    auth(ReasonCode::ContinueAuthentication, METHOD, data)
}

/// [MQTT-4.12.0-5] [MQTT-4.12.1-1]
#[test]
fn new_rights_hold_from_the_answer_on_for_what_waits_as_well() {
    for (variant, later) in [(0, false), (0, true), (1, false), (1, true)] {
        let mut s = Shards::new(1);
        let (ada, other) = ada(&mut s);
        s.subscribe(ada, "secret", 1);
        s.authority().deny("ada", Kind::Publish, "secret");
        s.authority().deny("ada", Kind::Subscribe, "secret");
        s.authority().variant("ada", variant);
        s.publish(ada, "secret", b"one", 1, 1);
        assert_eq!(s.hear(ada), ["PUBLISH secret one q1 #1", "PUBACK 1"], "what it was granted before");
        if later {
            s.authority().says("ada", Verdict::Later);
        }
        s.send(ada, &[begin("ada"), publish(Version::V5, "secret", b"two", 1, 2)].concat());
        if later {
            assert_eq!(s.hear(ada), [""; 0], "nobody has answered yet");
            let grant = s.grant("ada");
            s.answer(Answer::Allow(grant));
        }
        assert_eq!(s.hear(ada), ["AUTH", "PUBACK 2 0x87"], "variant {variant}, later: {later}");
        s.publish(other, "secret", b"three", 0, 0);
        assert_eq!(s.hear(ada), [""; 0], "its subscription has ended");
        assert_eq!(s.hear(other), ["PUBLISH secret one", "PUBLISH secret three"]);
    }
}

#[test]
fn who_authenticates_again_stays_as_long_as_that_says() {
    let mut s = Shards::new(1);
    s.authority().until("ada", s.now.after_secs(60));
    let (ada, _) = ada(&mut s);
    s.wait(50);
    s.authority().until("ada", s.now.after_secs(60));
    s.send(ada, &begin("ada"));
    assert_eq!(s.hear(ada), ["AUTH"]);
    s.wait(50);
    assert!(s.is_open(ada), "it would have ended long ago");
    s.wait(11);
    assert_eq!(s.hear(ada), ["DISCONNECT 0x87", "closed"]);
}

/// What it is called, what is said of whom, and what the client hears.
type Way = (&'static str, fn(&mut Shards), &'static str);

/// [MQTT-4.12.1-2]
#[test]
fn a_no_ends_the_connection_and_publishes_the_will() {
    let no = ReasonCode::NotAuthorized;
    let ways: [Way; 5] = [
        ("denied", |s| s.authority().says("ada", Verdict::Deny(ReasonCode::NotAuthorized)), "0x87"),
        ("denied later", |s| s.authority().says("ada", Verdict::Later), "0x87"),
        ("in other words", |s| s.authority().says("ada", Verdict::Deny(ReasonCode::Banned)), "0x98"),
        ("silence", |s| s.authority().says("ada", Verdict::Later), "0x89"),
        ("somebody else", |s| s.authority().says("eve", Verdict::Allow), "0x87"),
    ];
    for (way, prepare, reason) in ways {
        let mut s = Shards::new(1);
        let (ada, other) = ada(&mut s);
        prepare(&mut s);
        s.send(ada, &begin(if way == "somebody else" { "eve" } else { "ada" }));
        match way {
            "denied later" => s.answer(denied(no)),
            "silence" => s.wait(11),
            _ => {}
        }
        assert_eq!(s.hear(ada), [format!("DISCONNECT {reason}"), "closed".to_owned()], "{way}");
        assert_eq!(s.hear(other), ["PUBLISH wills gone"], "{way}");
    }
}

#[test]
fn it_may_take_several_steps_but_not_for_ever() {
    let mut s = Shards::new(1);
    let (ada, _) = ada(&mut s);
    s.authority().says("first", Verdict::Continue);
    for _ in 0..3 {
        s.send(ada, &begin("first"));
        assert_eq!(s.hear(ada), ["AUTH"]);
        s.publish(ada, "t", b"meanwhile", 1, 1);
        assert_eq!(s.hear(ada), ["PUBACK 1"], "it goes on with what it was granted");
        s.send(ada, &go_on("ada"));
        assert_eq!(s.hear(ada), ["AUTH"]);
    }
    s.send(ada, &begin("first"));
    for _ in 0..100 {
        if s.is_open(ada) {
            s.send(ada, &go_on("first"));
        }
    }
    assert_eq!(s.hear(ada).last().map(String::as_str), Some("closed"));
}

/// [MQTT-4.12.0-7] [MQTT-4.12.1-1]
#[test]
fn whatever_is_out_of_turn_ends_the_connection() {
    let wrong: [(&str, Vec<u8>, &str); 3] = [
        ("another method", auth(ReasonCode::ReAuthenticate, "other", "ada"), "0x8c"),
        ("an answer that nobody asked for", go_on("ada"), "0x8c"),
        ("twice begun", [begin("first"), begin("first")].concat(), "0x8c"),
    ];
    for (what, bytes, reason) in wrong {
        let mut s = Shards::new(1);
        let (ada, _) = ada(&mut s);
        s.authority().says("first", Verdict::Continue);
        s.send(ada, &bytes);
        let said = s.hear(ada);
        assert_eq!(said[said.len() - 2..], [format!("DISCONNECT {reason}"), "closed".to_owned()], "{what}");
    }
    let mut s = Shards::new(1);
    let plain = s.connect("plain");
    s.send(plain, &begin("plain"));
    assert_eq!(s.hear(plain), ["DISCONNECT 0x82", "closed"], "its CONNECT named no method");
}

/// A question takes its answer with it, whenever the connection goes.
#[test]
fn who_goes_while_somebody_thinks_leaves_nothing_behind() {
    let mut s = Shards::with(1, &[("answers_open", "1")]);
    let (ada, _) = ada(&mut s);
    s.authority().says("ada", Verdict::Later);
    s.send(ada, &begin("ada"));
    s.cut(ada);
    let grant = s.grant("ada");
    s.answer(Answer::Allow(grant));
    s.authority().says("ada", Verdict::Allow);
    let again = s.greet(&Hello::new("ada").method(METHOD));
    assert_eq!(s.hear(again), ["CONNACK new 0x00"]);
    s.authority().says("ada", Verdict::Later);
    s.send(again, &begin("ada"));
    let bob = s.greet(&Hello::new("bob").method(METHOD));
    assert_eq!(s.hear(bob), ["CONNACK new 0x00"]);
    s.authority().says("bob", Verdict::Later);
    s.send(bob, &begin("bob"));
    assert_eq!(s.hear(bob), ["DISCONNECT 0x89", "closed"], "too much is asked at the same time");
    let grant = s.grant("ada");
    s.answer(Answer::Allow(grant));
    assert_eq!(s.hear(again), ["AUTH"]);
}

/// The answer that somebody still thinks about is of the old connection, and nothing to the new one.
#[test]
fn a_takeover_in_the_middle_ends_the_exchange_and_not_the_newcomer() {
    for thinks in [true, false] {
        let mut s = Shards::new(1);
        let (old, other) = ada(&mut s);
        s.authority().says("slowly", if thinks { Verdict::Later } else { Verdict::Continue });
        s.send(old, &begin("slowly"));
        let new = s.greet(&Hello::new("ada").method(METHOD));
        assert_eq!(s.hear(new), ["CONNACK new 0x00"]);
        let said = s.hear(old);
        assert_eq!(said[said.len() - 2..], ["DISCONNECT 0x8e", "closed"], "{said:?}");
        if thinks {
            s.answer(denied(ReasonCode::NotAuthorized));
        }
        s.wait(30);
        assert!(s.is_open(new) && s.hear(new).is_empty(), "nobody answers it what it has not asked");
        s.send(new, &begin("ada"));
        assert_eq!(s.hear(new), ["AUTH"], "it may begin one of its own");
        assert_eq!(s.hear(other), ["PUBLISH wills gone"]);
        assert_eq!(s.stats().questions, 0);
    }
}

/// Whoever has not proved who it is takes nothing over.
#[test]
fn who_is_not_through_with_its_first_exchange_takes_nobodys_session() {
    let mut s = Shards::new(1);
    let (owner, _) = ada(&mut s);
    s.authority().says("ada", Verdict::Continue);
    let newcomers = [(); 2].map(|()| s.greet(&Hello::new("ada").method(METHOD)));
    for newcomer in newcomers {
        assert_eq!(s.hear(newcomer), ["AUTH"]);
        assert!(s.is_open(owner));
    }
    s.send(newcomers[0], &go_on("ada"));
    s.authority().says("ada", Verdict::Deny(ReasonCode::NotAuthorized));
    s.send(newcomers[0], &go_on("ada"));
    assert_eq!(s.hear(newcomers[0]), ["AUTH", "CONNACK new 0x87", "closed"]);
    assert!(s.is_open(owner) && s.hear(owner).is_empty());
    s.authority().says("ada", Verdict::Allow);
    s.send(newcomers[1], &go_on("ada"));
    assert_eq!(s.hear(newcomers[1]), ["CONNACK new 0x00"]);
    assert_eq!(s.hear(owner), ["DISCONNECT 0x8e", "closed"]);
}
