//! Examples as in mosquitto's documentation, with mosquitto_pub and mosquitto_sub and with `tidewire pub` and
//! `tidewire sub`, in all pairings, against the broker and against Debian's mosquitto: what is printed and the exit
//! codes are the same.
mod table;

use crate::Result;
use crate::count::Count;
use crate::servers::Mosquitto;
use crate::shell::{command, target};
use std::fmt;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use table::{EXAMPLES, Example, STRANGERS};

/// What happens in an example, in words between single spaces; `_` stands for a space in one.
enum Step {
    /// Publishes with these words and this standard input.
    Pub(&'static str, &'static str),
    /// Subscribes until it ends by itself.
    Sub(&'static str),
    /// Subscribes, also to something that is there already; and once that, and this after it, is printed, what comes
    /// next happens.
    Listen(&'static str, &'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Maker {
    Mosquitto,
    Tidewire,
}

/// Whose subscriber, and whose publisher.
const PAIRINGS: [(Maker, Maker); 4] = [
    (Maker::Mosquitto, Maker::Mosquitto),
    (Maker::Mosquitto, Maker::Tidewire),
    (Maker::Tidewire, Maker::Mosquitto),
    (Maker::Tidewire, Maker::Tidewire),
];

pub(super) fn all(broker: SocketAddr) -> Result<Count> {
    let (mosquitto, strict) =
        (Mosquitto::start("allow_anonymous true")?, Mosquitto::start("allow_anonymous false")?);
    let both = [("mosquitto", mosquitto.address), ("tidewire", broker)];
    let mut count = Count::default();
    for example in EXAMPLES {
        count += compare(example, &both);
    }
    for example in STRANGERS {
        count += compare(example, &[("mosquitto", strict.address)]);
    }
    Ok(count)
}

/// One example counts once, however often it is run.
fn compare(example: &Example, brokers: &[(&str, SocketAddr)]) -> Count {
    let versions = if example.versions.is_empty() { &["311", "5"] } else { example.versions };
    let mut count = Count::PASSED;
    for version in versions {
        let runs: Vec<_> = brokers
            .iter()
            .flat_map(|broker| PAIRINGS.map(|(subscriber, publisher)| (broker, subscriber, publisher)))
            .collect();
        let run = |(broker, subscriber, publisher): &(&(&str, SocketAddr), Maker, Maker)| {
            let run = Run::new(broker.1, version, *subscriber, *publisher);
            run.steps(example.steps).map_err(|error| error.to_string())
        };
        // They wait for each other, most of the time.
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = runs.iter().map(|of| scope.spawn(|| run(of))).collect();
            threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
        });
        for ((broker, subscriber, publisher), got) in runs.iter().zip(&outcomes) {
            if got.is_err() || *got != outcomes[0] {
                println!(
                    "{}, {version}, {publisher} to {} to {subscriber}:\n  {got:?}, not\n  {:?}",
                    example.name, broker.0, outcomes[0]
                );
                count = Count::FAILED;
            }
        }
    }
    count
}

/// What one program printed, and how it ended.
#[derive(Clone, PartialEq, Eq)]
struct Outcome {
    code: Option<i32>,
    printed: String,
}

struct Run {
    broker: SocketAddr,
    version: &'static str,
    subscriber: Maker,
    publisher: Maker,
    /// Instead of `~`. All are of one length.
    place: String,
}

impl Run {
    fn new(broker: SocketAddr, version: &'static str, subscriber: Maker, publisher: Maker) -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let place = format!("run{:05}", RUNS.fetch_add(1, Ordering::Relaxed));
        Self { broker, version, subscriber, publisher, place }
    }

    fn steps(&self, steps: &[Step]) -> Result<Vec<Outcome>> {
        let (mut outcomes, mut listening) = (vec![], None);
        for step in steps {
            match step {
                Step::Pub(words, input) => {
                    let child = self.start(self.publisher, "pub", words, input)?;
                    outcomes.push(self.end(child, String::new())?);
                }
                Step::Sub(words) => {
                    let child = self.start(self.subscriber, "sub", words, "")?;
                    outcomes.push(self.end(child, String::new())?);
                }
                Step::Listen(words, sign) => {
                    let sign = sign.replace('~', &self.place);
                    let there = "-r -q 1 -t ~/ready -m ready";
                    self.end(self.start(Maker::Mosquitto, "pub", there, "")?, String::new())?;
                    let words = format!("{words} -t ~/ready -W 20");
                    let mut child = self.start(self.subscriber, "sub", &words, "")?;
                    let printed = read_until(&mut child, &sign)?;
                    listening = Some((child, printed));
                }
            }
        }
        if let Some((child, printed)) = listening {
            outcomes.push(self.end(child, printed)?);
        }
        Ok(outcomes)
    }

    fn start(&self, maker: Maker, tool: &str, words: &str, input: &str) -> Result<Child> {
        let mut program = match maker {
            Maker::Mosquitto => command(format!("mosquitto_{tool}")),
            Maker::Tidewire => {
                let mut program = command(target().join("debug/tidewire"));
                program.arg(tool);
                program
            }
        };
        program.args(["-V", self.version]);
        if !words.contains("-L ") {
            program.args(["-h", &self.broker.ip().to_string(), "-p", &self.broker.port().to_string()]);
        }
        program.args(words.split(' ').map(|word| word.replace('~', &self.place).replace('_', " ")));
        run_with(program, input)
    }

    fn end(&self, mut child: Child, mut printed: String) -> Result<Outcome> {
        let mut rest = Vec::new();
        child.stdout.take().ok_or("it is piped")?.read_to_end(&mut rest)?;
        printed += &String::from_utf8_lossy(&rest);
        Ok(Outcome { code: child.wait()?.code(), printed: printed.replace(&self.place, "~") })
    }
}

fn run_with(mut program: Command, input: &str) -> Result<Child> {
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = program.spawn()?;
    // It may end before it has read anything.
    let _ = child.stdin.take().ok_or("it is piped")?.write_all(input.as_bytes());
    Ok(child)
}

/// What is printed up to this sign and the end of its line, or of what there is.
fn read_until(child: &mut Child, sign: &str) -> Result<String> {
    let stdout = child.stdout.as_mut().ok_or("it is piped")?;
    let (mut printed, mut byte) = (Vec::new(), [0]);
    while !printed.ends_with(sign.as_bytes()) {
        if stdout.read(&mut byte)? == 0 {
            return Err(format!("it ended before it printed `{sign}`").into());
        }
        printed.extend(byte);
    }
    Ok(String::from_utf8_lossy(&printed).into_owned())
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mosquitto => "mosquitto's",
            Self::Tidewire => "tidewire's",
        })
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{:?} with {code}", self.printed),
            None => write!(f, "{:?}", self.printed),
        }
    }
}
