use super::*;

const WHO: Recipient = Recipient { session: 3, generation: 4 };

fn records() -> Vec<Record<'static>> {
    let at = Instant::from_secs(9);
    let message = MessageRecord {
        id: MessageId(5),
        origin: IdentityId(6),
        expires_at: Some(at),
        topic: Text::known_str("a/b"),
        properties: &[1, 0],
        payload: Payload::Whole(b"hello"),
    };
    let place = Place { who: WHO, qos: QoS::ExactlyOnce, retain: true, identifiers: [1, 2].into() };
    let will = Will {
        topic: "w".into(),
        properties: Box::default(),
        payload: (*b"bye").into(),
        qos: QoS::AtLeastOnce,
        retain: true,
        expiry: Some(0),
        delay: 7,
    };
    alloc::vec![
        Record::Start { at },
        Record::Session(SessionRecord {
            who: WHO,
            at,
            client_id: "alice",
            identity: IdentityId(1),
            variant: 2,
            expiry: 60,
            version: 5,
            connected: true,
            ends_at: None,
            will_at: Some(at),
        }),
        Record::SessionEnd(WHO),
        Record::Subscribed { who: WHO, filter: "a/#", options: 3, identifier: 8 },
        Record::Unsubscribed { who: WHO, filter: "a/#" },
        Record::Message {
            message,
            taken: Taken::Receipt(WHO, 7),
            places: alloc::vec![place.clone()],
            mail: InMail { out: Some(QoS::ExactlyOnce), retain: true, by_owner: true, ..InMail::default() }
        },
        Record::Message {
            message,
            taken: Taken::Nothing,
            places: Vec::new(),
            mail: InMail { here: true, ..InMail::default() }
        },
        Record::Message {
            message,
            taken: Taken::Will(WHO),
            places: Vec::new(),
            mail: InMail { out: Some(QoS::AtLeastOnce), waits: true, ..InMail::default() }
        },
        Record::Queued { message, name: MessageId(9), place },
        Record::Ended { who: WHO, name: MessageId(5) },
        Record::Bound { who: WHO, name: MessageId(5), packet_id: 1 },
        Record::Released { who: WHO, name: MessageId(9) },
        Record::Receipt { who: WHO, packet_id: 2 },
        Record::ReceiptEnd { who: WHO, packet_id: 2 },
        Record::Retained { message, qos: QoS::AtLeastOnce },
        Record::RetainedEnd { topic: "a/b" },
        Record::Will { who: WHO, will: Box::new(will) },
        Record::WillEnd(WHO),
        Record::Distributed { id: MessageId(5) },
        Record::Known { id: MessageId(5) },
        Record::Forget { id: MessageId(5) },
    ]
}

#[test]
fn what_is_written_is_read() {
    for record in records() {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert_eq!(read(&bytes), Read::Record(record, bytes.len()));
    }
}

#[test]
fn a_torn_record_is_not_read_and_a_flipped_bit_is_noticed() {
    for record in records() {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Read::Torn, "{record:?} cut at {end}");
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(read(&bytes), Read::Record(..)), "{record:?}, bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
