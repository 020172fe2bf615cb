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
    /// Of Subscription Identifiers, for the few entries that have more than one.
    lists: Slab<Box<[u32]>>,
    pub(crate) books: Books,
    /// What has ended and is to be journaled, by its name: QoS 1 and 2, if there is a journal.
    pub(crate) ended: Vec<(Recipient, MessageId)>,
    journaled: bool,
}

impl Messages {
    pub(crate) fn new(ring_bytes: usize, journaled: bool) -> Self {
        Self {
            store: Store::default(),
            lists: Slab::default(),
            books: Books::new(ring_bytes),
            ended: Vec::new(),
            journaled,
        }
    }

    /// What an entry carries as Subscription Identifiers.
    pub(crate) fn identify(&mut self, identifiers: &[u32]) -> Identifiers {
        match identifiers {
            [] => Identifiers::None,
            [one] => Identifiers::One(*one),
            many => Identifiers::Many(self.lists.insert(many.into())),
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
            Identifiers::Many(place) => &self.lists[place],
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
        if self.journaled && entry.qos() > QoS::AtMostOnce {
            self.ended.push((who, self.store.name(entry.message_ref())));
        }
        self.forget(entry);
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

    /// For `check`: how many entries hold a list.
    pub(crate) fn lists(&self) -> usize {
        self.lists.len()
    }

    /// For `check`: who holds what.
    pub(crate) fn references(&self) -> impl Iterator<Item = (MessageRef, u32)> {
        self.store.references()
    }
}
