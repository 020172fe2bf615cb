//! A message at which the connection ends by the server's doing, each time.
use super::withdraw::kinds;
use super::*;
use tidewire_core::id::Ticket;

/// How a connection ends.
type End = fn(&mut Scripted);

fn closed(s: &mut Scripted) {
    s.closes();
}

fn quota_exceeded(s: &mut Scripted) {
    s.says_bytes(&[0xe0, 1, 0x97]);
    s.closes();
}

fn not_authorized(s: &mut Scripted) {
    s.says_bytes(&[0xe0, 1, 0x87]);
    s.closes();
}

impl Scripted {
    /// What has become of tickets since.
    fn stages(&mut self) -> Vec<(Ticket, Stage)> {
        let of =
            |event| if let Event::Progress(ticket, stage) = event { Some((ticket, stage)) } else { None };
        std::iter::from_fn(|| self.event()).filter_map(of).collect()
    }

    /// So many connections in a row end like this, and each time there is another one.
    fn ends_so_often(&mut self, version: Version, present: bool, times: usize, end: End) {
        for _ in 0..times {
            assert_ne!(self.sent(), [], "what is open");
            end(self);
            self.is_up_again(version, present);
        }
    }
}

fn cases() -> impl Iterator<Item = (Version, End, Cause)> {
    let of = Cause::Disconnected;
    [
        (Version::V3_1_1, closed as End, Cause::Closed),
        (V5, closed as End, Cause::Closed),
        (V5, quota_exceeded as End, of(ReasonCode::QuotaExceeded)),
        (V5, not_authorized as End, of(ReasonCode::NotAuthorized)),
    ]
    .into_iter()
}

#[test]
fn after_ten_connections_it_fails_with_what_the_server_said_and_the_rest_goes_on() {
    for (version, end, cause) in cases() {
        for (qos, present) in [(1, true), (2, true), (1, false), (2, false)] {
            let mut s = Scripted::lasting(version, |_| {});
            let (first, second) = (s.ticket(qos), s.ticket(1));
            s.ends_so_often(version, present, 9, end);
            assert_eq!(s.stages(), [], "{cause}");
            s.ends_so_often(version, present, 1, end);
            assert_eq!(s.stages(), [(first, Stage::Failed(cause))]);
            assert_eq!((s.client.stats().failed, s.client.stats().open), (1, 1));
            let mut sent = s.sent();
            if qos == 2 && present {
                // The server may hold its identifier.
                assert_eq!(kinds(&sent)[0], AckKind::Pubrel as u8);
                s.says_bytes(&ack(AckKind::Pubcomp, u16::from(sent[3]), ReasonCode::Success));
                sent = if sent.len() > 4 { sent.split_off(4) } else { s.sent() };
            }
            assert_eq!(kinds(&sent), [if present { 0x3a } else { 0x32 }], "the other one");
            let packet_id = u16::from_be_bytes([sent[5], sent[6]]);
            s.says_bytes(&ack(AckKind::Puback, packet_id, ReasonCode::Success));
            assert_eq!(s.stages(), [(second, Stage::Acknowledged(ReasonCode::Success))]);
        }
    }
}

#[test]
fn what_is_acknowledged_meanwhile_proves_the_server_innocent() {
    let mut s = Scripted::lasting(V5, |config| config.in_flight = 2);
    s.ticket(1);
    let second = s.ticket(1);
    // The first connection has both in flight, the later ones one after the other.
    s.sent();
    closed(&mut s);
    s.is_up_again(V5, true);
    s.ends_so_often(V5, true, 8, closed);
    s.sent();
    s.says_bytes(&ack(AckKind::Puback, 1, ReasonCode::Success));
    s.sent();
    closed(&mut s);
    s.is_up_again(V5, true);
    assert_eq!(s.stages().len(), 1);
    s.ends_so_often(V5, true, 9, closed);
    assert_eq!(s.stages(), [], "it was not the oldest before");
    s.ends_so_often(V5, true, 1, closed);
    assert_eq!(s.stages(), [(second, Stage::Failed(Cause::Closed))]);
}

#[test]
fn what_is_not_the_servers_doing_or_is_about_something_else_does_not_count() {
    let ends: [End; 5] = [
        |s| {
            s.client.handle_close(s.now, Cause::Reset);
            s.act();
        },
        |s| {
            s.says_bytes(&[0xe0, 1, 0x8b]);
            s.closes();
        },
        |s| {
            s.says_bytes(&[0xe0, 1, 0x89]);
            s.closes();
        },
        |s| {
            // It breaks a rule.
            s.says_bytes(&[0x20, 3, 0, 0, 0]);
            s.closes();
        },
        |s| {
            s.client.reconnect(s.now);
            s.act();
            s.closes();
        },
    ];
    for end in ends {
        let mut s = Scripted::lasting(V5, |_| {});
        s.ticket(1);
        s.ends_so_often(V5, true, 30, end);
        assert_eq!(s.stages(), []);
    }
    // Nobody lets us in.
    let mut s = Scripted::lasting(V5, |_| {});
    s.ticket(1);
    for _ in 0..30 {
        s.closes();
        s.now = s.client.poll_timeout().unwrap().at;
        s.client.handle_timeout(s.now);
        s.act();
        s.open();
    }
    assert_eq!(s.stages(), []);
}

/// As of a server that knows no QoS 2 and takes it for QoS 1.
#[test]
fn what_is_answered_as_if_it_were_another_fails_at_once() {
    for version in [Version::V3_1_1, V5] {
        let mut s = Scripted::lasting(version, |_| {});
        let (first, second) = (s.ticket(2), s.ticket(1));
        let answers_puback: End = |s| {
            s.says_bytes(&ack(AckKind::Puback, 1, ReasonCode::Success));
            s.closes();
        };
        s.ends_so_often(version, true, 1, answers_puback);
        let broken = Cause::Violation(ReasonCode::ProtocolError);
        assert_eq!(s.stages(), [(first, Stage::Failed(broken))]);
        // Its identifier is freed, whatever the server makes of that.
        assert_eq!(kinds(&s.sent())[0], AckKind::Pubrel as u8);
        s.says_bytes(&ack(AckKind::Pubcomp, 1, ReasonCode::Success));
        s.says_bytes(&ack(AckKind::Puback, 2, ReasonCode::Success));
        assert_eq!(s.stages(), [(second, Stage::Acknowledged(ReasonCode::Success))]);
    }
}

#[test]
fn what_the_server_has_is_not_given_up_for_an_answer_that_is_none() {
    for version in [Version::V3_1_1, V5] {
        let mut s = Scripted::lasting(version, |_| {});
        let ticket = s.ticket(2);
        assert_ne!(s.sent(), []);
        s.says_bytes(&ack(AckKind::Pubrec, 1, ReasonCode::Success));
        assert_eq!(s.stages(), [(ticket, Stage::Acknowledged(ReasonCode::Success))]);
        s.says_bytes(&ack(AckKind::Puback, 1, ReasonCode::Success));
        s.comes_again(version, true);
        assert_eq!(s.stages(), [(ticket, Stage::Released(ReasonCode::PacketIdentifierNotFound))]);
        s.sent();
        // And nothing of it is left that could end the next connection as well.
        let next = s.ticket(1);
        assert_ne!(s.sent(), []);
        s.says_bytes(&ack(AckKind::Puback, 2, ReasonCode::Success));
        assert_eq!(s.stages(), [(next, Stage::Acknowledged(ReasonCode::Success))]);
    }
}

#[test]
fn a_message_that_is_answered_as_if_it_were_a_subscription_fails_at_once() {
    for version in [Version::V3_1_1, V5] {
        let mut s = Scripted::lasting(version, |_| {});
        let ticket = s.ticket(1);
        assert_ne!(s.sent(), []);
        let properties = PropertiesBuf::new();
        let suback = Suback { packet_id: id(1), properties: properties.as_properties(), reasons: &[0] };
        s.says(version, &Packet::Suback(suback));
        s.comes_again(version, true);
        let broken = Cause::Violation(ReasonCode::ProtocolError);
        assert_eq!(s.stages(), [(ticket, Stage::Failed(broken))]);
    }
}

/// It goes out first, so it is the first that is given up.
#[test]
fn a_request_that_is_not_answered_is_suspected_before_a_message() {
    let mut s = Scripted::lasting(V5, |_| {});
    let message = s.ticket(1);
    let request = s.client.unsubscribe(&[TopicFilter::new("t").unwrap()]).unwrap();
    s.ends_so_often(V5, true, 10, quota_exceeded);
    let cause = Cause::Disconnected(ReasonCode::QuotaExceeded);
    assert_eq!(s.stages(), [(request, Stage::Failed(cause))]);
    s.ends_so_often(V5, true, 10, quota_exceeded);
    assert_eq!(s.stages(), [(message, Stage::Failed(cause))]);
}

/// The server has it: only the end of the exchange is missing.
#[test]
fn a_message_that_the_server_has_received_does_not_fail() {
    let mut s = Scripted::lasting(V5, |_| {});
    let ticket = s.ticket(2);
    s.sent();
    s.says_bytes(&ack(AckKind::Pubrec, 1, ReasonCode::Success));
    s.ends_so_often(V5, true, 30, closed);
    assert_eq!(s.stages(), [(ticket, Stage::Acknowledged(ReasonCode::Success))]);
}

#[test]
fn what_is_withdrawn_meanwhile_is_suspected_of_nothing() {
    let mut s = Scripted::lasting(V5, |_| {});
    let first = s.ticket(1);
    s.ends_so_often(V5, true, 9, closed);
    s.sent();
    s.client.withdraw(s.now, first);
    s.act();
    closed(&mut s);
    s.is_up_again(V5, true);
    assert_eq!((s.stages(), s.client.stats().withdrawn), (vec![], 1));
}
