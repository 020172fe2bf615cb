//! What clients say, as bytes, and what they hear, as lines of text.
use tidewire_core::codec::{
    Ack, Auth, Connect, Delivery, FilterNamesBuf, FiltersBuf, Packet, Payload, Properties, PropertiesBuf,
    Property, Publish, PublishHead, Subscribe, SubscriptionOptions, Unsubscribe, Will,
};
use tidewire_core::id::PacketId;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::Text;
use tidewire_core::topic::TopicFilter;
use tidewire_core::version::Version;

/// A CONNECT to be.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) version: Version,
    client_id: String,
    clean: bool,
    keep_alive: u16,
    user: Option<String>,
    expiry: Option<u32>,
    receive_maximum: Option<u16>,
    maximum_packet_size: Option<u32>,
    topic_alias_maximum: Option<u16>,
    response_information: Option<bool>,
    method: Option<String>,
    will: Option<(String, Vec<u8>, u8, bool, u32)>,
}

impl Hello {
    /// 5.0, clean, no Keep Alive, no will.
    pub(crate) fn new(client_id: &str) -> Self {
        Self {
            version: Version::V5,
            client_id: client_id.to_owned(),
            clean: true,
            keep_alive: 0,
            user: None,
            expiry: None,
            receive_maximum: None,
            maximum_packet_size: None,
            topic_alias_maximum: None,
            response_information: None,
            method: None,
            will: None,
        }
    }

    pub(crate) fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn v3(self) -> Self {
        self.version(Version::V3_1_1)
    }

    /// Comes back to its session, if there is one.
    pub(crate) fn resume(mut self) -> Self {
        self.clean = false;
        self
    }

    pub(crate) fn clean(mut self, clean: bool) -> Self {
        self.clean = clean;
        self
    }

    pub(crate) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    pub(crate) fn user(mut self, name: &str) -> Self {
        self.user = Some(name.to_owned());
        self
    }

    pub(crate) fn expiry(mut self, seconds: u32) -> Self {
        self.expiry = Some(seconds);
        self
    }

    pub(crate) fn receive_maximum(mut self, most: u16) -> Self {
        self.receive_maximum = Some(most);
        self
    }

    pub(crate) fn maximum_packet_size(mut self, bytes: u32) -> Self {
        self.maximum_packet_size = Some(bytes);
        self
    }

    pub(crate) fn topic_alias_maximum(mut self, most: u16) -> Self {
        self.topic_alias_maximum = Some(most);
        self
    }

    pub(crate) fn response_information(mut self, asked: bool) -> Self {
        self.response_information = Some(asked);
        self
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// QoS 0, not retained, after so many seconds.
    pub(crate) fn will(mut self, topic: &str, delay: u32) -> Self {
        self.will = Some((topic.to_owned(), b"gone".to_vec(), 0, false, delay));
        self
    }

    /// At once, with this QoS and RETAIN.
    pub(crate) fn will_with(mut self, topic: &str, qos: u8, retain: bool) -> Self {
        self.will = Some((topic.to_owned(), b"gone".to_vec(), qos, retain, 0));
        self
    }

    /// The same, at once and with this payload.
    pub(crate) fn will_of(mut self, topic: &str, payload: &[u8]) -> Self {
        self.will = Some((topic.to_owned(), payload.to_vec(), 0, false, 0));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let v5 = self.version.is_v5();
        let mut properties = PropertiesBuf::new();
        let mut will_properties = PropertiesBuf::new();
        if v5 {
            let expiry = self.expiry.map(Property::SessionExpiryInterval);
            let receive = self.receive_maximum.map(Property::ReceiveMaximum);
            let size = self.maximum_packet_size.map(Property::MaximumPacketSize);
            let method = self.method.as_deref().map(Property::AuthenticationMethod);
            let aliases = self.topic_alias_maximum.map(Property::TopicAliasMaximum);
            let information = self.response_information.map(Property::RequestResponseInformation);
            let said = [expiry, receive, size, aliases, information, method].into_iter().flatten();
            properties.extend(said).expect("it can be sent");
            if let Some((.., delay @ 1..)) = self.will {
                will_properties.push(Property::WillDelayInterval(delay)).expect("it can be sent");
            }
        }
        let will = self.will.as_ref().map(|(topic, payload, qos, retain, _)| Will {
            topic: Text::new(topic).expect("it has no U+0000"),
            payload,
            qos: QoS::from_bits(*qos).expect("a QoS"),
            retain: *retain,
            properties: will_properties.as_properties(),
        });
        encode(
            self.version,
            &Packet::Connect(Connect {
                bridge: false,
                version: self.version,
                clean_start: self.clean,
                keep_alive: self.keep_alive,
                properties: properties.as_properties(),
                client_id: Text::new(&self.client_id).expect("it has no U+0000"),
                will,
                username: self.user.as_deref().map(|user| Text::new(user).expect("it has no U+0000")),
                password: self.user.as_ref().map(|_| b"secret".as_slice()),
            }),
        )
    }
}

pub(crate) fn encode(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![];
    packet.encode(version, u32::MAX, &mut bytes).expect("a packet that can be");
    bytes
}

fn id(packet_id: u16) -> PacketId {
    PacketId::new(packet_id).expect("not zero")
}

pub(crate) fn delivery(qos: u8, packet_id: u16, dup: bool) -> Delivery {
    match qos {
        0 => Delivery::AtMostOnce,
        1 => Delivery::AtLeastOnce { packet_id: id(packet_id), dup },
        _ => Delivery::ExactlyOnce { packet_id: id(packet_id), dup },
    }
}

pub(crate) fn publish(version: Version, topic: &str, payload: &[u8], qos: u8, packet_id: u16) -> Vec<u8> {
    publish_with(version, topic, payload, delivery(qos, packet_id, false), false, None)
}

/// A PUBLISH with all that a test may want to choose.
pub(crate) fn publish_with(
    version: Version,
    topic: &str,
    payload: &[u8],
    delivery: Delivery,
    retain: bool,
    expiry: Option<u32>,
) -> Vec<u8> {
    with_payload(
        version,
        PublishHead { message_expiry_interval: expiry, ..head_of(topic, delivery, retain) },
        payload,
    )
}

/// A PUBLISH of 5.0 with a Topic Alias, and without a topic if that is empty.
pub(crate) fn publish_as(alias: u16, topic: &str, payload: &[u8], delivery: Delivery) -> Vec<u8> {
    let head = PublishHead { topic_alias: Some(alias), ..head_of(topic, delivery, false) };
    with_payload(Version::V5, head, payload)
}

fn head_of(topic: &str, delivery: Delivery, retain: bool) -> PublishHead<'_> {
    PublishHead {
        delivery,
        retain,
        topic: Text::new(topic).expect("it has no U+0000"),
        topic_alias: None,
        message_expiry_interval: None,
        properties: &[],
        subscription_identifiers: &[],
        payload_len: 0,
    }
}

fn with_payload(version: Version, head: PublishHead<'_>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let head = PublishHead { payload_len: payload.len(), ..head };
    head.encode(version, u32::MAX, &mut bytes).expect("a packet that can be");
    bytes.extend_from_slice(payload);
    bytes
}

pub(crate) fn subscribe(version: Version, packet_id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut all = FiltersBuf::new(version);
    for (filter, qos) in filters {
        let qos = QoS::from_bits(*qos).expect("a QoS");
        let filter = TopicFilter::new(filter).expect("a filter");
        all.push(&filter, SubscriptionOptions { qos, ..SubscriptionOptions::default() });
    }
    let subscribe =
        Subscribe { packet_id: id(packet_id), properties: Properties::default(), filters: all.as_filters() };
    encode(version, &Packet::Subscribe(subscribe))
}

pub(crate) fn unsubscribe(version: Version, packet_id: u16, filter: &str) -> Vec<u8> {
    unsubscribe_all(version, packet_id, &[filter.to_owned()])
}

pub(crate) fn unsubscribe_all(version: Version, packet_id: u16, filters: &[String]) -> Vec<u8> {
    let mut all = FilterNamesBuf::new();
    filters.iter().for_each(|filter| all.push(&TopicFilter::new(filter).expect("a filter")));
    let unsubscribe = Unsubscribe {
        packet_id: id(packet_id),
        properties: Properties::default(),
        filters: all.as_filters(),
    };
    encode(version, &Packet::Unsubscribe(unsubscribe))
}

/// AUTH 0x18 or 0x19, with this Authentication Method and Data.
pub(crate) fn auth(reason: ReasonCode, method: &str, data: &str) -> Vec<u8> {
    let said = [Property::AuthenticationMethod(method), Property::AuthenticationData(data.as_bytes())];
    let properties = PropertiesBuf::of(said).expect("they can be sent");
    encode(Version::V5, &Packet::Auth(Auth { reason, properties: properties.as_properties() }))
}

/// PUBACK 4, PUBREC 5, PUBREL 6, PUBCOMP 7, with this Reason Code.
pub(crate) fn ack(version: Version, packet: u8, packet_id: u16, reason: u8) -> Vec<u8> {
    let reason = ReasonCode::from_byte(reason).expect("a Reason Code");
    let ack = Ack { packet_id: id(packet_id), reason, properties: Properties::default() };
    let packet = match packet {
        4 => Packet::Puback(ack),
        5 => Packet::Pubrec(ack),
        6 => Packet::Pubrel(ack),
        _ => Packet::Pubcomp(ack),
    };
    encode(version, &packet)
}

/// A packet as a transcript says it.
pub(super) fn line(packet: &Packet<'_>) -> String {
    let acknowledged = |name: &str, ack: &Ack<'_>| match ack.reason {
        ReasonCode::Success => format!("{name} {}", ack.packet_id.get()),
        reason => format!("{name} {} {:#04x}", ack.packet_id.get(), reason.byte()),
    };
    match packet {
        Packet::Connack(connack) => {
            let session = if connack.session_present { "present" } else { "new" };
            format!("CONNACK {session} {:#04x}", connack.reason.byte())
        }
        Packet::Publish(publish) => head(publish),
        Packet::Puback(ack) => acknowledged("PUBACK", ack),
        Packet::Pubrec(ack) => acknowledged("PUBREC", ack),
        Packet::Pubrel(ack) => acknowledged("PUBREL", ack),
        Packet::Pubcomp(ack) => acknowledged("PUBCOMP", ack),
        Packet::Suback(suback) => format!("SUBACK {} {:?}", suback.packet_id.get(), suback.reasons),
        Packet::Unsuback(suback) => format!("UNSUBACK {} {:?}", suback.packet_id.get(), suback.reasons),
        Packet::Disconnect(disconnect) => format!("DISCONNECT {:#04x}", disconnect.reason.byte()),
        Packet::Auth(_) => "AUTH".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    }
}

pub(super) fn head(publish: &Publish<'_>) -> String {
    let mut line = format!("PUBLISH {}", publish.topic);
    match publish.payload {
        Payload::Whole(bytes) if bytes.len() > 40 => line += &format!(" <{}>", bytes.len()),
        Payload::Whole(bytes) => line += &format!(" {}", String::from_utf8_lossy(bytes)),
        Payload::Streamed(_) => {}
    }
    if let Some(packet_id) = publish.delivery.packet_id() {
        line += &format!(" q{} #{}", publish.delivery.qos().bits(), packet_id.get());
    }
    let dup = matches!(
        publish.delivery,
        Delivery::AtLeastOnce { dup: true, .. } | Delivery::ExactlyOnce { dup: true, .. }
    );
    for (flag, said) in [(dup, " dup"), (publish.retain, " retain")] {
        line += if flag { said } else { "" };
    }
    if let Some(alias) = publish.properties.topic_alias() {
        line += &format!(" as {alias}");
    }
    line
}
