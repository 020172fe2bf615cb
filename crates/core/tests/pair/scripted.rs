//! A server that says what the test wants, byte by byte.
use tidewire_core::Input;
use tidewire_core::client::{
    Acknowledge, Action, Authentication, Cause, Client, Config, Event, Message, Misuse, Stage, Subscription,
};
use tidewire_core::codec::{
    self, AckKind, Auth, Connack, Delivery, Packet, Payload, PropertiesBuf, Property, Publish, Suback,
};
use tidewire_core::id::PacketId;
use tidewire_core::message::Publication;
use tidewire_core::output::Output;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::Text;
use tidewire_core::time::Instant;
use tidewire_core::topic::{TopicFilter, TopicName};
use tidewire_core::version::Version;

const V5: Version = Version::V5;

struct Scripted {
    now: Instant,
    client: Client,
    opened: usize,
    closed: bool,
    aborted: bool,
    holds: bool,
}

impl Scripted {
    fn new(change: impl Fn(&mut Config)) -> Self {
        let mut config = Config::default();
        config.client_id = "scripted".into();
        change(&mut config);
        let mut client = Client::new(config, &[1; 32]);
        let now = Instant::from_secs(1000);
        client.connect(now);
        let mut scripted = Self { now, client, opened: 0, closed: false, aborted: false, holds: false };
        scripted.act();
        scripted
    }

    /// Connected, with these properties in the CONNACK.
    fn up(version: Version, properties: &PropertiesBuf, change: impl Fn(&mut Config)) -> Self {
        let mut scripted = Self::new(|config| {
            config.version = Some(version);
            change(config);
        });
        assert_eq!(scripted.open()[0], 0x10);
        scripted.says(version, &connack(ReasonCode::Success, properties));
        assert_eq!(scripted.event(), Some(Event::Connected { session_present: false }));
        scripted
    }

    fn act(&mut self) {
        self.client.check();
        while let Some(action) = self.client.poll_action() {
            match action {
                Action::Open(_) => self.opened += 1,
                Action::Close => self.closed = true,
                Action::Abort => (self.closed, self.aborted) = (true, true),
                Action::Resume => self.holds = false,
                _ => {}
            }
        }
    }

    /// The connection opens; what the client says on it.
    fn open(&mut self) -> Vec<u8> {
        self.client.handle_open(self.now);
        self.sent()
    }

    fn sent(&mut self) -> Vec<u8> {
        let (mut out, mut bytes) = (Output::default(), vec![]);
        loop {
            let more = self.client.poll_transmit(self.now, 1024, &mut out);
            let mut slices: [&[u8]; 16] = [&[]; 16];
            let n = out.slices(&mut slices);
            bytes.extend(slices[..n].concat());
            out.advance(out.unsent());
            if !more {
                break;
            }
        }
        self.act();
        bytes
    }

    fn says_bytes(&mut self, bytes: &[u8]) {
        self.holds |= self.client.handle_bytes(self.now, bytes) == Input::Hold;
        self.act();
    }

    fn says(&mut self, version: Version, packet: &Packet<'_>) {
        self.says_bytes(&encode(version, packet));
    }

    fn closes(&mut self) {
        self.client.handle_close(self.now, Cause::Closed);
        (self.closed, self.aborted) = (false, false);
        self.act();
    }

    fn event(&mut self) -> Option<Event> {
        let event = self.client.poll_event();
        self.act();
        event
    }

    fn message(&mut self) -> Option<Message> {
        let message = self.client.poll_message(self.now);
        self.act();
        message
    }

    /// Up to the end of the connection, which is why.
    fn cause(&mut self) -> Cause {
        self.closes();
        loop {
            if let Event::Disconnected(cause) = self.event().expect("the connection has ended") {
                return cause;
            }
        }
    }

    fn publish(&mut self, bits: u8) -> Result<(), Misuse> {
        let publication = Publication::new(TopicName::new("t").unwrap(), "x").qos(crate::pair::qos(bits));
        let result = self.client.publish(self.now, publication).map(|_| ());
        self.act();
        result
    }
}

fn encode(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = vec![];
    packet.encode(version, u32::MAX, &mut out).expect("it fits");
    out
}

fn connack(reason: ReasonCode, properties: &PropertiesBuf) -> Packet<'_> {
    Packet::Connack(Connack { session_present: false, reason, properties: properties.as_properties() })
}

fn with(properties: &[Property<'_>]) -> PropertiesBuf {
    PropertiesBuf::of(properties.iter().copied()).expect("they can be sent")
}

fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

fn publish<'a>(qos: u8, n: u16, payload: &'a [u8], properties: &'a PropertiesBuf) -> Packet<'a> {
    let delivery = match qos {
        0 => Delivery::AtMostOnce,
        1 => Delivery::AtLeastOnce { packet_id: id(n), dup: false },
        _ => Delivery::ExactlyOnce { packet_id: id(n), dup: false },
    };
    let properties = properties.as_properties();
    Packet::Publish(Publish {
        delivery,
        retain: false,
        topic: Text::new("t").expect("it has no U+0000"),
        properties,
        payload: Payload::Whole(payload),
    })
}

fn ack(kind: AckKind, n: u16, reason: ReasonCode) -> Vec<u8> {
    let mut out = vec![];
    codec::encode_ack(kind, id(n), reason, V5, &mut out);
    out
}

/// The version that a CONNECT asks for.
fn level(connect: &[u8]) -> u8 {
    connect[8]
}

#[test]
fn a_server_that_speaks_no_5_0_is_asked_in_3_1_1() {
    let refusals: [&[u8]; 3] = [&[0x20, 2, 0, 1], &[0x20, 3, 0, 0x84, 0], &[]];
    for refusal in refusals {
        for split in 0..refusal.len().max(1) {
            let mut s = Scripted::new(|_| {});
            assert_eq!(level(&s.open()), 5);
            s.says_bytes(&refusal[..split]);
            s.says_bytes(&refusal[split..]);
            assert_eq!(s.closed, !refusal.is_empty());
            s.closes();
            assert_eq!(s.opened, 2, "at once");
            assert_eq!(level(&s.open()), 4);
            s.says_bytes(&[0x20, 2, 0, 0]);
            assert_eq!(s.client.server().map(|server| server.version), Some(Version::V3_1_1));
            // From then on it is known.
            s.closes();
            s.now = s.client.poll_timeout().unwrap().at;
            s.client.handle_timeout(s.now);
            assert_eq!(level(&s.open()), 4);
        }
    }
}

#[test]
fn a_server_that_speaks_neither_is_left_alone() {
    let mut s = Scripted::new(|_| {});
    s.open();
    s.says_bytes(&[0x20, 2, 0, 1]);
    s.closes();
    s.open();
    s.says_bytes(&[0x20, 2, 0, 1]);
    s.closes();
    let events: Vec<_> = std::iter::from_fn(|| s.event()).collect();
    let cause = Cause::Refused(ReasonCode::UnsupportedProtocolVersion);
    assert_eq!(events[1..], [Event::Disconnected(cause), Event::Ended(cause)]);
    assert_eq!(s.client.poll_timeout(), None);
}

#[test]
fn a_version_that_is_asked_for_is_the_only_one() {
    let mut s = Scripted::new(|config| config.version = Some(V5));
    s.open();
    s.closes();
    assert_eq!(s.opened, 1);
    assert!(matches!(s.event(), Some(Event::Disconnected(Cause::Closed))));
}

#[test]
fn a_refusal_that_would_come_again_is_final() {
    for (byte, last) in (0x80..=0xa2).filter_map(|b| Some((b, ReasonCode::from_byte(b)?))) {
        let mut s = Scripted::new(|config| config.version = Some(V5));
        s.open();
        s.says_bytes(&[0x20, 3, 0, byte, 0]);
        s.closes();
        let event = s.event();
        let ended = matches!(s.event(), Some(Event::Ended(_)));
        if event == Some(Event::Disconnected(Cause::Refused(last))) {
            let in_vain = matches!(byte, 0x81 | 0x82 | 0x84..=0x87 | 0x8a | 0x8c | 0x90 | 0x95 | 0x99..=0x9b);
            assert_eq!(ended, in_vain, "{last:?}");
        } else {
            assert!(matches!(event, Some(Event::Disconnected(Cause::Malformed(_)))), "{last:?}: {event:?}");
        }
    }
}

#[test]
fn what_a_server_may_not_send_ends_the_connection() {
    let none = PropertiesBuf::new();
    let alias = with(&[Property::TopicAlias(33)]);
    let suback = |reasons| {
        encode(V5, &Packet::Suback(Suback { packet_id: id(1), properties: none.as_properties(), reasons }))
    };
    let cases: [(&str, Vec<u8>, ReasonCode); 6] = [
        (
            "a Topic Alias beyond what we said",
            encode(V5, &publish(0, 0, b"", &alias)),
            ReasonCode::TopicAliasInvalid,
        ),
        ("a second CONNACK", encode(V5, &connack(ReasonCode::Success, &none)), ReasonCode::ProtocolError),
        ("a SUBACK with too many answers", suback(&[0, 0]), ReasonCode::ProtocolError),
        ("a PUBACK for a SUBSCRIBE", ack(AckKind::Puback, 1, ReasonCode::Success), ReasonCode::ProtocolError),
        (
            "more than it may",
            [1, 2, 3].map(|n| encode(V5, &publish(1, n, b"", &none))).concat(),
            ReasonCode::ReceiveMaximumExceeded,
        ),
        (
            "AUTH",
            encode(V5, &{
                let properties = none.as_properties();
                Packet::Auth(Auth { reason: ReasonCode::ContinueAuthentication, properties })
            }),
            ReasonCode::ProtocolError,
        ),
    ];
    for (what, bytes, reason) in cases {
        let mut s = Scripted::up(V5, &none, |config| config.receive_maximum = 2);
        s.client
            .subscribe(&[Subscription::new(TopicFilter::new("t").unwrap(), QoS::AtLeastOnce)], None)
            .unwrap();
        assert_eq!(s.sent()[0], 0x82);
        s.says_bytes(&bytes);
        assert!(s.closed, "{what}");
        let goodbye = s.sent();
        let cause = s.cause();
        match cause {
            Cause::Violation(said) => assert_eq!(said, reason, "{what}"),
            Cause::Malformed(error) => assert_eq!(error.reason(), reason, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(goodbye, [0xe0, 1, reason.byte()], "{what}");
    }
}

/// [MQTT-3.2.2-4]
#[test]
fn a_session_that_was_not_asked_for_ends_the_connection() {
    for (clean, is_legal) in [(true, false), (false, true)] {
        let mut s = Scripted::new(|config| (config.version, config.clean_start) = (Some(V5), clean));
        s.open();
        s.says_bytes(&[0x20, 3, 1, 0, 0]);
        assert_eq!(s.closed, !is_legal, "clean start: {clean}");
        if !is_legal {
            assert_eq!(s.cause(), Cause::Violation(ReasonCode::ProtocolError));
        }
    }
}

#[test]
fn nothing_comes_before_connack() {
    let none = PropertiesBuf::new();
    let mut s = Scripted::new(|config| config.version = Some(V5));
    s.open();
    s.says(V5, &publish(0, 0, b"x", &none));
    assert!(s.closed && s.sent().is_empty(), "and it hears nothing about it");
    assert_eq!(s.cause(), Cause::Violation(ReasonCode::ProtocolError));
}

/// [MQTT-3.1.2-21] [MQTT-3.2.2-11] [MQTT-3.2.2-14] [MQTT-3.2.2-15] [MQTT-3.2.2-21]
#[test]
fn what_the_server_does_not_support_is_not_sent() {
    let poor = with(&[
        Property::MaximumQoS(QoS::AtMostOnce),
        Property::RetainAvailable(false),
        Property::MaximumPacketSize(20),
        Property::ServerKeepAlive(7),
        Property::AssignedClientIdentifier("given"),
    ]);
    let mut s = Scripted::up(V5, &poor, |_| {});
    assert_eq!(s.publish(1), Err(Misuse::QoSNotSupported));
    let topic = || TopicName::new("t").unwrap();
    let retained = Publication::new(topic(), "x").retain(true);
    assert_eq!(s.client.publish(s.now, retained), Err(Misuse::RetainNotSupported));
    let large = Publication::new(topic(), vec![0; 20]);
    assert_eq!(s.client.publish(s.now, large), Err(Misuse::TooLarge));
    let server = s.client.server().unwrap();
    assert_eq!(server.assigned_client_id.as_deref(), Some("given"));
    assert_eq!(s.client.poll_timeout().unwrap().at, s.now.after_secs(7));

    // What was accepted before it said so fails, and says why.
    let mut s = Scripted::new(|config| config.version = Some(V5));
    s.publish(1).unwrap();
    s.open();
    s.says(V5, &connack(ReasonCode::Success, &poor));
    assert_eq!(s.sent(), []);
    s.event();
    let Some(Event::Progress(_, stage)) = s.event() else { panic!("its ticket ends") };
    assert_eq!(stage, Stage::Failed(Cause::QoSNotSupported));
}

/// [MQTT-3.3.4-7] [MQTT-3.3.4-8] [MQTT-4.9.0-2] [MQTT-4.9.0-3]
#[test]
fn the_server_decides_how_much_is_in_flight() {
    let mut s = Scripted::up(V5, &with(&[Property::ReceiveMaximum(2)]), |_| {});
    (0..4).for_each(|_| s.publish(2).unwrap());
    assert_eq!(s.sent().len(), 2 * 9, "two of four");
    s.says_bytes(&ack(AckKind::Pubrec, 1, ReasonCode::Success));
    assert_eq!(s.sent(), ack(AckKind::Pubrel, 1, ReasonCode::Success), "PUBREC gives nothing back");
    s.says_bytes(&ack(AckKind::Pubcomp, 1, ReasonCode::Success));
    assert_eq!(s.sent().len(), 9);
    s.says_bytes(&ack(AckKind::Pubrec, 2, ReasonCode::QuotaExceeded));
    assert_eq!(s.sent().len(), 9, "but a refusal does");
}

#[test]
fn each_reason_reaches_its_ticket() {
    for reason in [ReasonCode::NoMatchingSubscribers, ReasonCode::NotAuthorized, ReasonCode::QuotaExceeded] {
        for (qos, kind) in [(1, AckKind::Puback), (2, AckKind::Pubrec)] {
            let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
            s.publish(qos).unwrap();
            s.sent();
            s.says_bytes(&ack(kind, 1, reason));
            let Some(Event::Progress(_, stage)) = s.event() else { panic!("there is progress") };
            assert_eq!(stage, Stage::Acknowledged(reason));
        }
    }
}

#[test]
fn each_filter_has_its_answer() {
    for (version, reasons, last) in [
        (V5, [0x87, 1, 0xa2], ReasonCode::WildcardSubscriptionsNotSupported),
        (Version::V3_1_1, [0x80, 1, 0x80], ReasonCode::UnspecifiedError),
    ] {
        let none = PropertiesBuf::new();
        let mut s = Scripted::up(version, &none, |_| {});
        let filters =
            ["a", "b", "c"].map(|f| Subscription::new(TopicFilter::new(f).unwrap(), QoS::ExactlyOnce));
        let ticket = s.client.subscribe(&filters, None).unwrap();
        s.sent();
        let properties = none.as_properties();
        s.says(version, &Packet::Suback(Suback { packet_id: id(1), properties, reasons: &reasons }));
        let Some(Event::Subscribed(answered, answers)) = s.event() else { panic!("an answer") };
        assert_eq!((answered, answers[1], answers[2]), (ticket, ReasonCode::GrantedQoS1, last));
        assert!(answers[0].is_error());
    }
}

/// [MQTT-4.5.0-2] [MQTT-4.6.0-2] [MQTT-4.6.0-3]
#[test]
fn acknowledgements_leave_in_the_order_of_the_messages() {
    let none = PropertiesBuf::new();
    let mut s = Scripted::up(V5, &none, |config| config.acknowledge = Acknowledge::ByToken);
    for (qos, n) in [(1, 5), (2, 6), (1, 7)] {
        s.says(V5, &publish(qos, n, b"x", &none));
    }
    let mut tokens = vec![];
    while let Some(message) = s.message() {
        tokens.push(message.token.expect("QoS 1 and 2 have one"));
    }
    let reasons = [ReasonCode::Success, ReasonCode::ImplementationSpecificError, ReasonCode::Success];
    for (token, reason) in tokens.into_iter().zip(reasons).rev() {
        assert_eq!(s.sent(), [], "not before the first");
        s.client.acknowledge(token, reason);
    }
    let all = [
        ack(AckKind::Puback, 5, reasons[0]),
        ack(AckKind::Pubrec, 6, reasons[1]),
        ack(AckKind::Puback, 7, reasons[2]),
    ];
    assert_eq!(s.sent(), all.concat());
}

#[test]
fn an_old_token_acknowledges_nothing() {
    let none = PropertiesBuf::new();
    let mut s = Scripted::up(V5, &none, |config| config.acknowledge = Acknowledge::ByToken);
    s.says(V5, &publish(1, 5, b"old", &none));
    let old = s.message().expect("a message");
    s.closes();
    s.now = s.client.poll_timeout().unwrap().at;
    s.client.handle_timeout(s.now);
    s.open();
    s.says(V5, &connack(ReasonCode::Success, &none));
    s.says(V5, &publish(1, 5, b"new", &none));
    s.client.acknowledge(old.token.unwrap(), ReasonCode::Success);
    assert_eq!(s.sent(), []);
}

#[test]
fn a_large_payload_is_read_to_where_it_stays() {
    let none = PropertiesBuf::new();
    let payload: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut s = Scripted::up(V5, &none, |_| {});
    let bytes = encode(V5, &publish(1, 5, &payload, &none));
    let mut rest = bytes.as_slice();
    let (first, later) = rest.split_at(100);
    s.says_bytes(first);
    rest = later;
    let mut straight = 0;
    while !rest.is_empty() {
        let Some(space) = s.client.payload_space() else {
            let (piece, later) = rest.split_at(rest.len().min(7));
            s.says_bytes(piece);
            rest = later;
            continue;
        };
        let n = space.len().min(rest.len()).min(65_536);
        space[..n].copy_from_slice(&rest[..n]);
        let _ = s.client.handle_payload(s.now, n);
        (straight, rest) = (straight + n, &rest[n..]);
        s.act();
    }
    assert!(straight > 990_000);
    let message = s.message().expect("it is complete");
    assert!(message.payload.to_vec() == payload);
    assert!(message.payload.pieces().len() == 4, "256 KiB each");
    assert_eq!(s.sent(), ack(AckKind::Puback, 5, ReasonCode::Success));
}

#[path = "aliases.rs"]
mod aliases;
#[path = "attempts.rs"]
mod attempts;
#[path = "credentials.rs"]
mod credentials;
#[path = "ends.rs"]
mod ends;
#[path = "faults.rs"]
mod faults;
#[path = "goodbyes.rs"]
mod goodbyes;
#[path = "passed_over.rs"]
mod passed_over;
#[path = "reconnect.rs"]
mod reconnect;
#[path = "requests.rs"]
mod requests;
#[path = "states.rs"]
mod states;
#[path = "superseded.rs"]
mod superseded;
#[path = "suspects.rs"]
mod suspects;
#[path = "withdraw.rs"]
mod withdraw;
#[path = "words.rs"]
mod words;
