//! Who waits for the tickets of one client.
use super::member::Waits;
use std::collections::{BTreeMap, VecDeque};
use tidewire_core::id::Ticket;

/// A ring that is emptied keeps room for so many.
const KEPT: usize = 256;
/// So many that have ended may stand in the ring for each that has not, and as many more in any case.
const SPARSE: usize = 2;

/// Tickets are given one after the other, and most end nearly so: they stand in a ring. The few that stay behind move to a
/// tree, so that the ring does not grow with all that end before them.
#[derive(Default)]
pub(super) struct Tickets {
    /// `None`: it has ended.
    ring: VecDeque<Option<Waits>>,
    /// The ticket of the first.
    first: u64,
    /// Those in the ring that have not ended.
    open: usize,
    behind: BTreeMap<Ticket, Waits>,
}

impl Tickets {
    pub(super) fn insert(&mut self, ticket: Ticket, waits: Waits) {
        if self.ring.is_empty() {
            self.first = ticket.0;
        }
        if ticket.0 != self.first + self.ring.len() as u64 {
            self.behind.insert(ticket, waits);
            return;
        }
        self.ring.push_back(Some(waits));
        self.open += 1;
    }

    /// What stays behind moves, so that there is no more than that in the ring.
    fn thin(&mut self) {
        while self.ring.len() > SPARSE * self.open + KEPT || matches!(self.ring.front(), Some(None)) {
            if let Some(waits) = self.ring.pop_front().flatten() {
                self.behind.insert(Ticket(self.first), waits);
                self.open -= 1;
            }
            self.first += 1;
        }
        if self.ring.is_empty() {
            self.ring.shrink_to(KEPT);
        }
    }

    fn place(&self, ticket: Ticket) -> Option<usize> {
        usize::try_from(ticket.0.checked_sub(self.first)?).ok()
    }

    pub(super) fn get(&self, ticket: Ticket) -> Option<&Waits> {
        match self.place(ticket).and_then(|place| self.ring.get(place)) {
            Some(slot) => slot.as_ref(),
            None => self.behind.get(&ticket),
        }
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Waits> {
        let waits = match self.place(ticket) {
            // Most of them. The first has not ended, or it would not be there.
            Some(0) if !self.ring.is_empty() => {
                self.first += 1;
                self.ring.pop_front().flatten()?
            }
            place => match place.and_then(|place| self.ring.get_mut(place)) {
                Some(slot) => slot.take()?,
                None => return self.behind.remove(&ticket),
            },
        };
        self.open -= 1;
        self.thin();
        Some(waits)
    }

    /// All of them, in no order.
    pub(super) fn into_values(self) -> impl Iterator<Item = Waits> {
        self.behind.into_values().chain(self.ring.into_iter().flatten())
    }

    #[cfg(test)]
    pub(super) fn values(&self) -> impl Iterator<Item = &Waits> {
        self.behind.values().chain(self.ring.iter().flatten())
    }

    /// That it has room in use for, what has ended among them.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.ring.len() + self.behind.len()
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
    use super::super::fate::Fate;
    use super::*;
    use tidewire_core::qos::QoS;

    fn waits(bytes: usize) -> Waits {
        Waits::Published(Fate::default(), bytes, QoS::AtLeastOnce)
    }

    fn bytes(waits: Option<&Waits>) -> Option<usize> {
        match waits? {
            Waits::Published(_, bytes, _) => Some(*bytes),
            _ => None,
        }
    }

    #[test]
    fn each_is_found_however_many_ended_since() {
        let mut tickets = Tickets::default();
        // Every thousandth stays open.
        for (n, number) in (0..20_000).zip(0..) {
            tickets.insert(Ticket(n), waits(number));
            tickets.check();
            if n >= 5 && (n - 5) % 1000 != 0 {
                assert_eq!(bytes(tickets.remove(Ticket(n - 5)).as_ref()), Some(number - 5));
                tickets.check();
            }
        }
        assert!(tickets.remove(Ticket(7)).is_none() && tickets.get(Ticket(19_000)).is_some());
        for (n, number) in (0..20_000).step_by(1000).zip((0..).step_by(1000)) {
            assert_eq!(bytes(tickets.get(Ticket(n))), Some(number));
            assert!(tickets.remove(Ticket(n)).is_some() && tickets.remove(Ticket(n)).is_none());
        }
        assert_eq!(tickets.into_values().count(), 5, "the last ones");
    }

    #[test]
    fn an_order_that_is_none_loses_nothing() {
        let mut tickets = Tickets::default();
        for n in [7, 9, 8, 3, 10_000] {
            tickets.insert(Ticket(n), waits(0));
            tickets.check();
        }
        for n in [3, 10_000, 9, 8, 7] {
            assert!(tickets.get(Ticket(n)).is_some() && tickets.remove(Ticket(n)).is_some());
            tickets.check();
        }
    }
}
