//! Publishers that have to wait, because those they publish to are behind.
use super::connection::Flags;
use super::timers::Key;
use super::timing::Kind;
use super::{Action, Broker};
use crate::time::Instant;

impl Broker {
    /// Reads no more from a publisher until its slowest recipient has caught up, or its patience is over.
    pub(super) fn pause_for(&mut self, now: Instant, index: u32, slowest: u32) {
        let id = self.connections.id(index);
        let flow = self.sessions.flow(slowest);
        if !flow.waiting.contains(&id) {
            flow.waiting.push(id);
        }
        self.pause_behind(now, index, Some(slowest));
    }

    pub(super) fn pause(&mut self, now: Instant, index: u32) {
        self.pause_behind(now, index, None);
    }

    fn pause_behind(&mut self, now: Instant, index: u32, slowest: Option<u32>) {
        let connection = &mut self.connections[index];
        if connection.flags.has(Flags::PAUSED) {
            return;
        }
        connection.flags.set(Flags::PAUSED);
        let session = connection.session;
        self.note_paused(session, slowest);
        let id = self.connections.id(index);
        self.push(Action::Pause(id));
        let at = now.after_secs(self.limits.pause_seconds.into());
        self.timers.insert(at, Key::new(Kind::Pause as u8, index, id.generation));
    }

    /// A publisher has waited long enough.
    pub(super) fn pause_is_over(&mut self, now: Instant, index: u32) {
        self.answer_paused(index);
        if self.window_is_full(index) || self.waits_for_mail(self.connections.id(index)) {
            // Only a free window ends this: what is accepted is never held back, so nothing more is accepted.
            let id = self.connections.id(index);
            let at = now.after_secs(self.limits.pause_seconds.into());
            self.timers.insert(at, Key::new(Kind::Pause as u8, index, id.generation));
        } else {
            self.resume(index);
        }
    }

    pub(super) fn resume(&mut self, index: u32) {
        let connection = &mut self.connections[index];
        if connection.flags.has(Flags::PAUSED) && !connection.is_ending() {
            connection.flags.clear(Flags::PAUSED);
            connection.flags.clear(Flags::WINDOW);
            if !connection.flags.is_unread() {
                let id = self.connections.id(index);
                self.push(Action::Resume(id));
            }
            self.answer_paused(index);
        }
    }

    /// Does it wait for acknowledgements that have not left?
    fn window_is_full(&self, index: u32) -> bool {
        let connection = &self.connections[index];
        let waiting = connection.lane.as_deref().map_or(0, |lane| lane.pubacks);
        connection.flags.has(Flags::WINDOW) && waiting > self.limits.receive_maximum / 2
    }

    /// Acknowledgements have left: perhaps there is room for more.
    pub(super) fn window_opens(&mut self, index: u32) {
        if self.connections[index].flags.has(Flags::WINDOW) && !self.window_is_full(index) {
            self.resume(index);
        }
    }
}
