//! What fuzzing has found or begins with, replayed without libFuzzer.
use crate::{Event, Setup, Step, broker, client, differential};
use arbitrary::{Arbitrary, Unstructured};
use std::path::Path;

/// Each file in the folder of a target.
fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let files = std::fs::read_dir(folder).expect("each target has seeds");
    let paths: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    assert!(!paths.is_empty(), "{target} has seeds");
    for path in paths {
        let bytes = std::fs::read(&path).expect("it can be read");
        let held = std::panic::catch_unwind(|| body(&bytes)).is_ok();
        assert!(held, "{}", path.display());
    }
}

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
