//! What fuzzing has found or begins with, replayed without libFuzzer.
#[path = "../../crates/core/tests/common/seeds.rs"]
mod seeds;

use crate::{Event, Setup, Step, broker, client, differential};
use arbitrary::{Arbitrary, Unstructured};
use seeds::replay;

/// As libFuzzer's targets read their input; one that is too short is passed by.
fn read<'a, T: Arbitrary<'a>>(bytes: &'a [u8], body: impl FnOnce(T)) {
    if let Ok(input) = T::arbitrary_take_rest(Unstructured::new(bytes)) {
        body(input);
    }
}

#[test]
fn seeds_of_broker() {
    replay("broker", |bytes| read(bytes, |(n, events): (u8, Vec<Event>)| broker(n, events)));
}

#[test]
fn seeds_of_client() {
    replay("client", |bytes| read(bytes, |(setup, steps): (Setup, Vec<Step>)| client(setup, steps)));
}

#[test]
fn seeds_of_differential() {
    replay("differential", differential);
}
