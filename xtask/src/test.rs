//! `cargo xtask test`: all tests, with all that they need.
use crate::count::Count;
use crate::shell::{cargo, command, exists, output, run as run_command, step, watch};
use crate::{Result, clients, targets};

pub(crate) fn run(names: &[&str]) -> Result {
    let count = all(names)?;
    println!("{count}");
    if count.failed == 0 { Ok(()) } else { Err("not all tests passed".into()) }
}

/// Runs them all before it judges.
pub(crate) fn all(names: &[&str]) -> Result<Count> {
    step("rustup targets", add_targets)?;
    let mut count = step("cargo test", || tests(&["--workspace"], names))?;
    // Each rule between shards, left out in turn: only the tests that are about that.
    count += step("rules left out", || {
        tests(&["-p", "tidewire-core", "--features", "_rules"], &["without_a_rule", "is_missed"])
    })?;
    count += step("clients", || clients::all(names))?;
    Ok(count)
}

/// What `cargo xtask targets` builds for: added where rustup is there to add them.
fn add_targets() -> Result {
    if !exists("rustup") {
        return Ok(());
    }
    let installed = output({
        let mut rustup = command("rustup");
        rustup.args(["target", "list", "--installed"]);
        rustup
    })?;
    for target in targets::ALL.iter().filter(|target| !installed.lines().any(|line| line == **target)) {
        let mut rustup = command("rustup");
        rustup.args(["target", "add", target]);
        run_command(rustup)?;
    }
    Ok(())
}

fn tests(of: &[&str], names: &[&str]) -> Result<Count> {
    let mut cargo = cargo(&["test", "--no-fail-fast"]);
    cargo.args(of).arg("--").args(names);
    let mut count = Count::default();
    let status = watch(cargo, |line| {
        if line.starts_with("test result: ") {
            count += Count::parse(line).unwrap_or_default();
        }
    })?;
    if !status.success() && count.failed == 0 {
        // It did not build, or a test ended its whole process.
        count += Count::FAILED;
    }
    Ok(count)
}
