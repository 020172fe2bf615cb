//! The table of a shard's sockets.
use crate::{Place, Stream};
use tidewire_core::id::ConnectionId;
use tidewire_core::output::Output;

/// Which of its bytes still matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// There is nothing yet: the connection is being made.
    Connecting,
    /// They go to the broker.
    Open,
    /// They stay in the socket until the broker says `Resume`.
    Held,
    /// They are read and thrown away.
    Discarding,
}

/// How far the closing of the outward half is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// It goes on.
    Open,
    /// To be half-closed once everything is out.
    Closing,
    /// Nothing more leaves: half-closed, or a write has failed.
    Ended,
}

/// One connection. It owns memory beyond this only while its peer is slow.
pub(super) struct Socket<I, S> {
    pub(super) id: I,
    pub(super) stream: S,
    /// What the socket would not take.
    pub(super) unsent: Option<Box<Output>>,
    pub(super) reading: Reading,
    pub(super) writing: Writing,
    /// The reactor has said `closed`: read on to the end.
    pub(super) hung_up: bool,
    /// Stands in the queue of those to be read.
    pub(super) unread: bool,
    /// Stands in the queue of those to be written.
    pub(super) unwritten: bool,
}

// One for each idle connection: a stream of mio's is a descriptor; one of tokio's with its waker takes 48.
const _: () = assert!(size_of::<Option<Socket<ConnectionId, Stream<u32>>>>() <= 40);
const _: () = assert!(size_of::<Option<Socket<ConnectionId, Stream<[usize; 6]>>>>() <= 80);

impl<I, S> Socket<I, S> {
    pub(super) fn new(id: I, stream: S) -> Self {
        Self {
            id,
            stream,
            unsent: None,
            reading: Reading::Open,
            writing: Writing::Open,
            hung_up: false,
            unread: false,
            unwritten: false,
        }
    }
}

/// Sockets by the dense index of their connection, in blocks: a table that grows never moves.
pub(super) struct Sockets<I, S> {
    blocks: Vec<Box<[Slot<I, S>; BLOCK]>>,
    count: usize,
}

type Slot<I, S> = Option<Socket<I, S>>;

/// Slots in a block: some pages' worth.
const BLOCK: usize = 128;

impl<I, S> Default for Sockets<I, S> {
    fn default() -> Self {
        Self { blocks: Vec::new(), count: 0 }
    }
}

impl<I: Copy + Into<Place>, S> Sockets<I, S> {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn insert(&mut self, socket: Socket<I, S>) {
        let place = socket.id.into();
        while self.blocks.len() <= block(place) {
            self.blocks.push(Box::new([const { None }; BLOCK]));
        }
        let before = self.blocks[block(place)][slot(place)].replace(socket);
        assert!(before.is_none(), "the broker gave away a place that is taken");
        self.count += 1;
    }

    /// The socket that stands there, unless it is a later one.
    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Socket<I, S>> {
        let socket = self.blocks.get_mut(block(place))?[slot(place)].as_mut()?;
        (socket.id.into() == place).then_some(socket)
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Socket<I, S>> {
        self.get_mut(place)?;
        self.count -= 1;
        self.blocks[block(place)][slot(place)].take()
    }

    /// All that are left.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Socket<I, S>> + use<I, S> {
        self.count = 0;
        std::mem::take(&mut self.blocks).into_iter().flat_map(|block| *block).flatten()
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Socket<I, S>> {
        self.blocks.iter().flat_map(|block| block.iter()).flatten()
    }

    /// What holds between two calls.
    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.count, self.iter().count());
        for socket in self.iter() {
            let full = socket.unsent.as_ref().is_some_and(|unsent| !unsent.is_empty());
            assert_eq!(full, socket.unsent.is_some(), "only what is unsent is kept");
            assert!(!full || socket.writing != Writing::Ended, "what can't leave any more is not kept");
            assert!(
                socket.writing == Writing::Open || socket.hung_up || socket.reading == Reading::Discarding,
                "whoever is being closed is not listened to"
            );
        }
    }
}

fn block(place: Place) -> usize {
    place.index as usize / BLOCK
}

fn slot(place: Place) -> usize {
    place.index as usize % BLOCK
}
