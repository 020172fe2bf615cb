//! Which groups the sessions of this shard are members of.
use crate::broker::router::Options;
use crate::id::ShardId;
use crate::topic::share_of_group;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// A session's Shared Subscription.
pub(crate) struct Membership {
    pub(crate) session: u32,
    /// Share Name, `/`, Topic Filter.
    pub(crate) name: Box<str>,
    pub(crate) options: Options,
    /// Where the group lives.
    pub(crate) shard: ShardId,
    /// What is offered in an earlier one is refused.
    pub(crate) epoch: u64,
    /// The last one in which something was refused.
    pub(crate) refused: u64,
    /// The number of the last offer that has come.
    pub(crate) handled: u64,
    /// Offers that were taken and are not answered.
    pub(crate) open: u32,
    /// It is over, but for those.
    pub(crate) has_left: bool,
}

impl Membership {
    /// What was subscribed to.
    pub(crate) fn share(&self) -> Box<str> {
        share_of_group(&self.name)
    }

    /// Nothing is offered before this shard says that there is room.
    pub(crate) fn is_closed(&self) -> bool {
        self.refused >= self.epoch
    }

    /// Begins the next epoch.
    pub(crate) fn reopen(&mut self) {
        self.epoch = self.refused + 1;
    }
}

/// All of them, by number. No number is given twice.
#[derive(Default)]
pub(crate) struct Memberships {
    table: BTreeMap<u64, Membership>,
    /// Of those that are not over: by session and name.
    by_name: BTreeMap<u32, BTreeMap<Box<str>, u64>>,
    made: u64,
}

impl Memberships {
    pub(crate) fn insert(&mut self, membership: Membership) -> u64 {
        self.made += 1;
        let names = self.by_name.entry(membership.session).or_default();
        names.insert(membership.name.clone(), self.made);
        self.table.insert(self.made, membership);
        self.made
    }

    /// The number of a session's membership in the group of that name.
    pub(crate) fn find(&self, session: u32, name: &str) -> Option<u64> {
        self.by_name.get(&session)?.get(name).copied()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Membership> {
        self.table.get(&number)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Membership> {
        self.table.get_mut(&number)
    }

    /// An offer is taken.
    pub(crate) fn taken(&mut self, number: u64) {
        if let Some(membership) = self.table.get_mut(&number) {
            membership.open += 1;
        }
    }

    /// An offer that was taken is answered.
    pub(crate) fn answered(&mut self, number: u64) {
        if let Some(membership) = self.table.get_mut(&number) {
            membership.open -= 1;
        }
        self.forget_if_over(number);
    }

    /// One is over.
    pub(crate) fn leave(&mut self, number: u64) {
        let Some(membership) = self.table.get_mut(&number) else { return };
        membership.has_left = true;
        if let Some(names) = self.by_name.get_mut(&membership.session) {
            names.remove(&*membership.name);
            if names.is_empty() {
                self.by_name.remove(&membership.session);
            }
        }
        self.forget_if_over(number);
    }

    /// Forgets one that is over, once each offer is answered.
    fn forget_if_over(&mut self, number: u64) {
        if self.table.get(&number).is_some_and(|membership| membership.has_left && membership.open == 0) {
            self.table.remove(&number);
        }
    }

    pub(crate) fn check(&self) {
        let names = self.by_name.values().map(BTreeMap::len).sum::<usize>();
        let standing = self.table.values().filter(|membership| !membership.has_left).count();
        assert_eq!(names, standing, "each that is not over has its name");
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Membership)> {
        self.table.iter().map(|(number, membership)| (*number, membership))
    }
}
