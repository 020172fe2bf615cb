//! What clients send, as bytes.
//!
//! This is not the core's encoder on purpose: a script has to say what no correct encoder would, and a fault that
//! the core's encoder shares with its decoder has to show.
use crate::packet::{Connect, Filter, Outgoing, Publish};
use crate::property::{Property, prefixed, variable};
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;

/// Appends the packet. `id` finds the Packet Identifier that a script means.
pub(crate) fn write(
    packet: &Outgoing,
    version: Version,
    id: impl FnOnce(&crate::packet::Id) -> u16,
    out: &mut Vec<u8>,
) {
    let mut body = Vec::new();
    let header = match packet {
        Outgoing::Bytes(bytes) => return out.extend_from_slice(bytes),
        Outgoing::Connect(connect) => write_connect(connect, version, &mut body),
        Outgoing::Publish(publish) => write_publish(publish, version, publish.id.as_ref().map(id), &mut body),
        Outgoing::Subscribe { id: packet_id, filters, properties } => {
            body.extend_from_slice(&id(packet_id).to_be_bytes());
            block(properties, version, &mut body);
            for Filter { filter, options } in filters {
                prefixed(filter, &mut body);
                body.push(*options);
            }
            0x82
        }
        Outgoing::Unsubscribe { id: packet_id, filters, properties } => {
            body.extend_from_slice(&id(packet_id).to_be_bytes());
            block(properties, version, &mut body);
            for filter in filters {
                prefixed(filter, &mut body);
            }
            0xa2
        }
        Outgoing::Ack { kind, id: packet_id, reason, properties } => {
            body.extend_from_slice(&id(packet_id).to_be_bytes());
            reason_and_block(*reason, properties, version, &mut body);
            kind.header()
        }
        Outgoing::Pingreq => 0xc0,
        Outgoing::Disconnect { reason, properties } => {
            reason_and_block(*reason, properties, version, &mut body);
            0xe0
        }
        Outgoing::Auth { reason, properties } => {
            reason_and_block(*reason, properties, version, &mut body);
            0xf0
        }
    };
    out.push(header);
    variable(u32::try_from(body.len()).expect("a script's packets are small"), out);
    out.extend_from_slice(&body);
}

fn write_connect(connect: &Connect, version: Version, body: &mut Vec<u8>) -> u8 {
    prefixed(if version == Version::V3_1 { b"MQIsdp" } else { b"MQTT" }, body);
    body.push(version.level());
    let mut flags = u8::from(connect.clean_start) << 1;
    if let Some(will) = &connect.will {
        flags |= 0x04 | will.qos.bits() << 3 | u8::from(will.retain) << 5;
    }
    flags |= u8::from(connect.password.is_some()) << 6 | u8::from(connect.username.is_some()) << 7;
    body.push(flags);
    body.extend_from_slice(&connect.keep_alive.to_be_bytes());
    block(&connect.properties, version, body);
    prefixed(&connect.client_id, body);
    if let Some(will) = &connect.will {
        block(&will.properties, version, body);
        prefixed(&will.topic, body);
        prefixed(&will.payload, body);
    }
    for bytes in connect.username.iter().chain(&connect.password) {
        prefixed(bytes, body);
    }
    0x10
}

fn write_publish(publish: &Publish, version: Version, id: Option<u16>, body: &mut Vec<u8>) -> u8 {
    prefixed(&publish.topic, body);
    if publish.qos != QoS::AtMostOnce {
        body.extend_from_slice(&id.unwrap_or(0).to_be_bytes());
    }
    block(&publish.properties, version, body);
    body.extend_from_slice(&publish.payload);
    0x30 | u8::from(publish.dup) << 3 | publish.qos.bits() << 1 | u8::from(publish.retain)
}

fn block(properties: &[Property], version: Version, out: &mut Vec<u8>) {
    if !version.is_v5() {
        return;
    }
    let mut bytes = Vec::new();
    for property in properties {
        property.write(&mut bytes);
    }
    variable(u32::try_from(bytes.len()).expect("a script's properties are few"), out);
    out.extend_from_slice(&bytes);
}

/// Both may be left out from the end. (Section 3.4.2.1)
fn reason_and_block(reason: ReasonCode, properties: &[Property], version: Version, out: &mut Vec<u8>) {
    if !version.is_v5() || (reason == ReasonCode::Success && properties.is_empty()) {
        return;
    }
    out.push(reason.byte());
    if !properties.is_empty() {
        block(properties, version, out);
    }
}
