//! CONNACK that lets somebody in.
use super::Broker;
use super::connect::Greeting;
use crate::codec::{Connack, Packet, PropertiesBuf, Property};
use crate::reason::ReasonCode;
use alloc::boxed::Box;
use alloc::vec::Vec;

impl Broker {
    /// How long a client may be silent: what it asked for, within our limit.
    pub(super) fn keep_alive(&self, asked: u16) -> u16 {
        let most = self.limits.keep_alive_seconds;
        if asked == 0 && most == u16::MAX {
            0
        } else if asked == 0 {
            most
        } else {
            asked.min(most)
        }
    }

    /// The CONNACK that lets somebody in.
    pub(super) fn welcome_packet(&self, greeting: &Greeting, present: bool) -> Box<[u8]> {
        let keep_alive = self.keep_alive(greeting.keep_alive);
        let expiry = greeting.expiry.min(self.limits.session_expiry_seconds);
        let mut properties = PropertiesBuf::default();
        let mut put = |property| {
            properties.push(property).expect("limits, and what a CONNECT said, are what a CONNACK may say");
        };
        if greeting.version.is_v5() {
            if expiry != greeting.expiry {
                put(Property::SessionExpiryInterval(expiry));
            }
            if self.limits.receive_maximum != u16::MAX {
                put(Property::ReceiveMaximum(self.limits.receive_maximum));
            }
            if self.limits.packet_bytes < super::limits::PACKET_MAX {
                put(Property::MaximumPacketSize(self.limits.packet_bytes));
            }
            if greeting.assigned {
                put(Property::AssignedClientIdentifier(&greeting.client_id));
            }
            put(Property::SharedSubscriptionAvailable(false));
            if keep_alive != greeting.keep_alive {
                put(Property::ServerKeepAlive(keep_alive));
            }
            if let Some(method) = &greeting.method {
                put(Property::AuthenticationMethod(method));
            }
        }
        let connack = Connack {
            session_present: present,
            reason: ReasonCode::Success,
            properties: properties.as_properties(),
        };
        let mut bytes = Vec::new();
        let _ = Packet::Connack(connack).encode(greeting.version, u32::MAX, &mut bytes);
        bytes.into()
    }
}
