//! A message as packets: encoded at routing, straight into what its recipients are sent.
use super::store::{Content, View};
use crate::codec::{Delivery, EncodeError, PublishHead};
use crate::delivery::Outward;
use crate::version::Version;
use alloc::vec::Vec;

/// Encodes a message for somebody who takes packets of any size.
pub(crate) fn encode_early(
    view: &View<'_>,
    version: Version,
    delivery: Delivery,
    retain: bool,
    out: &mut Vec<u8>,
) {
    encode(view, delivery, retain, out, |head, out| head.encode(version, u32::MAX, out));
}

/// The same for somebody who takes Topic Aliases.
pub(crate) fn encode_aliased(
    view: &View<'_>,
    delivery: Delivery,
    retain: bool,
    outward: &mut Outward,
    out: &mut Vec<u8>,
) {
    encode(view, delivery, retain, out, |head, out| outward.encode(head, u32::MAX, out));
}

#[inline(always)] // as what is done with it
fn encode(
    view: &View<'_>,
    delivery: Delivery,
    retain: bool,
    out: &mut Vec<u8>,
    put: impl FnOnce(&PublishHead<'_>, &mut Vec<u8>) -> Result<(), EncodeError>,
) {
    let Content::Small(payload) = view.content else { return };
    let head = PublishHead {
        delivery,
        retain,
        topic: view.topic,
        topic_alias: None,
        message_expiry_interval: None,
        properties: view.properties,
        subscription_identifiers: &[],
        payload_len: payload.len(),
    };
    let fits = put(&head, out).is_ok();
    debug_assert!(fits, "what fitted into a packet on its way in fits into one on its way out");
    out.extend_from_slice(payload);
}

/// A message as one class of recipients gets it: encoded once, then copied; only the Packet Identifier differs.
#[derive(Default)]
pub(crate) struct Wire {
    bytes: Vec<u8>,
    /// Version, QoS and RETAIN; 0 for none.
    class: u8,
    /// Where the Packet Identifier stands.
    packet_id_at: usize,
}

impl Wire {
    /// Another message follows.
    pub(crate) fn of_nothing(&mut self) -> &mut Self {
        self.class = 0;
        self
    }

    pub(crate) fn put(
        &mut self,
        view: &View<'_>,
        version: Version,
        delivery: Delivery,
        retain: bool,
        out: &mut Vec<u8>,
    ) {
        let class = version.level() << 3 | delivery.qos().bits() << 1 | u8::from(retain);
        if self.class != class {
            self.class = class;
            self.bytes.clear();
            encode_early(view, version, delivery, retain, &mut self.bytes);
            // Behind the fixed header and the topic with its length.
            let remaining_length = 1 + self.bytes.iter().skip(1).take_while(|b| **b >= 0x80).count() + 1;
            self.packet_id_at = remaining_length + 2 + view.topic.len();
        }
        let at = out.len() + self.packet_id_at;
        out.extend_from_slice(&self.bytes);
        if let Some(packet_id) = delivery.packet_id()
            && let Some(place) = out.get_mut(at..at + 2)
        {
            place.copy_from_slice(&packet_id.get().to_be_bytes());
        }
    }
}
