//! Messages that the application takes back, wherever they are.
use super::*;
use tidewire_core::client::{Timer, Withdrawn};
use tidewire_core::id::Ticket;

const VERSIONS: [Version; 2] = [Version::V3_1_1, V5];

impl Scripted {
    /// Up, with a session that outlives its connections.
    pub(super) fn lasting(version: Version, change: impl Fn(&mut Config)) -> Self {
        Self::up(version, &PropertiesBuf::new(), |config| {
            config.session_expiry_seconds = 3600;
            change(config);
        })
    }

    /// The connection is closed, and the next one is up.
    pub(super) fn comes_again(&mut self, version: Version, session_present: bool) {
        self.closes();
        self.is_up_again(version, session_present);
    }

    /// The next connection is up, as soon as it is due.
    pub(super) fn is_up_again(&mut self, version: Version, session_present: bool) {
        if let Some(due) = self.client.poll_timeout().filter(|due| due.timer == Timer::Reconnect) {
            self.now = due.at;
            self.client.handle_timeout(self.now);
            self.act();
        }
        self.is_let_in(version, session_present);
    }

    pub(super) fn is_let_in(&mut self, version: Version, session_present: bool) {
        assert_eq!(self.open()[0], 0x10);
        let none = PropertiesBuf::new();
        let (reason, properties) = (ReasonCode::Success, none.as_properties());
        self.says(version, &Packet::Connack(Connack { session_present, reason, properties }));
    }

    pub(super) fn ticket(&mut self, bits: u8) -> Ticket {
        let publication = Publication::new(TopicName::new("t").unwrap(), "x").qos(crate::pair::qos(bits));
        let ticket = self.client.publish(self.now, publication).expect("there is room");
        self.act();
        ticket
    }

    fn withdraw(&mut self, ticket: Ticket) -> Withdrawn {
        let withdrawn = self.client.withdraw(self.now, ticket);
        self.act();
        withdrawn
    }

    fn hears_nothing_of_it(&mut self) {
        while let Some(event) = self.event() {
            assert!(!matches!(event, Event::Progress(..)), "{event:?}");
        }
    }
}

/// The packets, by their first bytes.
pub(super) fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = vec![];
    while let [kind, length, ..] = *bytes {
        kinds.push(kind);
        bytes = &bytes[2 + usize::from(length)..];
    }
    kinds
}

#[test]
fn what_was_never_sent_is_as_if_it_had_never_been_published() {
    for version in VERSIONS {
        for bits in 0..3 {
            let mut s = Scripted::new(|config| {
                config.version = Some(version);
                config.outbox_messages = 2;
            });
            let (first, second) = (s.ticket(bits), s.ticket(1));
            assert_eq!(s.publish(1), Err(Misuse::OutboxFull));
            assert_eq!(s.withdraw(first), Withdrawn::Unsent);
            assert_eq!(s.withdraw(first), Withdrawn::Unknown, "it has ended");
            s.is_let_in(version, false);
            assert_eq!(kinds(&s.sent()), [0x32], "the other one");
            s.hears_nothing_of_it();
            assert_eq!(s.publish(1), Ok(()), "its room is free");
            s.says_bytes(&ack(AckKind::Puback, 1, ReasonCode::Success));
            assert_eq!(s.withdraw(second), Withdrawn::Unknown, "an event tells how it ended");
            let stats = s.client.stats();
            assert_eq!((stats.published, stats.withdrawn, stats.delivered, stats.open), (3, 1, 1, 1));
        }
    }
}

#[test]
fn what_was_sent_is_not_sent_again() {
    for version in VERSIONS {
        for bits in 1..3 {
            let mut s = Scripted::lasting(version, |_| {});
            let ticket = s.ticket(bits);
            assert_eq!(s.sent().len(), if version == V5 { 9 } else { 8 });
            assert_eq!(s.withdraw(ticket), Withdrawn::Sent);
            assert_eq!((s.client.stats().withdrawn, s.client.stats().open), (1, 0));
            s.ticket(1);
            assert_eq!(kinds(&s.sent()), [0x32], "under the next identifier: that one is taken");
            s.comes_again(version, true);
            if bits == 2 {
                // Perhaps the server has it; then it holds the identifier until this.
                assert_eq!(s.sent(), ack(AckKind::Pubrel, 1, ReasonCode::Success));
                s.says_bytes(&ack(AckKind::Pubcomp, 1, ReasonCode::Success));
            }
            let again = s.sent();
            assert_eq!((kinds(&again).as_slice(), again[6]), (&[0x3a][..], 2), "the other one");
            s.says_bytes(&ack(AckKind::Puback, 2, ReasonCode::Success));
            assert_eq!((s.client.stats().delivered, s.client.stats().open), (1, 0));
            s.comes_again(version, true);
            assert_eq!(s.sent(), [], "nothing is left of it");
        }
    }
}

#[test]
fn the_exchange_of_what_was_sent_goes_on_and_holds_its_place() {
    for version in VERSIONS {
        let mut s = Scripted::lasting(version, |config| (config.in_flight, config.in_flight_v3) = (1, 1));
        let ticket = s.ticket(2);
        s.sent();
        assert_eq!(s.withdraw(ticket), Withdrawn::Sent);
        s.ticket(1);
        assert_eq!(s.sent(), [], "there is no quota");
        s.says_bytes(&ack(AckKind::Pubrec, 1, ReasonCode::Success));
        assert_eq!(s.sent(), ack(AckKind::Pubrel, 1, ReasonCode::Success));
        // Also if PUBCOMP is lost. [MQTT-4.4.0-1]
        s.comes_again(version, true);
        assert_eq!(s.sent(), ack(AckKind::Pubrel, 1, ReasonCode::Success));
        s.says_bytes(&ack(AckKind::Pubcomp, 1, ReasonCode::Success));
        assert_eq!(kinds(&s.sent()), [0x32]);
        s.hears_nothing_of_it();
    }
}

#[test]
fn what_waits_again_because_the_session_was_lost_was_sent_all_the_same() {
    for version in VERSIONS {
        let mut s = Scripted::lasting(version, |_| {});
        let tickets = [s.ticket(1), s.ticket(2), s.ticket(1)];
        s.sent();
        assert_eq!(s.withdraw(tickets[0]), Withdrawn::Sent);
        s.comes_again(version, false);
        assert_eq!(s.withdraw(tickets[1]), Withdrawn::Sent);
        assert_eq!(kinds(&s.sent()), [0x32], "the last one, as new");
        assert_eq!(s.withdraw(tickets[2]), Withdrawn::Sent);
        s.hears_nothing_of_it();
    }
}

#[test]
fn what_stands_behind_what_is_withdrawn_is_sent() {
    let mut s = Scripted::lasting(V5, |config| config.in_flight = 1);
    s.ticket(1);
    s.sent();
    let (second, _third) = (s.ticket(1), s.ticket(0));
    assert_eq!(s.sent(), [], "nothing is overtaken");
    assert_eq!(s.client.withdraw(s.now, second), Withdrawn::Unsent);
    assert_eq!(s.client.poll_action(), Some(Action::Transmit));
    assert_eq!(kinds(&s.sent()), [0x30]);
}

#[test]
fn a_goodbye_does_not_wait_for_what_is_withdrawn() {
    let mut s = Scripted::lasting(V5, |_| {});
    let ticket = s.ticket(2);
    s.sent();
    s.client.disconnect(s.now, s.now.after_secs(100), ReasonCode::Success).unwrap();
    assert_eq!(s.withdraw(ticket), Withdrawn::Sent);
    assert_eq!(s.sent(), [0xe0, 0]);
    s.closes();
    assert!(s.client.is_ended());
    // The server may take what is new under its identifier for the old one: all are freed first.
    s.client.connect(s.now);
    s.ticket(2);
    s.is_let_in(V5, true);
    assert!(kinds(&s.sent()).iter().all(|kind| *kind == AckKind::Pubrel as u8));
}

#[test]
fn a_request_is_no_message() {
    let mut s = Scripted::lasting(V5, |_| {});
    let ticket = s.client.unsubscribe(&[TopicFilter::new("t").unwrap()]).unwrap();
    assert_eq!(s.withdraw(ticket), Withdrawn::Unknown);
}
