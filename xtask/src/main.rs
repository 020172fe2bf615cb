//! `cargo xtask TASK`: everything that is done to this repository, one file per task.
#![forbid(unsafe_code)]

mod bench;
mod ci;
mod clients;
mod conformance;
mod count;
mod fuzz;
mod mutate;
mod packages;
mod servers;
mod shell;
mod size;
mod suite;
mod targets;
mod test;
mod tidy;

use std::error::Error;
use std::process::ExitCode;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: cargo xtask TASK
  test [NAME…]                  all tests, or those with such a part in their names
  suite                         those that run on each runtime, as a table
  tidy [--write]                checks the shape of the repository; --write renews the tables in docs
  conformance                   writes which code obeys each statement of the specifications, and which test shows it
  conformance --check           fails if that has a hole, or is not what is committed
  mutate                        breaks each rule that the broker can be made to break, and says who notices
  targets                       builds the core, and its examples, for bare metal and for WebAssembly
  size                          says what a client takes on bare metal
  bench codec                   measures our codec and others, and prints a table
  bench codec --check           only ours, and fails if it needs more instructions or allocations than are recorded
  bench codec --record          records them
  bench core                    measures what the broker's core needs for a delivery, and prints a table
  bench core --check, --record  the same as with the codec
  bench client                  measures what a client's machine needs for a message; --check, --record as well
  bench log                     floods a broker with and without a log, and fails if that costs or says too much
  fuzz TARGET|all [--seconds N] [--jobs N]
                                feeds a fuzz target for so long (60), or each, so many at a time (1)
  cuts [--seeds N]              pub and sub on lines that break, with our broker and mosquitto (20)
  servers [--write]             our client with mosquitto, RabbitMQ, NATS and our broker, as a table; --write renews that in docs
  ci                            all that .ci/run does after it has installed what it needs";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["test", names @ ..] => test::run(names),
        ["suite"] => suite::run(),
        ["tidy"] => tidy::run(false),
        ["tidy", "--write"] => tidy::run(true),
        ["conformance"] => conformance::run(false),
        ["conformance", "--check"] => conformance::run(true),
        ["mutate"] => mutate::run(),
        ["targets"] => targets::run(),
        ["size"] => size::run(),
        ["bench", "codec"] => bench::codec(),
        ["bench", "codec", "--check"] => bench::check(bench::Family::Codec),
        ["bench", "codec", "--record"] => bench::record(bench::Family::Codec),
        ["bench", "core"] => bench::alone(bench::Family::Core),
        ["bench", "core", "--check"] => bench::check(bench::Family::Core),
        ["bench", "core", "--record"] => bench::record(bench::Family::Core),
        ["bench", "client"] => bench::alone(bench::Family::Client),
        ["bench", "client", "--check"] => bench::check(bench::Family::Client),
        ["bench", "client", "--record"] => bench::record(bench::Family::Client),
        ["bench", "log"] => bench::log::check(),
        ["fuzz", target, options @ ..] => fuzz::run(target, options),
        ["cuts"] => clients::cuts(20),
        ["cuts", "--seeds", seeds] => match seeds.parse() {
            Ok(seeds) => clients::cuts(seeds),
            Err(error) => Err(format!("--seeds {seeds}: {error}").into()),
        },
        ["servers"] => servers::run(false),
        ["servers", "--write"] => servers::run(true),
        ["ci"] => ci::run(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
