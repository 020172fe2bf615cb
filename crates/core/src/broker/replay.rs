//! Retained Messages for a new subscription: a cursor that stands in the queue and is pulled like all output.
use super::Broker;
use super::policy::Access;
use super::retain::Kept;
use super::retained::{Cursor, Step};
use super::session::{Entry, Flow, Identifiers, Queued};
use crate::id::ConnectionId;
use crate::qos::QoS;
use crate::text::Text;
use crate::time::Instant;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU32;

/// So many entries of the index are looked at before somebody else has a turn.
const BUDGET: usize = 1000;

pub(super) struct Replay {
    pub(super) cursor: Cursor,
    pub(super) qos: QoS,
    pub(super) identifier: Option<NonZeroU32>,
    /// The SUBACK that has to go first.
    pub(super) behind: Option<(ConnectionId, u32)>,
}

/// The replays that stand in queues.
#[derive(Default)]
pub(super) struct Replays {
    table: Vec<Option<Replay>>,
    free: Vec<u32>,
}

impl Replays {
    pub(super) fn put(&mut self, replay: Replay) -> u32 {
        if let Some(place) = self.free.pop() {
            self.table[place as usize] = Some(replay);
            return place;
        }
        self.table.push(Some(replay));
        u32::try_from(self.table.len() - 1).expect("there are fewer subscriptions than that")
    }

    fn remove(&mut self, place: u32) {
        self.table[place as usize] = None;
        self.free.push(place);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table.len() - self.free.len()
    }
}

/// What a replay does next.
pub(super) enum Next {
    /// This is to be sent; it is in the store.
    Message(Entry),
    /// Its SUBACK has to go first.
    Wait,
    /// Others first.
    Pause,
    /// It is over.
    End,
}

impl Broker {
    /// Takes the next entry of a replay; one that is over is forgotten.
    pub(super) fn replay_step(&mut self, now: Instant, session: u32, place: u32) -> Next {
        let behind = self.replays.table[place as usize].as_ref().and_then(|r| r.behind);
        if let Some((id, number)) = behind
            && self.connections.get(id).is_some()
            && self.is_unanswered(id.index, number)
        {
            return Next::Wait;
        }
        let Some(replay) = self.replays.table[place as usize].as_mut() else { return Next::End };
        replay.behind = None;
        let s = &self.sessions[session];
        let mut budget = BUDGET;
        loop {
            match self.retained.next(&mut replay.cursor, &mut budget) {
                Step::Found(topic, kept) => {
                    let expired = kept.expires_at.is_some_and(|at| now > at);
                    let may = self.grants.may(
                        s.grant,
                        &s.client_id,
                        Access::Receive { topic: Text::known_str(topic) },
                    );
                    if expired || !may {
                        continue;
                    }
                    let message = self.depot.store.put(&kept.view(topic));
                    let identifiers =
                        replay.identifier.map_or(Identifiers::None, |i| Identifiers::One(i.get()));
                    // RETAIN is set: it was there before the subscription. [MQTT-3.3.1-8]
                    return Next::Message(Entry::message(
                        message,
                        replay.qos.min(kept.qos),
                        true,
                        identifiers,
                    ));
                }
                Step::Pause => return Next::Pause,
                Step::End => {
                    self.replays.remove(place);
                    return Next::End;
                }
            }
        }
    }

    /// The connection is gone: a replay that was not through is not taken up again.
    pub(super) fn abandon_replays(&mut self, flow: &mut Flow) {
        if flow.replays == 0 {
            return;
        }
        self.depot.books.ledger.replays_abandoned += u64::from(flow.replays);
        let replays = &mut self.replays;
        flow.queue.retain(|entry| match entry.what() {
            Queued::Replay(place) => {
                replays.remove(place);
                false
            }
            Queued::Message(_) => true,
        });
        flow.replays = 0;
    }
}

/// For the index: shared by all shards.
pub(super) type Shared = Arc<Kept>;
