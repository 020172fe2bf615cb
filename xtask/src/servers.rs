//! `cargo xtask servers`: our client with servers of others, and with ours, row by row.
mod deviations;
mod matrix;
mod mosquitto;
mod nats;
mod rabbitmq;

pub(crate) use mosquitto::Mosquitto;

use crate::Result;
use crate::clients::{Broker, build_broker, nothing_may_be_skipped};
use crate::count::Count;
use crate::packages::{MOSQUITTO_AND_CLIENTS, NATS, Need, RABBITMQ};
use crate::shell::{Running, cargo, command, output, target};
use crate::suite::WITH_ALL;
use matrix::{Column, Matrix};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a user of each server is called, and its password.
const USER: &str = "guest";
/// Rows that wait at the same time; they do little else.
const AT_A_TIME: &str = "8";

/// What is done with a server while it runs.
type Rows<'a> = dyn Fn(SocketAddr) -> Vec<Column> + Sync + 'a;

/// A kind of server.
struct Kind {
    name: &'static str,
    versions: &'static [&'static str],
    needs: Need,
    /// Starts one, does this with it, and stops it.
    with: fn(&Rows<'_>) -> Result<Vec<Column>>,
}

const BOTH: &[&str] = &["3.1.1", "5.0"];
const OLD: &[&str] = &["3.1.1"];
const NOTHING: Need = Need { is_there: || true, packages: &[] };

const KINDS: [Kind; 4] = [
    Kind { name: "Tidewire", versions: BOTH, needs: NOTHING, with: ours },
    Kind { name: "mosquitto", versions: BOTH, needs: MOSQUITTO_AND_CLIENTS, with: mosquitto::with_users },
    Kind { name: "RabbitMQ", versions: OLD, needs: RABBITMQ, with: rabbitmq::with },
    Kind { name: "NATS", versions: OLD, needs: NATS, with: nats::with },
];

/// Prints the table; `write` renews the one in docs.
pub(crate) fn run(write: bool) -> Result {
    let count = all(write)?;
    println!("{count}");
    if count.failed == 0 { Ok(()) } else { Err("not all rows are as they should be".into()) }
}

/// What is not installed and can't be is skipped, or fails where nothing may be skipped.
pub(crate) fn all(write: bool) -> Result<Count> {
    // One after the other: there is one package manager.
    let (there, missing): (Vec<_>, Vec<_>) = KINDS.iter().partition(|kind| kind.needs.is_met());
    let mut count = Count::default();
    for kind in &missing {
        println!("{}: skipped; to run it, install {}", kind.name, kind.needs.packages.join(" and "));
        count += if nothing_may_be_skipped() { Count::FAILED } else { Count::SKIPPED };
    }
    let program = build()?;
    let columns = std::thread::scope(|scope| {
        let threads: Vec<_> = there.iter().map(|kind| scope.spawn(|| kind.columns(&program))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("it does not panic")).collect()
    });
    let matrix = Matrix::judge(columns);
    println!("{matrix}");
    count += matrix.count();
    if missing.is_empty() && count.failed == 0 && !matrix.is_documented(write)? {
        println!("docs/TESTING.md has another table: `cargo xtask servers --write` renews it");
        count += Count::FAILED;
    }
    Ok(count)
}

impl Kind {
    /// One for each version that it speaks.
    fn columns(&self, program: &Path) -> Vec<Column> {
        let column = |address, version| Column::of(self.name, version, &rows(program, address, version));
        let rows = |address| self.versions.iter().map(|version| column(address, version)).collect();
        (self.with)(&rows).unwrap_or_else(|error| {
            println!("{}: {error}", self.name);
            self.versions.iter().map(|version| Column::empty(self.name, version)).collect()
        })
    }
}

/// What the rows' program prints of a server.
fn rows(program: &Path, server: SocketAddr, version: &str) -> String {
    let mut rows = command(program);
    rows.args(["--test-threads", AT_A_TIME]).env("RUST_BACKTRACE", "0");
    rows.env("SERVERS_ADDRESS", server.to_string()).env("SERVERS_VERSION", version);
    match rows.output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => format!("cannot run {}: {error}", program.display()),
    }
}

/// The rows' program: as `cargo test` has built it, if it has.
fn build() -> Result<PathBuf> {
    let mut build =
        cargo(&["test", "--workspace", "--test", "servers", "--no-run", "--message-format", "json"]);
    build.args(WITH_ALL);
    let messages = output(build)?;
    let is_program = |message: &serde_json::Value| {
        message["target"]["name"] == "servers" && message["target"]["kind"][0] == "test"
    };
    let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    let program =
        messages.filter(is_program).find_map(|message| message["executable"].as_str().map(PathBuf::from));
    Ok(program.ok_or("cargo does not say where it put the rows' program")?)
}

/// With its defaults.
fn ours(rows: &Rows<'_>) -> Result<Vec<Column>> {
    let broker = Broker::start(&build_broker()?, "mio", &[])?;
    Ok(rows(broker.address))
}

/// Until it prints that it is there.
fn ready(server: &Running, within: Duration, mut is_ready: impl FnMut(&str) -> bool) -> Result {
    let mut said = String::new();
    let there = server.wait_for(within, |line| {
        said += &format!("{line}\n");
        is_ready(line).then_some(())
    });
    Ok(there.ok_or_else(|| format!("it does not start; it said:\n{said}"))?)
}

/// Free at the moment; it may be taken before it is wanted.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// What a server writes, gone with this.
struct Folder(PathBuf);

impl Folder {
    fn new(server: &str) -> Result<Self> {
        let folder = target().join("servers").join(format!("{server}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Whatever is left is in the way of nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
