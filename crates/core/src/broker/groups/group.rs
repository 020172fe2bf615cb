//! One group: its queue, its members, and what it has offered to them.
use super::strategy::{Start, Strategy};
use crate::broker::messages::queue::Entry;
use crate::id::{ConnectionId, ShardId};
use crate::qos::QoS;
use crate::slab::Slab;
use crate::topic::{filter_of_group, share_of_group};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

/// A member: the shard where its session is at home, and the number of its membership there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MemberId {
    pub(crate) shard: ShardId,
    pub(crate) number: u64,
}

/// A member's place in its group.
pub(crate) type Place = u32;

/// A message that waits, or that a member has, and where it stands in the group's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) sequence: u64,
    pub(crate) entry: Entry,
    pub(crate) size: usize,
}

/// What a member was offered and has not answered.
#[derive(Clone, Copy)]
struct Offered {
    epoch: u64,
    waiting: Waiting,
}

struct Member {
    id: MemberId,
    /// What it refuses, it refuses with all that follows in the same epoch.
    epoch: u64,
    /// It has not refused anything in this epoch.
    is_open: bool,
    /// It takes so many at a time, whatever else it has to do.
    quota: u16,
    has_left: bool,
    /// How many offers there were.
    offers: u64,
    /// What it stands in the list of those that are ready with, if it does.
    listed: Option<usize>,
    /// Those that are not answered, by their numbers.
    out: BTreeMap<u64, Offered>,
}

impl Member {
    fn is_ready(&self) -> bool {
        self.is_open && !self.has_left && self.out.len() < usize::from(self.quota)
    }
}

pub(crate) struct Group {
    /// Share Name, `/`, Topic Filter.
    pub(crate) name: Box<str>,
    generation: u32,
    /// In its order.
    queue: VecDeque<Waiting>,
    bytes: usize,
    /// How many of them are QoS 0: these are not kept for who is away.
    once: usize,
    /// The place in the order that was given last.
    sequence: u64,
    members: Slab<Member>,
    /// How many of them have not left.
    present: usize,
    /// How much they have.
    out: usize,
    /// Those that may be offered something; those with less first, if that counts.
    ready: BTreeSet<(usize, Place)>,
    least_first: bool,
    /// Who was offered something last.
    turn: Place,
    /// Publishers that wait for the queue to drain.
    pub(crate) publishers: Vec<ConnectionId>,
    is_marked: bool,
    /// A journal has told of its queue, and not all of its members are known yet.
    pub(super) is_restored: bool,
}

impl Group {
    pub(super) fn new(name: &str, generation: u32, strategy: Strategy) -> Self {
        Self {
            name: name.into(),
            generation,
            queue: VecDeque::new(),
            bytes: 0,
            once: 0,
            sequence: 0,
            members: Slab::default(),
            present: 0,
            out: 0,
            ready: BTreeSet::new(),
            least_first: strategy == Strategy::LeastLoaded,
            turn: 0,
            publishers: Vec::new(),
            is_marked: false,
            is_restored: false,
        }
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// The Topic Filter of its subscriptions.
    pub(crate) fn filter(&self) -> &str {
        filter_of_group(&self.name)
    }

    /// What its members subscribe to.
    pub(crate) fn share(&self) -> Box<str> {
        share_of_group(&self.name)
    }

    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Does anybody subscribe?
    pub(crate) fn has_members(&self) -> bool {
        self.present > 0
    }

    /// Nobody does, nor will.
    pub(crate) fn is_deserted(&self) -> bool {
        self.present == 0 && !self.is_restored
    }

    /// Could somebody be offered something?
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Does somebody take what it has, now or once there is room? Nobody does if all are away.
    pub(crate) fn is_served(&self) -> bool {
        self.is_ready() || self.out > 0
    }

    pub(super) fn mark(&mut self) -> bool {
        !core::mem::replace(&mut self.is_marked, true)
    }

    pub(super) fn unmark(&mut self) {
        self.is_marked = false;
    }

    /// Puts a message behind all others.
    pub(crate) fn push(&mut self, entry: Entry, size: usize) {
        self.sequence += 1;
        self.bytes += size;
        self.once += usize::from(entry.qos() == QoS::AtMostOnce);
        self.queue.push_back(Waiting { sequence: self.sequence, entry, size });
    }

    /// The message that is to go next.
    pub(crate) fn next(&self) -> Option<Entry> {
        self.queue.front().map(|waiting| waiting.entry)
    }

    /// Takes it out.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.queue.pop_front()?;
        self.bytes -= waiting.size;
        self.once -= usize::from(waiting.entry.qos() == QoS::AtMostOnce);
        Some(waiting)
    }

    /// What comes back returns to its own place.
    pub(crate) fn put_back(&mut self, waiting: Waiting) {
        let at = self.queue.partition_point(|other| other.sequence < waiting.sequence);
        self.bytes += waiting.size;
        self.once += usize::from(waiting.entry.qos() == QoS::AtMostOnce);
        self.queue.insert(at, waiting);
    }

    /// Takes out the first such message, for somebody has it.
    pub(crate) fn take_out(&mut self, is_it: impl Fn(Entry) -> bool) -> Option<Entry> {
        let at = self.queue.iter().position(|waiting| is_it(waiting.entry))?;
        let waiting = self.queue.remove(at)?;
        self.bytes -= waiting.size;
        self.once -= usize::from(waiting.entry.qos() == QoS::AtMostOnce);
        Some(waiting.entry)
    }

    /// Takes out what is QoS 0: nobody is there for it.
    pub(crate) fn take_once(&mut self) -> Vec<Entry> {
        if self.once == 0 {
            return Vec::new();
        }
        self.once = 0;
        let (once, stays): (VecDeque<_>, VecDeque<_>) = core::mem::take(&mut self.queue)
            .into_iter()
            .partition(|waiting| waiting.entry.qos() == QoS::AtMostOnce);
        self.queue = stays;
        self.bytes -= once.iter().map(|waiting| waiting.size).sum::<usize>();
        once.into_iter().map(|waiting| waiting.entry).collect()
    }

    pub(super) fn join(&mut self, id: MemberId, epoch: u64, quota: u16, is_open: bool) -> Place {
        let out = BTreeMap::new();
        let member = Member { id, epoch, is_open, quota, has_left: false, offers: 0, listed: None, out };
        let place = self.members.insert(member);
        self.present += 1;
        self.see_to(place);
        place
    }

    fn see_to(&mut self, place: Place) {
        let Some(member) = self.members.get_mut(place) else { return };
        let load = if self.least_first { member.out.len() } else { 0 };
        let listed = member.is_ready().then_some(load);
        let before = core::mem::replace(&mut member.listed, listed);
        if listed == before {
            return;
        }
        if let Some(load) = before {
            self.ready.remove(&(load, place));
        }
        if let Some(load) = listed {
            self.ready.insert((load, place));
        }
    }

    /// Offers the next message to a member that is ready: who, in which epoch, its how many-eth offer, and what.
    pub(crate) fn offer(&mut self, start: Start) -> Option<(MemberId, u64, u64, Waiting)> {
        let (least, first) = *self.ready.first()?;
        let start = start.place(self.turn, self.members.len());
        let behind = self.ready.range((least, start)..=(least, Place::MAX)).next();
        let place = behind.map_or(first, |(_, place)| *place);
        let waiting = self.pop()?;
        self.turn = place;
        let member = self.members.get_mut(place)?;
        member.offers += 1;
        let (id, epoch, number) = (member.id, member.epoch, member.offers);
        member.out.insert(number, Offered { epoch, waiting });
        self.out += 1;
        self.see_to(place);
        Some((id, epoch, number, waiting))
    }

    /// What a member was offered under this number is answered.
    pub(crate) fn take(&mut self, place: Place, number: u64) -> Option<Waiting> {
        let offered = self.members.get_mut(place)?.out.remove(&number)?;
        self.out -= 1;
        self.see_to(place);
        Some(offered.waiting)
    }

    /// It refuses this offer of the epoch and all after it, and gets nothing more in that epoch.
    pub(crate) fn refused(&mut self, place: Place, epoch: u64, first: u64) -> Vec<Waiting> {
        let Some(member) = self.members.get_mut(place) else { return Vec::new() };
        if member.epoch == epoch {
            member.is_open = false;
        }
        let refused = member.out.split_off(&first);
        let (back, stays): (Vec<_>, Vec<_>) =
            refused.into_iter().partition(|(_, offered)| offered.epoch == epoch);
        member.out.extend(stays);
        self.out -= back.len();
        self.see_to(place);
        back.into_iter().map(|(_, offered)| offered.waiting).collect()
    }

    /// All that it has. For tests: only its shard gives back.
    pub(crate) fn refused_all(&mut self, place: Place) -> Vec<Waiting> {
        let Some(member) = self.members.get_mut(place) else { return Vec::new() };
        let back: Vec<_> =
            core::mem::take(&mut member.out).into_values().map(|offered| offered.waiting).collect();
        self.out -= back.len();
        back
    }

    /// There is room for so many at a time, from this epoch on.
    pub(crate) fn has_room(&mut self, place: Place, epoch: u64, quota: u16) {
        if let Some(member) = self.members.get_mut(place) {
            (member.epoch, member.quota, member.is_open) = (epoch, quota, true);
        }
        self.see_to(place);
    }

    /// It is a member no more; what it has it may still answer.
    pub(crate) fn leave(&mut self, place: Place) {
        if let Some(member) = self.members.get_mut(place)
            && !core::mem::replace(&mut member.has_left, true)
        {
            self.present -= 1;
        }
        self.see_to(place);
    }

    /// It has left, and has answered everything.
    pub(super) fn take_if_gone(&mut self, place: Place) -> Option<MemberId> {
        let is_gone = |member: &Member| member.has_left && member.out.is_empty();
        if !self.members.get(place).is_some_and(is_gone) {
            return None;
        }
        self.members.remove(place).map(|member| member.id)
    }

    /// Nobody has anything to do with it any more.
    pub(super) fn is_over(&self) -> bool {
        self.members.len() == 0 && self.queue.is_empty() && !self.is_restored
    }

    /// What waits.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Entry> {
        self.queue.iter().map(|waiting| waiting.entry)
    }

    /// What members have.
    pub(crate) fn out(&self) -> impl Iterator<Item = Entry> {
        self.members.iter().flat_map(|(_, member)| member.out.values().map(|offered| offered.waiting.entry))
    }

    /// States what must hold between two calls; how many members there are.
    pub(super) fn check(&self) -> usize {
        assert!(self.queue.is_empty() || self.has_members() || self.is_restored, "nothing waits for nobody");
        assert!(self.queue.is_empty() || !self.is_ready(), "nothing waits while somebody is ready");
        let once = self.waiting().filter(|entry| entry.qos() == QoS::AtMostOnce).count();
        assert_eq!(once, self.once, "those of QoS 0 are counted");
        assert!(once == 0 || self.is_served(), "QoS 0 does not wait for who is away");
        assert!(self.queue.iter().is_sorted_by_key(|waiting| waiting.sequence), "they wait in their order");
        assert_eq!(self.queue.iter().map(|waiting| waiting.size).sum::<usize>(), self.bytes);
        let present = self.members.iter().filter(|(_, member)| !member.has_left).count();
        assert_eq!(present, self.present, "those who are there are counted");
        for (place, member) in self.members.iter() {
            let load = if self.least_first { member.out.len() } else { 0 };
            let is_listed = self.ready.contains(&(load, place));
            assert_eq!(is_listed, member.is_ready(), "who is ready stands in the list");
            assert!(!(member.has_left && member.out.is_empty()), "who is gone is forgotten");
        }
        assert_eq!(self.out().count(), self.out, "what they have is counted");
        let ready = self.members.iter().filter(|(_, member)| member.is_ready()).count();
        assert_eq!(ready, self.ready.len(), "and nobody else does");
        self.members.check();
        self.members.len()
    }
}
