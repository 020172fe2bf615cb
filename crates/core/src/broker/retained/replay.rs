//! Retained Messages on their way to a new subscription.
use super::index::Cursor;
use crate::id::ConnectionId;
use crate::qos::QoS;
use alloc::vec::Vec;
use core::num::NonZeroU32;

pub(crate) struct Replay {
    pub(crate) cursor: Cursor,
    pub(crate) qos: QoS,
    pub(crate) identifier: Option<NonZeroU32>,
    /// The SUBACK that has to go first.
    pub(crate) behind: Option<(ConnectionId, u32)>,
}

/// The replays that stand in queues.
#[derive(Default)]
pub(crate) struct Replays {
    pub(crate) table: Vec<Option<Replay>>,
    free: Vec<u32>,
}

impl Replays {
    pub(crate) fn put(&mut self, replay: Replay) -> u32 {
        if let Some(place) = self.free.pop() {
            self.table[place as usize] = Some(replay);
            return place;
        }
        self.table.push(Some(replay));
        u32::try_from(self.table.len() - 1).expect("there are fewer subscriptions than that")
    }

    pub(crate) fn remove(&mut self, place: u32) {
        self.table[place as usize] = None;
        self.free.push(place);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len() - self.free.len()
    }
}
