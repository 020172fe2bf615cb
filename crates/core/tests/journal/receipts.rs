//! What a refused QoS 2 message leaves behind: nothing, so that the next one under its Packet Identifier is new.
use crate::host::{Got, Host, ack, connect, packet_id};
use tidewire_core::broker::Limits;
use tidewire_core::codec::{
    Ack, Connect, Decoder, Delivery, Item, Limits as Accepted, Mode, Packet, Payload, Properties,
    PropertiesBuf, Property, Publish,
};
use tidewire_core::id::ConnectionId;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::Text;
use tidewire_core::version::{Role, Version};

/// What is refused, and how it comes that there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    Queue,
    Retained,
}

impl Full {
    fn host(self) -> Host {
        let mut limits = Limits::default();
        let limit = if self == Self::Queue { "queued_messages" } else { "retained_messages" };
        limits.set(limit, if self == Self::Queue { "1" } else { "0" }).expect("a limit");
        Host::with(limits)
    }
}

fn send(host: &mut Host, id: ConnectionId, version: Version, packet: &Packet<'_>) {
    let mut bytes = Vec::new();
    packet.encode(version, u32::MAX, &mut bytes).expect("it is small");
    let _ = host.broker.handle_bytes(host.now, id, &bytes);
    host.broker.check();
    host.run();
}

fn come(host: &mut Host, version: Version) -> ConnectionId {
    let mut properties = PropertiesBuf::default();
    if version.is_v5() {
        properties.push(Property::SessionExpiryInterval(1000)).expect("it can be sent");
    }
    let Packet::Connect(alice) = connect("alice", false) else { unreachable!("it is one") };
    let id = host.open();
    let alice = Connect { version, properties: properties.as_properties(), ..alice };
    send(host, id, version, &Packet::Connect(alice));
    host.bytes(id);
    id
}

fn exactly_once(topic: &'static str, payload: &'static str, retain: bool) -> Packet<'static> {
    Packet::Publish(Publish {
        delivery: Delivery::ExactlyOnce { packet_id: packet_id(1), dup: false },
        retain,
        topic: Text::new(topic).expect("it has no U+0000"),
        properties: Properties::default(),
        payload: Payload::Whole(payload.as_bytes()),
    })
}

/// The Reason Codes of what a publisher got.
fn answers(host: &mut Host, id: ConnectionId, version: Version) -> Vec<(&'static str, ReasonCode)> {
    let mut decoder = Decoder::new(Mode { role: Role::Client, version: Some(version) });
    let bytes = host.bytes(id);
    let (mut input, mut got) = (bytes.as_slice(), vec![]);
    while let Some(Item::Packet(packet)) = decoder.next(&Accepted::default(), &mut input).expect("packets") {
        got.push(match packet {
            Packet::Pubrec(Ack { reason, .. }) => ("PUBREC", reason),
            Packet::Pubcomp(Ack { reason, .. }) => ("PUBCOMP", reason),
            other => panic!("{other:?}"),
        });
    }
    got
}

/// Bob is away, and his queue has room for one. What is refused on 5.0 leaves its identifier free; before 5.0 it is
/// acknowledged, and until PUBREL its repetition is no new message. Over a crash as well, whatever was journaled behind.
#[test]
fn a_refused_message_takes_no_later_one_with_it() {
    for (version, full, crash) in [Version::V5, Version::V3_1_1].into_iter().flat_map(|version| {
        [Full::Queue, Full::Retained]
            .into_iter()
            .flat_map(move |full| [false, true].map(|c| (version, full, c)))
    }) {
        let case = format!("{version:?} {full:?} crash {crash}");
        let mut host = full.host();
        let bob = host.connect("bob", false);
        host.subscribe(bob, "t", QoS::ExactlyOnce);
        host.cut(bob);
        let carol = host.connect("carol", false);
        if full == Full::Queue {
            host.publish(carol, "t", "first", QoS::AtLeastOnce, 1);
        }
        let mut alice = come(&mut host, version);
        send(&mut host, alice, version, &exactly_once("t", "refused", full == Full::Retained));
        let (told, repeated) = match version {
            Version::V5 => (ReasonCode::QuotaExceeded, None),
            _ => (ReasonCode::Success, Some(())),
        };
        assert_eq!(answers(&mut host, alice, version), [("PUBREC", told)], "{case}");
        // Somebody else's record comes behind it.
        if full == Full::Retained {
            host.publish(carol, "t", "first", QoS::AtLeastOnce, 1);
        }
        if crash {
            host.crash(0);
            alice = come(&mut host, version);
        }
        if repeated.is_some() {
            send(&mut host, alice, version, &exactly_once("t", "refused", full == Full::Retained));
            send(&mut host, alice, version, &Packet::Pubrel(ack(1)));
            let done = [("PUBREC", ReasonCode::Success), ("PUBCOMP", ReasonCode::Success)];
            assert_eq!(answers(&mut host, alice, version), done, "{case}");
        }
        let bob = host.connect("bob", false);
        let took = host.got(bob);
        assert_eq!(
            took.iter().filter(|got| matches!(got, Got::Publish { .. })).count(),
            1,
            "{case}: {took:?}"
        );
        if let Some(Got::Publish { id, .. }) = took.last() {
            host.send(bob, &Packet::Puback(ack(*id)));
        }
        send(&mut host, alice, version, &exactly_once("t", "new", false));
        assert_eq!(answers(&mut host, alice, version), [("PUBREC", ReasonCode::Success)], "{case}");
        let new = host.got(bob);
        assert!(matches!(&new[..], [Got::Publish { payload, .. }] if payload == "new"), "{case}: {new:?}");
    }
}
