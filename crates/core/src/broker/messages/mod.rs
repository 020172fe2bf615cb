//! Messages while somebody needs them: kept once, queued by recipient, booked.
pub(crate) mod accepted;
pub(crate) mod incoming;
pub mod ledger;
pub(crate) mod owned;
pub(crate) mod queue;
pub(crate) mod store;
pub(crate) mod tally;
pub(crate) mod wire;

use crate::delivery::Sender;
use crate::id::MessageId;
use crate::qos::QoS;
use crate::slab::Slab;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ledger::{Books, Fate, Reason, Recipient};
use queue::{Entry, Identifiers, Queue};
use store::{MessageRef, Store, View};

/// The store, the lists of identifiers that its entries name, and the books.
pub(crate) struct Messages {
    pub(crate) store: Store,
    /// What the few entries carry that have more than one Subscription Identifier, or come from a group.
    lists: Slab<List>,
    pub(crate) books: Books,
    /// What has ended and is to be journaled, by its name: QoS 1 and 2, if there is a journal.
    pub(crate) ended: Vec<(Recipient, MessageId)>,
    journaled: bool,
    /// Offers of groups that have had their fate, and are to be answered.
    pub(crate) answered: Vec<Answered>,
}

/// What an entry carries that has no room in itself.
struct List {
    /// Subscription Identifiers.
    identifiers: Box<[u32]>,
    /// The group's offer that it is.
    offer: Option<Offer>,
    /// The journal knows it as the session's.
    is_lent: bool,
}

/// An offer that is to be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) offer: Offer,
    /// What the journal is to say of it once the group knows: it must not end here first.
    pub(crate) ended: Option<(Recipient, MessageId)>,
}

/// A group has offered a message to one of our sessions: the number of the membership, and of the offer, which is 0 for what
/// the session had before a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) member: u64,
    pub(crate) number: u64,
}

impl Messages {
    pub(crate) fn new(ring_bytes: usize, journaled: bool) -> Self {
        Self {
            store: Store::default(),
            lists: Slab::default(),
            books: Books::new(ring_bytes),
            ended: Vec::new(),
            journaled,
            answered: Vec::new(),
        }
    }

    /// What an entry carries as Subscription Identifiers.
    pub(crate) fn identify(&mut self, identifiers: &[u32]) -> Identifiers {
        match identifiers {
            [] => Identifiers::None,
            [one] => Identifiers::One(*one),
            many => self.list(many.into(), None, false),
        }
    }

    /// The same for what a group offers.
    pub(crate) fn identify_offer(&mut self, identifiers: &[u32], offer: Offer) -> Identifiers {
        self.list(identifiers.into(), Some(offer), false)
    }

    fn list(&mut self, identifiers: Box<[u32]>, offer: Option<Offer>, is_lent: bool) -> Identifiers {
        Identifiers::Many(self.lists.insert(List { identifiers, offer, is_lent }))
    }

    /// The offer that an entry is, if a group has made it.
    #[inline]
    pub(crate) fn offer(&self, entry: Entry) -> Option<Offer> {
        match entry.identifiers() {
            Identifiers::Many(place) => self.lists[place].offer,
            Identifiers::None | Identifiers::One(_) => None,
        }
    }

    /// The Subscription Identifiers of an entry, at least one of them in `one`.
    pub(crate) fn identifiers<'a>(&'a self, entry: Entry, one: &'a mut [u32; 1]) -> &'a [u32] {
        match entry.identifiers() {
            Identifiers::None => &[],
            Identifiers::One(identifier) => {
                *one = [identifier];
                one
            }
            Identifiers::Many(place) => &self.lists[place].identifiers,
        }
    }

    /// The message of an entry.
    pub(crate) fn stored(&self, entry: Entry) -> View<'_> {
        self.store.get(entry.message_ref())
    }

    /// An entry's standing changes, and not for the last time.
    pub(crate) fn enter(&mut self, entry: Entry, who: Recipient, from: Option<Fate>, to: Fate) {
        self.books.enter(self.store.id(entry.message_ref()), who, from, to);
    }

    /// An entry has its fate, and goes.
    pub(crate) fn end(&mut self, entry: Entry, who: Recipient, from: Fate, to: Fate) {
        self.enter(entry, who, Some(from), to);
        if let Some(offer) = self.offer(entry) {
            let answered = self.answer(offer, entry, who);
            self.answered.push(answered);
            self.forget(entry);
        } else {
            self.leave(entry, who);
        }
    }

    /// An offer that goes, and what the journal is to say of it.
    #[cold]
    fn answer(&self, offer: Offer, entry: Entry, who: Recipient) -> Answered {
        let ended = self.is_lent(entry).then(|| (who, self.store.name(entry.message_ref())));
        Answered { offer, ended }
    }

    /// An entry goes, and the journal says so. Its fate is booked, or somebody else has the message.
    pub(crate) fn leave(&mut self, entry: Entry, who: Recipient) {
        if self.journaled && entry.qos() > QoS::AtMostOnce {
            self.ended.push((who, self.store.name(entry.message_ref())));
        }
        self.forget(entry);
    }

    /// Does the journal know what a group has offered as its session's?
    pub(crate) fn is_lent(&self, entry: Entry) -> bool {
        matches!(entry.identifiers(), Identifiers::Many(place) if self.lists[place].is_lent)
    }

    /// What a group has offered is to be known by the journal as its session's: a copy, by a name of its own.
    pub(crate) fn lend(&mut self, entry: Entry, name: MessageId) -> Entry {
        let identifiers = entry.identifiers();
        if let Identifiers::Many(place) = identifiers {
            self.lists[place].is_lent = true;
        }
        let message = self.store.copy(entry.message_ref());
        self.store.set_name(message, name);
        self.store.release(entry.message_ref());
        Entry::message(message, entry.qos(), entry.retain(), identifiers)
    }

    /// What a restart has found lent to a session.
    pub(crate) fn restore_lent(&mut self, entry: Entry, offer: Offer) -> Entry {
        let identifiers = self.identifiers(entry, &mut [0]).into();
        self.unidentify(entry);
        let identifiers = self.list(identifiers, Some(offer), true);
        Entry::message(entry.message_ref(), entry.qos(), entry.retain(), identifiers)
    }

    /// Gives back what an entry holds, when its fate is already booked.
    pub(crate) fn forget(&mut self, entry: Entry) {
        self.unidentify(entry);
        self.store.release(entry.message_ref());
    }

    /// Gives back the identifiers of an entry that never came into a queue.
    pub(crate) fn unidentify(&mut self, entry: Entry) {
        if let Identifiers::Many(place) = entry.identifiers() {
            self.lists.remove(place);
        }
    }

    /// Puts an entry behind all others of a queue.
    #[inline]
    pub(crate) fn enqueue(&mut self, queue: &mut Queue, entry: Entry, who: Recipient) {
        let message = entry.message_ref();
        self.store.share(message);
        queue.push(entry, self.store.get(message).size());
        self.books.enter(self.store.id(message), who, None, Fate::Queued);
    }

    /// Puts an entry before all others; its reference is the caller's.
    pub(crate) fn enqueue_first(&mut self, queue: &mut Queue, entry: Entry, who: Recipient) {
        queue.push_first(entry, self.size(entry));
        self.enter(entry, who, None, Fate::Queued);
    }

    /// Takes out what is [next](Queue::next), which is a message.
    #[inline]
    pub(crate) fn dequeue(&self, queue: &mut Queue, next: Entry) {
        queue.pop(self.size(next));
    }

    /// Drops the message that has waited longest; false if there is none.
    pub(crate) fn drop_oldest(&mut self, queue: &mut Queue, who: Recipient) -> bool {
        let Some(entry) = queue.take_oldest() else { return false };
        queue.refund(self.size(entry));
        self.end(entry, who, Fate::Queued, Fate::Dropped(Reason::MadeRoom));
        true
    }

    /// Drops the messages that may not stay: those in the queue, and those that have a Packet Identifier and were never
    /// sent.
    pub(crate) fn judge(
        &mut self,
        queue: &mut Queue,
        sender: &mut Sender<Entry>,
        who: Recipient,
        mut stays: impl FnMut(&View<'_>, Entry) -> bool,
    ) {
        let mut stays = |entry| stays(&self.stored(entry), entry);
        let (gone, unsent) = (queue.take_unless(&mut stays), sender.give_up_unsent(stays));
        self.end_all(queue, gone, who, Fate::Dropped(Reason::NotAuthorized));
        for entry in unsent {
            self.end(entry, who, Fate::InFlight, Fate::Dropped(Reason::NotAuthorized));
        }
    }

    /// A session loses its connection: QoS 0 that waited for that is not kept for another.
    pub(crate) fn drop_once(&mut self, queue: &mut Queue, who: Recipient) {
        if queue.has_once() {
            let gone = queue.take_unless(|entry| entry.qos() > QoS::AtMostOnce);
            self.end_all(queue, gone, who, Fate::Dropped(Reason::ConnectionLost));
        }
    }

    /// A session is over: everything that it had not got has the fate `to`.
    pub(crate) fn clear(&mut self, queue: &mut Queue, sender: &mut Sender<Entry>, who: Recipient, to: Fate) {
        let gone = queue.take_unless(|_| false);
        self.end_all(queue, gone, who, to);
        for (entry, _, _, received) in sender.iter() {
            self.end(entry, who, Fate::InFlight, if received { Fate::Delivered } else { to });
        }
        sender.clear();
    }

    /// What groups have offered to a recipient, by this membership or by any, is theirs again: what it has not begun, and if
    /// `all` also what was sent with QoS 1. Returns those offers, which have no fate yet. [MQTT-4.8.2-4]
    pub(crate) fn give_back(
        &mut self,
        queue: &mut Queue,
        sender: &mut Sender<Entry>,
        who: Recipient,
        (member, all): (Option<u64>, bool),
    ) -> Vec<Answered> {
        let lists = &self.lists;
        let is_offer = |entry: Entry| match entry.identifiers() {
            Identifiers::Many(place) => {
                // What a restart has found is not in the group's books any more.
                let offer = lists[place].offer.filter(|offer| offer.number > 0);
                offer.is_some_and(|offer| member.is_none_or(|member| offer.member == member))
            }
            Identifiers::None | Identifiers::One(_) => false,
        };
        let waiting = queue.take_unless(|entry| !is_offer(entry));
        let begun = sender
            .take_out(|entry, qos, begun| is_offer(entry) && (!begun || (all && qos == QoS::AtLeastOnce)));
        let mut offers = Vec::new();
        for entry in waiting {
            queue.refund(self.size(entry));
            offers.extend(self.pass_on(entry, who, Fate::Queued));
        }
        for entry in begun {
            offers.extend(self.pass_on(entry, who, Fate::InFlight));
        }
        offers
    }

    /// An entry goes without a fate, because somebody else has the message.
    fn pass_on(&mut self, entry: Entry, who: Recipient, from: Fate) -> Option<Answered> {
        let answered = self.offer(entry).map(|offer| self.answer(offer, entry, who));
        self.books.pass_on(from);
        self.forget(entry);
        answered
    }

    fn end_all(&mut self, queue: &mut Queue, gone: VecDeque<Entry>, who: Recipient, to: Fate) {
        for entry in gone {
            queue.refund(self.size(entry));
            self.end(entry, who, Fate::Queued, to);
        }
    }

    fn size(&self, entry: Entry) -> usize {
        self.stored(entry).size()
    }

    pub(crate) fn check(&self) {
        assert!(self.books.ledger().balances(), "the books balance: {:?}", self.books.ledger());
        self.store.check();
        self.lists.check();
    }

    /// How many entries hold a list.
    pub(crate) fn lists(&self) -> usize {
        self.lists.len()
    }

    /// For `check`: who holds what.
    pub(crate) fn references(&self) -> impl Iterator<Item = (MessageRef, u32)> {
        self.store.references()
    }
}
