//! `cargo xtask bench log`: what a flood of connections that are not MQTT costs with a log, and how much it writes.
use crate::Result;
use crate::shell::{Running, cargo, command, run, step, target};
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So many connections each broker gets, by turns.
const CONNECTIONS: usize = 100_000;
const ROUNDS: usize = 20;
/// At the same time.
const CLIENTS: usize = 4;
/// More lines than this are too many.
const LINES: usize = 100;
/// So many times the CPU time of a broker without a log is too much.
const RATIO: f64 = 1.2;
const PATIENCE: Duration = Duration::from_secs(20);

/// What is said instead of MQTT, or of a CONNECT that there can be.
const MALFORMED: [&[u8]; 8] = [
    b"\0",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x10\xff\xff\xff\xff\x7f",
    b"\x10\x0c\0\x04MQTT\x09\x02\0\x3c\0\0",
    b"\x10\x0c\0\x04MQTT\x04\x03\0\x3c\0\0",
    b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\xff",
];

/// Fails if a log costs too much or says too much.
pub(crate) fn check() -> Result {
    let program = step("the broker", build)?;
    let (without, with) = (Flooded::start(&program, "off")?, Flooded::start(&program, "info")?);
    step("a flood, by turns", || {
        for round in 0..ROUNDS {
            // Nobody is always the second.
            let turns = if round % 2 == 0 { [&without, &with] } else { [&with, &without] };
            for broker in turns {
                broker.flood(CONNECTIONS / ROUNDS)?;
            }
        }
        Ok(())
    })?;
    let measured =
        Measured { without: without.cpu_seconds()?, with: with.cpu_seconds()?, lines: with.lines() };
    println!("{measured}");
    if measured.is_good() { Ok(()) } else { Err("the log costs too much, or says too much".into()) }
}

fn build() -> Result<PathBuf> {
    run(cargo(&["build", "--release", "--package", "tidewire", "--bin", "tidewire"]))?;
    Ok(target().join("release/tidewire"))
}

/// A broker that is flooded.
struct Flooded {
    running: Running,
    address: SocketAddr,
}

impl Flooded {
    fn start(program: &Path, level: &str) -> Result<Self> {
        let mut broker = command(program);
        broker.args(["broker", "--listen", "127.0.0.1:0", "--shards", "1", "--log-level", level]);
        let running = Running::start(broker)?;
        let address = running.wait_for(PATIENCE, |line| {
            let (_, rest) = line.split_once("listening on ")?;
            rest.split_whitespace().next()?.parse().ok()
        });
        let address = address.ok_or("the broker does not say where it listens")?;
        Ok(Self { running, address })
    }

    fn flood(&self, connections: usize) -> Result {
        let address = self.address;
        let clients = (0..CLIENTS).map(|client| {
            let mut numbers = (client..connections).step_by(CLIENTS);
            std::thread::spawn(move || numbers.try_for_each(|number| connect(address, number)))
        });
        for client in clients.collect::<Vec<_>>() {
            client.join().map_err(|_| "a client panicked")??;
        }
        Ok(())
    }

    /// In this process and its threads.
    fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.running.id()))?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        Ok(ticks.iter().sum::<f64>() / 100.0)
    }

    /// How many lines of the log there are by now.
    fn lines(&self) -> usize {
        let mut lines = 0;
        // What was left out in the end may still come.
        let _ = self.running.wait_for(Duration::from_secs(11), |line| {
            lines += usize::from(line.contains("Z INFO ") || line.contains("Z WARN "));
            println!("   {line}");
            None::<()>
        });
        lines
    }
}

/// Says something wrong, and waits for the end.
fn connect(address: SocketAddr, number: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&says(number))?;
    // What is left unread on the other side makes the end a reset.
    let _ = stream.read_to_end(&mut Vec::new());
    Ok(())
}

/// One of those that are wrong from the beginning; or a client that is let in and then errs.
fn says(number: usize) -> Vec<u8> {
    if let Some(bytes) = MALFORMED.get(number % (MALFORMED.len() + 1)) {
        return bytes.to_vec();
    }
    let client_id = format!("{number:08}");
    [b"\x10\x14\0\x04MQTT\x04\x02\0\x3c\0\x08", client_id.as_bytes(), b"\x40\x02\0\0"].concat()
}

struct Measured {
    without: f64,
    with: f64,
    lines: usize,
}

impl Measured {
    fn ratio(&self) -> f64 {
        self.with / self.without
    }

    fn is_good(&self) -> bool {
        self.lines <= LINES && self.ratio() <= RATIO
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |seconds: f64| seconds * 1e6 / CONNECTIONS as f64;
        writeln!(f, "CPU for each of {CONNECTIONS} connections that are not MQTT:")?;
        writeln!(f, "without a log {:6.1} us", each(self.without))?;
        writeln!(
            f,
            "with a log    {:6.1} us, {:.2} times as much ({RATIO} is allowed)",
            each(self.with),
            self.ratio()
        )?;
        write!(f, "lines written {:6} ({LINES} are allowed)", self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_or_says_too_much_is_no_good() {
        let measured = |with, lines| Measured { without: 5.0, with, lines };
        assert!(measured(5.9, 100).is_good());
        assert!(!measured(6.1, 100).is_good());
        assert!(!measured(5.0, 101).is_good());
        assert!(measured(5.5, 7).to_string().contains("1.10 times"));
    }
}
