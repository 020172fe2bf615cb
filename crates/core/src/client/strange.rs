//! A session of which the server knows more than we do: of a program that ran before us, or of messages that were given
//! up.
//!
//! It may hold any QoS 2 identifier, and would take what is new under that for a repetition. So identifiers are freed
//! before they are used: a PUBREL for each of the next ones, whatever the server makes of it, and its PUBCOMP. The PUBLISH
//! can't follow at once: after a cut nobody would know whether the next PUBREL frees the old message or the new one.
//! [MQTT-4.3.3-4] [MQTT-4.3.3-11]
use super::Client;
use crate::codec::{AckKind, encode_ack};
use crate::id::PacketId;
use crate::output::Output;
use crate::reason::ReasonCode;
use alloc::collections::BTreeSet;

/// Identifiers that are freed together.
const TOGETHER: u16 = 256;

#[derive(Debug, Default)]
pub(super) struct Strange {
    /// From the next identifier up to before this one all are free, once nothing is asked.
    end: Option<PacketId>,
    /// PUBRELs whose PUBCOMPs are to come.
    asked: BTreeSet<PacketId>,
    /// So many were freed in all.
    done: u32,
}

impl Client {
    /// From now on no identifier is taken for free.
    pub(super) fn estrange(&mut self) {
        self.strange = Some(Strange::default());
    }

    /// May the next identifier be used for QoS 2? If not, it is seen to.
    pub(super) fn is_next_free(&mut self, out: &mut Output) -> bool {
        let Some(strange) = &mut self.strange else { return true };
        let next = self.sender.next_id();
        if strange.asked.is_empty() {
            if strange.end.is_some_and(|end| (1..=TOGETHER).contains(&next.steps_to(end))) {
                return true;
            }
            let (mut packet_id, version) = (next, self.version);
            for _ in 0..TOGETHER {
                out.append(|out| encode_ack(AckKind::Pubrel, packet_id, ReasonCode::Success, version, out));
                strange.asked.insert(packet_id);
                packet_id = packet_id.next();
            }
            strange.end = Some(packet_id);
        }
        false
    }

    /// PUBCOMP: true if it only frees an identifier.
    pub(super) fn on_freed(&mut self, packet_id: PacketId) -> bool {
        let Some(strange) = &mut self.strange else { return false };
        if !strange.asked.remove(&packet_id) {
            return false;
        }
        if strange.asked.is_empty() {
            strange.done += u32::from(TOGETHER);
            if strange.done >= u32::from(u16::MAX) {
                self.strange = None;
            }
            self.actions.transmit();
        }
        true
    }

    /// What was asked on an earlier connection will not be answered.
    pub(super) fn forget_asked(&mut self) {
        if let Some(strange) = self.strange.as_mut().filter(|strange| !strange.asked.is_empty()) {
            strange.asked.clear();
            strange.end = None;
        }
    }
}
