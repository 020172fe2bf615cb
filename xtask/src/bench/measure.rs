//! Runs the programs of `benches/`, and reads what they print.
use super::Family;
use crate::Result;
use crate::shell::{cargo, command, output, run, target};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const MANIFEST: &str = "benches/Cargo.toml";

/// What one codec needs for a packet of one line, or the broker's core for a delivery.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Measured {
    /// Names the line in files, and in the table.
    pub(super) line: String,
    pub(super) title: String,
    /// Whose code it is.
    pub(super) by: String,
    /// So many packets, or deliveries, has a run.
    pub(super) count: f64,
    pub(super) allocations: f64,
    pub(super) instructions: f64,
    pub(super) nanoseconds: Option<f64>,
    pub(super) bar: Bar,
}

/// What ours are to need at most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bar {
    pub(super) instructions: Option<f64>,
    pub(super) nanoseconds: Option<f64>,
    pub(super) allocations: Option<f64>,
}

/// Whose bars they are.
pub(super) const OURS: &str = "Tidewire";

/// Whose code it is that is measured.
pub(super) fn compiler() -> Result<String> {
    let mut rustc = command("rustc");
    rustc.arg("--version");
    Ok(output(rustc)?.trim().to_owned())
}

fn bench(name: &str, with_peers: bool) -> Command {
    let mut bench = cargo(&["bench", "--quiet", "--manifest-path", MANIFEST, "--bench", name]);
    if with_peers {
        bench.args(["--features", "peers"]);
    }
    bench.env("CARGO_TARGET_DIR", folder());
    bench
}

fn folder() -> PathBuf {
    target().join("benches")
}

/// What gungraun runs benchmarks with has to be of its own version, and is installed where it is not.
pub(super) fn runner() -> Result<PathBuf> {
    let metadata = output(cargo(&["metadata", "--format-version=1", "--manifest-path", MANIFEST]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages.find(|package| package["name"] == "gungraun-runner");
    let version = package.and_then(|package| package["version"].as_str());
    let version = version.ok_or("benches/ does not use gungraun")?;
    let tools = target().join("tools");
    let runner = tools.join("bin/gungraun-runner");
    if !is_of_version(&runner, version) {
        let mut install = cargo(&["install", "--quiet", "--locked", "gungraun-runner", "--version", version]);
        install.arg("--root").arg(tools);
        run(install)?;
    }
    Ok(runner)
}

fn is_of_version(runner: &Path, version: &str) -> bool {
    let mut said = command(runner);
    said.arg("--version");
    output(said).is_ok_and(|said| said.trim().ends_with(&format!(" {version}")))
}

/// Each job of a family, in the order of their numbers.
pub(super) fn allocations(family: Family, with_peers: bool) -> Result<Vec<Measured>> {
    let mut bench = bench("allocations", with_peers);
    bench.args(["--", family.name()]);
    let printed = output(bench)?;
    printed.lines().map(|line| job(line).ok_or_else(|| format!("not a job: {line}").into())).collect()
}

/// What `benches/benches/allocations.rs` prints of a job.
fn job(line: &str) -> Option<Measured> {
    let mut columns = line.split('\t').skip(1);
    let mut text = || columns.next().map(str::to_owned);
    let (line, title, by) = (text()?, text()?, text()?);
    let mut number = || columns.next().map(|number| number.parse::<f64>().ok());
    let count = number()??;
    let allocations = number()?? / count;
    let bar = Bar { instructions: number()?, nanoseconds: number()?, allocations: number()? };
    Some(Measured { line, title, by, count, allocations, bar, ..Measured::default() })
}

/// Fills in the instructions.
pub(super) fn instructions(
    measured: &mut [Measured],
    family: Family,
    with_peers: bool,
    runner: &Path,
) -> Result {
    let mut bench = bench(&format!("instructions-{}", family.name()), with_peers);
    bench.args(["--", "--output-format=json"]).env("GUNGRAUN_RUNNER", runner);
    for line in output(bench)?.lines() {
        let (number, instructions) = callgrind(line).ok_or("gungraun says something else than it did")?;
        let measured = measured.get_mut(number).ok_or("more jobs are counted than there are")?;
        measured.instructions = instructions / measured.count;
    }
    match measured.iter().find(|measured| measured.instructions == 0.0) {
        Some(measured) => Err(format!("{} was not counted", measured.line).into()),
        None => Ok(()),
    }
}

/// The number of the job and its instructions, of what gungraun prints of a run.
fn callgrind(line: &str) -> Option<(usize, f64)> {
    let run: Value = serde_json::from_str(line).ok()?;
    let number = run["id"].as_str()?.strip_prefix("job_")?.parse().ok()?;
    let instructions = &run["profiles"][0]["data"]["total"]["metrics"]["Ir"]["values"]["new"];
    Some((number, instructions.as_f64()?))
}

/// Fills in the times: the shortest of each, as others use the machine, too.
pub(super) fn times(measured: &mut [Measured]) -> Result {
    run(bench("codec", true))?;
    for measured in measured {
        let folder = folder().join("criterion").join(&measured.line).join(&measured.by);
        let sample = std::fs::read_to_string(folder.join("new/sample.json"))?;
        let shortest = shortest(&sample).ok_or("criterion says something else than it did")?;
        measured.nanoseconds = Some(shortest / measured.count);
    }
    Ok(())
}

/// Of the runs that criterion has written down.
fn shortest(sample: &str) -> Option<f64> {
    let sample: Value = serde_json::from_str(sample).ok()?;
    let (runs, times) = (sample["iters"].as_array()?, sample["times"].as_array()?);
    let each = runs.iter().zip(times).filter_map(|(runs, time)| Some(time.as_f64()? / runs.as_f64()?));
    each.min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_read() {
        let read = job("3\tkey\ta title\tTidewire\t10\t25\t250\t-\t0").expect("a job");
        let bar = Bar { instructions: Some(250.0), nanoseconds: None, allocations: Some(0.0) };
        assert_eq!((read.line.as_str(), read.title.as_str(), read.by.as_str()), ("key", "a title", OURS));
        assert_eq!((read.count, read.allocations, read.bar), (10.0, 2.5, bar));
        for line in
            ["", "running 0 tests", "3\tkey\ta title\tTidewire\tten\t25\t250\t-\t0", "3\tkey\ta title\tx\t10"]
        {
            assert_eq!(job(line), None, "{line}");
        }
    }

    #[test]
    fn what_callgrind_has_counted_is_found() {
        let line = r#"{"id":"job_12","profiles":[{"data":{"total":{"metrics":{"Ir":{"values":{"new":90,"old":80}}}}}}]}"#;
        assert_eq!(callgrind(line), Some((12, 90.0)));
        for line in ["", "{}", r#"{"id":"other_1"}"#, r#"{"id":"job_1","profiles":[]}"#] {
            assert_eq!(callgrind(line), None, "{line}");
        }
    }

    #[test]
    fn the_shortest_run_counts() {
        assert_eq!(shortest(r#"{"iters":[1,2,3],"times":[50,60,120]}"#), Some(30.0));
        assert_eq!(shortest(r#"{"iters":[],"times":[]}"#), None);
        assert_eq!(shortest("no JSON"), None);
    }
}
