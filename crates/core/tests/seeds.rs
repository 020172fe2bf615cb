//! What fuzzing has found or begins with, replayed by the fuzz targets' own functions.
use std::path::Path;
use tidewire_core::fuzz;

/// Each file in the folder of a target.
fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files = std::fs::read_dir(folder).expect("each target has seeds");
    let paths: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    assert!(!paths.is_empty(), "{target} has seeds");
    for path in paths {
        let bytes = std::fs::read(&path).expect("it can be read");
        let held = std::panic::catch_unwind(|| body(&bytes)).is_ok();
        assert!(held, "{}", path.display());
    }
}

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
