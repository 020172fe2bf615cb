//! News of connections that come from other threads, or from wakers that a runtime was given.
use crate::{Place, Ready};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

/// Where connections ring; the first one to do so wakes the shard, and it takes all.
#[derive(Default)]
pub(crate) struct Bells {
    state: Mutex<Rung>,
}

#[derive(Default)]
struct Rung {
    places: Vec<Place>,
    shard: Option<Waker>,
}

impl Bells {
    pub(crate) fn ring(&self, place: Place) {
        let mut rung = self.state();
        rung.places.push(place);
        let shard = if rung.places.len() == 1 { rung.shard.clone() } else { None };
        drop(rung);
        if let Some(shard) = shard {
            shard.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, Rung> {
        self.state.lock().expect("nothing panics while it is held")
    }
}

/// The shard's side of them.
#[derive(Default)]
pub(crate) struct Heard {
    bells: Arc<Bells>,
    /// Taken from there, to be given out one by one.
    rung: Vec<Place>,
    next: usize,
}

impl Heard {
    /// For whoever rings.
    pub(crate) fn bells(&self) -> &Arc<Bells> {
        &self.bells
    }

    /// How the shard is woken from now on.
    pub(crate) fn wake_with(&self, waker: &Waker) {
        self.bells.state().shard = Some(waker.clone());
    }

    /// The next that has rung. It is not known what for.
    pub(crate) fn next(&mut self) -> Option<Ready> {
        if self.next == self.rung.len() {
            self.rung.clear();
            self.next = 0;
            std::mem::swap(&mut self.rung, &mut self.bells.state().places);
        }
        let place = *self.rung.get(self.next)?;
        self.next += 1;
        Some(Ready { place, readable: true, writable: true, closed: false })
    }
}
