//! Where messages lie while somebody needs them, and the books about them.
use crate::broker::messages::ledger::{Books, Fate, Reason, Recipient};
use crate::broker::messages::store::{MessageRef, Store, View};
use crate::broker::session::{Entry, Flow, Identifiers, Queued};
use crate::id::MessageId;
use crate::qos::QoS;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The store, the lists of identifiers that its entries name, and the books.
pub(crate) struct Depot {
    pub(crate) store: Store,
    lists: Lists,
    pub(crate) books: Books,
    /// What has ended and is to be journaled: QoS 1 and 2, if there is a journal.
    pub(crate) ended: Vec<(Recipient, MessageId)>,
    journaled: bool,
}

impl Depot {
    pub(crate) fn new(ring_bytes: usize, journaled: bool) -> Self {
        Self {
            store: Store::default(),
            lists: Lists::default(),
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
            many => Identifiers::Many(self.lists.put(many)),
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
            Identifiers::Many(place) => self.lists.get(place),
        }
    }

    /// The message of an entry.
    pub(crate) fn stored(&self, entry: Entry) -> View<'_> {
        self.store.get(entry.message_ref())
    }

    /// An entry's standing changes, and not for the last time.
    pub(crate) fn moved(&mut self, entry: Entry, who: Recipient, from: Option<Fate>, to: Fate) {
        self.books.moved(self.store.id(entry.message_ref()), who, from, to);
    }

    /// An entry has its fate, and goes.
    pub(crate) fn end(&mut self, entry: Entry, who: Recipient, from: Fate, to: Fate) {
        self.moved(entry, who, Some(from), to);
        if self.journaled && entry.qos() > QoS::AtMostOnce {
            self.ended.push((who, self.store.id(entry.message_ref())));
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
            self.lists.free(place);
        }
    }

    /// Puts an entry behind all others of a flow, and charges it.
    pub(crate) fn enqueue(&mut self, flow: &mut Flow, entry: Entry, who: Recipient) {
        let message = entry.message_ref();
        self.store.share(message);
        flow.bytes += self.store.get(message).size();
        self.books.moved(self.store.id(message), who, None, Fate::Queued);
        if entry.qos() == QoS::AtMostOnce {
            if flow.stalled && flow.replays == 0 {
                flow.passing.push_back(entry);
                return;
            }
            flow.zeros += 1;
        }
        flow.queue.push_back(entry);
    }

    /// Takes back the charge of an entry that has left a queue.
    pub(crate) fn refund(&self, flow: &mut Flow, entry: Entry) {
        flow.bytes -= self.store.get(entry.message_ref()).size();
    }

    /// A session loses its connection: QoS 0 that waited for that is not kept for another.
    pub(crate) fn drop_zeros(&mut self, flow: &mut Flow, who: Recipient) {
        if flow.zeros == 0 && flow.passing.is_empty() {
            return;
        }
        let is_zero = |e: &Entry| e.qos() == QoS::AtMostOnce && matches!(e.what(), Queued::Message(_));
        let gone: Vec<Entry> = flow.queue.iter().chain(&flow.passing).copied().filter(is_zero).collect();
        flow.queue.retain(|e| !is_zero(e));
        flow.passing.clear();
        flow.zeros = 0;
        for entry in gone {
            self.refund(flow, entry);
            self.end(entry, who, Fate::Queued, Fate::Dropped(Reason::ConnectionLost));
        }
    }

    /// A session is over: everything in its flow has the fate `to`.
    pub(crate) fn clear(&mut self, flow: &mut Flow, who: Recipient, to: Fate) {
        for entry in flow.queue.drain(..).chain(flow.passing.drain(..)) {
            if let Queued::Message(_) = entry.what() {
                self.end(entry, who, Fate::Queued, to);
            }
        }
        for (entry, _, _, received) in flow.sender.iter() {
            self.end(entry, who, Fate::InFlight, if received { Fate::Delivered } else { to });
        }
        flow.sender.clear();
        flow.receiver.clear();
        flow.unsettled.clear();
        (flow.bytes, flow.zeros, flow.replays) = (0, 0, 0);
    }

    /// For `check`: how many entries hold a list.
    pub(crate) fn lists(&self) -> usize {
        self.lists.used
    }

    /// For `check`: who holds what.
    pub(crate) fn references(&self) -> impl Iterator<Item = (MessageRef, u32)> {
        self.store.references()
    }
}

/// Lists of Subscription Identifiers, for the few entries that have more than one.
#[derive(Default)]
struct Lists {
    table: Vec<Box<[u32]>>,
    free: Vec<u32>,
    used: usize,
}

impl Lists {
    fn put(&mut self, list: &[u32]) -> u32 {
        self.used += 1;
        if let Some(place) = self.free.pop() {
            self.table[place as usize] = list.into();
            return place;
        }
        self.table.push(list.into());
        u32::try_from(self.table.len() - 1).expect("there are fewer entries than that")
    }

    fn get(&self, place: u32) -> &[u32] {
        &self.table[place as usize]
    }

    fn free(&mut self, place: u32) {
        self.used -= 1;
        self.table[place as usize] = Box::default();
        self.free.push(place);
    }
}
