//! Ends: of connections, of attempts, and of everything.
use super::event::{Cause, Event, Stage};
use super::link::Link;
use super::{Action, Client, Leaving, Next, Phase};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::time::{Duration, Instant};

/// A connection that lasted so long was worth making.
const LASTING: Duration = Duration::from_secs(10);
/// A server has so long to close, if it has less to do than that.
const LINGER: Duration = Duration::from_millis(100);

impl Client {
    /// The server broke a rule: it hears which, and the connection ends. [MQTT-4.13.1-1] [MQTT-4.12.1-2]
    /// [MQTT-4.8.0-2 of 3.1.1]
    pub(super) fn violated(&mut self, now: Instant, reason: ReasonCode) {
        self.fail(now, Cause::Violation(reason), reason, Next::Reconnect);
    }

    /// Says why, where there are words for it, and closes.
    pub(super) fn fail(&mut self, now: Instant, cause: Cause, reason: ReasonCode, next: Next) {
        // Before CONNACK it has not said yet what it takes.
        if self.phase == Phase::Up && self.version.is_v5() {
            self.say_goodbye(&reason.into());
        }
        self.close(now, cause, next);
    }

    /// [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-4.13.2-1]
    pub(super) fn close(&mut self, now: Instant, cause: Cause, next: Next) {
        match self.phase {
            Phase::Greeting(_) | Phase::Up => {
                let was_up = self.phase == Phase::Up;
                (self.cause, self.next) = (Some(cause), next);
                // What is to be said last has a moment to leave; a goodbye lets all leave that was accepted.
                let leaving = self.leaving.as_ref().filter(|_| was_up && cause == Cause::Ended);
                let until = now.after(self.linger().max(LINGER));
                self.phase = Phase::Closing(leaving.map_or(until, |leaving| until.max(leaving.deadline)));
                self.link.incoming = None;
                self.link.kept.clear();
                self.actions.transmit();
                self.actions.push(Action::Close);
            }
            // Nothing was sent, and there is nothing to be heard.
            Phase::Opening(_) | Phase::Asking(_) => {
                self.phase = Phase::Aborted;
                (self.cause, self.next) = (Some(cause), next);
                self.actions.push(Action::Abort);
            }
            Phase::Idle | Phase::Waiting(_) | Phase::Closing(_) | Phase::Aborted => {}
        }
    }

    /// How long the server may take to close once all is said: none if it has not let us in or is silent, and not much if
    /// it was quick to let us in.
    pub(super) fn linger(&self) -> Duration {
        let Some(since) = self.link.since.filter(|_| self.cause != Some(Cause::KeepAlive)) else {
            return Duration::ZERO;
        };
        let quick = since.saturating_duration_since(self.link.opened).saturating_mul(2);
        quick.max(LINGER).min(Duration::from_secs(self.config.linger_seconds.into()))
    }

    /// The transport says that a connection has ended, or was never made.
    pub(super) fn on_close(&mut self, now: Instant, cause: Cause) {
        let spoke = self.link.first.1 > 0;
        match self.phase {
            Phase::Idle | Phase::Waiting(_) => return,
            Phase::Opening(_) | Phase::Asking(_) => self.next = Next::Reconnect,
            // Some servers answer a version that they don't know with nothing at all.
            Phase::Greeting(_) if !spoke && !self.version_known => {
                self.next = if self.version.is_v5() { Next::OtherVersion } else { Next::Reconnect };
                if !self.version.is_v5() {
                    self.turn_version();
                }
            }
            Phase::Greeting(_) | Phase::Up => self.next = Next::Reconnect,
            Phase::Closing(_) | Phase::Aborted => {}
        }
        let cause = self.cause.take().unwrap_or(cause);
        let lasted = self.link.since.is_some_and(|since| now >= since.after(LASTING));
        if lasted || self.link.useful {
            self.attempts = 0;
        }
        self.forget_link(now, cause);
        self.inbox.push(Event::Disconnected(cause));
        self.actions.event();
        self.go_on(now, cause);
    }

    /// What was only true of the connection is forgotten.
    fn forget_link(&mut self, now: Instant, cause: Cause) {
        self.actions.forget_link();
        self.suspect_oldest(cause);
        self.ask_again(cause);
        self.sender.resume(1);
        self.link = Link::new(now, self.version);
    }

    /// After an end: the next attempt, or none.
    fn go_on(&mut self, now: Instant, cause: Cause) {
        if self.leaving.as_ref().is_some_and(|leaving| now >= leaving.deadline || self.outbox.len() == 0) {
            return self.stop(now, Cause::Ended);
        }
        match self.next {
            Next::OtherVersion => {
                self.turn_version();
                self.open(now);
            }
            Next::AtOnce => self.open(now),
            Next::Again => self.rest(now),
            Next::Reconnect if self.persists() => self.wait(now),
            Next::Reconnect | Next::Stop => self.stop(now, cause),
        }
    }

    /// Is there to be another attempt after one that came to nothing?
    fn persists(&self) -> bool {
        let is_tried = self.server.saturating_add(1) >= self.config.servers;
        self.config.reconnect && (self.config.reconnect_at_first || self.knows_session || !is_tried)
    }

    /// The next server has its turn; when all had it, after a while.
    fn wait(&mut self, now: Instant) {
        self.server += 1;
        if self.server < self.config.servers {
            return self.open(now);
        }
        self.server = 0;
        self.rest(now);
    }

    /// Longer and longer, as long as nothing comes of it.
    fn rest(&mut self, now: Instant) {
        let backoff = self.config.backoff;
        let doubled = backoff.first.saturating_mul(1 << self.attempts.min(20)).min(backoff.most);
        self.attempts = self.attempts.saturating_add(1);
        let micros = u64::try_from(doubled.as_micros()).unwrap_or(u64::MAX).max(2);
        let drawn = micros / 2 + self.random.next() % (micros / 2);
        self.phase = Phase::Waiting(now.after(Duration::from_micros(drawn)));
    }

    /// The application wants another connection instead of this one, or of the next attempt.
    pub(super) fn renew(&mut self, now: Instant) {
        if self.leaving.is_some() {
            return;
        }
        self.attempts = 0;
        match self.phase {
            Phase::Idle => {}
            Phase::Waiting(_) => self.open(now),
            Phase::Opening(_) | Phase::Asking(_) => self.close(now, Cause::Reconnect, Next::AtOnce),
            Phase::Greeting(_) | Phase::Up => self.close_for_another(now, Cause::Reconnect, Next::AtOnce),
            // It was going to connect again in any case, or never.
            Phase::Closing(_) | Phase::Aborted => {
                if matches!(self.next, Next::Reconnect | Next::Again) {
                    self.next = Next::AtOnce;
                }
            }
        }
    }

    /// Says goodbye to the connection, not to the session: that goes on as CONNECT has said. Without a word the server
    /// would publish the will. [MQTT-3.1.2-10] [MQTT-3.14.4-3]
    pub(super) fn close_for_another(&mut self, now: Instant, cause: Cause, next: Next) {
        self.say_goodbye(&ReasonCode::Success.into());
        self.close(now, cause, next);
    }

    /// No further attempt, and no ticket is left open.
    fn stop(&mut self, now: Instant, cause: Cause) {
        (self.phase, self.leaving, self.ended) = (Phase::Idle, None, Some(cause));
        self.end_all(cause);
        self.inbox.push(Event::Ended(cause));
        self.actions.event();
        if core::mem::take(&mut self.again) {
            self.begin(now);
        }
    }

    fn end_all(&mut self, cause: Cause) {
        // What the server may hold of them is held against nothing that comes later.
        if self.sender.drain().any(|(_, qos, _)| qos == QoS::ExactlyOnce) {
            self.estrange();
        }
        for outgoing in self.outbox.clear() {
            self.stats.failed += 1;
            self.inbox.push(Event::Progress(outgoing.ticket, Stage::Ended(cause)));
        }
        for ticket in self.requests.clear() {
            self.inbox.push(Event::Progress(ticket, Stage::Ended(cause)));
        }
    }

    /// Says goodbye once everything has ended, as far as it can: requests only while there is a connection.
    #[inline]
    pub(super) fn leave_if_done(&mut self, now: Instant) {
        if self.leaving.is_some() {
            self.leave_if_nothing_is_open(now);
        }
    }

    #[cold]
    fn leave_if_nothing_is_open(&mut self, now: Instant) {
        let open = match self.phase {
            Phase::Idle => false,
            Phase::Waiting(_) | Phase::Opening(_) | Phase::Asking(_) | Phase::Greeting(_) => {
                self.outbox.len() > 0
            }
            Phase::Up => self.outbox.len() > 0 || !self.requests.is_empty(),
            // It has, or will when the connection is gone.
            Phase::Closing(_) | Phase::Aborted => true,
        };
        if !open {
            self.leave_now(now);
        }
    }

    /// The time for goodbyes is up.
    pub(super) fn leave_now(&mut self, now: Instant) {
        let Some(Leaving { goodbye, .. }) = &self.leaving else { return };
        match self.phase {
            // A client need not wait for CONNACK (section 3.1.4); without a goodbye its will would be published.
            Phase::Up | Phase::Greeting(_) => {
                let goodbye = goodbye.clone();
                self.say_goodbye(&goodbye);
                self.close(now, Cause::Ended, Next::Stop);
            }
            Phase::Opening(_) | Phase::Asking(_) => self.close(now, Cause::Ended, Next::Stop),
            // Nobody is there to wait for; what is open can't end otherwise.
            Phase::Idle | Phase::Waiting(_) => self.stop(now, self.ended.unwrap_or(Cause::Ended)),
            Phase::Closing(_) | Phase::Aborted => self.next = Next::Stop,
        }
    }
}
