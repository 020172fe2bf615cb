//! Another connection, because the application wants it.
use super::*;
use crate::cuts::config;
use crate::pair::Pair;
use tidewire_core::client::{SessionLost, Timer, Will};

const VERSIONS: [Version; 2] = [Version::V3_1_1, V5];

impl Scripted {
    fn reconnects(&mut self) {
        self.client.reconnect(self.now);
        self.act();
    }

    fn causes(&mut self) -> Vec<Cause> {
        let of = |event| if let Event::Disconnected(cause) = event { Some(cause) } else { None };
        std::iter::from_fn(|| self.event()).filter_map(of).collect()
    }
}

#[test]
fn a_connection_is_given_up_with_a_goodbye_and_the_next_one_is_made_at_once() {
    for version in VERSIONS {
        let mut s = Scripted::lasting(version, |_| {});
        s.publish(1).unwrap();
        assert_eq!(s.sent()[0], 0x32);
        s.reconnects();
        assert!(s.closed);
        assert_eq!(s.sent(), [0xe0, 0], "the session goes on, and no will is published");
        s.comes_again(version, true);
        assert_eq!((s.opened, s.causes()), (2, vec![Cause::Reconnect]));
        assert_eq!(s.sent()[0], 0x3a, "what is open goes on");
    }
}

#[test]
fn wherever_it_stands_an_attempt_begins_now() {
    // The connection is not there yet.
    let mut s = Scripted::new(|config| config.version = Some(V5));
    s.reconnects();
    assert!(s.aborted);
    s.closes();
    assert_eq!((s.opened, s.causes()), (2, vec![Cause::Reconnect]));
    // CONNECT is not answered. (Section 3.1.4)
    s.open();
    s.reconnects();
    assert!(s.closed && s.sent() == [0xe0, 0]);
    s.closes();
    assert_eq!((s.opened, s.causes()), (3, vec![Cause::Reconnect]));
    // It waits for the next attempt.
    s.closes();
    assert_eq!(s.client.poll_timeout().map(|due| due.timer), Some(Timer::Reconnect));
    s.reconnects();
    assert_eq!(s.opened, 4);
    // The server has broken a rule.
    s.is_let_in(V5, false);
    s.says_bytes(&[0x20, 3, 0, 0, 0]);
    assert!(s.closed);
    s.reconnects();
    s.closes();
    assert_eq!(s.opened, 5);
    assert_eq!(s.causes().last(), Some(&Cause::Violation(ReasonCode::ProtocolError)));
}

#[test]
fn whoever_has_gone_or_is_about_to_stays_so() {
    let mut s = Scripted::lasting(V5, |_| {});
    s.publish(1).unwrap();
    s.client.disconnect(s.now, s.now.after_secs(100), ReasonCode::Success).unwrap();
    s.reconnects();
    assert!(!s.closed, "it waits for its message");
    s.sent();
    s.says_bytes(&ack(AckKind::Puback, 1, ReasonCode::Success));
    s.reconnects();
    s.closes();
    s.reconnects();
    assert_eq!((s.opened, s.client.is_ended()), (1, true));
}

#[test]
fn it_stays_with_its_server() {
    let mut s = Scripted::lasting(V5, |config| config.servers = 3);
    s.client.reconnect(s.now);
    s.client.handle_close(s.now, Cause::Closed);
    let opened = std::iter::from_fn(|| s.client.poll_action()).find(|a| matches!(a, Action::Open(_)));
    assert_eq!(opened, Some(Action::Open(0)));
}

#[test]
fn the_session_goes_on_and_no_will_is_published() {
    for version in VERSIONS {
        let mut config = config(version, true, SessionLost::Fail);
        let publication = Publication::new(TopicName::new("up/will").unwrap(), "7");
        config.will = Some(Will { publication, delay_seconds: 0 });
        let mut pair = Pair::new(config);
        pair.settle();
        pair.publish(2);
        pair.reconnects();
        pair.settle();
        assert_eq!((pair.connects.as_slice(), pair.arrived.as_slice()), (&[false, true][..], &[0][..]));
        assert_eq!(pair.causes, [Cause::Reconnect]);
    }
}
