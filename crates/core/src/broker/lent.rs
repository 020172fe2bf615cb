//! What a group has offered with QoS 2 and a member has begun: lent to its session, also after a crash.
//!
//! The journal of the member's shard knows it under a name of its own, before its PUBLISH leaves; that of the group's shard
//! until it has ended there. A restart finds it with both, and the session has it.
use super::Broker;
use super::base::rules::Rule;
use super::groups::Membership;
use super::messages::Offer;
use super::messages::ledger::{Fate, Recipient};
use super::messages::queue::Entry;
use super::router::Options;
use super::shards::note::Note;
use super::shards::settle::{Outcome, Waiter};
use crate::id::{MessageId, ShardId};
use crate::time::Instant;

impl Broker {
    /// What was lent to a session has ended there. The journal says so when that of its group does: or it would be offered
    /// again after a crash.
    pub(super) fn end_lent(&mut self, shard: ShardId, who: Recipient, name: MessageId) {
        if shard == self.shards.me() {
            return self.messages.ended.push((who, name));
        }
        let number = self.shards.post.written(shard);
        let settlement = self.shards.settlements.open(1, Outcome::Queued);
        self.shards.post.await_note(shard, number, settlement);
        self.shards.settlements.add(settlement, Waiter::Lent(who, name));
    }

    /// A session begins what a group has lent to it with QoS 2: nobody else is to get it, also after a crash.
    /// [MQTT-4.8.2-4]
    pub(super) fn lend(&mut self, now: Instant, session: u32, entry: Entry) -> Entry {
        // What a restart has found is known already.
        if !self.pen().is_kept(session) || self.messages.is_lent(entry) || !self.rules.obeys(Rule::LentFirst)
        {
            return entry;
        }
        let Some(offer) = self.messages.offer(entry) else { return entry };
        let Some(membership) = self.groups.memberships.get(offer.member) else { return entry };
        let group = membership.name.clone();
        let name = self.here.message_id(now);
        let entry = self.messages.lend(entry, name);
        let place = self.place(self.sessions.recipient(session), entry);
        self.pen().lent(entry, place, &group);
        entry
    }

    /// After a restart a session has what a group thinks it has as well. It has it as of a membership that is over: when it
    /// ends, the journal says so behind that of the group.
    pub(super) fn restore_lent(&mut self, session: u32, entry: Entry, group: &str) -> Entry {
        let shard = self.shards.home(group);
        let id = self.messages.store.id(entry.message_ref());
        if shard == self.shards.me() {
            self.on_lent(group, id);
        } else {
            self.shards.post.write(shard, &Note::Lent { group, id });
        }
        let member = self.groups.memberships.insert(Membership {
            session,
            name: group.into(),
            options: Options::AS_PUBLISHED,
            shard,
            epoch: 0,
            refused: 0,
            handled: 0,
            open: 1,
            has_left: true,
        });
        self.messages.restore_lent(entry, Offer { member, number: 0 })
    }

    /// A group of this shard does not have that message any more.
    pub(super) fn on_lent(&mut self, group: &str, id: MessageId) {
        let Some(place) = self.groups.find(group) else { return };
        let who = self.groups.recipient(place);
        let store = &self.messages.store;
        let is_it = |entry: Entry| store.id(entry.message_ref()) == id;
        let Some(entry) = self.groups.get_mut(place).and_then(|group| group.take_out(is_it)) else { return };
        self.messages.books.pass_on(Fate::Queued);
        self.messages.leave(entry, who);
    }
}
