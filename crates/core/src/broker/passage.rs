//! A connection on its way: in from a listener, or over from another shard.
use super::authority::policy::Peer;
use super::cause::Cause;
use super::connection::{Flags, State};
use super::{Action, Broker};
use crate::Input;
use crate::id::ConnectionId;
use crate::reason::ReasonCode;
use crate::time::Instant;
use alloc::vec::Vec;

/// A connection on its way to the shard its session lives on: what is known of it, and the bytes it had sent ahead.
#[derive(Debug)]
pub struct Passage {
    peer: Peer,
    /// When it was accepted.
    accepted: Instant,
    bytes: Vec<u8>,
}

impl Passage {
    /// Where the connection comes from.
    pub fn peer(&self) -> Peer {
        self.peer
    }
}

impl Broker {
    /// A connection that was accepted then, here if it is new. Its deadline runs from there, over all shards and
    /// layers.
    pub(crate) fn open(
        &mut self,
        now: Instant,
        accepted: Instant,
        peer: &Peer,
        is_new: bool,
    ) -> ConnectionId {
        let id = self.connections.open(accepted, peer);
        let welcome = self.usage.opened(now, &self.connections[id.index], is_new, &self.limits);
        if let Err(limit) = welcome {
            self.tell_refused(id.index, ReasonCode::QuotaExceeded, Cause::Limit(limit));
            self.abort(id);
        } else if self.ends_at.is_some() || self.drained {
            self.abort(id);
        } else {
            self.watch(now, id.index);
        }
        id
    }

    pub(crate) fn pack(&mut self, id: ConnectionId) -> Option<Passage> {
        let connection = self.connections.get(id).filter(|c| c.state == State::Moving)?;
        let (peer, accepted) = (connection.peer(), connection.heard);
        let bytes = core::mem::take(&mut connection.lane.as_deref_mut()?.kept);
        self.forget(id);
        Some(Passage { peer, accepted, bytes })
    }

    pub(crate) fn unpack(&mut self, now: Instant, passage: &Passage) -> ConnectionId {
        let id = self.open(now, passage.accepted, &passage.peer, false);
        if self.feed(now, id, &passage.bytes) == Input::Hold {
            // What follows stays in the socket, the peer's end of the connection too.
            self.push(Action::Pause(id));
        }
        id
    }

    pub(crate) fn space(&mut self, id: ConnectionId) -> Option<&mut [u8]> {
        let connection = self.connections.get(id)?;
        let ready = connection.state == State::Up && !connection.flags.has(Flags::HELD);
        if !ready || connection.decoder.body_left() == 0 {
            return None;
        }
        connection.lane.as_deref_mut()?.incoming.as_deref_mut()?.space()
    }

    pub(crate) fn on_payload(&mut self, now: Instant, id: ConnectionId, n: usize) -> Input {
        let Some(connection) = self.connections.get(id) else { return Input::Done };
        let Some(incoming) = connection.lane.as_deref_mut().and_then(|l| l.incoming.as_deref_mut()) else {
            return Input::Done;
        };
        let n = incoming.payload.filled(n);
        connection.decoder.skip_body(u32::try_from(n).unwrap_or_default());
        connection.heard = now;
        connection.progress = 0;
        match self.complete_if_all(now, id.index) {
            Input::More => self.after_input(now, id),
            other => other,
        }
    }

    /// Where nothing is unsent, nobody would ever ask for more; so that is no socket that takes no more.
    pub(crate) fn on_blocked(&mut self, id: ConnectionId, unsent: usize) {
        if let Some(connection) = self.connections.get(id).filter(|_| unsent > 0) {
            connection.flags.set(Flags::BLOCKED);
        }
    }
}
