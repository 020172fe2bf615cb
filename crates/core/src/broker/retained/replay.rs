//! Retained Messages on their way to a new subscription.
use super::index::Cursor;
use crate::id::ConnectionId;
use crate::qos::QoS;
use core::num::NonZeroU32;

pub(crate) struct Replay {
    pub(crate) cursor: Cursor,
    pub(crate) qos: QoS,
    pub(crate) identifier: Option<NonZeroU32>,
    /// The SUBACK that has to go first.
    pub(crate) behind: Option<(ConnectionId, u32)>,
}
