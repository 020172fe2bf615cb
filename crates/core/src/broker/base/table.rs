//! A table that grows and never moves.
//!
//! One that is copied when it grows takes its memory twice meanwhile, holds everybody up, and leaves holes in the
//! heap that nothing else fits in: nearly as much again for each idle connection. To find a row costs a look at the
//! list of blocks.
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// Rows in a block: about a page.
const BLOCK: usize = 64;

/// What fills the places of a block that no row has come to.
pub(crate) trait Row {
    fn vacant() -> Self;
}

/// A row that comes and goes, and whose place others have.
pub(crate) trait Tenant: Row {
    /// It is there, and the how many-eth in its place.
    fn is_nth(&self, generation: u32) -> bool;
}

/// Rows by their number, from 0 on; they stay as long as the table does.
#[derive(Debug)]
pub(crate) struct Table<T> {
    /// Of full length, so that a row is found with one comparison.
    blocks: Vec<Box<[T; BLOCK]>>,
    len: u32,
    /// Rows that may be used again.
    free: Vec<u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), len: 0, free: Vec::new() }
    }
}

impl<T: Row> Table<T> {
    /// Puts a row where there is a place, and says what its number is. It is made knowing what was there before.
    pub(crate) fn insert(&mut self, make: impl FnOnce(&T) -> T) -> u32 {
        match self.free.pop() {
            Some(index) => {
                self[index] = make(&self[index]);
                index
            }
            None => self.push(make(&T::vacant())),
        }
    }

    /// Adds a row, and says what its number is.
    fn push(&mut self, row: T) -> u32 {
        let index = self.len;
        if slot(index) == 0 {
            self.blocks.push(Box::new(core::array::from_fn(|_| T::vacant())));
        }
        self[index] = row;
        self.len = index.checked_add(1).expect("there is no memory for so many");
        index
    }
}

impl<T: Tenant> Table<T> {
    /// The row, if it is still the one of that generation.
    pub(crate) fn tenant(&self, index: u32, generation: u32) -> Option<&T> {
        self.get(index).filter(|row| row.is_nth(generation))
    }

    /// The same, to change it.
    pub(crate) fn tenant_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        self.get_mut(index).filter(|row| row.is_nth(generation))
    }
}

impl<T> Table<T> {
    /// A row may be used again; what it says until then is the caller's.
    pub(crate) fn vacate(&mut self, index: u32) {
        self.free.push(index);
    }

    /// How many rows there are, those that were vacated included.
    pub(crate) fn rows(&self) -> usize {
        self.len as usize
    }

    /// How many there are, those that were vacated aside.
    pub(crate) fn len(&self) -> usize {
        self.len as usize - self.free.len()
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        (index < self.len).then(|| &self[index])
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        (index < self.len).then(|| &mut self[index])
    }

    /// All rows with their numbers, from this one on.
    pub(crate) fn iter_from(&self, index: u32) -> impl Iterator<Item = (u32, &T)> {
        (index..self.len).map(|index| (index, &self[index]))
    }
}

impl<T> Index<u32> for Table<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.blocks[block(index)][slot(index)]
    }
}

impl<T> IndexMut<u32> for Table<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.blocks[block(index)][slot(index)]
    }
}

fn block(index: u32) -> usize {
    index as usize / BLOCK
}

fn slot(index: u32) -> usize {
    index as usize % BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Row for u32 {
        fn vacant() -> Self {
            0
        }
    }

    #[test]
    fn rows_are_found_by_their_numbers_across_blocks() {
        let mut table = Table::default();
        for i in 0..200 {
            assert_eq!(table.len(), i as usize);
            assert_eq!(table.insert(|_| i * 2), i);
        }
        table[130] += 1;
        assert_eq!((table[0], table[130], table.get(199), table.get(200)), (0, 261, Some(&398), None));
        assert_eq!(table.get_mut(1000), None);
        let tail: Vec<_> = table.iter_from(197).map(|(i, row)| (i, *row)).collect();
        assert_eq!(tail, [(197, 394), (198, 396), (199, 398)]);
        assert_eq!(table.iter_from(200).next(), None);
    }

    #[test]
    fn rows_stay_where_they_are() {
        let mut table = Table::default();
        let first = table.insert(|_| 0);
        let before = core::ptr::from_ref(&table[first]);
        for i in 0..1000 {
            table.insert(|_| i);
        }
        assert_eq!(before, core::ptr::from_ref(&table[first]));
    }

    #[test]
    fn a_row_that_was_vacated_is_used_again() {
        let mut table = Table::default();
        let [first, second] = [1, 2].map(|n| table.insert(|_| n));
        table.vacate(first);
        assert_eq!((table.len(), table.insert(|old| old + 10)), (1, first));
        assert_eq!((table[first], table[second], table.len()), (11, 2, 2));
    }
}
