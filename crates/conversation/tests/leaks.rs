//! Whatever is said two hundred times leaves no more behind than what was said a hundred times.
#![forbid(unsafe_code)]

use tidewire_conversation::{Script, World, run, scripts};
use tidewire_core::broker::policy::Open;
use tidewire_core::version::Version;

/// So often after it has been held as often; `ROUNDS=5000` takes a few minutes.
fn rounds() -> u32 {
    std::env::var("ROUNDS").map_or(100, |rounds| rounds.parse().expect("a number"))
}

/// What is there at rest; what only grows, such as how many were accepted, is no matter.
fn standing(world: &World) -> Vec<[u64; 9]> {
    let of = |stats: tidewire_core::broker::Stats| {
        let (queued, in_flight) = (stats.ledger.queued, stats.ledger.in_flight);
        let standing =
            [stats.connections, stats.sessions, stats.subscriptions, stats.retained, stats.messages];
        let [a, b, c, d, e] = standing;
        [a, b, c, d, e, stats.incomplete_bytes, stats.questions, queued, in_flight]
    };
    world.stats().map(of).collect()
}

/// What the shards remember of messages is bounded, and grows until then.
fn remembered(world: &World) -> i64 {
    let bytes: u64 = world.stats().map(|stats| stats.remembered_bytes).sum();
    i64::try_from(bytes).expect("it is bounded")
}

fn hold(script: &Script, version: Version, world: &mut World) {
    for _ in 0..rounds() {
        run(script, version, world).unwrap_or_else(|failure| panic!("{failure}"));
        world.start_over(script);
    }
}

fn assert_nothing_leaks(is_asked: fn(Version) -> bool) {
    let mut faults = vec![];
    for (name, script) in scripts::all() {
        for version in script.versions().iter().filter(|version| is_asked(**version)) {
            let mut world = World::limited(2, script.limits(), || Box::new(Open::new()));
            hold(&script, *version, &mut world);
            let (before, remembered_before) = (standing(&world), remembered(&world));
            let taken = allocation_counter::measure(|| hold(&script, *version, &mut world));
            let after = standing(&world);
            let bytes = taken.bytes_current - (remembered(&world) - remembered_before);
            if before != after || bytes > 0 {
                faults.push(format!("{name} ({version:?}): {bytes} bytes more, {before:?}, then {after:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{} of them:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn in_5_0_nothing_leaks() {
    assert_nothing_leaks(Version::is_v5);
}

#[test]
fn before_5_0_nothing_leaks() {
    assert_nothing_leaks(|version| !version.is_v5());
}
