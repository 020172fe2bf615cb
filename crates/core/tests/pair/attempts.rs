//! When the next attempt comes, and whether there is one.
use super::*;
use tidewire_core::client::Timer;
use tidewire_core::time::Duration;

const V3: Version = Version::V3_1_1;

impl Scripted {
    /// The next connection, up; how long it took to come.
    fn up_again(&mut self) -> Duration {
        let deadline = self.client.poll_timeout().expect("there is another attempt");
        assert_eq!(deadline.timer, Timer::Reconnect);
        let waited = deadline.at.saturating_duration_since(self.now);
        self.now = deadline.at;
        self.client.handle_timeout(self.now);
        self.act();
        assert_eq!(self.open()[0], 0x10);
        self.says(V3, &connack(ReasonCode::Success, &PropertiesBuf::new()));
        waited
    }

    /// How long the eighth attempt took to come, when this happened on each connection before it ended at once.
    fn eighth(mut self, happens: impl Fn(&mut Self)) -> Duration {
        for _ in 1..8 {
            happens(&mut self);
            self.closes();
            self.up_again();
        }
        happens(&mut self);
        self.closes();
        self.up_again()
    }

    /// Publishes, and the server answers with this.
    fn is_answered(&mut self, qos: u8, kinds: &[AckKind]) {
        self.publish(qos).expect("there is room");
        let sent = self.sent();
        let [.., high, low, _] = *sent else { panic!("a PUBLISH is sent") };
        for kind in kinds {
            self.says_bytes(&ack(*kind, u16::from_be_bytes([high, low]), ReasonCode::Success));
        }
    }
}

/// Cuts every few kilobytes are no reason to wait for a minute, and a server that only lets us in is none to hurry.
#[test]
fn delays_begin_anew_after_a_connection_that_brought_something_forward() {
    let none = PropertiesBuf::new();
    let up = || Scripted::up(V3, &PropertiesBuf::new(), |config| config.session_expiry_seconds = 60);
    let (quick, slow) = (Duration::from_millis(500), Duration::from_secs(30));
    assert!(up().eighth(|s| s.is_answered(1, &[AckKind::Puback])) <= quick);
    assert!(up().eighth(|s| s.is_answered(2, &[AckKind::Pubrec])) <= quick);
    assert!(up().eighth(|s| s.is_answered(2, &[AckKind::Pubrec, AckKind::Pubcomp])) <= quick);
    assert!(up().eighth(|s| s.says(V3, &publish(1, 7, b"x", &none))) <= quick);
    assert!(up().eighth(|s| s.says(V3, &publish(2, 7, b"x", &none))) <= quick);
    assert!(up().eighth(|_| {}) >= slow);
    assert!(up().eighth(|s| s.is_answered(1, &[])) >= slow);
    // It comes with every connection.
    let retained = [0x33, 6, 0, 1, b't', 0, 7, b'x'];
    assert!(up().eighth(|s| s.says_bytes(&retained)) >= slow);
    let subscribed = |s: &mut Scripted| {
        let filter = TopicFilter::new("t").unwrap();
        s.client.subscribe(&[Subscription::new(filter, QoS::AtMostOnce)], None).expect("not too many");
        let sent = s.sent();
        s.says_bytes(&[0x90, 3, sent[2], sent[3], 0]);
    };
    assert!(up().eighth(subscribed) >= slow);
}

#[test]
fn whoever_is_not_to_persist_at_first_has_one_attempt_and_then_any_number() {
    let first = |config: &mut Config| {
        config.version = Some(V3);
        config.reconnect_at_first = false;
    };
    let mut s = Scripted::new(first);
    s.closes();
    assert!(s.client.is_ended());
    let mut s = Scripted::new(first);
    s.open();
    s.says(V3, &connack(ReasonCode::ServerUnavailable, &PropertiesBuf::new()));
    s.closes();
    assert!(s.client.is_ended());

    let mut s = Scripted::up(V3, &PropertiesBuf::new(), first);
    s.closes();
    for _ in 0..3 {
        s.up_again();
        s.closes();
        s.now = s.client.poll_timeout().expect("there is another attempt").at;
        s.client.handle_timeout(s.now);
        s.act();
        s.closes();
    }
    assert!(!s.client.is_ended());
}

/// Each server, and both versions, before it is known that there is none.
#[test]
fn at_first_all_servers_and_versions_are_tried_once() {
    let mut s = Scripted::new(|config| {
        config.servers = 2;
        config.reconnect_at_first = false;
    });
    s.closes();
    assert_eq!((s.opened, s.client.is_ended()), (2, false));
    assert_eq!(level(&s.open()), 5);
    s.closes();
    assert_eq!((s.opened, s.client.is_ended()), (3, false));
    assert_eq!(level(&s.open()), 4);
    s.closes();
    assert_eq!((s.opened, s.client.is_ended()), (3, true));
}

/// Whoever sends everything again at once on a line that breaks after a few kilobytes never hears an answer.
#[test]
fn after_a_break_with_messages_in_flight_they_go_out_again_by_and_by() {
    let none = PropertiesBuf::new();
    let mut s = Scripted::up(V3, &none, |config| config.session_expiry_seconds = 60);
    let (publish, length) = (0x32, 8);
    for _ in 0..8 {
        s.publish(1).expect("there is room");
    }
    assert_eq!(s.sent().len(), 8 * length, "at first all of them at once");
    s.closes();
    s.up_again();
    let (mut rounds, mut next) = (vec![], 1);
    while next <= 8 {
        let sent = s.sent();
        assert!(
            sent.chunks(length).all(|packet| packet[0] == publish),
            "as new ones: the session is another"
        );
        rounds.push(sent.len() / length);
        for _ in 0..sent.len() / length {
            // Identifiers go on from those of the session that was lost.
            s.says_bytes(&ack(AckKind::Puback, 8 + next, ReasonCode::Success));
            next += 1;
        }
    }
    assert_eq!(rounds, [1, 2, 4, 1]);
}

/// Debian's mosquitto drops what is beyond twenty, and acknowledges it all the same.
#[test]
fn before_5_0_no_more_is_in_flight_than_any_server_takes() {
    for (version, in_flight) in [(Version::V3_1, 20), (V3, 20), (V5, 30)] {
        let mut s = Scripted::up(version, &PropertiesBuf::new(), |_| {});
        for _ in 0..30 {
            s.publish(2).expect("there is room");
        }
        let length = if version == V5 { 9 } else { 8 };
        assert_eq!(s.sent().len(), in_flight * length, "{version:?}");
    }
}
