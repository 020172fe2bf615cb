//! Values by number. The number of one that is taken out is given to another.
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// A table in which places are used again.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts it where there is a place, and says where that is.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(place) = self.free.pop() {
            self.places[place as usize] = Some(value);
            return place;
        }
        self.places.push(Some(value));
        u32::try_from(self.places.len() - 1).expect("there is no memory for so many")
    }

    /// Takes it out, if there is one.
    pub(crate) fn remove(&mut self, place: u32) -> Option<T> {
        let value = self.places.get_mut(place as usize)?;
        if value.is_some() {
            self.free.push(place);
        }
        value.take()
    }

    /// It ends where it stands; nothing, if there is none.
    pub(crate) fn clear(&mut self, place: u32) {
        if let Some(value) = self.places.get_mut(place as usize).filter(|value| value.is_some()) {
            *value = None;
            self.free.push(place);
        }
    }

    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// How many there is room for without more memory.
    pub(crate) fn capacity(&self) -> usize {
        self.places.capacity()
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.places.into_iter().flatten()
    }

    /// Those that there are, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.iter_from(0)
    }

    /// The same, from that place on.
    pub(crate) fn iter_from(&self, place: u32) -> impl Iterator<Item = (u32, &T)> {
        let values = self.places.iter().skip(place as usize);
        (place..).zip(values).filter_map(|(place, value)| Some((place, value.as_ref()?)))
    }

    /// States what must hold between two calls.
    pub(crate) fn check(&self) {
        assert!(
            self.free.iter().all(|place| self.places[*place as usize].is_none()),
            "a free place is empty"
        );
        assert_eq!(self.iter().count(), self.len(), "a place that is empty is free");
    }
}

/// Of a place that is known to be taken.
impl<T> Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, place: u32) -> &T {
        self.places[place as usize].as_ref().expect("whoever knows a place has put something there")
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, place: u32) -> &mut T {
        self.places[place as usize].as_mut().expect("whoever knows a place has put something there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again() {
        let mut slab = Slab::default();
        let [a, b] = ["a", "b"].map(|value| slab.insert(value));
        assert_eq!((slab.remove(a), slab.remove(a), slab.get(a)), (Some("a"), None, None));
        assert_eq!((slab.insert("c"), slab.len(), slab[b]), (a, 2, "b"));
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(0, &"c"), (1, &"b")]);
        assert_eq!(slab.remove(9), None);
        slab.check();
    }
}
