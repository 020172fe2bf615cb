//! What fuzzing has found or begins with, replayed by the fuzz targets' own functions.
#[path = "common/seeds.rs"]
mod seeds;

use seeds::replay;
use tidewire_core::fuzz;

#[test]
fn seeds_of_decode() {
    replay("decode", fuzz::decode);
}

#[test]
fn seeds_of_round_trip() {
    replay("round_trip", fuzz::round_trip);
}

#[test]
fn seeds_of_faults() {
    replay("faults", fuzz::faults);
}

#[test]
fn seeds_of_topic() {
    replay("topic", fuzz::topic);
}

#[test]
fn seeds_of_restore() {
    replay("restore", fuzz::restore);
}

#[test]
fn seeds_of_verbs() {
    replay("verbs", fuzz::verbs);
}
