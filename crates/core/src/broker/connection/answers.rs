//! What waits to be sent to a connection, in order.
use crate::codec::{self, AckKind};
use crate::delivery::Answer;
use crate::id::PacketId;
use crate::reason::ReasonCode;
use crate::version::Version;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Something to be sent, once it may be.
pub(crate) struct Pending {
    pub(crate) what: Reply,
    /// The journal's end when it was made.
    pub(crate) position: u64,
    pub(crate) waits: Waits,
}

/// What an answer waits for, beside the journal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    Nothing,
    /// Other shards have yet to settle what it rests on.
    Settlement,
    /// The end of the pause that its publisher makes.
    Pause,
}

/// What is sent.
pub(crate) enum Reply {
    Ack {
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
    },
    /// CONNACK, SUBACK, UNSUBACK: encoded when they were made.
    Encoded(Box<[u8]>),
    /// Nothing: it has left already.
    Nothing,
}

impl Pending {
    /// It has all that it waits for.
    pub(crate) fn is_ready(&self, durable: u64) -> bool {
        self.waits == Waits::Nothing && self.position <= durable
    }

    pub(crate) fn is_pubrec(&self, of: PacketId) -> bool {
        matches!(self.what, Reply::Ack { kind: AckKind::Pubrec, packet_id, .. } if packet_id == of)
    }
}

impl Answer for Pending {
    fn is_puback(&self) -> bool {
        matches!(self.what, Reply::Ack { kind: AckKind::Puback, .. })
    }
}

impl Reply {
    pub(crate) fn encode(&self, version: Version, out: &mut Vec<u8>) {
        match self {
            Self::Ack { kind, packet_id, reason } => {
                codec::encode_ack(*kind, *packet_id, *reason, version, out);
            }
            Self::Encoded(bytes) => out.extend_from_slice(bytes),
            Self::Nothing => {}
        }
    }
}
