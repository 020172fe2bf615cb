//! What can be told without a seed: the client's verbs and what it promises, one at a time.
use crate::cuts::config;
use crate::pair::{Cut, Pair};
use tidewire_core::client::{Acknowledge, Cause, Config, Misuse, OutboxFull, SessionLost, Stage, Timer};
use tidewire_core::message::Publication;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Duration;
use tidewire_core::topic::TopicName;
use tidewire_core::version::Version;

fn pair(change: impl Fn(&mut Config)) -> Pair {
    let mut config = config(Version::V5, true, SessionLost::SendAsNew);
    change(&mut config);
    Pair::new(config)
}

fn timer(pair: &Pair) -> Option<Timer> {
    pair.client.poll_timeout().map(|deadline| deadline.timer)
}

fn to_deadline(pair: &mut Pair) -> Duration {
    let at = pair.client.poll_timeout().expect("something is due").at;
    let wait = at.saturating_duration_since(pair.now);
    pair.wait(wait);
    wait
}

#[test]
fn a_goodbye_waits_for_what_is_open() {
    let mut pair = pair(|_| {});
    pair.settle();
    assert_eq!(pair.client.server().map(|s| s.version), Some(Version::V5));
    pair.publish(2);
    let deadline = pair.now.after_secs(10);
    pair.client.disconnect(pair.now, deadline, ReasonCode::Success).unwrap();
    pair.act();
    let late = Publication::new(TopicName::new("up/a").unwrap(), "late");
    assert_eq!(pair.client.publish(pair.now, late), Err(Misuse::Ended(Cause::Ended)));
    pair.settle();
    assert_eq!((pair.ended, pair.has_line()), (1, false));
    let stages = [Stage::Acknowledged(ReasonCode::Success), Stage::Released(ReasonCode::Success)];
    assert_eq!(pair.published[0].stages, stages);
    assert_eq!(pair.causes, [Cause::Ended]);
}

#[test]
fn a_goodbye_ends_at_its_deadline_and_every_ticket_with_it() {
    let mut pair = pair(|_| {});
    pair.settle();
    pair.cut(Cut::Reset);
    pair.publish(1);
    pair.subscribe("down/#");
    pair.client.disconnect(pair.now, pair.now.after_secs(10), ReasonCode::Success).unwrap();
    pair.act();
    pair.unreachable = true;
    while timer(&pair) != Some(Timer::Drain) {
        to_deadline(&mut pair);
        pair.open();
    }
    to_deadline(&mut pair);
    while pair.take() {}
    assert_eq!(pair.published[0].stages, [Stage::Ended(Cause::Ended)]);
    assert!(pair.requests.values().all(|done| *done));
    assert_eq!((pair.ended, timer(&pair)), (1, None));
}

#[test]
fn who_is_taken_over_stops() {
    for (fights, ended) in [(false, 1), (true, 0)] {
        let mut pair = pair(|config| config.fight_for_session = fights);
        pair.settle();
        pair.server_disconnects(ReasonCode::SessionTakenOver);
        while pair.up(usize::MAX) | pair.down(usize::MAX) | pair.take() {}
        assert_eq!(pair.causes, [Cause::Disconnected(ReasonCode::SessionTakenOver)]);
        assert_eq!(pair.ended, ended);
    }
}

#[test]
fn attempts_come_slower_and_slower_and_begin_anew_after_one_that_lasted() {
    let mut pair = pair(|_| {});
    pair.settle();
    pair.cut(Cut::Reset);
    pair.unreachable = true;
    let mut waits = vec![];
    for _ in 0..12 {
        assert_eq!(timer(&pair), Some(Timer::Reconnect));
        waits.push(to_deadline(&mut pair).as_millis());
        pair.open();
    }
    for (n, wait) in waits.iter().enumerate() {
        let most = (500_u128 << n).min(60_000);
        assert!((most / 2..=most).contains(wait), "{n}: {waits:?}");
    }
    // A server that accepts and closes at once is no reason to hurry.
    pair.unreachable = false;
    for _ in 0..3 {
        assert!(to_deadline(&mut pair) >= Duration::from_secs(30));
        pair.open();
        while pair.up(usize::MAX) | pair.down(usize::MAX) {}
        pair.cut(Cut::Reset);
    }
    to_deadline(&mut pair);
    pair.open();
    while pair.up(usize::MAX) | pair.down(usize::MAX) {}
    pair.wait(Duration::from_secs(11));
    pair.cut(Cut::Reset);
    assert!(to_deadline(&mut pair) <= Duration::from_millis(500));
}

#[test]
fn all_servers_are_tried_before_there_is_a_wait() {
    let mut pair = pair(|config| config.servers = 3);
    pair.unreachable = true;
    for _ in 0..3 {
        assert_eq!(timer(&pair), Some(Timer::Connect));
        pair.open();
    }
    assert_eq!(timer(&pair), Some(Timer::Reconnect));
}

/// [MQTT-3.1.2-20]
#[test]
fn the_keep_alive_is_kept_and_a_silent_server_is_left() {
    let mut pair = pair(|config| config.keep_alive_seconds = 10);
    pair.settle();
    for _ in 0..3 {
        assert_eq!(timer(&pair), Some(Timer::KeepAlive));
        assert_eq!(to_deadline(&mut pair).as_secs(), 10);
        assert_eq!(timer(&pair), Some(Timer::PingResponse));
        while pair.up(usize::MAX) | pair.down(usize::MAX) {}
    }
    to_deadline(&mut pair);
    assert_eq!(to_deadline(&mut pair).as_secs(), 5, "half of it");
    while pair.up(usize::MAX) | pair.down(usize::MAX) | pair.take() {}
    assert_eq!(pair.causes, [Cause::KeepAlive]);
}

#[test]
fn a_slow_application_does_not_break_the_keep_alive() {
    let mut pair = pair(|config| {
        config.keep_alive_seconds = 10;
        config.inbox_messages = 1;
    });
    pair.subscribe("down/#");
    pair.settle();
    for _ in 0..3 {
        pair.server_publishes(0);
    }
    for _ in 0..20 {
        while pair.up(usize::MAX) | pair.down(usize::MAX) {}
        pair.wait(Duration::from_secs(7));
    }
    assert!(pair.has_line() && pair.causes.is_empty());
    pair.settle();
    assert_eq!(pair.heard.len(), 3);
}

#[test]
fn what_the_application_never_took_is_never_acknowledged() {
    let mut pair = pair(|_| {});
    pair.subscribe("down/#");
    pair.settle();
    pair.server_publishes(1);
    pair.server_publishes(2);
    while pair.up(usize::MAX) | pair.down(usize::MAX) {}
    // The application ends here, with both messages in its inbox.
    assert_eq!(pair.broker.stats().ledger.in_flight, 2, "the broker still has them");
    pair.settle();
    assert_eq!(pair.broker.stats().ledger.in_flight, 0);
    assert_eq!(pair.heard, [(0, 1, false), (1, 2, false)]);
}

#[test]
fn the_outbox_has_bounds_and_says_what_it_drops() {
    let topic = || TopicName::new("up/a").unwrap();
    for policy in [OutboxFull::Reject, OutboxFull::DropOldest] {
        let mut pair = pair(|config| {
            config.outbox_messages = 3;
            config.outbox_full = policy;
        });
        (0..3).for_each(|_| pair.publish(1));
        let fourth = Publication::new(topic(), "3");
        let result = pair.client.publish(pair.now, fourth);
        match policy {
            OutboxFull::Reject => assert_eq!(result, Err(Misuse::OutboxFull)),
            _ => {
                assert!(result.is_ok());
                pair.client.check();
                let event = pair.client.poll_event();
                assert!(format!("{event:?}").contains("Failed(MadeRoom)"), "{event:?}");
            }
        }
    }
    let mut pair = pair(|config| config.outbox_bytes = 1000);
    let large = |n| Publication::new(topic(), vec![b'7'; n]);
    assert!(pair.client.publish(pair.now, large(900)).is_ok());
    assert_eq!(pair.client.publish(pair.now, large(200)), Err(Misuse::OutboxFull));
}

#[test]
fn a_message_that_is_too_old_is_not_sent() {
    let mut pair = pair(|_| {});
    let mut publication = Publication::new(TopicName::new("up/a").unwrap(), "0");
    publication.message_expiry_interval = Some(5);
    pair.client.publish(pair.now, publication).unwrap();
    pair.wait(Duration::from_secs(6));
    pair.open();
    while pair.up(usize::MAX) | pair.down(usize::MAX) {}
    let mut events = vec![];
    while let Some(event) = pair.client.poll_event() {
        events.push(format!("{event:?}"));
    }
    assert!(events.iter().any(|e| e.contains("Failed(Expired)")), "{events:?}");
    assert!(pair.arrived.is_empty());
}

/// [MQTT-3.2.2-5]
#[test]
fn a_lost_session_is_subscribed_to_again_once() {
    let mut pair = pair(|_| {});
    for n in 0..3 {
        pair.subscribe(&format!("down/{n}"));
    }
    pair.subscribe("down/#");
    pair.settle();
    pair.server_restarts();
    pair.settle();
    assert_eq!(pair.connects, [false, false]);
    assert_eq!(pair.broker.stats().subscriptions, 4 + 1, "the witness has one as well");
    pair.server_publishes(2);
    pair.settle();
    assert_eq!(pair.heard, [(0, 2, false)]);
}

/// A handler that publishes on everything it hears, with a window of one.
#[test]
fn publishing_from_every_event_never_locks() {
    for qos in 0..3 {
        let mut pair = pair(|config| {
            config.in_flight = 1;
            config.inbox_messages = 1;
        });
        pair.subscribe("down/#");
        pair.settle();
        (0..5).for_each(|_| pair.server_publishes(qos));
        let mut handled = 0;
        for round in 0..1000 {
            pair.open();
            pair.up(3);
            pair.down(5);
            if pair.take() && handled < 100 {
                handled += 1;
                pair.publish(qos);
            }
            if round % 50 == 49 {
                pair.cut(Cut::Reset);
                to_deadline(&mut pair);
            }
        }
        pair.settle();
        crate::judge::judge(&pair, SessionLost::SendAsNew, true).unwrap();
        assert!(handled >= 20, "{handled} events were handled");
    }
}

/// The program ends between any two steps. What the server takes for delivered, the application had.
#[test]
fn whenever_the_application_ends_nothing_is_acknowledged_that_it_never_had() {
    for acknowledge in [Acknowledge::WhenTaken, Acknowledge::ByToken] {
        for steps in 0..120 {
            let mut pair = pair(|config| config.acknowledge = acknowledge);
            pair.subscribe("down/#");
            pair.settle();
            (1..=2).for_each(|qos| pair.server_publishes(qos));
            let mut answered = 0;
            for step in 0..steps {
                match step % 4 {
                    0 => drop(pair.up(3)),
                    1 | 2 => drop(pair.down(5)),
                    _ if pair.tokens.is_empty() => drop(pair.take()),
                    _ => {
                        pair.acknowledge(0);
                        answered += 1;
                    }
                }
            }
            // It ends here: no call ever comes again.
            pair.cut(Cut::Fin);
            let had = match acknowledge {
                Acknowledge::ByToken => answered,
                _ => pair.heard.len(),
            };
            let ledger = pair.broker.stats().ledger;
            let kept = usize::try_from(ledger.queued + ledger.in_flight).unwrap();
            assert!(kept + had >= 2, "after {steps} steps {had} were had, and {kept} are kept");
        }
    }
}
