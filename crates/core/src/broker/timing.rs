//! Whose time has come.
use super::base::NONE;
use super::base::limits::Limit;
use super::base::rules::Rule;
use super::base::timers::{Key, Kind};
use super::cause::Cause;
use super::connection::fault::Fault;
use super::{Broker, Event, Shutdown, Timer};
use crate::id::{ConnectionId, IdentityId};
use crate::reason::ReasonCode;
use crate::time::{Deadline, Instant};
use alloc::vec::Vec;

impl Broker {
    pub(super) fn next_timeout(&self) -> Option<Deadline<Timer>> {
        let timer = |key: Key| match Kind::of(key) {
            // What it is for is decided when it goes off; this is how it looks now.
            Kind::Connection => {
                self.connections.due(key.index(), &self.limits).map_or(Timer::KeepAlive, |(_, timer)| timer)
            }
            Kind::Session => Timer::Session,
            Kind::Answer => Timer::Answer,
            Kind::Pause => Timer::Pause,
            Kind::Grant => Timer::Grant,
            Kind::Room => Timer::Room,
            Kind::Resend => Timer::Resend,
        };
        let wheel = self.timers.next().map(|(at, key)| Deadline { at, timer: timer(key) });
        let retained = self.retained.index.next_expiry().map(|at| Deadline { at, timer: Timer::Retained });
        let shutdown = self.shutdown.deadline().map(|at| Deadline { at, timer: Timer::Shutdown });
        let counts = self.messages.books.tallies.due().map(|at| Deadline { at, timer: Timer::Counts });
        [wheel, retained, shutdown, counts].into_iter().flatten().min_by_key(|d| d.at)
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        while let Some(key) = self.timers.pop(now) {
            let (index, generation) = (key.index(), key.generation());
            let id = ConnectionId { index, generation };
            match Kind::of(key) {
                Kind::Connection => self.on_connection_timer(now, id),
                Kind::Session => self.on_session_timer(now, index, generation),
                Kind::Answer => self.answer_is_late(now, u64::from(index) << 32 | u64::from(generation)),
                Kind::Pause if self.connections.is(id) => self.resume(index),
                Kind::Pause => {}
                Kind::Room => self.end_stalled(now),
                Kind::Resend => self.resend_all(id),
                Kind::Grant => self.on_grant_timer(now, index, IdentityId(generation)),
            }
        }
        self.expire_retained(now);
        self.tell_counts();
        if self.shutdown.deadline().is_some_and(|at| now >= at) {
            self.end_shutdown();
        }
    }

    /// A timer of a connection went off: it is due, or it was put off by what came meanwhile.
    pub(super) fn on_connection_timer(&mut self, now: Instant, id: ConnectionId) {
        if !self.connections.is(id) {
            return;
        }
        let Some((at, timer)) = self.connections[id.index].due(&self.limits) else { return };
        if at > now {
            return self.watch(now, id.index);
        }
        match timer {
            Timer::KeepAlive
                if self.connections[id.index].is_silenced() || !self.rules.obeys(Rule::SilenceEnds) =>
            {
                // Its signs of life wait in a socket that we don't read.
                self.connections[id.index].heard = now;
                self.watch(now, id.index);
            }
            Timer::KeepAlive => self.fail(now, id.index, &Fault::KeepAlive),
            Timer::Linger => self.abort(id),
            _ => {
                // Too slow a stranger gets no words: it may not even speak MQTT.
                let limit = Cause::Limit(Limit::connect_seconds);
                self.tell_refused(id.index, ReasonCode::UnspecifiedError, limit);
                self.close(now, id.index);
                self.abort(id);
            }
        }
    }

    /// A session without a connection: its will, or its end.
    fn on_session_timer(&mut self, now: Instant, index: u32, generation: u32) {
        let Some(session) = self.sessions.get(index, generation) else { return };
        let Some(rare) = session.rare.as_deref_mut() else { return };
        if rare.armed.is_some_and(|at| at > now) {
            // An older one, that has been put off.
            return;
        }
        rare.armed = None;
        let (will_at, ends_at) = (rare.will_at, rare.ends_at);
        if will_at.is_some_and(|at| now >= at) {
            self.publish_will(now, index);
        }
        if ends_at.is_some_and(|at| now >= at) {
            // [MQTT-4.1.0-2]
            return self.end_session(now, index);
        }
        self.watch_session(now, index);
    }

    /// As long as somebody waits for room, it is nobody's who does nothing with it; and whoever is slow is not the only
    /// one to be read on.
    pub(super) fn end_stalled(&mut self, now: Instant) {
        self.connections.room.watched();
        self.connections.forget_gone();
        if self.connections.room.is_empty() {
            return;
        }
        let patience = self.stalled_seconds();
        let holders = self.connections.iter().filter(|(_, c)| c.keeps_others_waiting());
        let (stalled, going): (Vec<_>, Vec<_>) = holders
            .map(|(index, c)| (index, c.heard.after_secs(u64::from(self.limits.stalled_seconds))))
            .partition(|(_, at)| now >= *at);
        for (index, _) in stalled {
            self.fail(now, index, &Fault::Stalled);
        }
        if let Some(next) = self.connections.next_waiting() {
            self.connections.room.pass_turn(Some(next));
            self.read_on(now, next);
        }
        let first = going.into_iter().map(|(_, at)| at).min().unwrap_or(now);
        self.watch_stalled(first.max(now.after_secs(1)).min(now.after_secs(patience)));
    }

    /// A client has had the time to acknowledge some of what it got again; it gets the rest in any case.
    pub(super) fn resend_all(&mut self, id: ConnectionId) {
        let session = self.connections.get(id).map_or(NONE, |connection| connection.session);
        if session != NONE
            && let Some(busy) = self.sessions[session].busy.as_deref_mut()
        {
            busy.sender.open_window();
            self.announce(id.index);
        }
    }

    /// Everybody is told, and nobody new is let in.
    pub(super) fn begin_shutdown(&mut self, now: Instant, deadline: Instant) {
        if self.shutdown == Shutdown::Over {
            return;
        }
        self.shutdown = Shutdown::Until(deadline);
        let all: Vec<_> = self.connections.iter().map(|(index, _)| index).collect();
        for index in all {
            let fault = Fault::Ordered(ReasonCode::ServerShuttingDown);
            self.fail(now, index, &fault);
        }
        self.after.may_be_over();
    }

    fn end_shutdown(&mut self) {
        let left: Vec<_> = self.connections.iter().map(|(index, _)| index).collect();
        for index in left {
            let id = self.connections.id(index);
            if self.connections[index].session == NONE {
                self.abort(id);
            }
        }
        self.tickets.give_up(ReasonCode::ServerShuttingDown, self.journal.durable());
        self.tell_tickets();
        self.shutdown = Shutdown::Over;
        self.actions.event(Event::Drained);
    }

    /// Forgets Retained Messages that are too old.
    fn expire_retained(&mut self, now: Instant) {
        const AT_ONCE: usize = 1000;
        for (topic, _) in self.retained.index.expire(now, AT_ONCE) {
            self.pen().retained_end(&topic);
        }
    }
}
