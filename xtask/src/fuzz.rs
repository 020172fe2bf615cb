//! `cargo xtask fuzz`: libFuzzer on the stable toolchain.
//!
//! What `cargo fuzz` would do is a few compiler flags, all of them stable; so nothing has to be installed.
use crate::Result;
use crate::packages::CXX;
use crate::shell::{cargo, command, output, root, run as run_command, step, target};
use std::path::PathBuf;

/// Coverage that libFuzzer reads: a counter per edge, and a table that says where each is.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cdebug-assertions -Ccodegen-units=1";

pub(crate) fn run(wanted: &str, seconds: u32) -> Result {
    let targets = targets()?;
    let chosen: Vec<_> = targets.iter().filter(|target| wanted == "all" || *target == wanted).collect();
    if chosen.is_empty() {
        return Err(format!("no fuzz target `{wanted}`; there are: {}", targets.join(", ")).into());
    }
    let programs = step("build the fuzz targets", build)?;
    for name in chosen {
        step(&format!("fuzz {name} for {seconds} s"), || fuzz(&programs, name, seconds))?;
    }
    Ok(())
}

/// The programs of fuzz/Cargo.toml.
pub(crate) fn targets() -> Result<Vec<String>> {
    let metadata =
        cargo(&["metadata", "--format-version=1", "--no-deps", "--manifest-path", "fuzz/Cargo.toml"]);
    let metadata: serde_json::Value = serde_json::from_str(&output(metadata)?)?;
    let targets = metadata["packages"][0]["targets"].as_array().into_iter().flatten();
    let programs = targets.filter(|target| target["kind"][0] == "bin");
    Ok(programs.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect())
}

/// Builds for the host by its name, so that build scripts are not instrumented. Returns where the programs are.
fn build() -> Result<PathBuf> {
    if !CXX.is_met() {
        return Err(format!("libFuzzer is C++: install {}", CXX.packages.join(" and ")).into());
    }
    let rustc = output({
        let mut rustc = command("rustc");
        rustc.arg("-vV");
        rustc
    })?;
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    let folder = target().join("fuzz");
    let mut build = cargo(&["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", host]);
    build.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &folder);
    run_command(build)?;
    Ok(folder.join(host).join("release"))
}

/// What it finds stays under target/; what is worth keeping becomes a seed or a test.
fn fuzz(programs: &std::path::Path, name: &str, seconds: u32) -> Result {
    let corpus = target().join("fuzz/corpus").join(name);
    let artifacts = root().join("fuzz/artifacts").join(name);
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&artifacts)?;
    let mut program = command(programs.join(name));
    program.arg(&corpus);
    let seeds = root().join("fuzz/seeds").join(name);
    if seeds.is_dir() {
        program.arg(seeds);
    }
    program
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-max_len=4096", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0"]);
    run_command(program)
}
