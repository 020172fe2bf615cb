//! Connections within one process: bytes in memory, and no socket.
use crate::Place;
use crate::bells::Bells;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::sync::{Arc, Mutex, MutexGuard};

/// Bytes that may be on their way in one direction.
const CAPACITY: usize = 64 * 1024;

/// One end of a connection within a process. Dropping it closes the connection.
///
/// It is told of what changes as a [`Reactor`](crate::Reactor) wants it, at the bells of whoever watches it.
pub struct PipeEnd {
    sides: Arc<Mutex<[Side; 2]>>,
    me: usize,
}

/// What one end reads, and waits for.
#[derive(Default)]
struct Side {
    inward: VecDeque<u8>,
    /// The other end writes no more.
    ended: bool,
    /// This end is not there any more.
    gone: bool,
    /// It has read all that there was.
    wants_bytes: bool,
    /// It could not write all that it had.
    wants_room: bool,
    watched: Option<(Place, Arc<Bells>)>,
}

impl fmt::Debug for PipeEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeEnd").finish_non_exhaustive()
    }
}

/// Both ends of a new connection.
pub(crate) fn pair() -> (PipeEnd, PipeEnd) {
    let sides = Arc::<Mutex<[Side; 2]>>::default();
    (PipeEnd { sides: Arc::clone(&sides), me: 0 }, PipeEnd { sides, me: 1 })
}

/// Who is to be told, once the lock is given back.
type Ring = Option<(Place, Arc<Bells>)>;

fn tell(ring: Ring) {
    if let Some((place, bells)) = ring {
        bells.ring(place);
    }
}

impl PipeEnd {
    fn lock(&self) -> MutexGuard<'_, [Side; 2]> {
        self.sides.lock().expect("nothing panics while it is held")
    }

    /// What happens here rings there from now on, at once if something has.
    pub(crate) fn watch(&self, place: Place, bells: &Arc<Bells>) {
        let mut sides = self.lock();
        let mine = &mut sides[self.me];
        mine.watched = Some((place, Arc::clone(bells)));
        mine.wants_bytes = mine.inward.is_empty() && !mine.ended;
        let is_quiet = mine.wants_bytes && !mine.wants_room;
        let ring = if is_quiet { None } else { mine.watched.clone() };
        drop(sides);
        tell(ring);
    }

    /// Nobody watches any more.
    pub(crate) fn unwatch(&self) {
        self.lock()[self.me].watched = None;
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut sides = self.lock();
        let mine = &mut sides[self.me];
        // It wraps around, and gives out one part at a time.
        let mut n = mine.inward.read(buffer)?;
        n += mine.inward.read(&mut buffer[n..])?;
        let (ended, is_short) = (mine.ended, n < buffer.len());
        mine.wants_bytes = is_short && !ended;
        // Nobody else tells of an end that has come before.
        let of_the_end = if is_short && n > 0 && ended { mine.watched.clone() } else { None };
        let room = CAPACITY - mine.inward.len();
        let other = &mut sides[1 - self.me];
        let has_room = room >= CAPACITY / 2 && std::mem::take(&mut other.wants_room);
        let of_room = if has_room { other.watched.clone() } else { None };
        drop(sides);
        tell(of_the_end);
        tell(of_room);
        if n == 0 && !ended && !buffer.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(n) }
    }

    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut sides = self.lock();
        let other = &mut sides[1 - self.me];
        if other.gone {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let (mut left, mut written) = (CAPACITY - other.inward.len(), 0);
        for slice in slices {
            let part = &slice[..left.min(slice.len())];
            other.inward.extend(part);
            (left, written) = (left - part.len(), written + part.len());
        }
        let wakes = written > 0 && std::mem::take(&mut other.wants_bytes);
        let ring = if wakes { other.watched.clone() } else { None };
        let all = slices.iter().map(|slice| slice.len()).sum::<usize>();
        sides[self.me].wants_room = written < all;
        drop(sides);
        tell(ring);
        if written == 0 && all > 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(written) }
    }

    /// Nothing is written after this.
    pub(crate) fn finish(&self) {
        let mut sides = self.lock();
        let other = &mut sides[1 - self.me];
        (other.ended, other.wants_bytes) = (true, false);
        let ring = other.watched.clone();
        drop(sides);
        tell(ring);
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let mut sides = self.lock();
        let mine = &mut sides[self.me];
        (mine.gone, mine.watched) = (true, None);
        let left = std::mem::take(&mut mine.inward);
        drop(sides);
        drop(left);
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bells::Heard;

    const PLACES: [Place; 2] = [Place { index: 1, generation: 0 }, Place { index: 2, generation: 0 }];

    struct Bench {
        ends: [PipeEnd; 2],
        heard: [Heard; 2],
    }

    impl Bench {
        fn new() -> Self {
            let (a, b) = pair();
            let bench = Self { ends: [a, b], heard: Default::default() };
            for ((end, place), heard) in bench.ends.iter().zip(PLACES).zip(&bench.heard) {
                end.watch(place, heard.bells());
            }
            bench
        }

        fn write(&self, side: usize, bytes: &[u8]) -> io::Result<usize> {
            self.ends[side].write_vectored(&[IoSlice::new(bytes)])
        }

        fn read(&self, side: usize, most: usize) -> io::Result<Vec<u8>> {
            let mut buffer = vec![0; most];
            let n = self.ends[side].read(&mut buffer)?;
            buffer.truncate(n);
            Ok(buffer)
        }

        /// Has it been told of anything since this was asked last?
        fn is_told(&mut self, side: usize) -> bool {
            let news = std::iter::from_fn(|| self.heard[side].next()).map(|ready| ready.place);
            let told: Vec<_> = news.collect();
            assert!(told.iter().all(|place| *place == PLACES[side]));
            !told.is_empty()
        }
    }

    fn kind<T: fmt::Debug>(result: io::Result<T>) -> ErrorKind {
        result.expect_err("it can't be done").kind()
    }

    #[test]
    fn bytes_go_both_ways_and_ring_once_for_whoever_waits() {
        let mut bench = Bench::new();
        for side in 0..2 {
            let other = 1 - side;
            assert_eq!(bench.write(side, b"one").unwrap(), 3);
            assert_eq!(bench.write(side, b"two").unwrap(), 3);
            assert!(bench.is_told(other));
            assert_eq!(bench.read(other, 4).unwrap(), b"onet");
            assert_eq!(bench.write(side, b"!").unwrap(), 1);
            assert!(!bench.is_told(other), "it has not read all that it could");
            assert_eq!(bench.read(other, 10).unwrap(), b"wo!");
            assert_eq!(kind(bench.read(other, 10)), ErrorKind::WouldBlock);
            bench.write(side, b"more").unwrap();
            assert!(bench.is_told(other));
            assert_eq!(bench.read(other, 10).unwrap(), b"more");
        }
    }

    #[test]
    fn what_lay_in_it_before_rings_whoever_watches() {
        let mut bench = Bench::new();
        bench.ends[1].unwatch();
        bench.write(0, b"early").unwrap();
        assert!(!bench.is_told(1));
        bench.ends[1].watch(PLACES[1], bench.heard[1].bells());
        assert!(bench.is_told(1));
    }

    #[test]
    fn it_takes_so_much_and_rings_when_there_is_room_again() {
        let mut bench = Bench::new();
        let most = vec![7; CAPACITY + 1];
        assert_eq!(bench.write(0, &most).unwrap(), CAPACITY);
        assert_eq!(kind(bench.write(0, b"x")), ErrorKind::WouldBlock);
        assert_eq!(bench.read(1, CAPACITY / 2 - 1).unwrap().len(), CAPACITY / 2 - 1);
        assert!(!bench.is_told(0), "it would be full again at once");
        assert_eq!(bench.read(1, 1).unwrap().len(), 1);
        assert!(bench.is_told(0));
        assert_eq!(bench.write(0, &most).unwrap(), CAPACITY / 2);
    }

    /// Each end acts only on what it was told, as a shard does: nothing may wait for ever.
    #[test]
    fn whoever_goes_by_the_bells_alone_gets_all() {
        const BYTES: usize = 400_000;
        for seed in 1..50_u64 {
            let mut bench = Bench::new();
            let mut dice = seed;
            let mut roll = |most: usize| {
                dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                usize::try_from(dice >> 33).expect("31 bits") % most + 1
            };
            let (mut may_read, mut may_write) = ([false; 2], [true; 2]);
            let (mut written, mut read) = ([0; 2], [0; 2]);
            while read != [BYTES; 2] {
                for side in 0..2 {
                    if bench.is_told(side) {
                        (may_read[side], may_write[side]) = (true, true);
                    }
                }
                assert!(
                    may_read != [false; 2] || may_write != [false; 2],
                    "seed {seed}: {written:?} {read:?}"
                );
                let side = roll(2) - 1;
                if roll(2) == 1 && may_write[side] {
                    let most = roll(50_000).min(BYTES - written[side]);
                    match bench.write(side, &vec![0; most]) {
                        Ok(n) => written[side] += n,
                        Err(_) => may_write[side] = false,
                    }
                    may_write[side] &= written[side] < BYTES;
                } else if may_read[side] {
                    let most = roll(50_000);
                    let n = bench.read(side, most).map_or(0, |bytes| bytes.len());
                    read[1 - side] += n;
                    may_read[side] = n == most;
                }
            }
        }
    }

    #[test]
    fn an_end_is_heard_after_what_came_before_it() {
        for dropped in [false, true] {
            let mut bench = Bench::new();
            bench.write(0, b"last words").unwrap();
            assert!(bench.is_told(1));
            let mut ends: Vec<_> = bench.ends.into_iter().map(Some).collect();
            if dropped {
                ends[0] = None;
            } else {
                ends[0].as_ref().unwrap().finish();
            }
            let end = ends[1].as_ref().unwrap();
            let told = |heard: &mut Heard| std::iter::from_fn(|| heard.next()).count() > 0;
            assert!(told(&mut bench.heard[1]));
            let mut buffer = [0; 20];
            assert_eq!(end.read(&mut buffer).unwrap(), 10);
            assert!(told(&mut bench.heard[1]), "a short read, and the end has come before");
            assert_eq!(end.read(&mut buffer).unwrap(), 0);
            let answer = end.write_vectored(&[IoSlice::new(b"answer")]);
            match dropped {
                true => assert_eq!(kind(answer), ErrorKind::BrokenPipe),
                false => assert_eq!(answer.unwrap(), 6, "half of it is still open"),
            }
        }
    }
}
