//! Who waits for the tickets of one client.
use super::member::Waits;
use super::untold::Place;
use std::collections::{BTreeMap, VecDeque};
use tidewire_core::id::Ticket;
use tidewire_core::qos::QoS;

/// A ring that is emptied keeps room for so many.
const KEPT: usize = 256;
/// So many that have ended may stand in the ring for each that has not, and as many more in any case.
const SPARSE: usize = 2;

/// A message whose end somebody waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    pub(super) place: Place,
    pub(super) bytes: usize,
    pub(super) qos: QoS,
}

/// Tickets are given one after the other, and most are of messages and end nearly so: these stand in a ring. The few that
/// stay behind move to a tree, so that the ring does not grow with all that end before them.
#[derive(Default)]
pub(super) struct Tickets {
    /// `None`: it has ended, or is none of these.
    ring: VecDeque<Option<Published>>,
    /// The ticket of the first.
    first: u64,
    /// Those in the ring that have not ended.
    open: usize,
    /// Those that stayed behind, and all that are no such messages.
    others: BTreeMap<Ticket, Waits>,
}

impl Tickets {
    pub(super) fn insert(&mut self, ticket: Ticket, waits: Waits) {
        self.others.insert(ticket, waits);
    }

    #[inline]
    pub(super) fn insert_published(&mut self, ticket: Ticket, published: Published) {
        if ticket.0 != self.first + self.ring.len() as u64 {
            self.skip_to(ticket);
        }
        self.ring.push_back(Some(published));
        self.open += 1;
    }

    /// There were others, or none yet.
    #[cold]
    fn skip_to(&mut self, ticket: Ticket) {
        let next = self.first + self.ring.len() as u64;
        match ticket.0.checked_sub(next) {
            Some(others) if others <= KEPT as u64 && !self.ring.is_empty() => {
                self.ring.extend((0..others).map(|_| None));
                self.thin();
            }
            _ => {
                self.set_aside(0);
                self.first = ticket.0;
            }
        }
    }

    /// All but so many move to the tree.
    fn set_aside(&mut self, all_but: usize) {
        while self.ring.len() > all_but {
            if let Some(published) = self.ring.pop_front().flatten() {
                self.others.insert(Ticket(self.first), Waits::Published(published));
                self.open -= 1;
            }
            self.first += 1;
        }
    }

    /// What stays behind moves, so that there is no more than that in the ring.
    fn thin(&mut self) {
        while self.ring.len() > SPARSE * self.open + KEPT || matches!(self.ring.front(), Some(None)) {
            self.set_aside(self.ring.len() - 1);
        }
        if self.ring.is_empty() {
            self.ring.shrink_to(KEPT);
        }
    }

    fn place(&self, ticket: Ticket) -> Option<usize> {
        let place = usize::try_from(ticket.0.checked_sub(self.first)?).ok()?;
        (place < self.ring.len()).then_some(place)
    }

    /// With what QoS it goes, if it is a message.
    #[inline]
    pub(super) fn qos(&self, ticket: Ticket) -> Option<QoS> {
        if let Some(published) = self.place(ticket).and_then(|place| self.ring[place]) {
            return Some(published.qos);
        }
        match self.others.get(&ticket)? {
            Waits::Published(Published { qos, .. }) | Waits::Requested(_, _, qos) => Some(*qos),
            Waits::Answered(_) | Waits::Granted(_) | Waits::Left(_) => None,
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Waits> {
        match self.remove_published(ticket) {
            Some(published) => Some(Waits::Published(published)),
            None => self.remove_other(ticket),
        }
    }

    /// The rest: those that stayed behind, and all that are no messages.
    pub(super) fn remove_other(&mut self, ticket: Ticket) -> Option<Waits> {
        let waits = self.others.remove(&ticket);
        if self.others.is_empty() {
            // A tree that is emptied keeps its root.
            self.others = BTreeMap::new();
        }
        waits
    }

    /// The same for most messages: those that did not stay behind.
    #[inline]
    pub(super) fn remove_published(&mut self, ticket: Ticket) -> Option<Published> {
        let place = self.place(ticket)?;
        let published = self.ring[place].take()?;
        self.open -= 1;
        if place == 0 {
            self.ring.pop_front();
            self.first += 1;
        }
        self.thin();
        Some(published)
    }

    /// All of them, in no order.
    pub(super) fn into_values(self) -> impl Iterator<Item = Waits> {
        self.others.into_values().chain(self.ring.into_iter().flatten().map(Waits::Published))
    }

    #[cfg(test)]
    pub(super) fn published(&self) -> usize {
        let behind = self.others.values().filter(|waits| matches!(waits, Waits::Published(_)));
        self.ring.iter().flatten().count() + behind.count()
    }

    #[cfg(test)]
    pub(super) fn requested(&self) -> usize {
        self.others.values().filter(|waits| matches!(waits, Waits::Requested(..))).count()
    }

    /// That it has room in use for, what has ended among them.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.ring.len() + self.others.len()
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.ring.iter().flatten().count(), self.open);
        assert!(self.ring.front().is_none_or(Option::is_some), "what has ended leaves");
        assert!(self.ring.len() <= SPARSE * self.open + KEPT, "and does not fill the ring");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(bytes: usize) -> Published {
        Published { place: Place::default(), bytes, qos: QoS::AtLeastOnce }
    }

    fn bytes(waits: Option<Waits>) -> Option<usize> {
        match waits? {
            Waits::Published(Published { bytes, .. }) | Waits::Requested(_, bytes, _) => Some(bytes),
            _ => None,
        }
    }

    #[test]
    fn each_is_found_however_many_ended_since() {
        let mut tickets = Tickets::default();
        // Every thousandth stays open.
        for (n, number) in (0..20_000).zip(0..) {
            tickets.insert_published(Ticket(n), published(number));
            tickets.check();
            if n >= 5 && (n - 5) % 1000 != 0 {
                assert_eq!(bytes(tickets.remove(Ticket(n - 5))), Some(number - 5));
                tickets.check();
            }
        }
        assert!(tickets.remove(Ticket(7)).is_none() && tickets.qos(Ticket(19_000)).is_some());
        for (n, number) in (0..20_000).step_by(1000).zip((0..).step_by(1000)) {
            assert!(tickets.qos(Ticket(n)).is_some());
            assert_eq!(bytes(tickets.remove(Ticket(n))), Some(number));
            assert!(tickets.remove(Ticket(n)).is_none());
        }
        assert_eq!(tickets.into_values().count(), 5, "the last ones");
    }

    #[test]
    fn others_in_between_are_found_however_many_they_are() {
        let mut tickets = Tickets::default();
        let others = [0, 1, 3, 300, 2, 70_000, 256, 257];
        let mut n = 0;
        for (number, others) in (0..).zip(others) {
            tickets.insert_published(Ticket(n), published(number));
            for n in n + 1..=n + others {
                tickets.insert(Ticket(n), Waits::Requested(n, 0, QoS::ExactlyOnce));
            }
            tickets.check();
            n += 1 + others;
        }
        let mut n = 0;
        for (number, others) in (0..).zip(others) {
            assert_eq!(bytes(tickets.remove(Ticket(n))), Some(number));
            assert!((n + 1..=n + others).all(|n| tickets.qos(Ticket(n)) == Some(QoS::ExactlyOnce)));
            assert!((n + 1..=n + others).all(|n| tickets.remove(Ticket(n)).is_some()));
            tickets.check();
            n += 1 + others;
        }
        assert_eq!(tickets.into_values().count(), 0);
    }

    #[test]
    fn an_order_that_is_none_loses_nothing() {
        let mut tickets = Tickets::default();
        for n in [7, 9, 8, 3, 10_000] {
            tickets.insert_published(Ticket(n), published(0));
            tickets.check();
        }
        for n in [3, 10_000, 9, 8, 7] {
            assert!(tickets.qos(Ticket(n)).is_some() && tickets.remove(Ticket(n)).is_some());
            tickets.check();
        }
    }
}
