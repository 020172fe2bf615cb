//! A connection on its way: in from a listener, or over from another shard.
use super::authority::policy::Peer;
use super::cause::Cause;
use super::connection::State;
use super::connection::passage::Passage;
use super::{Action, Broker, Shutdown};
use crate::Input;
use crate::id::ConnectionId;
use crate::reason::ReasonCode;
use crate::time::Instant;

impl Broker {
    /// A connection that was accepted then, here if it is new. Its deadline runs from there, over all shards and
    /// layers.
    pub(super) fn open(
        &mut self,
        now: Instant,
        accepted: Instant,
        peer: &Peer,
        is_new: bool,
    ) -> ConnectionId {
        let id = self.connections.open(accepted, peer);
        let counted = self.connections.count_opened(now, id.index, is_new, &self.limits);
        if let Err(limit) = counted {
            self.tell_refused(id.index, ReasonCode::QuotaExceeded, Cause::Limit(limit));
            self.abort(id);
        } else if self.shutdown != Shutdown::Running {
            self.abort(id);
        } else {
            self.watch(now, id.index);
        }
        id
    }

    pub(super) fn pack(&mut self, id: ConnectionId) -> Option<Passage> {
        let connection = self.connections.get(id).filter(|c| c.state == State::Moving)?;
        let (peer, accepted) = (connection.peer(), connection.heard);
        let bytes = core::mem::take(&mut connection.busy.as_deref_mut()?.kept);
        self.forget(id);
        Some(Passage { peer, accepted, bytes })
    }

    pub(super) fn unpack(&mut self, now: Instant, passage: &Passage) -> ConnectionId {
        let id = self.open(now, passage.accepted, &passage.peer, false);
        if self.feed(now, id, &passage.bytes) == Input::Hold {
            // What follows stays in the socket, the peer's end of the connection too.
            self.actions.push(Action::Pause(id));
        }
        id
    }

    /// Where nothing is unsent, nobody would ever ask for more; so that is no socket that takes no more.
    pub(super) fn on_blocked(&mut self, id: ConnectionId, unsent: usize) {
        if let Some(connection) = self.connections.get(id).filter(|_| unsent > 0) {
            connection.block();
        }
    }
}
