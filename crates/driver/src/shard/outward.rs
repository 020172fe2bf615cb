//! Output from the broker to sockets.
use super::{Shard, Writing};
use crate::{Machine, Place, Reactor};
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use tidewire_core::output::Output;
use tidewire_core::time::Instant;

/// Asked of the broker at a time.
const TRANSMIT_BYTES: usize = 64 * 1024;
/// Written to one socket before the others have their turn.
const SOCKET_BYTES: usize = 1024 * 1024;
/// Slices in one write.
const SLICES: usize = 16;
/// Outputs that are kept for the next slow peer.
const SPARES: usize = 8;

/// Outputs that nobody needs at the moment. One goes round as long as all sockets take everything.
#[derive(Default)]
pub(super) struct Spares {
    #[expect(clippy::vec_box, reason = "the boxes go to sockets and come back")]
    outputs: Vec<Box<Output>>,
}

impl Spares {
    fn take(&mut self) -> Box<Output> {
        self.outputs.pop().unwrap_or_default()
    }

    pub(super) fn give_back(&mut self, output: Box<Output>) {
        if output.is_empty() && self.outputs.len() < SPARES {
            self.outputs.push(output);
        }
    }
}

/// Why a socket is not written any further.
enum Stop {
    /// Everything is out.
    Done,
    /// Others have their turn first.
    Later,
    /// It takes no more.
    Blocked,
    /// It never will.
    Broken,
}

impl<R: Reactor, M: Machine> Shard<R, M> {
    /// Queues a write, unless the socket is known to be full: the reactor will tell when it no longer is.
    pub(super) fn want_write(&mut self, place: Place) {
        if let Some(socket) = self.sockets.get_mut(place)
            && socket.unsent.is_none()
            && socket.writing != Writing::Ended
        {
            self.queue_write(place);
        }
    }

    /// Queues a write of what the socket would not take before.
    pub(super) fn retry_write(&mut self, place: Place) {
        if let Some(socket) = self.sockets.get_mut(place)
            && socket.unsent.is_some()
        {
            self.queue_write(place);
        }
    }

    fn queue_write(&mut self, place: Place) {
        if let Some(socket) = self.sockets.get_mut(place)
            && !socket.unwritten
        {
            socket.unwritten = true;
            self.unwritten.push_back(place);
        }
    }

    /// Writes to each socket that is queued, once; those that have more than one turn's share go to `later`.
    pub(super) fn write(&mut self, now: Instant, later: &mut VecDeque<Place>) {
        for _ in 0..self.unwritten.len() {
            let Some(place) = self.unwritten.pop_front() else { return };
            if self.write_socket(now, place) {
                later.push_back(place);
            }
        }
    }

    /// True if it has more than one turn's share.
    fn write_socket(&mut self, now: Instant, place: Place) -> bool {
        let Some(socket) = self.sockets.get_mut(place) else { return false };
        let id = socket.id;
        let mut output = socket.unsent.take().unwrap_or_else(|| self.spares.take());
        let stop = self.write_output(now, place, &mut output);
        let Some(socket) = self.sockets.get_mut(place) else { return false };
        socket.unwritten = matches!(stop, Stop::Later);
        match stop {
            Stop::Blocked => {
                let unsent = output.unsent();
                socket.unsent = Some(output);
                self.machine.handle_blocked(now, id, unsent);
                return false;
            }
            Stop::Done if socket.writing == Writing::Closing => {
                socket.writing = Writing::Ended;
                // If that fails, the next read will tell.
                let _ = self.reactor.finish(&mut socket.stream);
            }
            Stop::Broken => {
                // Bytes that came before the line broke may still lie there; the end of reading ends it.
                socket.writing = Writing::Ended;
                socket.hung_up = true;
                self.want_read(place);
            }
            Stop::Done | Stop::Later => {}
        }
        self.spares.give_back(output);
        matches!(stop, Stop::Later)
    }

    fn write_output(&mut self, now: Instant, place: Place, output: &mut Output) -> Stop {
        let Some(socket) = self.sockets.get_mut(place) else { return Stop::Done };
        let mut written = 0;
        // After a leftover the broker is asked in any case: what it announced meanwhile was passed over.
        let mut more = true;
        loop {
            if output.is_empty() {
                if !more {
                    return Stop::Done;
                }
                if written >= SOCKET_BYTES {
                    return Stop::Later;
                }
                more = self.machine.poll_transmit(now, socket.id, TRANSMIT_BYTES, output);
                if output.is_empty() {
                    return Stop::Done;
                }
            }
            match write_once(&mut self.reactor, &mut socket.stream, output) {
                Ok(0) => return Stop::Broken,
                Ok(n) => {
                    output.advance(n);
                    written += n;
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => return Stop::Blocked,
                    _ => return Stop::Broken,
                },
            }
        }
    }
}

fn write_once<R: Reactor>(
    reactor: &mut R,
    stream: &mut R::Stream,
    output: &Output,
) -> std::io::Result<usize> {
    let mut slices: [&[u8]; SLICES] = [&[]; SLICES];
    let n = output.slices(&mut slices);
    let mut vectors = [IoSlice::new(&[]); SLICES];
    for (vector, slice) in vectors.iter_mut().zip(&slices[..n]) {
        *vector = IoSlice::new(slice);
    }
    reactor.write_vectored(stream, &vectors[..n])
}
