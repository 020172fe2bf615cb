//! `tidewire pub` and `tidewire sub` behind a proxy that cuts their connections every few kilobytes: nothing is lost, and
//! with QoS 2 nothing comes twice.
//!
//! `CUTS_SEEDS=20` tries so many seeds, `CUTS_SEED=n` that one alone, and `CUTS_BROKER=ADDR:PORT` another broker, which
//! keeps sessions and any number of messages for each. `cargo xtask cuts` does so with Debian's mosquitto.
#![cfg(unix)]
#[path = "../common/broker.rs"]
mod broker;
#[path = "../common/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "others draw more")]
#[path = "../../../core/tests/common/random.rs"]
mod random;

use broker::Broker;
use proxy::{Line, Proxy};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use tidewire_driver::Clock;

const LINES: usize = 2000;
/// Fewer would prove nothing.
const CUTS: usize = 20;
/// Seeds that are tried without being asked for.
const SEEDS: u64 = 3;
/// What is published behind them.
const LAST: &str = "last";
/// Seeds that are tried at the same time.
const AT_A_TIME: usize = 4;
/// A minute for each, and then `sub` gives up.
const PATIENCE: &str = "60";

fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|n| n.parse::<u64>().expect("a number"));
    match number("CUTS_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("CUTS_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

/// Killed if the test fails.
struct Tool(Child);

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tool(server: SocketAddr, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire"));
    let words: Vec<_> = words.split(' ').collect();
    let (ip, port) = (server.ip().to_string(), server.port().to_string());
    command.args(&words[..1]).args(["-h", &ip, "-p", &port]).args(&words[1..]).stdin(Stdio::null());
    command
}

/// What a subscriber prints of so many lines, all of them through one proxy; some of its connections were cut.
fn printed(server: SocketAddr, line: Line, seed: u64, qos: u8) -> Vec<usize> {
    let proxy = Proxy::start(seed, line, server);
    let version = if seed.is_multiple_of(2) { "5" } else { "311" };
    let place = format!("cuts/{}/{qos}/{seed}", std::process::id());
    let as_usual = |tool| format!("{tool} -V {version} -t {place} -q {qos} -c -i {tool}/{place}");
    // The session is there before anything is published.
    let made = tool(server, &format!("{} -E", as_usual("sub"))).status().expect("it was built");
    assert!(made.success(), "seed {seed}: {made}");

    let mut subscriber = tool(proxy.address, &format!("{} -W {PATIENCE}", as_usual("sub")));
    let mut subscriber =
        Tool(subscriber.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it was built"));
    let mut publisher = tool(proxy.address, &format!("{} -l --patience {PATIENCE}", as_usual("pub")));
    let mut publisher =
        Tool(publisher.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it was built"));
    let lines: String = (0..LINES).map(|n| format!("line {n}\n")).collect();
    publisher.0.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("it reads them");
    let mut said = String::new();
    publisher.0.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    let status = publisher.0.wait().expect("it was started");
    assert!(status.success(), "seed {seed}: {status}: {said}");

    // Behind all that came before; and not through the proxy, so that it comes once.
    let last = tool(server, &format!("pub -V {version} -t {place} -q {qos} -m {LAST}")).status();
    assert!(last.expect("it was built").success(), "seed {seed}");
    let printed = BufReader::new(subscriber.0.stdout.take().expect("piped")).lines();
    let number =
        |line: String| line.strip_prefix("line ").and_then(|n| n.parse().ok()).expect("a line of these");
    let numbers =
        printed.map(|line| line.expect("text")).take_while(|line| line != LAST).map(number).collect();
    assert!(proxy.cuts() >= CUTS, "seed {seed}: {} cuts prove nothing", proxy.cuts());
    numbers
}

/// What came of one seed.
struct Run {
    seed: u64,
    /// Those of the lines that were printed.
    numbers: Vec<usize>,
    seconds: f64,
}

/// Several at the same time: they wait for most of it.
fn for_each_seed(qos: u8, judge: impl Fn(Run) + Sync) {
    let given = std::env::var("CUTS_BROKER").ok().map(|address| address.parse().expect("ADDR:PORT"));
    let ours = given.is_none().then(|| Broker::start(&["--shards", "2"]));
    let server = given.or(ours.as_ref().map(|broker| broker.address)).expect("one of the two");
    let is_ours = ours.is_some();
    for seeds in seeds().chunks(AT_A_TIME) {
        std::thread::scope(|scope| {
            for seed in seeds {
                let judge = &judge;
                scope.spawn(move || {
                    let (clock, seed) = (Clock::start(), *seed);
                    let begun = clock.now();
                    // Other brokers send all that is left at once after each break: a fast line would never carry an answer.
                    let line = if is_ours && seed / 2 % 2 == 0 { Line::Fast } else { Line::Slow };
                    let numbers = printed(server, line, seed, qos);
                    judge(Run {
                        seed,
                        numbers,
                        seconds: clock.now().saturating_duration_since(begun).as_secs_f64(),
                    });
                });
            }
        });
    }
}

#[test]
fn with_qos_2_each_line_comes_once_and_in_its_order() {
    for_each_seed(2, |Run { seed, numbers, seconds }| {
        let wrong = numbers.iter().enumerate().find(|(place, number)| place != *number);
        assert_eq!(wrong, None, "seed {seed}: the first that stands where it should not");
        assert_eq!(numbers.len(), LINES, "seed {seed}");
        println!("QoS 2, seed {seed}: {seconds:.1} s");
    });
}

#[test]
fn with_qos_1_each_line_comes_and_first_in_its_order() {
    for_each_seed(1, |Run { seed, numbers, seconds }| {
        let mut next = 0;
        for number in numbers {
            assert!(number <= next, "seed {seed}: {number} comes before {next}");
            next = next.max(number + 1);
        }
        assert_eq!(next, LINES, "seed {seed}");
        println!("QoS 1, seed {seed}: {seconds:.1} s");
    });
}
