//! `cargo xtask test`: all tests, with all that they need.
use crate::count::Count;
use crate::shell::{cargo, step, target, watch};
use crate::suite::{Table, WITH_ALL};
use crate::{Result, clients, mutate, targets};

pub(crate) fn run(names: &[&str]) -> Result {
    let count = all(names)?;
    println!("{count}");
    if count.failed == 0 { Ok(()) } else { Err("not all tests passed".into()) }
}

/// Runs them all before it judges.
pub(crate) fn all(names: &[&str]) -> Result<Count> {
    step("rustup targets", targets::add)?;
    let mut table = Table::default();
    let workspace = [&["--workspace"][..], &WITH_ALL].concat();
    let mut count = step("cargo test", || tests(&workspace, names, &mut table))?;
    count += step("rules left out", mutate::tests)?;
    count += step("seeds", || {
        let of = ["-p", "tidewire-core", "--features", "_fuzz", "--test", "seeds"];
        tests(&of, &["seeds_of"], &mut Table::default())
    })?;
    count += step("fuzz targets", || {
        let folder = target().join("fuzz").display().to_string();
        let manifest = ["--manifest-path", "fuzz/Cargo.toml", "--target-dir", &folder];
        // Without libFuzzer no C++ is needed.
        tests(&[&manifest[..], &["--no-default-features", "--lib"]].concat(), names, &mut Table::default())
    })?;
    count += step("clients", || clients::all(names, &mut table))?;
    count += clients::check_mosquitto(names);
    count += table.print();
    Ok(count)
}

/// What ran on a runtime is noted down in the table, too.
pub(crate) fn tests(of: &[&str], names: &[&str], table: &mut Table) -> Result<Count> {
    counted(of, names, |line| table.note_line(line))
}

/// Runs `cargo test of -- arguments`, and shows each of its lines to `look`.
pub(crate) fn counted(of: &[&str], arguments: &[&str], mut look: impl FnMut(&str)) -> Result<Count> {
    let mut cargo = cargo(&["test", "--no-fail-fast"]);
    cargo.args(of).arg("--").args(arguments);
    let mut count = Count::default();
    let status = watch(cargo, |line| {
        look(line);
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
