//! What fuzzing has found or begins with, replayed by the functions of the fuzz targets, without libFuzzer.
use std::path::Path;

/// Each file in the folder of a target.
pub(crate) fn replay(target: &str, body: fn(&[u8])) {
    // The folder of this package, or of the one that has the fuzz targets.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = here.ancestors().map(|folder| folder.join("fuzz/seeds")).find(|seeds| seeds.is_dir());
    let files =
        std::fs::read_dir(seeds.expect("there are seeds").join(target)).expect("each target has seeds");
    let paths: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    assert!(!paths.is_empty(), "{target} has seeds");
    for path in paths {
        let bytes = std::fs::read(&path).expect("it can be read");
        let held = std::panic::catch_unwind(|| body(&bytes)).is_ok();
        assert!(held, "{}", path.display());
    }
}
