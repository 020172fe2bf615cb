//! Valid packets of all versions.
use crate::codec::properties::table::{Kind, Places, ROWS, place};
use crate::codec::*;
use crate::id::PacketId;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::topic::TopicFilter;
use crate::version::{Role, Version};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::format;
use std::string::String;
use std::vec::Vec;

/// A packet as it travels, and as it prints.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) version: Version,
    /// Who may read it.
    pub(super) role: Role,
    pub(super) bytes: Vec<u8>,
    pub(super) shown: String,
}

fn sample(version: Version, role: Role, packet: &Packet<'_>) -> Sample {
    let mut bytes = Vec::new();
    packet.encode(version, u32::MAX, &mut bytes).unwrap();
    Sample { version, role, bytes, shown: format!("{packet:?}") }
}

pub(super) fn mode() -> impl Strategy<Value = (Version, Role)> {
    (select(&super::support::VERSIONS[..]), select(&super::support::ROLES[..]))
}

/// Any packet but CONNECT that may come in this version to this reader.
pub(super) fn packet(version: Version, role: Role) -> BoxedStrategy<Sample> {
    let common = prop_oneof![4 => publish(version, role), 2 => ack(version, role)];
    match role {
        Role::Server => prop_oneof![
            common,
            subscribe(version),
            unsubscribe(version),
            Just(sample(version, role, &Packet::Pingreq)),
            disconnect(version, role),
            auth(version, role),
        ]
        .boxed(),
        Role::Client => prop_oneof![
            common,
            connack(version),
            suback(version),
            unsuback(version),
            Just(sample(version, role, &Packet::Pingresp)),
            disconnect(version, role),
            auth(version, role),
        ]
        .boxed(),
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-z0-9 \u{e9}\u{2a6d4}]{0,20}"
}

fn topic() -> impl Strategy<Value = String> {
    "[a-z$/\u{e9}\u{feff}]{1,30}"
}

fn filter() -> impl Strategy<Value = String> {
    select(&["a", "#", "+", "a/+/b", "$SYS/#", "$share/group/a/+", "kitchen/temperature/#", "\u{e9}/+"][..])
        .prop_map(String::from)
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

fn qos() -> impl Strategy<Value = QoS> {
    select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|id| PacketId::new(id).unwrap())
}

fn reason(codes: &'static [ReasonCode], version: Version) -> BoxedStrategy<ReasonCode> {
    if version.is_v5() { select(codes).boxed() } else { Just(ReasonCode::Success).boxed() }
}

/// Binary Data, or a string.
fn field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// A value of a property, encoded without help of the encoder.
pub(super) fn value(kind: Kind) -> BoxedStrategy<Vec<u8>> {
    match kind {
        Kind::None => Just(Vec::new()).boxed(),
        Kind::Bool | Kind::MaximumQoS => (0..=1_u8).prop_map(|byte| Vec::from([byte])).boxed(),
        Kind::TwoByte => any::<[u8; 2]>().prop_map(Vec::from).boxed(),
        Kind::TwoByteNotZero => (1..=u16::MAX).prop_map(|value| value.to_be_bytes().to_vec()).boxed(),
        Kind::FourByte => any::<[u8; 4]>().prop_map(Vec::from).boxed(),
        Kind::FourByteNotZero => (1..=u32::MAX).prop_map(|value| value.to_be_bytes().to_vec()).boxed(),
        Kind::VariableNotZero => select(&[1, 127, 128, 16_383, 16_384, 268_435_455][..])
            .prop_map(|value| {
                let mut bytes = Vec::new();
                write::put_varint(&mut bytes, value);
                bytes
            })
            .boxed(),
        Kind::String => text().prop_map(field).boxed(),
        Kind::TopicName => topic().prop_map(field).boxed(),
        Kind::Binary => vec(any::<u8>(), 0..20).prop_map(field).boxed(),
        Kind::StringPair => {
            (text(), text()).prop_map(|(name, value)| [field(name), field(value)].concat()).boxed()
        }
    }
}

/// Identifiers of the properties that may stand there.
pub(super) fn ids(place: Places) -> impl Iterator<Item = u8> {
    (0..0x2b).filter(move |id| ROWS[usize::from(*id)].places & place != 0)
}

/// Properties that may stand there, in any order. Where it must be there, there is an Authentication Method.
pub(super) fn properties(place: Places, version: Version) -> BoxedStrategy<Vec<u8>> {
    if !version.is_v5() {
        return Just(Vec::new()).boxed();
    }
    let each = ids(place).map(move |id| {
        let row = ROWS[usize::from(id)];
        let needed = usize::from(id == 0x15 && place & (place::CONNECT | place::AUTH) != 0);
        let most = if row.repeats & place == 0 { 1 } else { 3 };
        vec(value(row.kind).prop_map(move |value| [Vec::from([id]), value].concat()), needed..=most)
    });
    each.collect::<Vec<_>>().prop_map(|all| all.concat()).prop_shuffle().prop_map(|all| all.concat()).boxed()
}

pub(super) fn decoded(encoded: &[u8], place: Places) -> Properties<'_> {
    properties::check(place, &Limits::NONE, encoded).unwrap()
}

pub(super) fn connect() -> impl Strategy<Value = Sample> {
    select(&super::support::VERSIONS[..]).prop_flat_map(|version| {
        let will = (topic(), data(), qos(), any::<bool>(), properties(place::WILL, version));
        let names = (text(), option::of(text()), option::of(data()));
        (properties(place::CONNECT, version), option::of(will), names, any::<(bool, u16)>()).prop_map(
            move |(properties, will, (client_id, username, password), (clean_start, keep_alive))| {
                let will = will.as_ref().map(|(topic, payload, qos, retain, properties)| Will {
                    topic: Text::known_str(topic),
                    payload,
                    qos: *qos,
                    retain: *retain,
                    properties: decoded(properties, place::WILL),
                });
                let connect = Connect {
                    version,
                    bridge: false,
                    clean_start,
                    keep_alive,
                    properties: decoded(&properties, place::CONNECT),
                    client_id: Text::known_str(&client_id),
                    will,
                    username: username.as_deref().map(Text::known_str),
                    password: password.as_deref().filter(|_| version.is_v5() || username.is_some()),
                };
                sample(version, Role::Server, &Packet::Connect(connect))
            },
        )
    })
}

pub(super) fn publish(version: Version, role: Role) -> impl Strategy<Value = Sample> {
    let place = if role == Role::Server { place::PUBLISH_IN } else { place::PUBLISH_OUT };
    let delivery = (qos(), packet_id(), any::<bool>()).prop_map(|(qos, packet_id, dup)| match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id, dup },
        QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id, dup },
    });
    (delivery, any::<bool>(), topic(), properties(place, version), data()).prop_map(
        move |(delivery, retain, topic, properties, payload)| {
            let properties = decoded(&properties, place);
            let publish = Publish {
                delivery,
                retain,
                topic: Text::known_str(&topic),
                properties,
                payload: Payload::Whole(&payload),
            };
            sample(version, role, &Packet::Publish(publish))
        },
    )
}

fn ack(version: Version, role: Role) -> impl Strategy<Value = Sample> {
    use ReasonCode::*;
    let received = match role {
        Role::Server => reason(&[Success, NotAuthorized, PacketIdentifierInUse], version),
        Role::Client => reason(&[Success, NoMatchingSubscribers, NotAuthorized], version),
    };
    let released = reason(&[Success, PacketIdentifierNotFound], version);
    (0..4, packet_id(), received, released, properties(place::ACK, version)).prop_map(
        move |(kind, packet_id, received, released, properties)| {
            let ack = |reason| Ack { packet_id, reason, properties: decoded(&properties, place::ACK) };
            let packet = match kind {
                0 => Packet::Puback(ack(received)),
                1 => Packet::Pubrec(ack(received)),
                2 => Packet::Pubrel(ack(released)),
                _ => Packet::Pubcomp(ack(released)),
            };
            sample(version, role, &packet)
        },
    )
}

fn subscribe(version: Version) -> impl Strategy<Value = Sample> {
    let handling = select(&[RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend][..]);
    let filters = vec((filter(), qos(), any::<(bool, bool)>(), handling), 1..5);
    (packet_id(), properties(place::SUBSCRIBE, version), filters).prop_map(
        move |(packet_id, properties, filters)| {
            let mut buf = FiltersBuf::new(version);
            for (filter, qos, (no_local, retain_as_published), retain_handling) in &filters {
                let filter = TopicFilter::new(filter).unwrap();
                let no_local = *no_local && filter.share().is_none();
                let (retain_as_published, retain_handling) = (*retain_as_published, *retain_handling);
                buf.push(
                    &filter,
                    SubscriptionOptions { qos: *qos, no_local, retain_as_published, retain_handling },
                );
            }
            let properties = decoded(&properties, place::SUBSCRIBE);
            let subscribe = Subscribe { packet_id, properties, filters: buf.as_filters() };
            sample(version, Role::Server, &Packet::Subscribe(subscribe))
        },
    )
}

fn unsubscribe(version: Version) -> impl Strategy<Value = Sample> {
    (packet_id(), properties(place::UNSUBSCRIBE, version), vec(filter(), 1..5)).prop_map(
        move |(packet_id, properties, filters)| {
            let mut buf = FilterNamesBuf::new();
            for filter in &filters {
                buf.push(&TopicFilter::new(filter).unwrap());
            }
            let properties = decoded(&properties, place::UNSUBSCRIBE);
            let unsubscribe = Unsubscribe { packet_id, properties, filters: buf.as_filters() };
            sample(version, Role::Server, &Packet::Unsubscribe(unsubscribe))
        },
    )
}

fn connack(version: Version) -> impl Strategy<Value = Sample> {
    use ReasonCode::*;
    // Those that 3.x has as well.
    const REASONS: [ReasonCode; 6] = [
        Success,
        UnsupportedProtocolVersion,
        ClientIdentifierNotValid,
        ServerUnavailable,
        BadUserNameOrPassword,
        NotAuthorized,
    ];
    (select(&REASONS[..]), any::<bool>(), properties(place::CONNACK, version)).prop_map(
        move |(reason, session_present, properties)| {
            let session_present = session_present && reason == Success && version > Version::V3_1;
            let properties = decoded(&properties, place::CONNACK);
            let connack = Connack { session_present, reason, properties };
            sample(version, Role::Client, &Packet::Connack(connack))
        },
    )
}

fn suback(version: Version) -> impl Strategy<Value = Sample> {
    (packet_id(), properties(place::SUBACK, version), vec(select(&[0, 1, 2, 0x80][..]), 1..5)).prop_map(
        move |(packet_id, properties, reasons)| {
            let properties = decoded(&properties, place::SUBACK);
            let suback = Suback { packet_id, properties, reasons: &reasons };
            sample(version, Role::Client, &Packet::Suback(suback))
        },
    )
}

fn unsuback(version: Version) -> impl Strategy<Value = Sample> {
    (packet_id(), properties(place::SUBACK, version), vec(select(&[0, 0x11, 0x87][..]), 1..5)).prop_map(
        move |(packet_id, properties, reasons)| {
            let properties = decoded(&properties, place::SUBACK);
            let reasons = if version.is_v5() { &reasons[..] } else { &[] };
            let unsuback = Suback { packet_id, properties, reasons };
            sample(version, Role::Client, &Packet::Unsuback(unsuback))
        },
    )
}

fn disconnect(version: Version, role: Role) -> BoxedStrategy<Sample> {
    use ReasonCode::*;
    if role == Role::Client && !version.is_v5() {
        return Just(sample(version, role, &Packet::Pingresp)).boxed();
    }
    let place = if role == Role::Server { place::DISCONNECT_IN } else { place::DISCONNECT_OUT };
    let reason = reason(&[Success, UnspecifiedError, ProtocolError, QuotaExceeded], version);
    (reason, properties(place, version))
        .prop_map(move |(reason, properties)| {
            let disconnect = Disconnect { reason, properties: decoded(&properties, place) };
            sample(version, role, &Packet::Disconnect(disconnect))
        })
        .boxed()
}

fn auth(version: Version, role: Role) -> BoxedStrategy<Sample> {
    if !version.is_v5() {
        return publish(version, role).boxed();
    }
    let other = if role == Role::Client { ReasonCode::Success } else { ReasonCode::ReAuthenticate };
    let reason = select(std::vec![other, ReasonCode::ContinueAuthentication]);
    (reason, properties(place::AUTH, version))
        .prop_map(move |(reason, properties)| {
            let auth = Auth { reason, properties: decoded(&properties, place::AUTH) };
            sample(version, role, &Packet::Auth(auth))
        })
        .boxed()
}
