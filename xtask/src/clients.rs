//! Other people's clients against the broker: Paho in Python, MQTT.js, and mosquitto's programs; and our tools against
//! mosquitto's broker.
mod bridge;
mod checked;
mod cuts;
mod examples;
mod mosquitto;
mod mosquitto_faults;

use crate::Result;
use crate::count::Count;
use crate::packages::{MOSQUITTO, MOSQUITTO_AND_CLIENTS, NODE, Need, PYTHON};
use crate::shell::{Running, cargo, command, root, run as run_command, step, target, watch};
use crate::suite::{RUNTIMES, Table, WITH_ALL};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// A kind of client.
struct Suite {
    name: &'static str,
    run: fn(SocketAddr) -> Result<Count>,
    needs: Need,
    /// What its broker is started with.
    options: &'static [&'static str],
}

const SUITES: [Suite; 7] = [
    Suite { name: "mosquitto", run: mosquitto::all, needs: MOSQUITTO, options: &[] },
    Suite { name: "mosquitto's examples", run: examples::all, needs: MOSQUITTO_AND_CLIENTS, options: &[] },
    Suite {
        name: "mosquitto's bridge",
        run: bridge::taken_at_its_level,
        needs: MOSQUITTO_AND_CLIENTS,
        options: &["--lenient", "bridge_level"],
    },
    Suite {
        name: "mosquitto's bridge without its level",
        run: bridge::as_it_comes,
        needs: MOSQUITTO_AND_CLIENTS,
        options: &[],
    },
    Suite { name: "cuts", run: cuts::all, needs: MOSQUITTO_AND_CLIENTS, options: &[] },
    Suite { name: "paho-mqtt", run: python, needs: PYTHON, options: &[] },
    Suite { name: "mqtt.js", run: node, needs: NODE, options: &[] },
];

/// Each against a broker of its own on each runtime. What is not installed is skipped, or fails where nothing may be
/// skipped.
pub(crate) fn all(names: &[&str], table: &mut Table) -> Result<Count> {
    let mut count = Count::default();
    let wanted = |suite: &str| names.is_empty() || names.iter().any(|name| suite.contains(name));
    let mut suites = SUITES.iter().filter(|suite| wanted(suite.name)).peekable();
    if suites.peek().is_none() {
        return Ok(count);
    }
    let program = build_broker()?;
    for suite in suites {
        let is_met = suite.needs.is_met();
        for runtime in RUNTIMES {
            let done = if is_met { suite.run_on(runtime, &program) } else { suite.skip() };
            table.note(suite.name, runtime, done);
            count += done;
        }
    }
    Ok(count)
}

/// `check` with mosquitto, where no broker of ours takes part, and so no runtime.
pub(crate) fn check_mosquitto(names: &[&str]) -> Count {
    if !names.is_empty() && !names.iter().any(|name| checked::NAME.contains(name)) {
        Count::default()
    } else if MOSQUITTO_AND_CLIENTS.is_met() {
        counted_step(checked::NAME, || checked::all(&build_broker()?))
    } else {
        skip(checked::NAME, &MOSQUITTO_AND_CLIENTS)
    }
}

/// `pub` and `sub` on lines that break, with so many seeds.
pub(crate) fn cuts(seeds: u64) -> Result {
    if !MOSQUITTO_AND_CLIENTS.is_met() {
        return Err(format!("install {}", MOSQUITTO_AND_CLIENTS.packages.join(" and ")).into());
    }
    let count = cuts::seeds(seeds)?;
    println!("{count}");
    if count.failed == 0 { Ok(()) } else { Err("not all seeds passed".into()) }
}

impl Suite {
    fn run_on(&self, runtime: &str, program: &Path) -> Count {
        let name = format!("{} on {runtime}", self.name);
        counted_step(&name, || (self.run)(Broker::start(program, runtime, self.options)?.address))
    }

    fn skip(&self) -> Count {
        skip(self.name, &self.needs)
    }
}

/// What could not be done at all counts as one that failed.
fn counted_step(name: &str, f: impl FnOnce() -> Result<Count>) -> Count {
    step(name, f).unwrap_or_else(|error| {
        println!("{name}: {error}");
        Count::FAILED
    })
}

fn skip(name: &str, needs: &Need) -> Count {
    println!("{name}: skipped; to run it, install {}", needs.packages.join(" and "));
    if nothing_may_be_skipped() { Count::FAILED } else { Count::SKIPPED }
}

pub(crate) fn nothing_may_be_skipped() -> bool {
    std::env::var("TIDEWIRE_REQUIRE").is_ok_and(|what| what == "all")
}

pub(crate) fn build_broker() -> Result<PathBuf> {
    // Of the workspace, so that its features are those that all else was built with.
    let mut build = cargo(&["build", "--workspace", "--bin", "tidewire"]);
    build.args(WITH_ALL);
    run_command(build)?;
    Ok(target().join("debug/tidewire"))
}

/// The broker as people start it, on a port that was free.
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    _running: Running,
}

impl Broker {
    pub(crate) fn start(program: &Path, runtime: &str, options: &[&str]) -> Result<Self> {
        let mut broker = command(program);
        broker.args(["broker", "--listen", "127.0.0.1:0", "--runtime", runtime]).args(options);
        let running = Running::start(broker)?;
        let mut said = String::new();
        let address = running.wait_for(STARTS_WITHIN, |line| {
            said += line;
            said += "\n";
            let (_, rest) = line.split_once("listening on ")?;
            rest.split_whitespace().next()?.parse().ok()
        });
        let Some(address) = address else {
            return Err(format!("the broker does not say where it listens; it said:\n{said}").into());
        };
        Ok(Self { address, _running: running })
    }
}

/// Runs a program that ends with a line that counts.
fn counted(program: std::process::Command) -> Result<Count> {
    let mut count = None;
    let status = watch(program, |line| count = Count::parse(line).or(count))?;
    match count {
        Some(count) if status.success() || count.failed > 0 => Ok(count),
        _ => Err(format!("it ended with {status} and did not say how many tests passed").into()),
    }
}

/// With what `requirements.txt` names, in an environment under target/.
fn python(broker: SocketAddr) -> Result<Count> {
    let folder = root().join("xtask/clients/python");
    let environment = target().join("clients/python");
    let python = environment.join("bin/python");
    if !python.is_file() {
        let mut venv = command("python3");
        venv.args(["-m", "venv"]).arg(&environment);
        run_command(venv)?;
    }
    let mut pip = command(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(folder.join("requirements.txt"));
    run_command(pip)?;
    let mut interop = command(&python);
    interop
        .arg("-u")
        .arg(folder.join("interop.py"))
        .args([broker.ip().to_string(), broker.port().to_string()]);
    counted(interop)
}

/// With what `package-lock.json` names, under target/.
fn node(broker: SocketAddr) -> Result<Count> {
    let folder = target().join("clients/node");
    std::fs::create_dir_all(&folder)?;
    for file in ["package.json", "package-lock.json", "interop.mjs"] {
        std::fs::copy(root().join("xtask/clients/node").join(file), folder.join(file))?;
    }
    let mut npm = command("npm");
    npm.current_dir(&folder).args(["ci", "--no-audit", "--no-fund", "--silent"]);
    run_command(npm)?;
    let mut interop = command("node");
    interop.current_dir(&folder).args(["interop.mjs", &broker.ip().to_string(), &broker.port().to_string()]);
    counted(interop)
}
