//! What one subscriber has of one publisher's messages.
use std::collections::BTreeMap;

/// What is missing, and what came twice or late.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// One more than the greatest that came.
    next: u64,
    /// What is missing below that: from here, to before there.
    gaps: BTreeMap<u64, u64>,
    pub(super) duplicates: u64,
    /// Messages that came behind later ones.
    pub(super) disorder: u64,
}

impl Track {
    /// One of which nobody knows what came before `first`.
    pub(super) fn from(first: u64) -> Self {
        Self { next: first, ..Self::default() }
    }

    /// It came. Was it the first time?
    pub(super) fn on_message(&mut self, sequence: u64) -> bool {
        if sequence >= self.next {
            if sequence > self.next {
                self.gaps.insert(self.next, sequence);
            }
            self.next = sequence.saturating_add(1);
            return true;
        }
        let gap = self.gaps.range(..=sequence).next_back().map(|(from, to)| (*from, *to));
        let Some((from, to)) = gap.filter(|(_, to)| sequence < *to) else {
            self.duplicates += 1;
            return false;
        };
        self.gaps.remove(&from);
        if from < sequence {
            self.gaps.insert(from, sequence);
        }
        if sequence + 1 < to {
            self.gaps.insert(sequence + 1, to);
        }
        self.disorder += 1;
        true
    }

    /// What did not come, of so many, or, if nobody knows how many there were, up to the last that did.
    pub(super) fn lost(&self, sent: Option<u64>) -> u64 {
        let between: u64 = self.gaps.iter().map(|(from, to)| to - from).sum();
        between + sent.map_or(0, |sent| sent.saturating_sub(self.next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(came: &[u64]) -> Track {
        let mut track = Track::default();
        for sequence in came {
            track.on_message(*sequence);
        }
        track
    }

    /// What came, and of how many; how many are lost, twice there, and out of order.
    #[test]
    fn each_message_counts_once() {
        for (came, sent, expected) in [
            (&[0, 1, 2][..], 3, (0, 0, 0)),
            (&[0, 2], 3, (1, 0, 0)),
            (&[0, 1], 3, (1, 0, 0)),
            (&[], 3, (3, 0, 0)),
            (&[0, 2, 1], 3, (0, 0, 1)),
            (&[2, 1, 0], 3, (0, 0, 2)),
            (&[0, 0, 1, 1, 1], 2, (0, 3, 0)),
            (&[9, 4, 4, 0, 9], 10, (7, 2, 2)),
        ] {
            let track = track(came);
            assert_eq!((track.lost(Some(sent)), track.duplicates, track.disorder), expected, "{came:?}");
        }
    }

    #[test]
    fn who_comes_late_misses_nothing_that_was_before() {
        let mut track = Track::from(5);
        assert!(track.on_message(5) && track.on_message(7));
        assert_eq!(track.lost(None), 1);
    }
}
