//! Journals: real ones, damaged ones, and such as nobody wrote.
use super::life::{EPOCH, Life, config};
use crate::broker::journal::seal;
use crate::broker::{Broker, Restore, RestoreError};
use crate::id::Position;
use crate::time::Instant;
use alloc::vec::Vec;

/// The version of the format that is read.
const FORMAT: u8 = 1;
/// What stands before a record: its length, and a check of the rest.
const HEADER: usize = 8;

/// Steps after a restart: all come back, subscribe, publish, take and go; time passes.
const AFTERWARDS: [u8; 24] =
    [0, 192, 0, 193, 0, 194, 1, 0x28, 3, 0x10, 4, 0x21, 7, 0, 5, 0x10, 5, 0x32, 6, 0, 8, 0x30, 7, 0];

/// The bytes of a journal are judged like a peer's: whatever they are, the broker is restored, or says what is wrong
/// and where; in one piece as in several. Then its books balance, what it knows can be written and restored again,
/// and life goes on.
///
/// The first byte says what follows: the bytes of a journal, the fields of records, each behind their length, or how
/// to damage a journal and the steps of a life that writes it.
pub fn restore(input: &[u8]) {
    let [first, rest @ ..] = input else { return };
    let shards = if first & 4 == 0 { 1 } else { 2 };
    match first & 3 {
        0 => drop(judge(rest, shards)),
        1 => drop(judge(&sealed(rest), shards)),
        _ => {
            let Some((journal, is_flipped)) = damaged(rest, first & 8 != 0) else { return };
            let result = judge(&journal, shards);
            assert!(is_flipped || result.is_ok(), "what was written can be read: {result:?}");
        }
    }
}

/// Records of these fields, which are what their checks say.
fn sealed(mut input: &[u8]) -> Vec<u8> {
    let mut journal = Vec::new();
    while let Some((length, rest)) = input.split_first() {
        let (fields, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        let start = journal.len();
        journal.extend_from_slice(&[0; HEADER]);
        journal.push(FORMAT);
        journal.extend_from_slice(fields);
        seal(&mut journal[start..]);
        input = rest;
    }
    journal
}

/// The journal of a life, cut off and with some bytes flipped; and whether any are. What is flipped can be sealed
/// again, so that it is looked at.
fn damaged(input: &[u8], resealed: bool) -> Option<(Vec<u8>, bool)> {
    let [c0, c1, flips, rest @ ..] = input else { return None };
    let (flips, steps) = rest.split_at_checked(3 * usize::from(flips % 8))?;
    let mut life = Life::of(Broker::new(EPOCH, config(1, 0)), EPOCH);
    life.live(steps);
    let mut journal = life.journal;
    journal.truncate(journal.len().saturating_sub(usize::from(u16::from_le_bytes([*c0, *c1]))));
    let flips = flips.as_chunks::<3>().0;
    for [p0, p1, bits] in flips {
        let at = usize::from(u16::from_le_bytes([*p0, *p1]));
        if let Some(byte) = journal.get_mut(at) {
            *byte ^= bits;
        }
    }
    if resealed {
        reseal(&mut journal);
    }
    Some((journal, !flips.is_empty()))
}

/// Makes each record what its check says, as far as their lengths tell where they are.
fn reseal(mut journal: &mut [u8]) {
    while let Some([l0, l1, l2, l3]) = journal.first_chunk() {
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let Some((record, rest)) = journal.split_at_mut_checked(HEADER + length) else { return };
        seal(record);
        journal = rest;
    }
}

fn judge(journal: &[u8], shards: u16) -> Result<Instant, RestoreError> {
    let (result, mut life) = restored([journal], EPOCH, shards);
    let (in_pieces, other) = restored(journal.chunks(7).chain([&[][..]]), EPOCH, shards);
    assert_eq!(result, in_pieces, "it is the same journal in pieces");
    assert_eq!(life.broker.stats(), other.broker.stats(), "and the same broker");
    if let Err(RestoreError::Corrupt(Position(at)) | RestoreError::Version(Position(at))) = result {
        assert!(at < journal.len() as u64, "what is wrong stands in the journal, not at {at}");
    }
    let snapshot = life.snapshot();
    let (again, other) = restored([&snapshot[..]], life.now, shards);
    assert!(again.is_ok(), "a snapshot is a journal: {again:?}");
    assert!(result.is_err() || again == Ok(life.now), "of this moment: {again:?}");
    // What is damaged does not tell the time, and so this life may be behind its own journal.
    if again == Ok(life.now) {
        let known = |life: &Life| {
            let stats = life.broker.stats();
            (stats.sessions, stats.subscriptions, stats.retained)
        };
        assert_eq!(known(&life), known(&other), "what was restored can be written and restored");
    }
    life.live(&AFTERWARDS);
    life.wait(10_000);
    life.broker.check();
    result
}

/// A broker that has begun to live with what the pieces of a journal say.
fn restored<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    wall: Instant,
    shards: u16,
) -> (Result<Instant, RestoreError>, Life) {
    let mut restore = Restore::new(config(shards, 1));
    let fed = pieces.into_iter().try_for_each(|piece| restore.feed(piece));
    let result = fed.map(|()| wall.max(restore.newest()));
    let now = result.unwrap_or(wall);
    let broker = restore.finish(now);
    broker.check();
    (result, Life::of(broker, now))
}
