//! Every conversation against the core's broker, in memory and virtual time.
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use tidewire_conversation::{World, run, scripts};
use tidewire_core::broker::Limits;
use tidewire_core::broker::policy::{Open, Policy};

mod memory {
    use super::{World, converse, converse_with};

    // verb: new, handle_open, handle_bytes, handle_close, handle_timeout, poll_action, poll_timeout, poll_transmit, check
    // action: Transmit, Close
    #[test]
    fn one_shard_keeps_to_the_specification() {
        converse(1, usize::MAX);
    }

    /// Whatever was asked at once waits for the same disk, and comes in the same order.
    #[test]
    fn a_slow_disk_changes_nothing_but_the_time() {
        for shards in [1, 2] {
            converse_with(shards, usize::MAX, World::durable);
        }
    }

    // verb: handle_mail, poll_mail, take_passage, handle_passage
    // action: Mail, Move
    #[test]
    fn two_shards_look_like_one() {
        converse(2, usize::MAX);
    }

    #[test]
    fn four_shards_look_like_one() {
        converse(4, usize::MAX);
    }

    #[test]
    fn packets_may_come_byte_by_byte() {
        converse(2, 1);
    }
}

type New = fn(u16, &Limits, fn() -> Box<dyn Policy + Send>) -> World;

fn converse(shards: u16, read_bytes: usize) {
    converse_with(shards, read_bytes, World::limited);
}

/// Runs them all before it complains. `CONVERSATION` names those to run, by a part of their names.
fn converse_with(shards: u16, read_bytes: usize, new: New) {
    let wanted = std::env::var("CONVERSATION").unwrap_or_default();
    let mut failures = vec![];
    for (name, script) in scripts::all().filter(|(name, _)| name.contains(&wanted)) {
        for &version in script.versions() {
            let conversation = || {
                let mut world = new(shards, script.limits(), || Box::new(Open::new())).reading(read_bytes);
                run(&script, version, &mut world)
            };
            match catch_unwind(AssertUnwindSafe(conversation)) {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => failures.push(format!("{name}.conv, {failure}")),
                Err(_) => failures.push(format!("{name}.conv ({version:?}): the broker panicked, see above")),
            }
        }
    }
    assert!(failures.is_empty(), "{} with {shards} shards:\n{}", failures.len(), failures.join("\n"));
}
