//! `cargo xtask fuzz`: libFuzzer on the stable toolchain.
//!
//! What `cargo fuzz` would do is a few compiler flags, all of them stable; so nothing has to be installed.
use crate::Result;
use crate::count::Count;
use crate::packages::CXX;
use crate::shell::{cargo, command, output, root, run as run_command, step, target};
use std::path::{Path, PathBuf};

/// Coverage that libFuzzer reads: a counter per edge, and a table that says where each is.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cdebug-assertions -Ccodegen-units=1";

pub(crate) fn run(wanted: &str, options: &[&str]) -> Result {
    let (mut seconds, mut jobs) = (60, 1);
    for option in options.chunks(2) {
        match option {
            ["--seconds", n] => seconds = n.parse()?,
            ["--jobs", n] => jobs = n.parse()?,
            _ => return Err(format!("no such option: {}", option.join(" ")).into()),
        }
    }
    let count = all(wanted, seconds, jobs)?;
    if count.failed == 0 {
        Ok(())
    } else {
        Err("something was found: its input lies in fuzz/artifacts".into())
    }
}

/// Fuzzes one target, or `all`, some of them at a time; ends with a table.
pub(crate) fn all(wanted: &str, seconds: u32, jobs: usize) -> Result<Count> {
    let targets = targets()?;
    let chosen: Vec<_> = targets.iter().filter(|target| wanted == "all" || *target == wanted).collect();
    if chosen.is_empty() {
        return Err(format!("no fuzz target `{wanted}`; there are: {}", targets.join(", ")).into());
    }
    let programs = step("build the fuzz targets", build)?;
    let mut reports = vec![];
    for together in chosen.chunks(jobs.max(1)) {
        let names: Vec<_> = together.iter().map(|name| name.as_str()).collect();
        step(&format!("fuzz {} for {seconds} s", names.join(" and ")), || {
            for report in fuzz_together(&programs, &names, seconds) {
                reports.push(report?);
            }
            Ok(())
        })?;
    }
    print_table(&reports);
    let failed = reports.iter().filter(|report| !report.held).count();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(Count { passed: count(reports.len() - failed), failed: count(failed), skipped: 0 })
}

/// The programs of fuzz/Cargo.toml.
fn targets() -> Result<Vec<String>> {
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

fn fuzz_together(programs: &Path, names: &[&str], seconds: u32) -> Vec<Result<Report>> {
    std::thread::scope(|scope| {
        let fuzz =
            |name| scope.spawn(move || fuzz(programs, name, seconds).map_err(|error| error.to_string()));
        let running: Vec<_> = names.iter().map(|name| fuzz(*name)).collect();
        let reports = running.into_iter().map(|thread| thread.join().expect("fuzzing does not panic"));
        reports.map(|report| report.map_err(Into::into)).collect()
    })
}

/// What it finds stays under target/; what is worth keeping becomes a seed or a test.
fn fuzz(programs: &Path, name: &str, seconds: u32) -> Result<Report> {
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
        .args(["-max_len=4096", "-timeout=60", "-rss_limit_mb=1024", "-print_final_stats=1"]);
    let output = program.output().map_err(|error| format!("cannot run {name}: {error}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // What it came to before is of no interest now.
        let lines: Vec<_> = log.lines().filter(|line| !line.starts_with(['#', '\t'])).collect();
        eprintln!("{}", lines.join("\n"));
    }
    Ok(Report { name: name.to_owned(), held: output.status.success(), ..Report::read(&log) })
}

/// What came of fuzzing a target.
#[derive(Debug, Default, PartialEq)]
struct Report {
    name: String,
    executions: u64,
    per_second: u64,
    /// Edges of the program reached, and how many there are.
    edges: (u64, u64),
    corpus: u64,
    held: bool,
}

impl Report {
    /// From what libFuzzer prints.
    fn read(log: &str) -> Self {
        let mut report = Self::default();
        for line in log.lines() {
            if let Some(n) = number_behind(line, "stat::number_of_executed_units:") {
                report.executions = n;
            } else if let Some(n) = number_behind(line, "stat::average_exec_per_sec:") {
                report.per_second = n;
            } else if line.starts_with("INFO: Loaded ") {
                report.edges.1 = number_behind(line, "(").unwrap_or_default();
            } else if line.starts_with('#') {
                report.edges.0 = number_behind(line, " cov:").unwrap_or(report.edges.0);
                report.corpus = number_behind(line, " corp:").unwrap_or(report.corpus);
            }
        }
        report
    }
}

fn number_behind(line: &str, key: &str) -> Option<u64> {
    let (_, rest) = line.split_once(key)?;
    let digits = rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn print_table(reports: &[Report]) {
    println!("| target | executions | per second | edges | corpus | result |");
    println!("|---|--:|--:|--:|--:|---|");
    for report in reports {
        let Report { name, executions, per_second, edges: (reached, there), corpus, held } = report;
        let result = if *held { "held" } else { "FAILED" };
        println!("| {name} | {executions} | {per_second} | {reached} of {there} | {corpus} | {result} |");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_prints_is_understood() {
        let log = "INFO: Loaded 1 modules   (3123 inline 8-bit counters): 3123 [0x1, 0x2), \n\
            #20\tINITED cov: 90 ft: 91 corp: 18/1Kb exec/s: 0 rss: 27Mb\n\
            #25\tNEW    cov: 700 ft: 92 corp: 19/1Kb lim: 50 exec/s: 0 rss: 27Mb L: 3/4 MS: 1 CopyPart-\n\
            #900\tDONE   cov: 701 ft: 93 corp: 20/1Kb lim: 50 exec/s: 450 rss: 28Mb\n\
            stat::number_of_executed_units: 900\nstat::average_exec_per_sec:     450\n";
        let expected =
            Report { executions: 900, per_second: 450, edges: (701, 3123), corpus: 20, ..Report::default() };
        assert_eq!(Report::read(log), expected);
    }
}
