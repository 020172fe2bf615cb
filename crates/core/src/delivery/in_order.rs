//! Acknowledgements in the order of what they acknowledge.
use alloc::collections::VecDeque;

/// What may wait in [`InOrder`].
pub(crate) trait Answer {
    /// Until it leaves, what it answers counts against the Receive Maximum. [MQTT-3.3.4-7]
    fn is_puback(&self) -> bool;
}

/// Answers that wait for their turn: none passes another. [MQTT-4.6.0-2] [MQTT-4.6.0-3]
///
/// They are numbered as they come, so that whoever has to say something about one finds it again.
#[derive(Debug)]
pub(crate) struct InOrder<T> {
    waiting: VecDeque<T>,
    /// The number of the first of them.
    first: u32,
    pubacks: u32,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), first: 0, pubacks: 0 }
    }
}

impl<T: Answer> InOrder<T> {
    /// Puts one behind all others; its number.
    pub(crate) fn push(&mut self, answer: T) -> u32 {
        self.pubacks += u32::from(answer.is_puback());
        let number = self.first.wrapping_add(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX));
        self.waiting.push_back(answer);
        number
    }

    /// Whose turn it is.
    pub(crate) fn first(&self) -> Option<&T> {
        self.waiting.front()
    }

    /// The first one leaves.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let answer = self.waiting.pop_front()?;
        self.first = self.first.wrapping_add(1);
        self.pubacks -= u32::from(answer.is_puback());
        Some(answer)
    }

    /// The number of the one that came last, if any waits.
    pub(crate) fn last(&self) -> Option<u32> {
        let behind = u32::try_from(self.waiting.len()).ok()?.checked_sub(1)?;
        Some(self.first.wrapping_add(behind))
    }

    /// The number of the first like this.
    pub(crate) fn find(&self, is_wanted: impl FnMut(&T) -> bool) -> Option<u32> {
        let at = self.waiting.iter().position(is_wanted)?;
        Some(self.first.wrapping_add(u32::try_from(at).ok()?))
    }

    /// Does the one of that number still wait?
    pub(crate) fn has(&self, number: u32) -> bool {
        self.at(number) < self.waiting.len()
    }

    /// Changes the one of that number, if it still waits.
    pub(crate) fn change(&mut self, number: u32, change: impl FnOnce(&mut T)) {
        let at = self.at(number);
        if let Some(answer) = self.waiting.get_mut(at) {
            self.pubacks -= u32::from(answer.is_puback());
            change(answer);
            self.pubacks += u32::from(answer.is_puback());
        }
    }

    /// Changes all of them, but not what they are.
    pub(crate) fn change_all(&mut self, change: impl FnMut(&mut T)) {
        self.waiting.iter_mut().for_each(change);
    }

    fn at(&self, number: u32) -> usize {
        number.wrapping_sub(self.first) as usize
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many of them are PUBACKs.
    pub(crate) fn pubacks(&self) -> usize {
        self.pubacks as usize
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.waiting.iter()
    }

    /// From the first that is not like this on, none waits any more.
    pub(crate) fn keep_while(&mut self, is_kept: impl Fn(&T) -> bool) {
        let kept = self.waiting.iter().take_while(|answer| is_kept(answer)).count();
        for answer in self.waiting.drain(kept..) {
            self.pubacks -= u32::from(answer.is_puback());
        }
    }

    /// None waits any more.
    pub(crate) fn clear(&mut self) {
        self.first = self.first.wrapping_add(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX));
        self.waiting.clear();
        self.pubacks = 0;
    }

    /// As new, but for room for so many.
    pub(crate) fn reset(&mut self, most: usize) {
        self.clear();
        self.first = 0;
        self.waiting.shrink_to(most);
    }

    pub(crate) fn check(&self) {
        let pubacks = self.waiting.iter().filter(|answer| answer.is_puback()).count();
        assert_eq!(pubacks, self.pubacks(), "PUBACKs that wait are counted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Said(char, bool);

    impl Answer for Said {
        fn is_puback(&self) -> bool {
            self.1
        }
    }

    #[test]
    fn whoever_waits_is_found_by_its_number_until_it_leaves() {
        // Numbers come round.
        let mut answers = InOrder { first: u32::MAX, ..InOrder::default() };
        let [a, b, c] =
            [('a', true), ('b', false), ('c', true)].map(|(c, puback)| answers.push(Said(c, puback)));
        assert_eq!((a, b, c, answers.last(), answers.pubacks()), (u32::MAX, 0, 1, Some(1), 2));
        assert_eq!(answers.pop(), Some(Said('a', true)));
        assert_eq!((answers.has(a), answers.has(b), answers.has(c)), (false, true, true));
        answers.change(c, |said| *said = Said('d', false));
        answers.change(a, |_| unreachable!("it has left"));
        assert_eq!((answers.find(|said| said.0 == 'd'), answers.pubacks()), (Some(c), 0));
        answers.check();
        answers.clear();
        assert!(!answers.has(b) && !answers.has(c) && answers.last().is_none());
    }
}
