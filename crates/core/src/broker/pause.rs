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
use super::authority::questions::About;
use super::base::timers::{Key, Kind};
use super::connection::Unread;
use super::messages::ledger::Recipient;
use super::{Action, Broker};
use crate::id::{ConnectionId, ShardId};
use crate::time::Instant;
use alloc::vec::Vec;

impl Broker {
    /// Reads no more from it.
    fn stop_reading(&mut self, index: u32, why: Unread) {
        let connection = &mut self.connections[index];
        let was_read = !connection.is_unread();
        connection.stop(why);
        if was_read {
            self.actions.push(Action::Pause(self.connections.id(index)));
        }
    }

    /// That is no reason any more; true if it was one.
    pub(super) fn read_again(&mut self, index: u32, why: Unread) -> bool {
        let connection = &mut self.connections[index];
        if !connection.is_stopped(why) || connection.is_ending() {
            return false;
        }
        connection.let_go(why);
        if !connection.is_unread() {
            self.actions.push(Action::Resume(self.connections.id(index)));
        }
        true
    }

    /// Reads no more from a publisher until its slowest recipient has caught up, or its patience is over.
    pub(super) fn pause_for(&mut self, now: Instant, index: u32, slowest: u32) {
        if self.connections[index].is_stopped(Unread::PAUSED) {
            return;
        }
        let id = self.connections.id(index);
        let group = Recipient { session: slowest, generation: 0 }.as_group();
        let Self { groups, sessions, connections, .. } = self;
        let waiting = match group {
            Some(group) => groups.get_mut(group).map(|group| &mut group.publishers),
            None => Some(&mut sessions.busy(slowest).waiting),
        };
        if let Some(waiting) = waiting {
            // Those who have waited long enough, or are gone, stand here as well: they are looked for as often as the
            // number doubles.
            if waiting.len().is_power_of_two() {
                waiting.retain(|id| connections.get(*id).is_some_and(|c| c.is_stopped(Unread::PAUSED)));
            }
            waiting.push(id);
        }
        self.pause(now, index, group.is_none().then_some(slowest));
    }

    pub(super) fn pause(&mut self, now: Instant, index: u32, slowest: Option<u32>) {
        if self.connections[index].is_stopped(Unread::PAUSED) {
            return;
        }
        self.stop_reading(index, Unread::PAUSED);
        self.note_paused(self.connections[index].session, slowest);
        let generation = self.connections[index].generation;
        let at = now.after_secs(self.limits.pause_seconds.into());
        self.timers.insert(at, Key::new(Kind::Pause as u8, index, generation));
    }

    /// Its recipients have caught up, or a publisher has waited long enough.
    pub(super) fn resume(&mut self, index: u32) {
        if self.read_again(index, Unread::PAUSED) {
            self.answer_paused(index);
            self.window_opens(index);
        }
    }

    /// Nobody need wait for this queue any more.
    pub(super) fn wake_publishers(&mut self, session: u32) {
        let Some(busy) = self.sessions[session].busy.as_deref_mut() else { return };
        let publishers = core::mem::take(&mut busy.waiting);
        self.resume_all(publishers);
    }

    /// The same for those who wait for a group.
    pub(super) fn wake_publishers_of_group(&mut self, group: u32) {
        let Some(group) = self.groups.get_mut(group) else { return };
        let publishers = core::mem::take(&mut group.publishers);
        self.resume_all(publishers);
    }

    fn resume_all(&mut self, publishers: Vec<ConnectionId>) {
        for publisher in publishers {
            if self.connections.is(publisher) {
                self.resume(publisher.index);
            }
        }
    }

    /// Does so little wait that publishers may go on?
    pub(super) fn is_low(&self, messages: usize, bytes: usize) -> bool {
        messages <= (self.limits.queued_messages / 16) as usize
            && bytes as u64 <= self.limits.queued_bytes / 16
    }

    /// Reads no more from a publisher until that shard's window has room. What is accepted is never held back, so
    /// nothing more is accepted.
    pub(super) fn wait_for_mail(&mut self, index: u32, shard: ShardId) {
        if self.connections[index].is_stopped(Unread::MAIL) {
            return;
        }
        let id = self.connections.id(index);
        self.shards.post.wait(shard, id, |id| self.connections.is(id));
        self.stop_reading(index, Unread::MAIL);
        self.note_paused(self.connections[index].session, None);
    }

    /// Answers have left: perhaps there is room for more.
    pub(super) fn window_opens(&mut self, index: u32) {
        let waiting = self.connections[index].busy.as_deref().map_or(0, |busy| busy.answers.len());
        if waiting <= usize::from(self.limits.receive_maximum) {
            self.read_again(index, Unread::WINDOW);
        }
    }

    /// Its socket has taken what it was told.
    pub(super) fn is_heard(&mut self, index: u32) {
        self.read_again(index, Unread::UNHEARD);
    }

    /// Announces a question, unless too many are open: then `false`.
    pub(super) fn ask(&mut self, now: Instant, index: u32, about: About) -> bool {
        let id = self.connections.id(index);
        let most = self.limits.answers_open as usize;
        let Some(question) = self.questions.ask(id, about, most) else { return false };
        self.connections[index].stop(Unread::HELD);
        self.connections.busy(index).question = Some(question);
        self.actions.push(Action::Ask(question));
        let at = now.after_secs(self.limits.answer_seconds.into());
        let [high, low] = [question.0 >> 32, question.0 & 0xffff_ffff];
        let [high, low] = [high, low].map(|half| u32::try_from(half).unwrap_or_default());
        self.timers.insert(at, Key::new(Kind::Answer as u8, high, low));
        true
    }

    /// The connection that asked is going: nobody needs the answer.
    pub(super) fn drop_question(&mut self, id: ConnectionId) {
        self.connections[id.index].let_go(Unread::HELD);
        let busy = self.connections[id.index].busy.as_deref_mut();
        if let Some(question) = busy.and_then(|busy| busy.question.take()) {
            self.questions.close(question);
        }
    }

    /// It is read again, unless something else is in the way.
    pub(super) fn read_if_wanted(&mut self, id: ConnectionId) {
        if !self.connections[id.index].is_unread() {
            self.actions.push(Action::Resume(id));
        }
    }

    /// A full window pauses the sockets that would fill it further; it never holds back what was accepted.
    pub(super) fn wait_if_window_is_full(&mut self, index: u32) {
        if let Some(shard) = self.shards.post.full_window(self.limits.mail_notes, self.limits.mail_bytes) {
            self.wait_for_mail(index, shard);
        }
    }
}
