//! A payload as it comes: whole, or piece by piece into chunks that are never copied again.
use crate::codec::Payload;
use crate::message;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// Large payloads are kept in chunks of this size.
pub(crate) const CHUNK: usize = 256 * 1024;

/// A payload of which some may be missing. Memory is taken a chunk at a time, as it fills.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    chunks: Vec<Bytes>,
    current: BytesMut,
    filled: usize,
    left: usize,
}

impl Assembly {
    pub(crate) fn new(payload: Payload<'_>) -> Self {
        let (chunks, left) = match payload {
            Payload::Whole([]) => (Vec::new(), 0),
            Payload::Whole(bytes) => (alloc::vec![Bytes::copy_from_slice(bytes)], 0),
            Payload::Streamed(length) => (Vec::new(), length as usize),
        };
        Self { chunks, left, ..Self::default() }
    }

    /// How many bytes are missing.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Bytes of memory it takes.
    pub(crate) fn held(&self) -> usize {
        self.current.len() + self.chunks.iter().map(Bytes::len).sum::<usize>()
    }

    /// What is complete of it.
    pub(crate) fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// All of it, once nothing is missing.
    pub(crate) fn payload(&self) -> message::Payload {
        debug_assert_eq!(self.left, 0, "it is complete");
        match self.chunks.as_slice() {
            [] => message::Payload::Whole(Bytes::new()),
            [one] => message::Payload::Whole(one.clone()),
            many => message::Payload::Chunks(many.into()),
        }
    }

    /// Takes another payload in its place.
    pub(crate) fn replace(&mut self, payload: &message::Payload) {
        self.chunks = payload.pieces().to_vec();
    }

    /// The rest of the current chunk.
    pub(crate) fn space(&mut self) -> Option<&mut [u8]> {
        if self.left == 0 {
            return None;
        }
        if self.current.is_empty() {
            self.current = BytesMut::zeroed(self.left.min(CHUNK));
        }
        self.current.get_mut(self.filled..)
    }

    /// So many bytes have been put into `space`; how many that could hold of them.
    pub(crate) fn filled(&mut self, n: usize) -> usize {
        let n = n.min(self.current.len() - self.filled);
        self.filled += n;
        self.left -= n;
        if n > 0 && self.filled == self.current.len() {
            self.chunks.push(core::mem::take(&mut self.current).freeze());
            self.filled = 0;
        }
        n
    }

    pub(crate) fn append(&mut self, mut bytes: &[u8]) {
        while let Some(space) = self.space()
            && !bytes.is_empty()
        {
            let n = space.len().min(bytes.len());
            let (now, later) = bytes.split_at(n);
            space[..n].copy_from_slice(now);
            bytes = later;
            self.filled(n);
        }
    }

    /// So many bytes came that nobody wants.
    pub(crate) fn skip(&mut self, n: usize) {
        self.left = self.left.saturating_sub(n);
    }
}
