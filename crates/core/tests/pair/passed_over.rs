//! Messages of which the application says neither that it has them nor that it refuses them.
use super::*;
use tidewire_core::client::Timer;
use tidewire_core::id::Token;
use tidewire_core::time::Duration;

const VERSIONS: [Version; 2] = [Version::V3_1_1, V5];

impl Scripted {
    fn by_token(version: Version, receive_maximum: u16) -> Self {
        Self::lasting(version, |config| {
            config.acknowledge = Acknowledge::ByToken;
            config.receive_maximum = receive_maximum;
        })
    }

    /// Messages of these QoS, numbered from 1; their tokens.
    fn is_sent(&mut self, version: Version, qos: &[u8]) -> Vec<Token> {
        let none = PropertiesBuf::new();
        for (qos, n) in qos.iter().zip(1..) {
            self.says(version, &publish(*qos, n, b"x", &none));
        }
        let tokens: Vec<_> = std::iter::from_fn(|| self.message()).filter_map(|m| m.token).collect();
        assert_eq!(tokens.len(), qos.len(), "each is delivered");
        tokens
    }

    fn passes_over(&mut self, token: Token) {
        self.client.pass_over(self.now, token);
        self.act();
    }

    fn acknowledges(&mut self, token: Token) {
        self.client.acknowledge(token, ReasonCode::Success);
        self.act();
    }
}

/// [MQTT-4.6.0-2] [MQTT-4.6.0-3]
#[test]
fn those_behind_it_are_acknowledged_in_their_order() {
    for version in VERSIONS {
        for qos in 1..3 {
            let mut s = Scripted::by_token(version, 10);
            let [first, second, third, fourth] = s.is_sent(version, &[1, qos, 2, 1]).try_into().unwrap();
            s.acknowledges(fourth);
            s.passes_over(second);
            assert_eq!(s.sent(), [], "the first has no answer");
            s.acknowledges(first);
            assert_eq!(s.sent(), ack(AckKind::Puback, 1, ReasonCode::Success));
            s.acknowledges(third);
            let rest = [(AckKind::Pubrec, 3), (AckKind::Puback, 4)];
            let rest = rest.map(|(kind, n)| ack(kind, n, ReasonCode::Success));
            assert_eq!(s.sent(), rest.concat());
            assert_eq!((s.client.stats().passed_over, s.client.stats().taken), (1, 4));
        }
    }
}

#[test]
fn it_comes_again_on_the_next_connection_with_another_token() {
    for version in VERSIONS {
        for (qos, kind) in [(1, AckKind::Puback), (2, AckKind::Pubrec)] {
            let mut s = Scripted::by_token(version, 10);
            let [token] = s.is_sent(version, &[qos]).try_into().unwrap();
            s.passes_over(token);
            s.comes_again(version, true);
            let [token] = s.is_sent(version, &[qos]).try_into().unwrap();
            s.acknowledges(token);
            assert_eq!(s.sent(), ack(kind, 1, ReasonCode::Success));
            assert!(!s.closed);
        }
    }
}

/// It was delivered on an earlier connection, and has come on this one, or not yet.
#[test]
fn a_message_of_qos_2_is_passed_over_after_a_break_as_well() {
    let none = PropertiesBuf::new();
    for version in VERSIONS {
        for came in [false, true] {
            let mut s = Scripted::by_token(version, 10);
            let [token] = s.is_sent(version, &[2]).try_into().unwrap();
            s.comes_again(version, true);
            if came {
                s.says(version, &publish(2, 1, b"x", &none));
                assert_eq!(s.message(), None, "it is had");
            }
            s.passes_over(token);
            assert_eq!((s.sent(), s.client.stats().passed_over), (vec![], 1));
            if came {
                s.comes_again(version, true);
            }
            let [token] = s.is_sent(version, &[2]).try_into().unwrap();
            s.acknowledges(token);
            assert_eq!(s.sent(), ack(AckKind::Pubrec, 1, ReasonCode::Success));
        }
    }
}

/// The token names nothing any more: the message comes again in any case.
#[test]
fn an_old_token_passes_nothing_over() {
    let mut s = Scripted::by_token(V5, 1);
    let [token] = s.is_sent(V5, &[1]).try_into().unwrap();
    s.comes_again(V5, true);
    s.passes_over(token);
    assert_eq!((s.closed, s.client.stats().passed_over), (false, 0));
}

#[test]
fn when_nothing_else_has_room_in_the_window_another_connection_is_made() {
    let mut s = Scripted::by_token(V5, 3);
    let [first, second, third] = s.is_sent(V5, &[1, 2, 1]).try_into().unwrap();
    s.passes_over(first);
    s.passes_over(second);
    assert!(!s.closed, "one may still make room");
    s.passes_over(third);
    assert!(s.closed);
    assert_eq!(s.sent(), [0xe0, 0], "the session goes on, and no will is published");
    s.closes();
    assert!(matches!(s.event(), Some(Event::Disconnected(Cause::PassedOver))));
    let due = s.client.poll_timeout().expect("there is another attempt");
    let wait = due.at.saturating_duration_since(s.now);
    assert_eq!((due.timer, s.opened), (Timer::Reconnect, 1), "nobody is in a hurry to pass it over again");
    assert!(wait <= Duration::from_millis(500));
}

#[test]
fn whoever_is_in_a_hurry_all_the_same_asks_for_it() {
    let mut s = Scripted::by_token(V5, 1);
    let [token] = s.is_sent(V5, &[1]).try_into().unwrap();
    s.passes_over(token);
    s.client.reconnect(s.now);
    s.closes();
    assert_eq!(s.opened, 2);
}

#[test]
fn what_is_acknowledged_makes_room_and_what_is_passed_over_does_not() {
    let mut s = Scripted::by_token(V5, 2);
    let [first, second] = s.is_sent(V5, &[2, 1]).try_into().unwrap();
    s.passes_over(first);
    s.acknowledges(second);
    assert!(!s.closed && s.sent() == ack(AckKind::Puback, 2, ReasonCode::Success));
    let none = PropertiesBuf::new();
    s.says(V5, &publish(1, 3, b"x", &none));
    assert!(!s.closed, "it is the second of two");
    s.says(V5, &publish(1, 4, b"x", &none));
    assert!(s.closed, "it is the third");
    assert_eq!(s.sent(), [0xe0, 1, ReasonCode::ReceiveMaximumExceeded.byte()]);
}

#[test]
fn a_window_that_nobody_knows_or_a_client_that_goes_makes_no_connection() {
    let mut s = Scripted::by_token(Version::V3_1_1, 1);
    let [token] = s.is_sent(Version::V3_1_1, &[1]).try_into().unwrap();
    s.passes_over(token);
    assert!(!s.closed);
    let mut s = Scripted::by_token(V5, 1);
    let [token] = s.is_sent(V5, &[1]).try_into().unwrap();
    s.publish(1).unwrap();
    s.client.disconnect(s.now, s.now.after_secs(100), ReasonCode::Success).unwrap();
    s.passes_over(token);
    assert!(!s.closed);
}

/// It may do so before 5.0, and some do it later as well.
#[test]
fn a_server_that_sends_it_again_at_once_has_it_answered() {
    for version in VERSIONS {
        for (qos, kind) in [(1, AckKind::Puback), (2, AckKind::Pubrec)] {
            let mut s = Scripted::by_token(version, 2);
            let [token] = s.is_sent(version, &[qos]).try_into().unwrap();
            s.passes_over(token);
            let [token] = s.is_sent(version, &[qos]).try_into().unwrap();
            s.acknowledges(token);
            assert_eq!(s.sent(), ack(kind, 1, ReasonCode::Success));
            assert!(!s.closed);
        }
    }
}

/// It may not: that identifier is in use. [MQTT-2.2.1-4]
#[test]
fn a_server_that_uses_an_identifier_twice_does_no_harm() {
    let none = PropertiesBuf::new();
    let mut s = Scripted::by_token(V5, 10);
    s.says(V5, &publish(1, 7, b"x", &none));
    s.says(V5, &publish(2, 7, b"y", &none));
    let [first, second] = [s.message(), s.message()].map(|m| m.unwrap().token.unwrap());
    s.passes_over(first);
    s.acknowledges(second);
    assert_eq!(s.sent(), ack(AckKind::Pubrec, 7, ReasonCode::Success));
}
