//! The log of the broker as a process, on each runtime: that the guide shows it as it is.
#![cfg(unix)]
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use tidewire_driver::suite::PATIENCE;

tidewire_driver::on_each! {
    [tokio, mio, #[cfg(feature = "async-std")] async_std] {
        each_line_of_the_guide_is_what_the_broker_says
        json_has_the_fields_of_the_guide
        a_flood_leaves_few_lines_and_each_connection_is_counted
        #[cfg(target_os = "linux")]
        a_log_that_nobody_reads_holds_up_nobody
    }
}

/// A broker that is up. Killed when it is dropped.
struct Broker {
    child: Child,
    address: SocketAddr,
    lines: Receiver<String>,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Broker {
    fn start(runtime: &str, words: &str) -> Self {
        let binary = env!("CARGO_BIN_EXE_tidewire");
        let (before, words) = words.split_once("exec ").unwrap_or(("", words));
        // On one shard a publisher waits for whom it publishes to.
        let shards = if words.contains("queued_messages=8") { 1 } else { 2 };
        let command = format!(
            "{before} exec {binary} broker --listen 127.0.0.1:0 --shards {shards} --runtime {runtime} {words}"
        );
        let mut sh = Command::new("sh");
        let mut child =
            sh.args(["-c", &command]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh");
        let mut said =
            BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
        let line = said.find(|line| line.starts_with("listening on ")).expect("a banner");
        let address = line.split(' ').nth(2).and_then(|word| word.parse().ok()).expect("an address");
        let errors = BufReader::new(child.stderr.take().expect("piped")).lines();
        let (hand_in, lines) = channel();
        std::thread::spawn(move || errors.map_while(Result::ok).try_for_each(|line| hand_in.send(line)));
        Self { child, address, lines }
    }

    /// The next line of this kind.
    fn line(&self, what: &str) -> String {
        let mut others = vec![];
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if kind(&line) == what => return line,
                Ok(line) => others.push(line),
                Err(_) => panic!("no line says {what}, only {others:#?}"),
            }
        }
    }

    fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream
    }

    /// Sends bytes before anything else, and leaves the connection open.
    fn says(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.dial();
        stream.write_all(bytes).expect("it reads");
        stream
    }

    /// A client of 3.1.1 that was let in: Clean Session or not, with this Keep Alive.
    fn client(&self, client_id: &str, is_clean: bool, keep_alive: u8) -> TcpStream {
        let length = u8::try_from(client_id.len()).expect("short");
        let flags = if is_clean { 2 } else { 0 };
        let head = [0x10, 12 + length, 0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, keep_alive, 0, length];
        let mut stream = self.says(&[&head, client_id.as_bytes()].concat());
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).expect("a CONNACK comes");
        assert_eq!(connack[3], 0, "{client_id} is let in");
        stream
    }

    /// The same, subscribed to `t` with QoS 1.
    fn subscriber(&self, client_id: &str, is_clean: bool) -> TcpStream {
        let mut stream = self.client(client_id, is_clean, 60);
        stream.write_all(SUBSCRIBE).expect("it reads");
        stream.read_exact(&mut [0; 5]).expect("a SUBACK comes");
        stream
    }

    fn kill(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    }
}

const SUBSCRIBE: &[u8] = b"\x82\x06\0\x01\0\x01t\x01";
const PUBLISH: &[u8] = b"\x32\x06\0\x01t\0\x07x";

/// CONNECT of 5.0 as `pump-7`, with Authentication Method SCRAM, user `ada` and password `canary`.
const SCRAM: &[u8] = b"\x10\x28\0\x04MQTT\x05\xc2\0\x3c\x08\x15\0\x05SCRAM\0\x06pump-7\0\x03ada\0\x06canary";

/// The third word.
fn kind(line: &str) -> &str {
    line.split(' ').nth(2).unwrap_or_default().trim_end_matches(':')
}

/// What makes the broker say one line, and the line.
type Provocation = fn(&str) -> String;

const PROVOCATIONS: &[(&str, Provocation)] = &[
    ("started", |runtime| Broker::start(runtime, "").line("started")),
    ("limit-set", |runtime| Broker::start(runtime, "--limit packet_bytes=1MiB").line("limit-set")),
    ("listening", |runtime| Broker::start(runtime, "").line("listening")),
    ("few-files", |runtime| Broker::start(runtime, "ulimit -n 64 && exec ").line("few-files")),
    ("connected", |runtime| {
        let broker = Broker::start(runtime, "");
        let _client = broker.client("pump-7", false, 60);
        broker.line("connected")
    }),
    ("goodbye", |runtime| {
        let broker = Broker::start(runtime, "");
        broker.client("pump-7", true, 60).write_all(&[0xe0, 0]).expect("it reads");
        broker.line("closed")
    }),
    ("no goodbye", |runtime| {
        let broker = Broker::start(runtime, "");
        drop(broker.client("pump-7", true, 60));
        broker.line("closed")
    }),
    ("silence", |runtime| {
        let broker = Broker::start(runtime, "");
        let _client = broker.client("pump-7", true, 1);
        broker.line("closed")
    }),
    ("a fault of a client", |runtime| {
        let broker = Broker::start(runtime, "");
        // PUBACK for Packet Identifier 0.
        broker.client("pump-7", true, 60).write_all(&[0x40, 2, 0, 0]).expect("it reads");
        broker.line("closed")
    }),
    ("a second client of that name", |runtime| {
        let broker = Broker::start(runtime, "");
        let _first = broker.client("pump-7", true, 60);
        let _second = broker.client("pump-7", true, 60);
        broker.line("taken-over")
    }),
    ("a fault of a stranger", |runtime| {
        let broker = Broker::start(runtime, "");
        let _stranger = broker.says(b"GET / HTTP/1.1\r\n\r\n");
        broker.line("refused")
    }),
    ("no Client Identifier", |runtime| {
        let broker = Broker::start(runtime, "");
        let _client = broker.says(b"\x10\x0c\0\x04MQTT\x04\0\0\x3c\0\0");
        broker.line("refused")
    }),
    ("no such authentication", |runtime| {
        let broker = Broker::start(runtime, "");
        let _client = broker.says(SCRAM);
        broker.line("refused")
    }),
    ("a stranger that says nothing", |runtime| {
        let broker = Broker::start(runtime, "--limit connect_seconds=1");
        let _stranger = broker.dial();
        broker.line("refused")
    }),
    ("the server's topics", |runtime| {
        let broker = Broker::start(runtime, "");
        broker.client("pump-7", true, 60).write_all(b"\x30\x08\0\x06$SYS/x").expect("it reads");
        broker.line("may-not")
    }),
    ("too many subscriptions", |runtime| {
        let broker = Broker::start(runtime, "--limit subscriptions=1");
        let mut client = broker.subscriber("pump-7", true);
        client.write_all(b"\x82\x0a\0\x02\0\x01u\x01\0\x01v\x01").expect("it reads");
        broker.line("limit-met")
    }),
    ("a slow subscriber", |runtime| {
        let broker = Broker::start(runtime, "--limit queued_messages=8");
        let _slow = broker.subscriber("board", true);
        let mut publisher = broker.client("pump-7", true, 60);
        // QoS 0 to `t`, a million bytes.
        let message = [&[0x30, 0xc3, 0x84, 0x3d, 0, 1, b't'][..], &[b'x'; 1_000_000]].concat();
        // It ends when the broker reads no more, and then is killed.
        std::thread::spawn(move || while publisher.write_all(&message).is_ok() {});
        broker.line("paused")
    }),
    ("a full queue", |runtime| {
        let broker = Broker::start(runtime, "--limit queued_messages=1");
        drop(broker.subscriber("board", false));
        broker.line("closed");
        let mut publisher = broker.client("pump-7", true, 60);
        publisher.write_all(&[PUBLISH, PUBLISH].concat()).expect("it reads");
        broker.line("queue-full")
    }),
    ("the end of a session", |runtime| {
        let broker = Broker::start(runtime, "");
        drop(broker.subscriber("board", false));
        broker.line("closed");
        let mut publisher = broker.client("pump-7", true, 60);
        publisher.write_all(PUBLISH).expect("it reads");
        publisher.read_exact(&mut [0; 4]).expect("a PUBACK comes");
        let _clean = broker.client("board", true, 60);
        broker.line("dropped")
    }),
    ("no more files", |runtime| {
        let broker = Broker::start(runtime, "ulimit -n 64 && exec ");
        let _crowd: Vec<_> = (0..100).map(|_| broker.dial()).collect();
        broker.line("accept-paused")
    }),
    ("SIGHUP", |runtime| {
        let broker = Broker::start(runtime, "");
        broker.kill("-HUP");
        broker.line("signal-ignored")
    }),
    ("the end is told", |runtime| {
        let broker = Broker::start(runtime, "");
        broker.kill("-TERM");
        broker.line("stopping")
    }),
    ("the end", |runtime| {
        let broker = Broker::start(runtime, "");
        broker.kill("-TERM");
        broker.line("stopped")
    }),
];

const GUIDE: &str = include_str!("../../../docs/LOG.md");

/// The lines that the guide shows as text, as often as there are some.
fn shown() -> Vec<&'static str> {
    GUIDE.lines().filter(|line| line.starts_with("20")).collect()
}

/// A line without what is different each time.
fn masked(line: &str) -> String {
    let words = line.split(' ').enumerate().map(|(at, word)| match (at, word) {
        (0, _) => "TIME".to_owned(),
        (_, "tokio" | "mio" | "async-std") => "RUNTIME".to_owned(),
        _ => without_address(word),
    });
    let line = words.collect::<Vec<_>>().join(" ");
    let version = line.find("started: tidewire ").map(|at| at + "started: tidewire ".len());
    match version.and_then(|at| Some((at, line[at..].find(',')?))) {
        Some((at, length)) => format!("{}VERSION{}", &line[..at], &line[at + length..]),
        None => line,
    }
}

/// `127.0.0.1:51312` is another one each time.
fn without_address(word: &str) -> String {
    match word.split_once("127.0.0.1:") {
        Some((before, rest)) => {
            format!("{before}ADDRESS{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => word.to_owned(),
    }
}

fn each_line_of_the_guide_is_what_the_broker_says(runtime: &str) {
    let said: Vec<_> = PROVOCATIONS.iter().map(|(what, provoke)| (what, provoke(runtime))).collect();
    let shown: Vec<_> = shown().into_iter().map(masked).collect();
    for (what, line) in &said {
        assert!(shown.contains(&masked(line)), "docs/LOG.md does not show the line for {what}:\n{line}");
    }
    let said: Vec<_> = said.iter().map(|(_, line)| masked(line)).collect();
    for line in &shown {
        assert!(said.contains(line), "docs/LOG.md shows what nothing provokes here:\n{line}");
    }
}

fn json_has_the_fields_of_the_guide(runtime: &str) {
    let broker = Broker::start(runtime, "--log-format json");
    broker.client("pump-7", true, 60).write_all(&[0x40, 2, 0, 0]).expect("it reads");
    let line = broker.lines.iter().find(|line| line.contains("\"what\":\"closed\"")).expect("a line");
    let shown = GUIDE.lines().find(|line| line.starts_with('{')).expect("the guide shows one");
    let fields = |line: &str| -> Vec<(String, String)> {
        let inner = line.trim_start_matches("{\"").trim_end_matches("\"}").to_owned();
        let pairs = inner.split("\",\"").filter_map(|pair| pair.split_once("\":\""));
        pairs
            .map(|(name, value)| match name {
                "at" => (name.into(), "TIME".into()),
                _ => (name.into(), without_address(value)),
            })
            .collect()
    };
    assert_eq!(fields(&line), fields(shown));
}

fn a_flood_leaves_few_lines_and_each_connection_is_counted(runtime: &str) {
    const CONNECTIONS: u64 = 2000;
    let broker = Broker::start(runtime, "");
    for _ in 0..CONNECTIONS {
        let mut stranger = broker.says(SCRAM);
        let mut answer = vec![];
        stranger.read_to_end(&mut answer).expect("a refusal, and the end");
        assert_eq!(answer.first(), Some(&0x20));
    }
    broker.kill("-TERM");
    let lines: Vec<_> = broker.lines.iter().collect();
    let refused: Vec<_> = lines.iter().filter(|line| kind(line) == "refused").collect();
    assert!(refused.len() <= 10, "{refused:#?}");
    let more = |line: &String| -> u64 {
        let number = line.split_once(" more in ").and_then(|(before, _)| before.rsplit(' ').next());
        number.map_or(0, |number| number.parse().expect("a number"))
    };
    let with_a_line = refused.iter().filter(|line| line.contains("client=")).count() as u64;
    assert_eq!(with_a_line + refused.iter().copied().map(more).sum::<u64>(), CONNECTIONS);
    assert!(!lines.iter().any(|line| line.contains("canary")), "a password is nobody's business");
}

#[cfg(target_os = "linux")]
fn a_log_that_nobody_reads_holds_up_nobody(runtime: &str) {
    let (_nobody_reads, mut full) = std::io::pipe().expect("a pipe");
    full.write_all(&[b'x'; 65_536]).expect("as much as a pipe holds");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidewire"))
        .args(["broker", "--listen", "127.0.0.1:0", "--shards", "2", "--runtime", runtime])
        .stdout(Stdio::piped())
        .stderr(full)
        .spawn()
        .expect("it was built");
    let mut said =
        BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
    let line = said.find(|line| line.starts_with("listening on ")).expect("a banner");
    let address = line.split(' ').nth(2).and_then(|word| word.parse().ok()).expect("an address");
    let (_, lines) = channel();
    let mut broker = Broker { child, address, lines };
    for round in 0..100 {
        let mut client = broker.client(&format!("c{round}"), true, 60);
        client.write_all(&[0xc0, 0]).expect("it reads");
        client.read_exact(&mut [0; 2]).expect("a PINGRESP comes");
    }
    broker.kill("-TERM");
    assert_eq!(broker.child.wait().expect("it was started").code(), Some(0), "it ends in order");
}

#[test]
fn the_guide_explains_each_kind_of_line() {
    for what in tidewire_server::log::Occurrence::WHATS {
        assert!(GUIDE.contains(&format!("\n| `{what}` |")), "docs/LOG.md has no row for {what}");
    }
}
