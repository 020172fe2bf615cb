//! What a server says besides its Reason Codes, and whom it reaches.
use super::*;
use tidewire_core::client::Words;
use tidewire_core::codec::{Ack, Disconnect};
use tidewire_core::id::Ticket;

fn because() -> PropertiesBuf {
    with(&[Property::ReasonString("because")])
}

impl Scripted {
    /// The next event but words, and those before it.
    fn event_and_words(&mut self) -> (Event, Vec<(Option<Ticket>, Words)>) {
        let mut words = vec![];
        loop {
            match self.event().expect("something has happened") {
                Event::Words(about, said) => words.push((about, *said)),
                event => return (event, words),
            }
        }
    }

    /// Something happens, with these words about it.
    fn hears(&mut self, expected: &Event, about: Option<Ticket>) {
        let (event, words) = self.event_and_words();
        assert_eq!(&event, expected);
        let [(of, words)] = words.as_slice() else { panic!("{words:?} of {event:?}") };
        assert_eq!((*of, words.reason_string.as_deref()), (about, Some("because")), "{event:?}");
    }
}

#[test]
fn each_acknowledgement_has_its_words() {
    let words = because();
    let properties = words.as_properties();
    let ack = |n, reason| Ack { packet_id: id(n), reason, properties };
    let (success, full) = (ReasonCode::Success, ReasonCode::QuotaExceeded);
    let mut s = Scripted::lasting(V5, |_| {});
    let tickets = [1, 1, 2, 2].map(|qos| s.ticket(qos));
    s.sent();
    let (done, refused) = (Stage::Acknowledged(success), Stage::Acknowledged(full));
    for (ticket, packet, stage) in [
        (tickets[0], Packet::Puback(ack(1, success)), done),
        (tickets[1], Packet::Puback(ack(2, full)), refused),
        (tickets[2], Packet::Pubrec(ack(3, full)), refused),
        (tickets[3], Packet::Pubrec(ack(4, success)), done),
        (tickets[3], Packet::Pubcomp(ack(4, success)), Stage::Released(success)),
    ] {
        s.says(V5, &packet);
        s.hears(&Event::Progress(ticket, stage), Some(ticket));
    }
    // Nobody waits for these.
    s.says(V5, &Packet::Puback(ack(1, success)));
    assert_eq!(s.event(), None);
}

#[test]
fn each_answer_to_a_request_has_its_words() {
    let words = because();
    let suback = |n, reasons| Suback { packet_id: id(n), properties: words.as_properties(), reasons };
    let mut s = Scripted::lasting(V5, |_| {});
    let filter = TopicFilter::new("t").unwrap();
    let ticket = s.client.subscribe(&[Subscription::new(filter.clone(), QoS::AtMostOnce)], None).unwrap();
    s.sent();
    s.says(V5, &Packet::Suback(suback(1, &[0x97])));
    s.hears(&Event::Subscribed(ticket, [ReasonCode::QuotaExceeded].into()), Some(ticket));
    let ticket = s.client.unsubscribe(&[filter]).unwrap();
    s.sent();
    s.says(V5, &Packet::Unsuback(suback(2, &[0x87])));
    s.hears(&Event::Unsubscribed(ticket, [ReasonCode::NotAuthorized].into()), Some(ticket));
}

#[test]
fn the_end_of_a_connection_has_its_words_and_another_server() {
    let elsewhere = with(&[Property::ReasonString("because"), Property::ServerReference("b.example:1883")]);
    let moved = ReasonCode::ServerMoved;
    let mut refused = Scripted::new(|config| config.version = Some(V5));
    refused.open();
    refused.says(V5, &connack(moved, &elsewhere));
    let mut sent_away = Scripted::lasting(V5, |_| {});
    let properties = elsewhere.as_properties();
    sent_away.says(V5, &Packet::Disconnect(Disconnect { reason: moved, properties }));
    for (mut s, cause) in [(refused, Cause::Refused(moved)), (sent_away, Cause::Disconnected(moved))] {
        s.closes();
        let (event, words) = s.event_and_words();
        let [(None, words)] = words.as_slice() else { panic!("{words:?} of {event:?}") };
        assert_eq!(event, Event::Disconnected(cause));
        assert_eq!(words.server_reference.as_deref(), Some("b.example:1883"));
        assert_eq!(words.to_string(), "because (another server: b.example:1883)");
    }
}

#[test]
fn a_server_that_says_nothing_is_not_heard() {
    let mut s = Scripted::lasting(V5, |_| {});
    let ticket = s.ticket(1);
    s.sent();
    s.says_bytes(&ack(AckKind::Puback, 1, ReasonCode::QuotaExceeded));
    s.says_bytes(&[0xe0, 1, 0x97]);
    s.closes();
    let quota = ReasonCode::QuotaExceeded;
    assert_eq!(s.event(), Some(Event::Progress(ticket, Stage::Acknowledged(quota))));
    assert_eq!(s.event(), Some(Event::Disconnected(Cause::Disconnected(quota))));
}
