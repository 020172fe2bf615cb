//! Retained Messages on their way to a new subscription: each is looked up when its turn in the queue has come.
use super::Broker;
use super::authority::policy::Access;
use super::messages::queue::{Entry, Identifiers};
use super::retained::index::Step;
use super::session::Busy;
use crate::qos::QoS;
use crate::text::Text;
use crate::time::Instant;

/// So many entries of the index are looked at before somebody else has a turn.
const BUDGET: usize = 1000;

/// What a replay does next.
enum Next {
    /// This is to be sent; it is in the store.
    Message(Entry),
    /// Its SUBACK has to go first.
    Wait,
    /// Others first.
    Pause,
    /// It is over.
    End,
}

/// Why nothing more is sent for now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// There is nothing.
    Empty,
    /// The output holds what was asked for.
    Full,
    /// What comes next needs an acknowledgement, or the journal, first.
    Waits,
}

impl Broker {
    /// Takes the next entry of a replay; one that is over is forgotten.
    fn replay_step(&mut self, now: Instant, session: u32, place: u32) -> Next {
        let behind = self.retained.replays.get(place).and_then(|r| r.behind);
        if let Some((id, number)) = behind
            && self.connections.get(id).is_some_and(|connection| connection.is_to_answer(number))
        {
            return Next::Wait;
        }
        let Some(replay) = self.retained.replays.get_mut(place) else { return Next::End };
        replay.behind = None;
        let s = &self.sessions[session];
        let mut budget = BUDGET;
        loop {
            match self.retained.index.next(&mut replay.cursor, &mut budget) {
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
                    let message = self.messages.store.put(&kept.view(topic));
                    let identifiers =
                        replay.identifier.map_or(Identifiers::None, |i| Identifiers::One(i.get()));
                    // RETAIN is set: it was there before the subscription. [MQTT-3.3.1-8]
                    // [MQTT-3.3.1-8 of 3.1.1] [MQTT-3.8.4-8]
                    return Next::Message(Entry::message(
                        message,
                        replay.qos.min(kept.qos),
                        true,
                        identifiers,
                    ));
                }
                Step::Pause => return Next::Pause,
                Step::End => {
                    self.retained.replays.remove(place);
                    return Next::End;
                }
            }
        }
    }

    /// The next entry of a replay takes the place in front of it, or the replay is over.
    pub(super) fn replay_next(
        &mut self,
        now: Instant,
        session: u32,
        busy: &mut Busy,
        place: u32,
    ) -> Result<(), Stop> {
        match self.replay_step(now, session, place) {
            Next::Message(entry) => {
                let who = self.sessions.recipient(session);
                self.messages.enqueue_first(&mut busy.queue, entry, who);
                self.record_copy(now, session, entry);
                Ok(())
            }
            Next::Wait => Err(Stop::Waits),
            Next::Pause => Err(Stop::Full),
            Next::End => {
                busy.queue.end_replay();
                Ok(())
            }
        }
    }

    /// Where a queue outlives a crash, what a replay puts into it does so as well; by a name of its own, for the same message
    /// may stand there as it came live, or for another subscription.
    fn record_copy(&mut self, now: Instant, session: u32, entry: Entry) {
        if entry.qos() == QoS::AtMostOnce || !self.pen().is_kept(session) {
            return;
        }
        self.messages.store.set_name(entry.message_ref(), self.here.message_id(now));
        let place = self.place(self.sessions.recipient(session), entry);
        self.pen().queued(entry, place);
    }

    /// The same for a local subscriber; false if nothing comes for now.
    pub(super) fn replay_for_local(
        &mut self,
        now: Instant,
        session: u32,
        busy: &mut Busy,
        place: u32,
    ) -> bool {
        !matches!(self.replay_next(now, session, busy, place), Err(Stop::Waits | Stop::Empty))
    }
}
