//! Shared Subscriptions: groups that own their queues, and the memberships of this shard's sessions.
//!
//! A group lives on the shard that its Share Name and filter hash to, and its members wherever their sessions are at home.
//! It keeps each message until the member that it was offered to is done with it, so nobody who goes away takes one along.
//! Who is a member knows it by a number of its own, and each offer to it has one, from 1.
mod group;
mod memberships;
mod strategy;
mod word;

pub(crate) use group::{Group, MemberId, Place, Waiting};
pub(crate) use memberships::{Membership, Memberships};
pub(crate) use strategy::{Start, Strategy};
pub(crate) use word::{Join, Word};

use crate::broker::messages::ledger::Recipient;
use crate::slab::Slab;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The groups of one shard, and the memberships of its sessions, in groups here or elsewhere.
#[derive(Default)]
pub(crate) struct Groups {
    table: Slab<Group>,
    names: BTreeMap<Box<str>, u32>,
    members: BTreeMap<MemberId, (u32, Place)>,
    /// How many were ever made.
    made: u32,
    /// Those that may have something to offer.
    changed: Vec<u32>,
    pub(crate) memberships: Memberships,
    pub(crate) strategy: Strategy,
}

impl Groups {
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self { strategy, ..Self::default() }
    }

    /// The group of that name: a Share Name, `/` and a Topic Filter.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.names.get(name).copied()
    }

    /// A new one.
    pub(crate) fn make(&mut self, name: &str) -> u32 {
        self.made = self.made.wrapping_add(1);
        let place = self.table.insert(Group::new(name, self.made, self.strategy));
        self.names.insert(name.into(), place);
        place
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut Group> {
        self.table.get_mut(place)
    }

    pub(crate) fn get(&self, place: u32) -> Option<&Group> {
        self.table.get(place)
    }

    /// The group that is this recipient.
    pub(crate) fn of_recipient(&self, who: Recipient) -> Option<&Group> {
        let group = self.table.get(who.as_group()?)?;
        (group.generation() == who.generation).then_some(group)
    }

    /// Whom the books name as its recipient.
    pub(crate) fn recipient(&self, place: u32) -> Recipient {
        Recipient::group(place, self.table[place].generation())
    }

    /// The group that this one is a member of, or was, until each of its offers is answered.
    pub(crate) fn of_member(&self, id: MemberId) -> Option<(u32, Place)> {
        self.members.get(&id).copied()
    }

    pub(crate) fn join(&mut self, group: u32, id: MemberId, epoch: u64, quota: u16, is_open: bool) {
        if self.members.contains_key(&id) {
            return;
        }
        let place = self.table[group].join(id, epoch, quota, is_open);
        self.members.insert(id, (group, place));
        self.changed(group);
    }

    /// There may be something to offer, or somebody to offer it to.
    pub(crate) fn changed(&mut self, group: u32) {
        if let Some(group_there) = self.table.get_mut(group)
            && group_there.mark()
        {
            self.changed.push(group);
        }
    }

    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    pub(crate) fn next_changed(&mut self) -> Option<u32> {
        let place = self.changed.pop()?;
        if let Some(group) = self.table.get_mut(place) {
            group.unmark();
        }
        Some(place)
    }

    /// Forgets a member that has left and has answered each offer, and the group with the last of them.
    pub(crate) fn forget_if_gone(&mut self, group: u32, place: Place) {
        let Some(there) = self.table.get_mut(group) else { return };
        if let Some(id) = there.take_if_gone(place) {
            self.members.remove(&id);
        }
        self.forget_if_over(group);
    }

    /// Forgets a group that nobody has anything to do with.
    pub(crate) fn forget_if_over(&mut self, group: u32) {
        if let Some(there) = self.table.get_mut(group)
            && there.is_over()
        {
            let name = core::mem::take(&mut there.name);
            self.names.remove(&name);
            self.table.remove(group);
        }
    }

    /// A journal has told of it: not all of its members are known before [`restored`](Self::restored).
    pub(crate) fn restoring(&mut self, group: u32) {
        if let Some(group) = self.table.get_mut(group) {
            group.is_restored = true;
        }
    }

    /// All members are known.
    pub(crate) fn restored(&mut self, group: u32) {
        if let Some(group) = self.table.get_mut(group) {
            group.is_restored = false;
        }
    }

    /// The first one at or behind this place.
    pub(crate) fn next_from(&self, place: u32) -> Option<u32> {
        self.table.iter_from(place).next().map(|(place, _)| place)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Group)> {
        self.table.iter()
    }

    pub(crate) fn check(&self) {
        assert!(self.changed.is_empty(), "what changed has been seen to");
        assert_eq!(self.names.len(), self.table.len(), "each has its name");
        let mut members = 0;
        for (place, group) in self.table.iter() {
            assert_eq!(self.names.get(&group.name), Some(&place), "it is found by it");
            members += group.check();
        }
        assert_eq!(members, self.members.len(), "each member is known");
    }
}
