//! The end of everything: what every ticket hears, what is refused after it, and whom a goodbye waits for.
use super::*;
use tidewire_core::client::Timer;
use tidewire_core::id::Ticket;
use tidewire_core::time::Duration;

const HOUR: u64 = 3600;

impl Scripted {
    /// One of everything that has a ticket.
    fn ask_for_everything(&mut self) -> Vec<Ticket> {
        let filter = TopicFilter::new("t").unwrap();
        let mut tickets = vec![];
        for bits in 0..3 {
            let publication = Publication::new(TopicName::new("t").unwrap(), "x").qos(crate::pair::qos(bits));
            tickets.push(self.client.publish(self.now, publication).unwrap());
        }
        tickets.push(
            self.client.subscribe(&[Subscription::new(filter.clone(), QoS::AtLeastOnce)], None).unwrap(),
        );
        tickets.push(self.client.unsubscribe(&[filter]).unwrap());
        self.act();
        tickets
    }

    /// Nobody answers: time passes until the connection is dropped.
    fn wait_for_nothing(&mut self) -> Duration {
        let since = self.now;
        while !self.aborted && !self.client.is_ended() {
            let at = self.client.poll_timeout().expect("something is due").at;
            self.now = self.now.max(at);
            self.client.handle_timeout(self.now);
            self.act();
            self.sent();
        }
        if self.aborted {
            self.closes();
        }
        self.now.saturating_duration_since(since)
    }

    /// A MB that the transport has and that has not left.
    fn says_goodbye_behind_a_large_message(&mut self) -> Output {
        let large = Publication::new(TopicName::new("t").unwrap(), vec![7; 1_000_000]);
        self.client.publish(self.now, large).unwrap();
        self.client.disconnect(self.now, self.now.after_secs(HOUR), ReasonCode::Success).unwrap();
        let mut out = Output::default();
        while out.unsent() < 1_000_000 {
            assert!(self.client.poll_transmit(self.now, 65_536, &mut out));
            self.act();
        }
        out
    }

    fn says_goodbye(&mut self) {
        self.client.disconnect(self.now, self.now.after_secs(HOUR), ReasonCode::Success).unwrap();
        self.act();
        self.sent();
    }
}

/// A way to an end, with the tickets that are open before it.
type Way = fn() -> (Scripted, Vec<Ticket>);

/// Each way in which attempts to connect end, and the cause that everybody hears.
fn ends_of_attempts() -> Vec<(&'static str, Cause, Way)> {
    fn once(version: Version) -> Scripted {
        Scripted::new(|config| (config.version, config.reconnect) = (Some(version), false))
    }
    vec![
        ("a wrong password", Cause::Refused(ReasonCode::NotAuthorized), || {
            let mut s = Scripted::new(|config| config.version = Some(V5));
            let tickets = s.ask_for_everything();
            s.open();
            s.says_bytes(&[0x20, 3, 0, 0x87, 0]);
            s.wait_for_nothing();
            (s, tickets)
        }),
        ("the same in 3.1.1", Cause::Refused(ReasonCode::NotAuthorized), || {
            let mut s = once(Version::V3_1_1);
            let tickets = s.ask_for_everything();
            s.open();
            s.says_bytes(&[0x20, 2, 0, 5]);
            s.wait_for_nothing();
            (s, tickets)
        }),
        ("nobody there", Cause::Unreachable, || {
            let mut s = once(V5);
            let tickets = s.ask_for_everything();
            s.client.handle_close(s.now, Cause::Unreachable);
            s.act();
            (s, tickets)
        }),
        ("a connection that is never made", Cause::ConnectTimeout, || {
            let mut s = once(V5);
            let tickets = s.ask_for_everything();
            assert_eq!(s.wait_for_nothing().as_secs(), 30, "connect_seconds, and no more");
            (s, tickets)
        }),
        ("no CONNACK", Cause::ConnectTimeout, || {
            let mut s = once(V5);
            let tickets = s.ask_for_everything();
            s.open();
            assert_eq!(s.wait_for_nothing().as_secs(), 30, "connect_seconds, and no more");
            (s, tickets)
        }),
    ]
}

/// The same of connections.
fn ends_of_connections() -> Vec<(&'static str, Cause, Way)> {
    fn up() -> Scripted {
        Scripted::up(V5, &PropertiesBuf::new(), |config| config.reconnect = false)
    }
    vec![
        ("a server that falls silent", Cause::KeepAlive, || {
            let mut s = up();
            let tickets = s.ask_for_everything();
            assert_eq!(
                s.wait_for_nothing().as_secs(),
                60 + 30,
                "a Keep Alive, and half of it for the answer"
            );
            (s, tickets)
        }),
        ("a connection that is closed", Cause::Closed, || {
            let mut s = up();
            let tickets = s.ask_for_everything();
            s.closes();
            (s, tickets)
        }),
        ("another client with this name", Cause::Disconnected(ReasonCode::SessionTakenOver), || {
            let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
            let tickets = s.ask_for_everything();
            s.says_bytes(&[0xe0, 1, 0x8e]);
            s.closes();
            (s, tickets)
        }),
        ("a goodbye", Cause::Ended, || {
            let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
            let tickets = s.ask_for_everything();
            s.says_goodbye();
            assert!(!s.closed, "it waits for what can still be answered");
            s.now = s.now.after_secs(HOUR);
            s.client.handle_timeout(s.now);
            s.act();
            s.wait_for_nothing();
            (s, tickets)
        }),
    ]
}

#[test]
fn at_the_end_every_ticket_ends_with_the_cause_and_then_nothing_is_accepted() {
    for (what, cause, end) in ends_of_attempts().into_iter().chain(ends_of_connections()) {
        let (mut s, tickets) = end();
        let mut ended = vec![];
        let mut last = None;
        while let Some(event) = s.event() {
            match &event {
                Event::Progress(ticket, Stage::Ended(why)) => {
                    assert_eq!(*why, cause, "{what}");
                    ended.push(*ticket);
                }
                Event::Progress(ticket, Stage::Sent) => ended.push(*ticket),
                _ => {}
            }
            last = Some(event);
        }
        ended.sort_unstable();
        assert_eq!(ended, tickets, "{what}");
        assert_eq!(last, Some(Event::Ended(cause)), "{what}");
        assert_eq!(s.publish(1), Err(Misuse::Ended(cause)), "{what}");
        let filter = TopicFilter::new("t").unwrap();
        assert_eq!(s.client.unsubscribe(&[filter]), Err(Misuse::Ended(cause)), "{what}");
        assert_eq!(s.client.poll_timeout(), None, "{what}");
        s.client.connect(s.now);
        assert_eq!(s.publish(1), Ok(()), "{what}: it begins anew");
    }
}

/// Where a goodbye finds a client, in words as well.
type Place = (&'static str, fn() -> Scripted);

/// Where nobody has answered it, and a subscription waits.
fn unanswered() -> Vec<Place> {
    fn asked(mut s: Scripted) -> Scripted {
        s.client
            .subscribe(&[Subscription::new(TopicFilter::new("t").unwrap(), QoS::AtLeastOnce)], None)
            .unwrap();
        s.act();
        s
    }
    vec![
        ("SYN is not answered", || asked(Scripted::new(|_| {}))),
        ("CONNECT is not answered", || {
            let mut s = asked(Scripted::new(|_| {}));
            s.open();
            s
        }),
        ("the second version is not answered", || {
            let mut s = asked(Scripted::new(|_| {}));
            s.open();
            s.closes();
            s.open();
            s
        }),
        ("it waits for the next attempt", || {
            let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
            s.closes();
            asked(s)
        }),
        ("its next attempt is not answered", || {
            let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
            s.closes();
            s.now = s.client.poll_timeout().unwrap().at;
            s.client.handle_timeout(s.now);
            s.act();
            asked(s)
        }),
        ("it closes because the server broke a rule", || {
            let mut s = asked(Scripted::up(V5, &PropertiesBuf::new(), |_| {}));
            s.sent();
            s.says_bytes(&[0x20, 3, 0, 0, 0]);
            s
        }),
    ]
}

#[test]
fn a_goodbye_does_not_wait_for_somebody_who_never_answered() {
    for (what, begin) in unanswered() {
        let mut s = begin();
        s.says_goodbye();
        let waited = s.wait_for_nothing();
        let most = if what.contains("rule") { Duration::from_millis(100) } else { Duration::ZERO };
        assert_eq!(waited, most, "{what}");
        let last = std::iter::from_fn(|| s.event()).last();
        assert_eq!(last, Some(Event::Ended(Cause::Ended)), "{what}");
    }
}

#[test]
fn a_goodbye_waits_for_a_message_that_can_still_be_delivered() {
    for (what, begin) in unanswered() {
        let mut s = begin();
        s.publish(1).unwrap();
        s.says_goodbye();
        let at = s.client.poll_timeout().unwrap().at;
        assert!(at > s.now && !s.client.is_ended(), "{what}");
    }
    // Who does not want another connection has none to wait for.
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |config| config.reconnect = false);
    s.publish(1).unwrap();
    s.says_goodbye();
    s.closes();
    assert!(s.client.is_ended());
}

/// QoS 0 has ended when the transport has it, and that may need its time.
#[test]
fn what_was_accepted_leaves_before_the_connection_is_dropped() {
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
    let mut out = s.says_goodbye_behind_a_large_message();
    for _ in 0..10 {
        s.now = s.now.after_secs(60);
        s.client.handle_timeout(s.now);
        s.act();
        assert!(!s.aborted, "{} bytes are lost", out.unsent());
        out.advance(100_000);
    }
    out.advance(out.unsent());
    while s.client.poll_transmit(s.now, 65_536, &mut out) {
        out.advance(out.unsent());
    }
    assert!(s.wait_for_nothing() <= Duration::from_millis(100), "then it is the server's turn");
}

/// The last of it does not leave, and the first goodbye wanted to wait for that.
#[test]
fn a_second_goodbye_that_is_in_a_hurry_drops_what_does_not_leave() {
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
    let mut out = s.says_goodbye_behind_a_large_message();
    out.advance(out.unsent() - 1000);
    assert!(s.client.poll_transmit(s.now, 65_536, &mut out), "its goodbye");
    s.act();
    assert_eq!(s.client.poll_timeout().map(|due| due.at), Some(s.now.after_secs(HOUR)));
    s.client.disconnect(s.now, s.now.after_secs(1), ReasonCode::Success).unwrap();
    assert_eq!(s.client.poll_timeout().map(|due| due.at), Some(s.now.after_secs(1)));
}

#[test]
fn who_has_ended_does_not_end_again() {
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
    s.says_goodbye();
    s.closes();
    s.says_goodbye();
    let events: Vec<_> = std::iter::from_fn(|| s.event()).collect();
    assert_eq!(events, [Event::Disconnected(Cause::Ended), Event::Ended(Cause::Ended)]);
}

#[test]
fn a_server_has_twice_the_time_of_its_first_answer_to_close() {
    for (answer, most) in [(0, 100), (40, 100), (300, 600), (20_000, 2000)] {
        let mut s = Scripted::new(|config| config.version = Some(V5));
        s.open();
        s.now = s.now.after(Duration::from_millis(answer));
        s.says(V5, &connack(ReasonCode::Success, &PropertiesBuf::new()));
        s.says_goodbye();
        assert_eq!(s.client.poll_timeout().map(|due| due.timer), Some(Timer::Linger));
        assert_eq!(s.wait_for_nothing(), Duration::from_millis(most), "its answer took {answer} ms");
    }
}

#[test]
fn whoever_comes_back_during_a_goodbye_is_connected_again() {
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
    s.says_goodbye();
    s.client.connect(s.now);
    s.closes();
    let events: Vec<_> = std::iter::from_fn(|| s.event()).collect();
    assert_eq!(events, [Event::Disconnected(Cause::Ended), Event::Ended(Cause::Ended)]);
    assert_eq!((s.opened, s.client.is_ended()), (2, false));
    assert_eq!(s.publish(1), Ok(()));
    // And the last word counts.
    s.open();
    s.says(V5, &connack(ReasonCode::Success, &PropertiesBuf::new()));
    s.sent();
    s.says_bytes(&ack(AckKind::Puback, 1, ReasonCode::Success));
    s.says_goodbye();
    s.client.connect(s.now);
    s.says_goodbye();
    s.closes();
    assert_eq!((s.opened, s.client.is_ended()), (2, true));
}
