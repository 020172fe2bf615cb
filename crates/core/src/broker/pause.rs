//! Connections that are not read for a while, and why.
//!
//! | flag | because | until |
//! |---|---|---|
//! | `HELD` | a verdict, or the place of its message, is awaited | that has come |
//! | `PAUSED` | those that it publishes to are behind | they have caught up, or `pause_seconds` are over |
//! | `MAIL` | the window of another shard is full | that has room |
//! | `WINDOW` | many of its packets are not answered yet | half of them are |
//! | `CRAMPED` | there is no room for more of its packet | there is some |
//! | `UNHEARD` | it does not take what it is told | its socket takes more |
//!
//! Who waits for several things is read when the last of them is over.
use super::base::timers::Key;
use super::connection::Flags;
use super::timing::Kind;
use super::{Action, Broker};
use crate::Input;
use crate::id::{ConnectionId, ShardId};
use crate::time::Instant;

impl Broker {
    /// Reads no more from it.
    fn stop_reading(&mut self, index: u32, why: Flags) {
        let flags = &mut self.connections[index].flags;
        let was_read = !flags.is_unread();
        flags.set(why);
        if was_read {
            self.push(Action::Pause(self.connections.id(index)));
        }
    }

    /// That is no reason any more; true if it was one.
    fn read_again(&mut self, index: u32, why: Flags) -> bool {
        let connection = &mut self.connections[index];
        if !connection.flags.has(why) || connection.is_ending() {
            return false;
        }
        connection.flags.clear(why);
        if !connection.flags.is_unread() {
            self.push(Action::Resume(self.connections.id(index)));
        }
        true
    }

    /// What has come was handled: is more to be read?
    pub(crate) fn after_input(&mut self, now: Instant, id: ConnectionId) -> Input {
        let input = self.charge_or_fail(now, id);
        if input != Input::More {
            return input;
        }
        let connection = &mut self.connections[id.index];
        if let Some(lane) = connection.lane.as_deref() {
            if lane.answers.len() > 2 * usize::from(self.limits.receive_maximum) {
                connection.flags.set(Flags::WINDOW);
            }
            if connection.flags.has(Flags::BLOCKED) && lane.out.len() as u64 > self.limits.unsent_bytes {
                connection.flags.set(Flags::UNHEARD);
            }
        }
        if connection.flags.is_unread() { Input::Hold } else { Input::More }
    }

    /// Reads no more from a publisher until its slowest recipient has caught up, or its patience is over.
    pub(crate) fn pause_for(&mut self, now: Instant, index: u32, slowest: u32) {
        if self.connections[index].flags.has(Flags::PAUSED) {
            return;
        }
        let id = self.connections.id(index);
        // Those who have waited long enough, or are gone, stand here as well: they are looked for as often as the
        // number doubles.
        let mut waiting = core::mem::take(&mut self.sessions.flow(slowest).waiting);
        if waiting.len().is_power_of_two() {
            waiting.retain(|id| self.connections.get(*id).is_some_and(|c| c.flags.has(Flags::PAUSED)));
        }
        waiting.push(id);
        self.sessions.flow(slowest).waiting = waiting;
        self.pause(now, index, Some(slowest));
    }

    pub(crate) fn pause(&mut self, now: Instant, index: u32, slowest: Option<u32>) {
        if self.connections[index].flags.has(Flags::PAUSED) {
            return;
        }
        self.stop_reading(index, Flags::PAUSED);
        self.note_paused(self.connections[index].session, slowest);
        let generation = self.connections[index].generation;
        let at = now.after_secs(self.limits.pause_seconds.into());
        self.timers.insert(at, Key::new(Kind::Pause as u8, index, generation));
    }

    /// Its recipients have caught up, or a publisher has waited long enough.
    pub(crate) fn resume(&mut self, index: u32) {
        if self.read_again(index, Flags::PAUSED) {
            self.answer_paused(index);
            self.window_opens(index);
        }
    }

    /// Reads no more from a publisher until that shard's window has room. What is accepted is never held back, so
    /// nothing more is accepted.
    pub(crate) fn wait_for_mail(&mut self, index: u32, shard: ShardId) {
        if self.connections[index].flags.has(Flags::MAIL) {
            return;
        }
        let id = self.connections.id(index);
        let mut waiting = core::mem::take(self.post.waiting(shard));
        if waiting.len().is_power_of_two() {
            waiting.retain(|id| self.connections.get(*id).is_some());
        }
        waiting.push(id);
        *self.post.waiting(shard) = waiting;
        self.stop_reading(index, Flags::MAIL);
        self.note_paused(self.connections[index].session, None);
    }

    /// That shard's window has room. Who waited for it is read, unless another one is full.
    pub(crate) fn mail_goes_on(&mut self, shard: ShardId) {
        for id in core::mem::take(self.post.waiting(shard)) {
            if self.connections.get(id).is_none() {
                continue;
            }
            match self.post.full_window(self.limits.mail_notes, self.limits.mail_bytes) {
                Some(other) => self.post.waiting(other).push(id),
                None => drop(self.read_again(id.index, Flags::MAIL)),
            }
        }
    }

    /// Answers have left: perhaps there is room for more.
    pub(crate) fn window_opens(&mut self, index: u32) {
        let waiting = self.connections[index].lane.as_deref().map_or(0, |lane| lane.answers.len());
        if waiting <= usize::from(self.limits.receive_maximum) {
            self.read_again(index, Flags::WINDOW);
        }
    }

    /// Its socket has taken what it was told.
    pub(crate) fn is_heard(&mut self, index: u32) {
        self.read_again(index, Flags::UNHEARD);
    }
}
