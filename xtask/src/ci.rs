//! `cargo xtask ci`: what a change has to pass.
use crate::shell::{cargo, run as run_command, step, target};
use crate::suite::WITH_ALL;
use crate::{Result, bench, conformance, fuzz, servers, targets, test, tidy};

const FUZZ_SECONDS: u32 = 20;

/// Workspaces of their own.
const ASIDE: [(&str, &str); 3] = [
    ("fuzz", "fuzz/Cargo.toml"),
    ("benches", "benches/Cargo.toml"),
    ("browser", "crates/core/examples/browser/Cargo.toml"),
];

pub(crate) fn run() -> Result {
    step("formatting", || {
        run_command(cargo(&["fmt", "--all", "--check"]))?;
        ASIDE.iter().try_for_each(|(_, manifest)| {
            run_command(cargo(&["fmt", "--all", "--check", "--manifest-path", manifest]))
        })
    })?;
    step("lints", || {
        let mut clippy = cargo(&["clippy", "--workspace", "--all-targets"]);
        clippy.args(WITH_ALL).args(["--", "--deny", "warnings"]);
        run_command(clippy)?;
        ASIDE.iter().try_for_each(|(name, manifest)| {
            let mut clippy =
                cargo(&["clippy", "--all-targets", "--manifest-path", manifest, "--", "--deny", "warnings"]);
            clippy.env("CARGO_TARGET_DIR", target().join(name));
            run_command(clippy)
        })
    })?;
    step("tidy", || tidy::run(false))?;
    step("conformance", || conformance::run(true))?;
    step("documentation", || {
        let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "--deny warnings");
        run_command(doc)
    })?;
    step("targets", targets::run)?;
    step("what the codec costs", || bench::check(bench::Family::Codec))?;
    step("what the core costs", || bench::check(bench::Family::Core))?;
    step("what the client costs", || bench::check(bench::Family::Client))?;
    let mut count = step("tests", || test::all(&[]))?;
    count += step("servers", || servers::all(false))?;
    count += step("fuzzing", || fuzz::all("all", FUZZ_SECONDS, 2))?;
    println!("{count}");
    if count.failed == 0 { Ok(()) } else { Err("not all tests passed".into()) }
}
