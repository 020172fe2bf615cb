//! Local subscribers: sessions without a socket.
use crate::support::{Hello, Kind, Shards, delivery, publish_with};
use tidewire_core::broker::Event;
use tidewire_core::broker::ledger::Reason;
use tidewire_core::id::LocalId;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::{TopicFilter, TopicName};
use tidewire_core::version::Version;

fn open(s: &mut Shards, shard: usize, name: &str) -> LocalId {
    let grant = s.grant(name);
    s.brokers[shard].open_local(s.now, name, grant)
}

fn subscribe(s: &mut Shards, shard: usize, id: LocalId, filter: &str, qos: QoS) -> ReasonCode {
    let ticket = s.brokers[shard].subscribe(s.now, id, &TopicFilter::new(filter).expect("a filter"), qos);
    s.settle();
    let told = s.events.iter().find_map(|e| match e {
        Event::Subscribed { ticket: t, reason, .. } if *t == ticket => Some(*reason),
        _ => None,
    });
    told.expect("told when it is active everywhere")
}

fn say(s: &mut Shards, shard: usize, id: LocalId, topic: &str, qos: QoS) -> Result<ReasonCode, ReasonCode> {
    let publication = Publication::new(TopicName::new(topic).expect("a name"), "said").qos(qos);
    let ticket = s.brokers[shard].publish(s.now, id, &publication)?;
    s.settle();
    let told = s.events.iter().find_map(|e| match e {
        Event::Acknowledged { ticket: t, reason, .. } if *t == ticket => Some(*reason),
        _ => None,
    });
    Ok(told.expect("told what became of it"))
}

// action: Local, Mail
// verb: open_local, subscribe, unsubscribe, publish, poll_local, acknowledge, close_local, poll_mail, handle_mail
#[test]
fn a_local_subscriber_lives_like_a_client() {
    for (shards, home) in [(1, 0), (3, 2)] {
        let mut s = Shards::new(shards);
        let rule = open(&mut s, home, "rule");
        assert_eq!(open(&mut s, home, "rule"), rule, "opened again, it is the same one");
        assert_eq!(subscribe(&mut s, home, rule, "in/#", QoS::ExactlyOnce), ReasonCode::Success);
        let c = s.subscriber("c", "out", 1);
        for (id, qos) in [(0, 0), (1, 1), (2, 2)] {
            s.publish(c, "in/x", b"hi", qos, id);
        }
        assert_eq!(s.hear(c), ["PUBACK 1", "PUBREC 2"]);
        assert!(s.locals.contains(&rule));
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let received = s.brokers[home].poll_local(s.now, rule).expect("one after the other");
            assert_eq!((received.qos, received.message.payload.to_vec()), (qos, b"hi".to_vec()));
            assert_eq!(received.token.is_some(), qos > QoS::AtMostOnce);
            if let Some(token) = received.token {
                s.brokers[home].acknowledge(s.now, rule, token, ReasonCode::Success);
            }
            s.check();
        }
        assert!(s.brokers[home].poll_local(s.now, rule).is_none());
        assert_eq!(say(&mut s, home, rule, "out", QoS::AtLeastOnce), Ok(ReasonCode::Success));
        assert_eq!(say(&mut s, home, rule, "nobody", QoS::AtMostOnce), Ok(ReasonCode::NoMatchingSubscribers));
        assert_eq!(s.hear(c), ["PUBLISH out said q1 #1"]);
        let filter = TopicFilter::new("in/#").unwrap();
        for expected in [ReasonCode::Success, ReasonCode::NoSubscriptionExisted] {
            s.brokers[home].unsubscribe(s.now, rule, &filter);
            s.settle();
            let last = s.events.iter().rev().find(|e| matches!(e, Event::Unsubscribed { .. }));
            assert!(matches!(last, Some(Event::Unsubscribed { reason, .. }) if *reason == expected));
        }
        s.brokers[home].close_local(s.now, rule);
        s.settle();
        s.cut(c);
        assert_eq!((s.stats().sessions, s.stats().subscriptions, s.stats().messages), (0, 0, 0));
    }
}

#[test]
fn what_a_local_subscriber_refuses_is_dropped_as_refused() {
    let mut s = Shards::new(1);
    let rule = open(&mut s, 0, "rule");
    subscribe(&mut s, 0, rule, "t", QoS::AtLeastOnce);
    let c = s.connect("c");
    s.publish(c, "t", b"bad", 1, 1);
    let token = s.brokers[0].poll_local(s.now, rule).unwrap().token.unwrap();
    s.brokers[0].acknowledge(s.now, rule, token, ReasonCode::UnspecifiedError);
    s.check();
    assert_eq!((s.dropped(Reason::Refused), s.stats().messages), (1, 0));
}

#[test]
fn a_local_subscriber_that_does_not_acknowledge_gets_so_many_and_no_more() {
    let mut s = Shards::with(1, &[("in_flight", "2"), ("queued_messages", "3")]);
    let rule = open(&mut s, 0, "rule");
    subscribe(&mut s, 0, rule, "t", QoS::AtLeastOnce);
    let c = s.connect("c");
    (1..=3).for_each(|id| s.publish(c, "t", b"x", 1, id));
    let first = s.brokers[0].poll_local(s.now, rule).unwrap();
    assert!(s.brokers[0].poll_local(s.now, rule).is_some());
    assert!(s.brokers[0].poll_local(s.now, rule).is_none());
    (4..=7).for_each(|id| s.publish(c, "t", b"x", 1, id));
    assert_eq!(s.hear(c).iter().filter(|l| l.ends_with("0x97")).count(), 2, "its queue has a limit as well");
    assert!(s.brokers[0].poll_local(s.now, rule).is_none());
    s.locals.clear();
    s.brokers[0].acknowledge(s.now, rule, first.token.unwrap(), ReasonCode::Success);
    s.settle();
    assert_eq!(s.locals, [rule], "there is room for the next");
    assert!(s.brokers[0].poll_local(s.now, rule).is_some());
}

#[test]
fn a_new_local_subscription_is_answered_with_retained_messages() {
    let mut s = Shards::with(1, &[("in_flight", "10"), ("queued_messages", "10")]);
    let c = s.connect("c");
    for n in 0..100 {
        s.send(c, &publish_with(Version::V5, &format!("t/{n}"), b"old", delivery(1, 1, false), true, None));
    }
    let rule = open(&mut s, 0, "rule");
    subscribe(&mut s, 0, rule, "t/#", QoS::AtLeastOnce);
    let mut seen = 0;
    while let Some(received) = s.brokers[0].poll_local(s.now, rule) {
        assert!(received.message.retain);
        s.brokers[0].acknowledge(s.now, rule, received.token.unwrap(), ReasonCode::Success);
        s.check();
        seen += 1;
    }
    assert_eq!(seen, 100);
}

#[test]
fn rights_bind_a_local_subscriber_too() {
    let mut s = Shards::new(1);
    s.authority().deny("rule", Kind::Subscribe, "secret");
    s.authority().deny("rule", Kind::Publish, "out");
    s.authority().deny("rule", Kind::Receive, "t/hidden");
    let rule = open(&mut s, 0, "rule");
    assert_eq!(subscribe(&mut s, 0, rule, "secret", QoS::AtMostOnce), ReasonCode::NotAuthorized);
    assert_eq!(say(&mut s, 0, rule, "out", QoS::AtMostOnce), Err(ReasonCode::NotAuthorized));
    assert_eq!(say(&mut s, 0, rule, "$SYS/x", QoS::AtMostOnce), Err(ReasonCode::NotAuthorized));
    subscribe(&mut s, 0, rule, "t/#", QoS::AtMostOnce);
    let c = s.connect("c");
    s.publish(c, "t/hidden", b"x", 0, 0);
    s.publish(c, "t/open", b"x", 0, 0);
    assert_eq!(s.brokers[0].poll_local(s.now, rule).unwrap().message.topic.as_str(), "t/open");
    assert!(s.brokers[0].poll_local(s.now, rule).is_none());
}

#[test]
fn no_client_can_take_a_local_subscribers_name_and_no_late_call_hits_another() {
    let mut s = Shards::new(1);
    let rule = open(&mut s, 0, "rule");
    subscribe(&mut s, 0, rule, "t", QoS::AtLeastOnce);
    let namesake = s.connect("rule");
    assert_eq!(s.stats().sessions, 2);
    let evil = s.dial();
    // The codec does not write such a name.
    let mut hello = Hello::new("#rule").bytes();
    hello.iter_mut().filter(|byte| **byte == b'#').for_each(|byte| *byte = 0);
    s.send(evil, &hello);
    assert!(!s.is_open(evil));
    s.publish(namesake, "t", b"x", 1, 1);
    let token = s.brokers[0].poll_local(s.now, rule).unwrap().token.unwrap();
    s.brokers[0].close_local(s.now, rule);
    let other = open(&mut s, 0, "other");
    subscribe(&mut s, 0, other, "t", QoS::AtLeastOnce);
    s.publish(namesake, "t", b"y", 1, 2);
    // The one that was closed is nobody, whoever has its place now.
    assert!(s.brokers[0].poll_local(s.now, rule).is_none());
    s.brokers[0].acknowledge(s.now, rule, token, ReasonCode::Success);
    s.brokers[0].close_local(s.now, rule);
    assert_eq!(say(&mut s, 0, rule, "t", QoS::AtMostOnce), Err(ReasonCode::UnspecifiedError));
    let received = s.brokers[0].poll_local(s.now, other).expect("it is for the other one");
    assert_eq!(received.message.payload.to_vec(), b"y");
    s.check();
}
