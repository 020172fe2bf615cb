//! What goes out on one connection: small things copied, large ones shared.
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

/// Filled by `poll_transmit`, emptied by the socket.
///
/// What a socket did not take stays here and is never copied again.
#[derive(Debug, Default)]
pub struct Output {
    /// Everything that was copied, back to back.
    small: Vec<u8>,
    /// Where in `small` to go on.
    small_at: usize,
    pieces: VecDeque<Piece>,
    unsent: usize,
}

#[derive(Debug)]
enum Piece {
    /// So many bytes of `small`.
    Small(usize),
    Shared(Bytes),
}

impl Output {
    /// Nothing to write.
    pub fn is_empty(&self) -> bool {
        self.unsent == 0
    }

    /// How many bytes wait to be written.
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// The next slices to write, in order; fills `slices` from its start and returns how many.
    pub fn slices<'a>(&'a self, slices: &mut [&'a [u8]]) -> usize {
        let mut at = self.small_at;
        let mut filled = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.pieces) {
            *slot = match piece {
                Piece::Small(n) => {
                    let start = at;
                    at += n;
                    &self.small[start..at]
                }
                Piece::Shared(bytes) => bytes,
            };
            filled += 1;
        }
        filled
    }

    /// The first `n` bytes were written; all of them, if there were not so many.
    pub fn advance(&mut self, n: usize) {
        let mut n = n.min(self.unsent);
        self.unsent -= n;
        while n > 0 {
            let Some(piece) = self.pieces.front_mut() else { break };
            let (taken, all) = match piece {
                Piece::Small(length) => {
                    let taken = n.min(*length);
                    self.small_at += taken;
                    *length -= taken;
                    (taken, *length == 0)
                }
                Piece::Shared(bytes) => {
                    let taken = n.min(bytes.len());
                    *bytes = bytes.slice(taken..);
                    (taken, bytes.is_empty())
                }
            };
            n -= taken;
            if all {
                self.pieces.pop_front();
            }
        }
        if self.small_at == self.small.len() {
            self.small.clear();
            self.small_at = 0;
        }
    }

    /// Gives back memory that only a burst needed; call it on an output that will be idle.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Copies `bytes`.
    pub fn put(&mut self, bytes: &[u8]) {
        self.append(|small| small.extend_from_slice(bytes));
    }

    /// Lets `write` append to what is copied.
    pub fn append<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let before = self.small.len();
        let result = write(&mut self.small);
        self.grown(self.small.len() - before);
        result
    }

    /// Takes over what was encoded before, by a swap when nothing else is there.
    pub fn take(&mut self, pending: &mut Vec<u8>) {
        if pending.is_empty() {
            return;
        }
        if self.is_empty() {
            core::mem::swap(&mut self.small, pending);
            pending.clear();
            self.grown(self.small.len());
        } else {
            self.put(pending);
            pending.clear();
        }
    }

    /// Shares `bytes` instead of copying them.
    pub fn put_shared(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.unsent += bytes.len();
            self.pieces.push_back(Piece::Shared(bytes));
        }
    }

    fn grown(&mut self, by: usize) {
        if by == 0 {
            return;
        }
        self.unsent += by;
        match self.pieces.back_mut() {
            Some(Piece::Small(length)) => *length += by,
            _ => self.pieces.push_back(Piece::Small(by)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn gathered(output: &Output) -> Vec<u8> {
        let mut slices: [&[u8]; 8] = [&[]; 8];
        let n = output.slices(&mut slices);
        slices[..n].concat()
    }

    #[test]
    fn what_a_socket_leaves_comes_next_whatever_it_takes() {
        for step in 1..=12 {
            let mut output = Output::default();
            output.put(b"ab");
            output.put_shared(Bytes::from_static(b"cdef"));
            output.put(b"gh");
            output.put(b"i");
            output.put_shared(Bytes::from_static(b"jkl"));
            let mut seen = vec![];
            while !output.is_empty() {
                let next = gathered(&output);
                assert_eq!(next.len(), output.unsent());
                let n = step.min(next.len());
                seen.extend_from_slice(&next[..n]);
                output.advance(n);
            }
            assert_eq!(seen, b"abcdefghijkl", "steps of {step}");
        }
    }

    #[test]
    fn what_was_encoded_early_is_swapped_in() {
        let mut output = Output::default();
        let mut early = Vec::from(*b"early");
        output.take(&mut early);
        assert!(early.is_empty());
        let mut more = Vec::from(*b" and late");
        output.take(&mut more);
        assert_eq!(gathered(&output), b"early and late");
    }

    #[test]
    fn more_than_there_is_can_not_be_written() {
        let mut output = Output::default();
        output.put(b"abc");
        output.put_shared(Bytes::from_static(b"def"));
        output.advance(usize::MAX);
        assert!(output.is_empty());
        output.put(b"next");
        assert_eq!(gathered(&output), b"next");
    }

    #[test]
    fn nothing_put_is_nothing_to_write() {
        let mut output = Output::default();
        output.put(b"");
        output.put_shared(Bytes::new());
        assert!(output.is_empty());
        assert!(gathered(&output).is_empty());
    }
}
