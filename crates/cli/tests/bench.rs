//! `tidewire bench`, as a process: what it counts is what there was.
#![cfg(unix)]
#[path = "common/broker.rs"]
mod broker;
#[expect(dead_code, reason = "other tools are told more")]
#[path = "common/server.rs"]
mod server;

use broker::Broker;
use serde_json::Value;
use server::{Server, Wire};
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

fn broker() -> Broker {
    Broker::start(&["--shards", "2"])
}

/// `tidewire bench WHAT WORDS…` with this server.
fn bench(server: SocketAddr, what: &str, words: &[&str]) -> Command {
    let (ip, port) = (server.ip().to_string(), server.port().to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire"));
    command.args(["bench", what, "-h", &ip, "-p", &port]).args(words).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one object of JSON")
}

/// What a bench measures that has nothing to complain about.
fn measured(server: SocketAddr, what: &str, words: &[&str]) -> Value {
    let output = bench(server, what, &[words, &["--json"]].concat()).output().expect("it was built");
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""), "{words:?}");
    let object = json(&output);
    assert_eq!((&object["end"], &object["bench"]), (&"done".into(), &what.into()));
    object
}

fn assert_counts(object: &Value, counts: &[(&str, u64)]) {
    for (pointer, expected) in counts {
        assert_eq!(object.pointer(pointer).and_then(Value::as_u64), Some(*expected), "{pointer} of {object}");
    }
}

/// One that runs; killed if a test fails.
struct Running {
    child: Option<Child>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Running {
    /// All its clients are there.
    fn start(server: SocketAddr, what: &str, words: &[&str]) -> Self {
        let mut command = bench(server, what, &[words, &["--json", "-d"]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it was built");
        let mut errors = BufReader::new(child.stderr.take().expect("piped")).lines();
        let line = errors.next().expect("it says so before it ends").expect("text");
        assert!(line.contains("clients are there"), "{line}");
        Self { child: Some(child), errors }
    }

    fn signal(&self, signal: &str) {
        kill(self.child.as_ref().expect("it has not ended"), signal);
    }

    /// Its exit code, its object, and what it had to say.
    fn end(mut self) -> (Option<i32>, Value, String) {
        let output = self.child.take().expect("it ends once").wait_with_output().expect("it was started");
        let said: Vec<_> = self.errors.by_ref().map(|line| line.expect("text")).collect();
        (output.status.code(), json(&output), said.join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn kill(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill").success());
}

#[test]
fn each_connection_counts() {
    let broker = broker();
    let object = measured(broker.address, "conn", &["--clients", "40", "--source", "127.0.0.1"]);
    assert_counts(&object, &[("/clients", 40), ("/connected/count", 40), ("/refused", 0)]);
    assert!(object["connected"]["latency_us"]["max"].as_u64() > Some(0), "{object}");
}

#[test]
fn each_message_that_is_published_counts() {
    let broker = broker();
    for (version, qos) in [("5", "0"), ("5", "1"), ("5", "2"), ("311", "2")] {
        let words = ["--clients", "3", "--count", "500", "-q", qos, "-V", version, "--in-flight", "7"];
        let object = measured(broker.address, "pub", &words);
        assert_counts(&object, &[("/clients", 3), ("/sent", 1500), ("/published/count", 1500)]);
    }
}

#[test]
fn letters_stand_for_a_client() {
    let broker = broker();
    let listening = Running::start(broker.address, "sub", &["-t", "%c/+/%i", "-i", "me", "--count", "4"]);
    let words = ["--clients", "2", "--count", "2", "-i", "a%i", "-t", "me/%c/1", "--size", "100", "-q", "1"];
    assert_counts(&measured(broker.address, "pub", &words), &[("/size_bytes", 100), ("/sent", 4)]);
    let (code, object, said) = listening.end();
    assert_eq!(code, Some(0), "{said}");
    assert_counts(&object, &[("/delivered/count", 4), ("/lost", 0), ("/duplicates", 0), ("/disorder", 0)]);
}

/// Four messages that another bench might have sent, of which one came late, one twice and one not at all.
#[test]
fn a_subscriber_sees_what_is_lost_twice_there_and_late() {
    let broker = broker();
    let listening = Running::start(broker.address, "sub", &["-t", "t", "-q", "1", "--count", "5"]);
    for sequence in [0_u64, 3, 1, 1] {
        let mut message = [&b"tw"[..], &[0, 1], &[0, 0, 0, 7], &sequence.to_be_bytes()].concat();
        message.extend([0; 8]);
        publish(&broker, &message);
    }
    publish(&broker, b"something else");
    let (code, object, said) = listening.end();
    assert_eq!(code, Some(0), "{said}");
    let counts =
        [("/delivered/count", 4), ("/lost", 1), ("/duplicates", 1), ("/disorder", 1), ("/foreign", 1)];
    assert_counts(&object, &counts);
}

fn publish(broker: &Broker, payload: &[u8]) {
    let (ip, port) = (broker.address.ip().to_string(), broker.address.port().to_string());
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidewire"))
        .args(["pub", "-h", &ip, "-p", &port, "-t", "t", "-q", "1", "-s"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("it was built");
    child.stdin.take().expect("piped").write_all(payload).expect("it reads");
    assert!(child.wait().expect("it was started").success());
}

#[test]
fn what_is_published_is_what_is_delivered() {
    let broker = broker();
    for (words, sent, delivered) in [
        (&["--clients", "4", "-q", "0"][..], 1200, 1200),
        (&["--clients", "4", "-q", "1"], 1200, 1200),
        (&["--clients", "4", "-q", "2"], 1200, 1200),
        // Fan-in, and fan-out.
        (&["--clients", "4", "--subscribers", "1", "--filter", "bench/+", "-q", "1"], 1200, 1200),
        (&["--clients", "1", "--subscribers", "5", "-t", "all", "-q", "1"], 300, 1500),
    ] {
        let object = measured(broker.address, "pubsub", &[words, &["--count", "300"]].concat());
        assert_counts(&object, &[("/sent", sent), ("/published/count", sent), ("/expected", delivered)]);
        assert_counts(&object, &[("/delivered/count", delivered), ("/lost", 0), ("/duplicates", 0)]);
        assert_counts(&object, &[("/disorder", 0), ("/foreign", 0)]);
    }
}

#[test]
fn a_rate_is_kept() {
    let broker = broker();
    let words = ["--clients", "2", "--rate", "400", "--count", "80", "-q", "1"];
    let object = measured(broker.address, "pubsub", &words);
    assert_counts(&object, &[("/sent", 160), ("/delivered/count", 160), ("/lost", 0)]);
    // The last one is due 159/400 of a second after the first.
    assert!(object["delivered"]["rate"].as_f64().is_some_and(|rate| rate < 410.0), "{object}");
}

#[test]
fn people_get_a_table() {
    let broker = broker();
    let output =
        bench(broker.address, "pubsub", &["--count", "10", "-q", "1"]).output().expect("it was built");
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<_> = printed.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(lines, ["bench", "", "connected", "acknowledged", "delivered", "lost"], "{printed}");
    assert!(
        printed.contains("p99.9 ms") && printed.ends_with("lost 0, duplicates 0, disorder 0\n"),
        "{printed}"
    );
}

#[test]
fn who_has_seen_enough_gets_the_summary_so_far() {
    let broker = broker();
    let running = Running::start(broker.address, "pubsub", &["--clients", "2", "--rate", "1000", "-q", "1"]);
    running.signal("-INT");
    let (code, object, said) = running.end();
    assert_eq!((code, &object["end"], said.as_str()), (Some(130), &"interrupted".into(), ""));
    assert_counts(&object, &[("/lost", 0), ("/duplicates", 0), ("/disorder", 0)]);
    assert_eq!(object["sent"], object["delivered"]["count"]);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    for what in ["conn", "pub", "sub", "pubsub"] {
        let output = bench(nobody, what, &["--clients", "5", "--json"]).output().expect("it was built");
        let (said, object) = (said(&output), json(&output));
        assert_eq!((output.status.code(), &object["end"]), (Some(1), &"failed".into()), "{said}");
        assert!(said.lines().count() == 1 && said.contains(&nobody.to_string()), "{said}");
        assert!(said.contains("-h and -p"), "{said}");
        assert_counts(&object, &[("/connected/count", 0)]);
    }
}

#[test]
fn a_server_that_goes_away_ends_it_with_what_there_was() {
    for what in ["conn", "pub", "sub", "pubsub"] {
        let broker = broker();
        let traffic = ["--clients", "3", "-q", "1"];
        let words = if what == "conn" { &["--clients", "3", "--seconds", "60"] } else { &traffic[..] };
        let running = Running::start(broker.address, what, words);
        kill(&broker.child, "-TERM");
        let (code, object, said) = running.end();
        assert_eq!((code, &object["end"]), (Some(0x8b), &"failed".into()), "{what}: {said}");
        assert!(said.lines().count() == 1 && said.contains(&broker.address.to_string()), "{said}");
        assert_counts(&object, &[("/connected/count", if what == "pubsub" { 6 } else { 3 })]);
    }
}

#[test]
fn a_server_that_lets_in_only_some_is_told_with_how_many() {
    let broker = Broker::start(&["--shards", "1", "--limit", "connections=4"]);
    let words = ["--clients", "10", "--ramp", "200", "--json"];
    let output = bench(broker.address, "conn", &words).output().expect("it was built");
    let (said, object) = (said(&output), json(&output));
    assert!(output.status.code().is_some_and(|code| code > 0), "{said}");
    assert_counts(&object, &[("/connected/count", 4), ("/refused", 6)]);
    assert!(said.contains("6 of 10 clients were not let in"), "{said}");
}

#[test]
fn what_makes_no_sense_is_answered_with_what_does() {
    for (words, word) in [
        (&["pub", "--size", "23"][..], "24"),
        (&["pub", "--rate", "0"], "such as 1000"),
        (&["pub", "-t", "a/#"], "name one topic"),
        (&["sub", "-t", "$share/g/a"], "leave out $share"),
        (&["conn", "--source", "here"], "--source"),
        (&["all"], "all"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tidewire")).arg("bench").args(words).output();
        let output = output.expect("it was built");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.lines().count() == 1 && said.contains(word), "{words:?}: {said}");
    }
}

/// What a bench comes to with a server that does this with its one client.
fn scripted(what: &str, words: &[&str], script: impl FnOnce(&mut Wire) + Send + 'static) -> Output {
    let server = Server::once(script);
    let output = bench(server.address, what, &[words, &["--json"]].concat()).output().expect("it was built");
    server.join();
    output
}

#[test]
fn what_comes_before_the_answer_is_enough() {
    let output = scripted("sub", &["-V", "311", "-k", "1", "--count", "1"], |wire| {
        wire.lets_in(false);
        let (_, subscribe) = wire.packet();
        let stamp = [&b"tw"[..], &[0; 22]].concat();
        wire.says(&[&[0x30, 27, 0, 1, b't'][..], &stamp].concat());
        assert_eq!(wire.packet().0, 0xc0, "PINGREQ: it has heard the message, and waits for the answer");
        wire.says(&[0x90, 3, subscribe[0], subscribe[1], 0]);
        assert_eq!(wire.packet().0, 0xe0, "DISCONNECT");
    });
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_counts(&json(&output), &[("/delivered/count", 1), ("/connected/count", 1)]);
}

#[test]
fn what_the_server_says_of_a_refusal_is_passed_on() {
    let output = scripted("pub", &["-q", "1", "--count", "1"], |wire| {
        wire.lets_in(true);
        let (_, publish) = wire.packet();
        let id = 2 + usize::from(publish[1]);
        let words = [&[0x1f, 0, 7][..], b"go away"].concat();
        wire.says(&[&[0x40, 14, publish[id], publish[id + 1], 0x87, 10][..], &words].concat());
        assert_eq!(wire.packet().0, 0xe0, "DISCONNECT");
    });
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0x87), "{said}");
    assert!(said.contains("NotAuthorized (go away)"), "{said}");
}

/// What waits here would be measured as if the server had it.
#[test]
fn no_more_is_under_way_than_the_server_takes() {
    let output = scripted("pub", &["-q", "1", "--in-flight", "10", "--count", "10"], |wire| {
        assert_eq!(wire.packet().0, 0x10, "CONNECT");
        // Receive Maximum.
        wire.says(&[0x20, 6, 0, 0, 3, 0x21, 0, 3]);
        (0..3).for_each(|_| assert_eq!(wire.packet().0, 0x32, "PUBLISH"));
    });
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_counts(&json(&output), &[("/sent", 3), ("/published/count", 0)]);
}
