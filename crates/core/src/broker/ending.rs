//! Ends of connections.
use super::authority::policy::Denial;
use super::base::NONE;
use super::base::timers::{Key, Kind};
use super::cause::Cause;
use super::connection::State;
use super::connection::answers::{Pending, Waits};
use super::connection::fault::{Fault, in_connack, in_disconnect, put};
use super::leaving::Leaving;
use super::messages::ledger::{Fate, Reason};
use super::{Action, Broker, CloseCause, Shutdown};
use crate::Input;
use crate::codec::{Connack, DecodeError, Decoder, Disconnect, Packet};
use crate::id::ConnectionId;
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::version::Version;

impl Broker {
    /// The peer broke a rule, or may not go on: it hears why where its version has words for it, and is closed.
    pub(super) fn fail(&mut self, now: Instant, index: u32, fault: &Fault) {
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
    /// [MQTT-3.1.4-1] [MQTT-3.2.2-6 of 3.1.1] [MQTT-4.12.0-4]
    fn fail_stranger(&mut self, now: Instant, index: u32, fault: &Fault) {
        let known = self.connections[index].busy.as_deref().is_some_and(|l| l.applicant.is_some());
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
                if self.connections[index].is_terse() {
                    denial = denial.without_words();
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
        self.connections.busy(index).out.extend_from_slice(refusal);
        let cause = Cause::Malformed(DecodeError::UnsupportedProtocolVersion { level });
        self.tell_refused(index, ReasonCode::UnsupportedProtocolVersion, cause);
        self.close(now, index);
    }

    /// No. Nothing outside this connection has been touched. [MQTT-3.2.2-7]
    /// [MQTT-3.1.3-8] [MQTT-3.1.4-2] [MQTT-3.1.4-6] [MQTT-4.13.2-1]
    pub(super) fn refuse(&mut self, now: Instant, index: u32, denial: &Denial, cause: Cause) -> Input {
        self.tell_refused(index, denial.reason, cause);
        let (version, limit) =
            match self.connections[index].busy.as_deref().and_then(|l| l.applicant.as_deref()) {
                Some(applicant) => (applicant.version, applicant.maximum_packet_size),
                None => (self.connections[index].version(), u32::MAX),
            };
        let (reason, words) = (in_connack(denial.reason), denial.properties());
        let busy = self.connections.busy(index);
        busy.applicant = None;
        put(&mut busy.out, version, limit, &words, |properties| {
            Packet::Connack(Connack { session_present: false, reason, properties })
        });
        self.close(now, index);
        Input::Done
    }

    /// The last packet on a connection, where its version has one, and the close. [MQTT-4.13.1-1]
    /// [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-4.13.2-1] [MQTT-4.8.0-2 of 3.1.1]
    pub(super) fn farewell(&mut self, now: Instant, index: u32, why: &Denial, cause: Cause) {
        let connection = &self.connections[index];
        if connection.version() == Version::V5 {
            let (session, greeted) = (connection.session, connection.is_greeted());
            let limit = if session == NONE { u32::MAX } else { self.sessions[session].maximum_packet_size };
            let words = why.properties();
            put(&mut self.connections.busy(index).out, Version::V5, limit, &words, |properties| {
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

    /// Flushes, and then closes. What comes from now on is discarded.
    pub(super) fn close(&mut self, now: Instant, index: u32) {
        // What waits asserts something that is not true yet; it never will be on this connection.
        self.close_after(now, index, |_| false);
    }

    /// The same, but first the answers up to the first one that is not to be awaited; no longer than it takes anybody to
    /// hear the rest.
    fn close_after(&mut self, now: Instant, index: u32, is_awaited: impl Fn(&Pending) -> bool) {
        if self.connections[index].is_ending() {
            return;
        }
        let id = self.connections.id(index);
        self.drop_question(id);
        self.connections.uncharge(index);
        let connection = &mut self.connections[index];
        connection.decoder = Decoder::default();
        connection.state = State::Closing;
        connection.heard = now;
        let mut is_over = true;
        if let Some(busy) = connection.busy.as_deref_mut() {
            busy.answers.keep_while(is_awaited);
            is_over = busy.answers.is_empty();
            busy.kept.clear();
            busy.waiting = 0;
            busy.incoming = None;
            busy.applicant = None;
        }
        self.give_room(now);
        if is_over {
            self.actions.push(Action::Close(id));
        }
        self.timers.insert(
            now.after_secs(self.limits.linger_seconds.into()),
            Key::new(Kind::Connection as u8, index, id.generation),
        );
    }

    /// Somebody decided that it has to go.
    pub(super) fn end_for(&mut self, now: Instant, id: ConnectionId, reason: ReasonCode) {
        if self.connections.is(id) {
            self.fail(now, id.index, &Fault::Ordered(reason));
        }
    }

    pub(super) fn on_close(&mut self, now: Instant, id: ConnectionId, cause: CloseCause) {
        if !self.connections.is(id) {
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
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.drop_question(id);
        self.connections.uncharge(id.index);
        self.connections.count_closed(id.index);
        self.end_early(id.index, Fate::Dropped(Reason::ConnectionLost));
        self.connections.free(id);
        if self.connections.len() == 0 && self.shutdown != Shutdown::Running {
            self.after.may_be_over();
        }
    }

    /// The driver is to drop it now.
    pub(super) fn abort(&mut self, id: ConnectionId) {
        if self.connections[id.index].state != State::Aborted {
            debug_assert_eq!(self.connections[id.index].session, NONE, "it has been detached");
            self.connections[id.index].state = State::Aborted;
            self.actions.push(Action::Abort(id));
        }
    }

    /// What an incoming DISCONNECT does.
    pub(super) fn on_disconnect(
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
        // Whoever says it all at once hears what was accepted, which may take a disk's time.
        self.close_after(now, index, |answer| answer.waits == Waits::Nothing);
        Ok(())
    }
}
