//! Ends: of connections, and of sessions.
use super::authority::policy::Denial;
use super::base::timers::Key;
use super::cause::Cause;
use super::connection::fault::{Fault, in_connack, in_disconnect, put};
use super::connection::{Flags, NONE, State};
use super::messages::ledger::{Fate, Reason};
use super::session::NEVER;
use super::timing::Kind;
use super::{Action, Broker, CloseCause, Event};
use crate::codec::{Connack, DecodeError, Decoder, Disconnect, Packet};
use crate::id::ConnectionId;
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::version::Version;

/// How a session loses its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// DISCONNECT with Reason Code 0x00: no will. [MQTT-3.14.4-3]
    Goodbye,
    /// Any other end.
    Lost,
    /// Another connection takes the session.
    TakenOver,
}

impl Broker {
    /// The peer broke a rule, or may not go on: it hears why where its version has words for it, and is closed.
    pub(crate) fn fail(&mut self, now: Instant, index: u32, fault: &Fault) {
        match self.connections[index].state {
            State::Up => {
                let cause = fault.cause(self.connections[index].keep_alive, true);
                self.farewell(now, index, &fault.denial(), cause);
                self.leave(now, index, Leaving::Lost);
            }
            State::Opened | State::Asking => self.fail_stranger(now, index, fault),
            State::Free | State::Moving | State::Closing | State::Aborted => {}
        }
    }

    /// Before CONNACK: a CONNACK says why, if what came was at least the beginning of a CONNECT.
    fn fail_stranger(&mut self, now: Instant, index: u32, fault: &Fault) {
        let known = self.connections[index].lane.as_deref().is_some_and(|l| l.greeting.is_some());
        let spoken = self.connections[index].spoken.is_some();
        let refused = matches!(fault, Fault::Refused(..));
        let cause = fault.cause(0, false);
        match fault {
            Fault::Decode(DecodeError::UnsupportedProtocolVersion { level }) => {
                self.refuse_version(now, index, *level);
            }
            _ if refused || ((known || spoken) && self.connections[index].version().is_v5()) => {
                let mut denial = fault.denial();
                // What it takes is not known. [MQTT-3.2.2-19]
                if self.connections[index].flags.has(Flags::TERSE) {
                    denial.told = None;
                }
                let _done = self.refuse(now, index, &denial, cause);
            }
            _ => {
                self.tell_refused(index, fault.reason(), cause);
                self.close(now, index);
            }
        }
    }

    /// The client speaks a version that we don't: it hears so in the form of the nearest that we do.
    /// [MQTT-3.1.2-2]
    ///
    /// A bridge of mosquitto sets the highest bit, and tries again without if it understands the answer.
    fn refuse_version(&mut self, now: Instant, index: u32, level: u8) {
        let refusal: &[u8] =
            if level & 0x7f < Version::V5.level() { &[0x20, 2, 0, 1] } else { &[0x20, 3, 0, 0x84, 0] };
        self.connections.lane(index).out.extend_from_slice(refusal);
        let cause = Cause::Malformed(DecodeError::UnsupportedProtocolVersion { level });
        self.tell_refused(index, ReasonCode::UnsupportedProtocolVersion, cause);
        self.close(now, index);
    }

    /// The last packet on a connection, where its version has one, and the close. [MQTT-4.13.1-1]
    pub(crate) fn farewell(&mut self, now: Instant, index: u32, why: &Denial, cause: Cause) {
        let connection = &self.connections[index];
        if connection.version() == Version::V5 {
            let (session, greeted) = (connection.session, connection.flags.has(Flags::GREETED));
            let limit = if session == NONE { u32::MAX } else { self.sessions[session].maximum_packet_size };
            let words = why.words();
            put(&mut self.connections.lane(index).out, Version::V5, limit, &words, |properties| {
                // Nothing comes before CONNACK; where that still waits, it says why. [MQTT-3.14.0-1]
                if greeted {
                    Packet::Disconnect(Disconnect { reason: in_disconnect(why.reason), properties })
                } else {
                    let reason = in_connack(why.reason);
                    Packet::Connack(Connack { session_present: false, reason, properties })
                }
            });
        }
        self.tell_end(index, why.reason, cause);
        self.close(now, index);
    }

    /// Somebody is not let in. What is known of it goes with what its CONNECT said: call this first.
    pub(crate) fn tell_refused(&mut self, index: u32, reason: ReasonCode, cause: Cause) {
        let id = self.connections.id(index);
        let connection = &mut self.connections[index];
        let peer = connection.peer();
        let greeting = connection.lane.as_deref_mut().and_then(|lane| lane.greeting.as_deref_mut());
        let (client_id, username) = greeting.map_or((None, None), |greeting| greeting.names());
        self.event(Event::Refused { id, peer, client_id, username, reason, cause });
    }

    /// Somebody who was let in goes. Call this while it still has its session.
    fn tell_end(&mut self, index: u32, reason: ReasonCode, cause: Cause) {
        let connection = &self.connections[index];
        let (id, peer, session) = (self.connections.id(index), connection.peer(), connection.session);
        let client_id = self.sessions[session].client_id.clone();
        let identity = self.identity(session);
        self.event(Event::Disconnected { id, peer, client_id, identity, reason, cause });
    }

    /// Flushes, and then closes. What comes from now on is discarded.
    pub(crate) fn close(&mut self, now: Instant, index: u32) {
        if self.connections[index].is_ending() {
            return;
        }
        let id = self.connections.id(index);
        self.drop_question(id);
        self.uncharge(index);
        let connection = &mut self.connections[index];
        connection.decoder = Decoder::default();
        connection.state = State::Closing;
        connection.heard = now;
        if let Some(lane) = connection.lane.as_deref_mut() {
            // What waits asserts something that is not true yet; it never will be on this connection.
            lane.answers.clear();
            lane.kept.clear();
            lane.waiting = 0;
            lane.incoming = None;
            lane.greeting = None;
        }
        self.give_room(now);
        self.push(Action::Close(id));
        self.timers.insert(
            now.after_secs(self.limits.linger_seconds.into()),
            Key::new(Kind::Connection as u8, index, id.generation),
        );
    }

    /// The session that this connection carried goes on without it, or ends.
    pub(crate) fn leave(&mut self, now: Instant, index: u32, leaving: Leaving) {
        let session = self.connections[index].session;
        if session != NONE {
            self.detach(now, session, leaving);
        }
    }

    /// A session loses its connection.
    pub(crate) fn detach(&mut self, now: Instant, session: u32, leaving: Leaving) {
        let index = self.sessions[session].connection;
        debug_assert_ne!(index, NONE, "it had one");
        self.drop_early(session, index);
        self.connections[index].session = NONE;
        self.connections.up -= 1;
        let accepted = self.connections[index].accepted(now);
        let s = &mut self.sessions[session];
        s.connection = NONE;
        if leaving != Leaving::TakenOver && s.expiry > 0 {
            s.more.get_or_insert_default().accepted = Some(accepted);
        }
        if s.grant != NONE {
            self.grants[s.grant].connections -= 1;
        }
        self.drained(session);
        if let Some(mut flow) = self.sessions.take_flow(session) {
            self.abandon_replays(&mut flow);
            self.depot.drop_zeros(&mut flow.queue, self.sessions.recipient(session));
            flow.queue.stall(false);
            self.sessions[session].flow = Some(flow);
        }
        self.sessions.rest(session);
        self.after_connection(now, session, leaving);
    }

    /// What a session without a connection does: its will, and its end.
    pub(crate) fn after_connection(&mut self, now: Instant, session: u32, leaving: Leaving) {
        let expiry = self.sessions[session].expiry;
        match leaving {
            Leaving::Goodbye => self.cancel_will(session),
            Leaving::Lost | Leaving::TakenOver => self.will_is_due(now, session),
        }
        if leaving == Leaving::TakenOver {
            return;
        }
        if expiry == 0 {
            return self.end_session(now, session);
        }
        if expiry != NEVER {
            self.sessions[session].more.get_or_insert_default().ends_at =
                Some(now.after_secs(u64::from(expiry)));
            self.watch_session(now, session);
        }
        self.journal_session(now, session, false);
    }

    /// A session ends: its will is published if it still has one, its subscriptions go, and what it had not got
    /// has its fate.
    pub(crate) fn end_session(&mut self, now: Instant, session: u32) {
        self.publish_will(now, session);
        let subscriptions = self.sessions[session].subscriptions.take();
        for node in subscriptions.into_iter().flat_map(|s| *s) {
            self.unsubscribe_at(node, session);
        }
        self.drained(session);
        let who = self.sessions.recipient(session);
        if let Some(mut flow) = self.sessions.take_flow(session) {
            self.abandon_replays(&mut flow);
            self.depot.clear(&mut flow.queue, &mut flow.sender, who, Fate::Dropped(Reason::SessionEnded));
            flow.receiver.clear();
            flow.unsettled.clear();
            self.sessions[session].flow = Some(flow);
        }
        self.tell_last(session);
        self.journal_session_end(session);
        let grant = self.sessions[session].grant;
        self.sessions.remove(session);
        if grant != NONE {
            self.grants[grant].sessions -= 1;
            self.grants.rest(grant);
        }
    }

    /// Somebody decided that it has to go.
    pub(crate) fn end_for(&mut self, now: Instant, id: ConnectionId, reason: ReasonCode) {
        if self.connections.get(id).is_some() {
            self.fail(now, id.index, &Fault::Ordered(reason));
        }
    }

    pub(crate) fn on_close(&mut self, now: Instant, id: ConnectionId, cause: CloseCause) {
        if self.connections.get(id).is_none() {
            return;
        }
        if self.connections[id.index].session != NONE {
            let (reason, cause) = match cause {
                CloseCause::Shutdown => (ReasonCode::ServerShuttingDown, Cause::Shutdown),
                CloseCause::PeerClosed => (ReasonCode::UnspecifiedError, Cause::PeerClosed),
                CloseCause::Vanished => (ReasonCode::UnspecifiedError, Cause::Vanished),
                CloseCause::Reset | CloseCause::Linger => (ReasonCode::UnspecifiedError, Cause::Reset),
            };
            self.tell_end(id.index, reason, cause);
            self.leave(now, id.index, Leaving::Lost);
        }
        self.forget(id);
        self.give_room(now);
    }

    /// Nothing of a connection is left.
    pub(crate) fn forget(&mut self, id: ConnectionId) {
        self.drop_question(id);
        self.uncharge(id.index);
        self.usage.closed(&self.connections[id.index]);
        self.connections.free(id);
        self.drained_if_empty();
    }

    /// What an incoming DISCONNECT does.
    pub(crate) fn on_disconnect(
        &mut self,
        now: Instant,
        index: u32,
        disconnect: &Disconnect<'_>,
    ) -> Result<(), Fault> {
        let session = self.connections[index].session;
        if let Some(expiry) = disconnect.properties.session_expiry_interval() {
            let s = &mut self.sessions[session];
            if s.expiry == 0 && expiry != 0 {
                return Err(Fault::SessionExpiry);
            }
            s.expiry = expiry.min(self.limits.session_expiry_seconds);
        }
        self.tell_end(index, disconnect.reason, Cause::Disconnect);
        let goodbye = disconnect.reason == ReasonCode::Success;
        self.leave(now, index, if goodbye { Leaving::Goodbye } else { Leaving::Lost });
        self.close(now, index);
        Ok(())
    }
}
