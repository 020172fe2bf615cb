//! Whose time has come.
use super::base::timers::Key;
use super::{Broker, Event, Timer};
use crate::id::ConnectionId;
use crate::time::{Deadline, Instant};

/// No timer is set for longer than so many seconds: who waits longer sets it again.
pub(crate) const HORIZON: u64 = 3600;

/// Whom a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Connection,
    Session,
    Answer,
    Pause,
    Grant,
    Room,
    Resend,
}

impl Kind {
    fn of(key: Key) -> Self {
        match key.kind() {
            0 => Self::Connection,
            1 => Self::Session,
            2 => Self::Answer,
            3 => Self::Pause,
            4 => Self::Grant,
            5 => Self::Room,
            _ => Self::Resend,
        }
    }
}

impl Broker {
    pub(crate) fn next_timeout(&self) -> Option<Deadline<Timer>> {
        let timer = |key: Key| match Kind::of(key) {
            // What it is for is decided when it goes off; this is how it looks now.
            Kind::Connection => self.connection_due(key.index()).map_or(Timer::KeepAlive, |(_, timer)| timer),
            Kind::Session => Timer::Session,
            Kind::Answer => Timer::Answer,
            Kind::Pause => Timer::Pause,
            Kind::Grant => Timer::Grant,
            Kind::Room => Timer::Room,
            Kind::Resend => Timer::Resend,
        };
        let wheel = self.timers.next().map(|(at, key)| Deadline { at, timer: timer(key) });
        let retained = self.retained.next_expiry().map(|at| Deadline { at, timer: Timer::Retained });
        let shutdown = self.ends_at.map(|at| Deadline { at, timer: Timer::Shutdown });
        let counts = self.depot.books.tallies.due().map(|at| Deadline { at, timer: Timer::Counts });
        [wheel, retained, shutdown, counts].into_iter().flatten().min_by_key(|d| d.at)
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) {
        while let Some(key) = self.timers.pop(now) {
            let (index, generation) = (key.index(), key.generation());
            let id = ConnectionId { index, generation };
            match Kind::of(key) {
                Kind::Connection => self.on_connection_timer(now, id),
                Kind::Session => self.on_session_timer(now, index, generation),
                Kind::Answer => self.answer_is_late(now, u64::from(index) << 32 | u64::from(generation)),
                Kind::Pause if self.connections.get(id).is_some() => self.resume(index),
                Kind::Pause => {}
                Kind::Room => self.end_stalled(now),
                Kind::Resend => self.resend_all(id),
                Kind::Grant => self.on_grant_timer(now, index, crate::id::IdentityId(generation)),
            }
        }
        self.expire_retained(now);
        self.tell_counts();
        if self.ends_at.is_some_and(|at| now >= at) {
            self.end_shutdown();
        }
    }

    /// A session without a connection: its will, or its end.
    fn on_session_timer(&mut self, now: Instant, index: u32, generation: u32) {
        let Some(session) = self.sessions.get(index, generation) else { return };
        let Some(more) = session.more.as_deref_mut() else { return };
        if more.armed.is_some_and(|at| at > now) {
            // An older one, that has been put off.
            return;
        }
        more.armed = None;
        let (will_at, ends_at) = (more.will_at, more.ends_at);
        if will_at.is_some_and(|at| now >= at) {
            self.publish_will(now, index);
        }
        if ends_at.is_some_and(|at| now >= at) {
            // [MQTT-4.1.0-2]
            return self.end_session(now, index);
        }
        self.watch_session(now, index);
    }

    /// Arms the timer of a session for its will or its end, whichever comes first. One stands in the wheel at most,
    /// and not for long: whoever connects and goes again and again leaves no trail of timers.
    pub(crate) fn watch_session(&mut self, now: Instant, session: u32) {
        let generation = self.sessions[session].generation;
        let Some(more) = self.sessions[session].more.as_deref_mut() else { return };
        let Some(at) = [more.will_at, more.ends_at].into_iter().flatten().min() else { return };
        let at = at.min(now.after_secs(HORIZON));
        if more.armed.is_none_or(|armed| armed > at) {
            more.armed = Some(at);
            self.timers.insert(at, Key::new(Kind::Session as u8, session, generation));
        }
    }

    /// Everybody is told, and nobody new is let in.
    pub(crate) fn begin_shutdown(&mut self, now: Instant, deadline: Instant) {
        self.ends_at = Some(deadline);
        let all: alloc::vec::Vec<_> = self.connections.iter().map(|(index, _)| index).collect();
        for index in all {
            let fault =
                super::connection::fault::Fault::Ordered(crate::reason::ReasonCode::ServerShuttingDown);
            self.fail(now, index, &fault);
        }
        self.drained_if_empty();
    }

    /// The last connection of a shutdown may have gone.
    pub(crate) fn drained_if_empty(&mut self) {
        if self.ends_at.is_some() && self.connections.len() == 0 {
            self.ends_at = None;
            self.drained = true;
            self.event(Event::Drained);
        }
    }

    fn end_shutdown(&mut self) {
        let left: alloc::vec::Vec<_> = self.connections.iter().map(|(index, _)| index).collect();
        for index in left {
            let id = self.connections.id(index);
            if self.connections[index].session == super::connection::NONE {
                self.abort(id);
            }
        }
        self.ends_at = None;
        self.drained = true;
        self.event(Event::Drained);
    }
}
