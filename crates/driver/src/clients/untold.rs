//! Fates that the loop has to tell.
use super::fate::{Batch, Coming, End, Run};
use slab::Slab;
use std::ops::Range;
use tidewire_core::id::Ticket;

/// Where one of them is, until it is told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    batch: u32,
    at: u32,
}

/// Those of one client. What was made together is held once.
#[derive(Default)]
pub(super) struct Untold {
    batches: Slab<Held>,
    /// Of messages that are about to come.
    pub(super) coming: Coming,
    /// The batch and the places of those that come first.
    run: Option<(u32, Range<u32>)>,
}

struct Held {
    batch: Batch,
    open: u32,
}

/// Room for so many is kept.
const KEPT: usize = 16;

impl Untold {
    /// The next of them is here.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Place> {
        if let Some((batch, places)) = &mut self.run
            && let Some(at) = places.next()
        {
            return Some(Place { batch: *batch, at });
        }
        self.next_run()
    }

    fn next_run(&mut self) -> Option<Place> {
        let Run { batch, mut places } = self.coming.next_run()?;
        let open = u32::try_from(places.len()).ok()?;
        let batch = u32::try_from(self.batches.insert(Held { batch, open })).ok()?;
        let at = places.next()?;
        self.run = Some((batch, places));
        Some(Place { batch, at })
    }

    pub(super) fn waits_for(&self, place: &Place, ticket: Ticket) {
        if let Some(held) = self.batches.get(place.batch as usize) {
            held.batch[place.at as usize].waits_for(ticket);
        }
    }

    #[inline]
    pub(super) fn tell(&mut self, place: Place, end: End) {
        if let Some(held) = self.batches.get(place.batch as usize) {
            held.batch[place.at as usize].put(end);
        }
        self.forget(place);
    }

    /// Nobody waits for it.
    #[inline]
    pub(super) fn forget(&mut self, place: Place) {
        if let Some(held) = self.batches.get_mut(place.batch as usize) {
            held.open -= 1;
            if held.open == 0 {
                self.batches.remove(place.batch as usize);
            }
        }
    }

    /// All of them are told for now.
    pub(super) fn shrink(&mut self) {
        if self.batches.is_empty() && self.batches.capacity() > KEPT {
            self.batches = Slab::new();
        }
    }

    /// States what must hold between two turns; so many are not told.
    #[cfg(test)]
    pub(super) fn check(&self) -> usize {
        assert!(self.coming.is_empty() && self.run.as_ref().is_none_or(|(_, places)| places.is_empty()));
        assert!(self.batches.iter().all(|(_, held)| held.open > 0));
        self.batches.iter().map(|(_, held)| held.open as usize).sum()
    }
}
