//! The tickets of local subscribers: each has one end, which says what became of it.
use crate::support::{Kind, Shards};
use tidewire_core::broker::Event;
use tidewire_core::id::{LocalId, Ticket};
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::{TopicFilter, TopicName};

fn open(s: &mut Shards, shard: usize) -> LocalId {
    let grant = s.grant("rule");
    s.brokers[shard].open_local(s.now, "rule", grant)
}

fn say(s: &mut Shards, shard: usize, id: LocalId, topic: &str, qos: QoS, retain: bool) -> Ticket {
    let topic = TopicName::new(topic).expect("a name");
    let publication = Publication::new(topic, "said").qos(qos).retain(retain);
    let ticket = s.brokers[shard].publish(s.now, id, &publication).expect("it may");
    s.settle();
    ticket
}

/// What was told of a ticket, and how many events came behind it.
fn told(s: &Shards, ticket: Ticket) -> Option<(ReasonCode, usize)> {
    s.events.iter().rev().enumerate().find_map(|(behind, event)| match event {
        Event::Acknowledged { ticket: of, reason, .. }
        | Event::Subscribed { ticket: of, reason, .. }
        | Event::Unsubscribed { ticket: of, reason, .. }
            if *of == ticket =>
        {
            Some((*reason, behind))
        }
        _ => None,
    })
}

fn is_drained(s: &Shards) -> bool {
    s.events.iter().any(|event| matches!(event, Event::Drained))
}

/// With two shards of three something is wanted on the last one.
fn with_a_reader_elsewhere() -> (Shards, LocalId) {
    let mut s = Shards::new(3);
    let far = open(&mut s, 2);
    s.brokers[2].subscribe(s.now, far, &TopicFilter::new("t").expect("a filter"), QoS::AtLeastOnce);
    s.settle();
    s.events.clear();
    let rule = open(&mut s, 0);
    (s, rule)
}

#[test]
fn a_message_with_qos_0_that_somebody_elsewhere_gets_has_found_somebody() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let (mut s, rule) = with_a_reader_elsewhere();
        let ticket = say(&mut s, 0, rule, "t", qos, false);
        assert_eq!(s.stats().ledger.matched, 1, "it is there");
        assert_eq!(told(&s, ticket).map(|(reason, _)| reason), Some(ReasonCode::Success), "{qos:?}");
    }
}

/// Another shard says nothing any more, and the deadline passes.
#[test]
fn a_shutdown_that_waits_for_another_shard_in_vain_ends_every_ticket() {
    for retain in [false, true] {
        let (mut s, rule) = with_a_reader_elsewhere();
        s.hold_mail();
        let mut tickets = vec![say(&mut s, 0, rule, "t", QoS::AtLeastOnce, false)];
        // One that has to wait for the first one, where another shard orders its topic, and what comes behind it.
        tickets.push(say(&mut s, 0, rule, "t", QoS::AtLeastOnce, retain));
        tickets.push(s.brokers[0].subscribe(
            s.now,
            rule,
            &TopicFilter::new("u").expect("a filter"),
            QoS::AtLeastOnce,
        ));
        let (now, deadline) = (s.now, s.now.after_secs(5));
        s.brokers[0].shutdown(now, deadline);
        s.settle();
        s.wait(10);
        assert!(is_drained(&s));
        let open: Vec<_> = tickets.iter().filter(|ticket| told(&s, **ticket).is_none()).collect();
        assert!(open.is_empty(), "of {tickets:?} nobody hears of {open:?}");
    }
}

/// The end of a shutdown comes last.
#[test]
fn no_ticket_ends_after_the_end_of_a_shutdown() {
    let (mut s, rule) = with_a_reader_elsewhere();
    s.hold_mail();
    let ticket = say(&mut s, 0, rule, "t", QoS::AtLeastOnce, false);
    let (now, deadline) = (s.now, s.now.after_secs(5));
    s.brokers[0].shutdown(now, deadline);
    s.settle();
    s.let_mail_go();
    s.wait(10);
    let (reason, behind) = told(&s, ticket).expect("it has an end");
    let drained =
        s.events.iter().rev().position(|event| matches!(event, Event::Drained)).expect("it is over");
    assert!(behind > drained, "{reason:?} is told after the end: {:?}", s.events);
}

#[test]
fn a_shutdown_ends_once() {
    let mut s = Shards::new(1);
    for _ in 0..2 {
        let (now, deadline) = (s.now, s.now.after_secs(5));
        s.brokers[0].shutdown(now, deadline);
        s.settle();
    }
    s.wait(10);
    let drained = s.events.iter().filter(|event| matches!(event, Event::Drained)).count();
    assert_eq!(drained, 1);
}

/// It never acknowledges one message, and all others at once: Packet Identifiers come round.
#[test]
fn one_message_that_is_never_acknowledged_is_not_taken_for_another() {
    let mut s = Shards::new(1);
    s.checking = false;
    let rule = open(&mut s, 0);
    s.brokers[0].subscribe(s.now, rule, &TopicFilter::new("t").expect("a filter"), QoS::AtLeastOnce);
    let mut kept = None;
    for n in 0..66_000 {
        say(&mut s, 0, rule, "t", QoS::AtLeastOnce, false);
        s.events.clear();
        let Some(received) = s.brokers[0].poll_local(s.now, rule) else { break };
        let token = received.token.expect("it is to be acknowledged");
        if n == 0 {
            kept = Some(token);
        } else {
            s.brokers[0].acknowledge(s.now, rule, token, ReasonCode::Success);
            assert!(s.stats().ledger.in_flight >= 1, "after {n}, the one that was not acknowledged is gone");
        }
    }
    s.check_now();
    s.brokers[0].acknowledge(s.now, rule, kept.expect("there was one"), ReasonCode::Success);
    assert_eq!(s.stats().ledger.in_flight, 0);
}

/// What it may do from there on is what it is opened with.
#[test]
fn a_local_subscriber_that_is_opened_again_has_the_grant_that_it_is_opened_with() {
    let mut s = Shards::new(1);
    let rule = open(&mut s, 0);
    s.authority().deny("rule", Kind::Publish, "t");
    assert_eq!(open(&mut s, 0), rule, "it is the same one");
    let publication = Publication::new(TopicName::new("t").expect("a name"), "said");
    assert_eq!(s.brokers[0].publish(s.now, rule, &publication), Err(ReasonCode::NotAuthorized));
}
