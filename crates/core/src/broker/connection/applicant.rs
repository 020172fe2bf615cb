//! A CONNECT, from the packet to the verdict on it.
use crate::broker::authority::policy::{AuthStep, Grant};
use crate::broker::authority::supported::Supported;
use crate::broker::base::limits::{Limits, PACKET_MAX};
use crate::broker::session::NEVER;
use crate::broker::session::will::Will;
use crate::codec::{Auth, Connack, Connect, Packet, PropertiesBuf, Property};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::version::Version;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A CONNECT that is being decided on.
#[derive(Debug)]
pub(crate) struct Applicant {
    pub(crate) version: Version,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive: u16,
    /// Session Expiry Interval in seconds.
    pub(crate) expiry: u32,
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_packet_size: u32,
    pub(crate) topic_alias_maximum: u16,
    pub(crate) terse: bool,
    /// It asks for Response Information.
    pub(crate) asks_for_response_information: bool,
    pub(crate) bridge: bool,
    pub(crate) will: Option<Will>,
    pub(crate) client_id: Box<str>,
    /// We chose the Client Identifier, and have to tell.
    pub(crate) assigned: bool,
    pub(crate) step: AuthStep,
    /// Authentication Method, if there is one: each AUTH must repeat it. [MQTT-4.12.0-5]
    pub(crate) method: Option<Box<str>>,
    /// How many AUTH packets have come.
    pub(crate) rounds: u8,
    /// We sent AUTH and wait for the client's.
    pub(crate) awaits_auth: bool,
}

/// So many AUTH packets may come before CONNACK.
pub(crate) const ROUNDS: u8 = 16;

impl Applicant {
    pub(crate) fn new(connect: &Connect<'_>) -> Self {
        let properties = connect.properties;
        let v5 = connect.version.is_v5();
        // Before 5.0 a session that is not clean lasts until somebody discards it. (Section 3.1.2.4)
        let unbounded = if connect.clean_start { 0 } else { NEVER };
        let expiry = if v5 { properties.session_expiry_interval().unwrap_or(0) } else { unbounded };
        let method = properties.authentication_method().map(Box::from);
        let data: Box<[u8]> = properties.authentication_data().unwrap_or_default().into();
        let step = AuthStep::Connect {
            client_id: connect.client_id.into(),
            username: connect.username.map(Into::into),
            password: connect.password.map(Box::from),
            method: method.clone().map(|m| (m, data)),
        };
        Self {
            version: connect.version,
            clean_start: connect.clean_start,
            keep_alive: connect.keep_alive,
            expiry,
            receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX),
            maximum_packet_size: properties.maximum_packet_size().unwrap_or(u32::MAX),
            // [MQTT-3.1.2-27]
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            // [MQTT-3.1.2-29]
            terse: properties.request_problem_information() == Some(false),
            asks_for_response_information: properties.request_response_information() == Some(true),
            bridge: connect.bridge,
            will: connect.will.as_ref().map(Will::new),
            client_id: connect.client_id.into(),
            assigned: false,
            step,
            method,
            rounds: 0,
            awaits_auth: false,
        }
    }
}

impl Applicant {
    /// Who it says it is: Client Identifier and User Name. It is asked once, when the answer is no.
    pub(crate) fn names(&mut self) -> (Option<Box<str>>, Option<Box<str>>) {
        let username = match &mut self.step {
            AuthStep::Connect { username, .. } => username.take(),
            AuthStep::Again { .. } | AuthStep::Continue { .. } => None,
        };
        (Some(core::mem::take(&mut self.client_id)), username)
    }

    pub(crate) fn assign(&mut self, client_id: &str) {
        self.assigned = true;
        self.client_id = client_id.into();
        if let AuthStep::Connect { client_id: asked, .. } = &mut self.step {
            *asked = client_id.into();
        }
    }

    /// The CONNACK that lets it in. [MQTT-3.2.2-2] [MQTT-3.2.2-3] [MQTT-3.2.2-16] [MQTT-4.12.0-5]
    pub(crate) fn connack(&self, limits: &Limits, grant: &Grant, present: bool) -> Box<[u8]> {
        let supported = Supported::by(limits, grant);
        let keep_alive = limits.keep_alive(self.keep_alive);
        let expiry = self.expiry.min(limits.session_expiry_seconds);
        let mut properties = PropertiesBuf::default();
        let mut put = |property| {
            properties.push(property).expect("limits, and what a CONNECT said, are what a CONNACK may say");
        };
        if self.version.is_v5() {
            if expiry != self.expiry {
                put(Property::SessionExpiryInterval(expiry));
            }
            if limits.receive_maximum != u16::MAX {
                put(Property::ReceiveMaximum(limits.receive_maximum));
            }
            if limits.packet_bytes < PACKET_MAX {
                put(Property::MaximumPacketSize(limits.packet_bytes));
            }
            if supported.maximum_qos < QoS::ExactlyOnce {
                put(Property::MaximumQoS(supported.maximum_qos));
            }
            if !supported.retain_available {
                put(Property::RetainAvailable(false));
            }
            if limits.topic_aliases > 0 {
                put(Property::TopicAliasMaximum(limits.topic_aliases));
            }
            if self.assigned {
                put(Property::AssignedClientIdentifier(&self.client_id));
            }
            // [MQTT-3.1.2-21] [MQTT-3.2.2-22]
            if keep_alive != self.keep_alive {
                put(Property::ServerKeepAlive(keep_alive));
            }
            if let Some(method) = &self.method {
                put(Property::AuthenticationMethod(method));
            }
            // [MQTT-3.1.2-28]
            let information = grant.response_information();
            if let Some(information) = information.filter(|_| self.asks_for_response_information) {
                put(Property::ResponseInformation(information));
            }
        }
        let connack = Connack {
            session_present: present,
            reason: ReasonCode::Success,
            properties: properties.as_properties(),
        };
        let mut bytes = Vec::new();
        let _ = Packet::Connack(connack).encode(self.version, u32::MAX, &mut bytes);
        bytes.into()
    }
}

/// Appends an AUTH; false if the client takes none of that size, or nobody does.
pub(crate) fn put_auth(reason: ReasonCode, method: &str, data: &[u8], limit: u32, out: &mut Vec<u8>) -> bool {
    let mut properties = PropertiesBuf::default();
    let said = [Property::AuthenticationMethod(method), Property::AuthenticationData(data)];
    let fits = properties.extend(said).is_ok();
    let auth = Auth { reason, properties: properties.as_properties() };
    fits && Packet::Auth(auth).encode(Version::V5, limit, out).is_ok()
}
