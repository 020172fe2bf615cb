//! What a server said in its CONNACK.
use crate::codec::{Connack, Properties, PropertiesBuf};
use crate::qos::QoS;
use crate::version::Version;
use alloc::boxed::Box;

/// What a server said in its CONNACK, or what holds where it said nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// What is spoken.
    pub version: Version,
    /// So many QoS 1 and 2 messages may be sent unacknowledged. [MQTT-3.3.4-7]
    pub receive_maximum: u16,
    /// The greatest QoS that it supports. [MQTT-3.2.2-11]
    pub maximum_qos: QoS,
    /// Whether it keeps Retained Messages. [MQTT-3.2.2-14]
    pub retain_available: bool,
    /// The largest packet that it takes. [MQTT-3.2.2-15]
    pub maximum_packet_size: u32,
    /// So many Topic Aliases it takes. [MQTT-3.2.2-17] [MQTT-3.2.2-18]
    pub topic_alias_maximum: u16,
    /// The Client Identifier that it gave us, if it did. [MQTT-3.2.2-16]
    pub assigned_client_id: Option<Box<str>>,
    /// The Keep Alive that it wants instead of ours. [MQTT-3.2.2-21]
    pub keep_alive_seconds: Option<u16>,
    /// The Session Expiry Interval that it uses instead of ours.
    pub session_expiry_seconds: Option<u32>,
    /// Whether it knows Subscription Identifiers. (Section 3.2.2.3.12)
    pub subscription_identifiers: bool,
    properties: PropertiesBuf,
}

impl Server {
    /// What holds before it has said anything.
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            receive_maximum: u16::MAX,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            maximum_packet_size: u32::MAX,
            topic_alias_maximum: 0,
            assigned_client_id: None,
            keep_alive_seconds: None,
            session_expiry_seconds: None,
            subscription_identifiers: true,
            properties: PropertiesBuf::new(),
        }
    }

    pub(super) fn of(version: Version, connack: &Connack<'_>) -> Self {
        let said = connack.properties;
        Self {
            version,
            receive_maximum: said.receive_maximum().unwrap_or(u16::MAX),
            maximum_qos: said.maximum_qos().unwrap_or(QoS::ExactlyOnce),
            retain_available: said.retain_available().unwrap_or(true),
            maximum_packet_size: said.maximum_packet_size().unwrap_or(u32::MAX),
            topic_alias_maximum: said.topic_alias_maximum().unwrap_or(0),
            assigned_client_id: said.assigned_client_identifier().map(Into::into),
            keep_alive_seconds: said.server_keep_alive(),
            session_expiry_seconds: said.session_expiry_interval(),
            subscription_identifiers: said.subscription_identifier_available().unwrap_or(true),
            properties: said.into(),
        }
    }

    /// All properties of its CONNACK. (5.0)
    pub fn properties(&self) -> Properties<'_> {
        self.properties.as_properties()
    }
}
