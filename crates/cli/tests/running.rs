//! The broker as a process, on each runtime: its limits, its signals, its end.
#![cfg(unix)]
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use tidewire_driver::suite::PATIENCE;

tidewire_driver::on_each! {
    [tokio, mio, #[cfg(feature = "async-std")] async_std] {
        #[cfg(target_os = "linux")]
        out_of_descriptors_it_serves_who_is_there_idles_and_recovers
        a_signal_ends_it_in_order
        #[cfg(target_os = "linux")]
        who_does_not_read_what_it_prints_holds_up_no_end
        a_second_signal_ends_it_at_once
        a_hangup_is_said_and_ends_nothing
    }
}

/// A broker that is up. Killed if a test fails.
struct Broker {
    child: Child,
    address: SocketAddr,
    output: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Broker {
    /// Under `ulimit -n`.
    fn start(runtime: &str, descriptors: u32) -> Self {
        let binary = env!("CARGO_BIN_EXE_tidewire");
        let command = format!(
            "ulimit -n {descriptors} && exec {binary} broker --listen 127.0.0.1:0 --shards 2 --runtime {runtime}"
        );
        let mut sh = Command::new("sh");
        let mut child =
            sh.args(["-c", &command]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh");
        let mut output = BufReader::new(child.stdout.take().expect("piped")).lines();
        let errors = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut said = output.by_ref().map(|line| line.expect("text"));
        let line = said.find(|line| line.starts_with("listening on ")).expect("a banner");
        assert!(line.contains("anonymous"), "{line}");
        let address = line.split(' ').nth(2).and_then(|word| word.parse().ok()).expect("an address");
        said.find(|line| line == "ready").expect("it is ready");
        Self { child, address, output, errors }
    }

    fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream
    }

    /// A client with 5.0.
    fn connected(&self, client_id: &str) -> TcpStream {
        let mut stream = self.dial();
        let length = u8::try_from(client_id.len()).expect("short");
        let head = [0x10, 13 + length, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, length];
        stream.write_all(&[&head, client_id.as_bytes()].concat()).expect("it reads");
        let mut connack = [0; 2];
        stream.read_exact(&mut connack).expect("a CONNACK comes");
        assert_eq!(connack[0], 0x20);
        let mut body = vec![0; connack[1].into()];
        stream.read_exact(&mut body).expect("its body comes");
        assert_eq!(body[1], 0, "{client_id} is let in");
        stream
    }

    /// The next line of the log that is a warning.
    #[cfg(target_os = "linux")]
    fn warning(&mut self) -> String {
        let mut lines = self.errors.by_ref().map(|line| line.expect("text"));
        lines.find(|line| line.contains(" WARN ")).expect("it warns")
    }

    fn kill(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    }

    fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it was started")
    }

    /// Seconds of CPU time.
    #[cfg(target_os = "linux")]
    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
        let ticks = |field: &str| field.parse::<f64>().expect("a number");
        (ticks(fields[11]) + ticks(fields[12])) / 100.0
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_answered(stream: &mut TcpStream) -> bool {
    stream.write_all(&[0xc0, 0]).expect("it reads");
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).expect("a PINGRESP comes");
    answer == [0xd0, 0]
}

#[cfg(target_os = "linux")]
fn out_of_descriptors_it_serves_who_is_there_idles_and_recovers(runtime: &str) {
    let mut broker = Broker::start(runtime, 64);
    let warned = broker.warning();
    assert!(warned.contains(" few-files: ") && warned.contains("64 files"), "{warned}");
    let mut early = broker.connected("early");
    let crowd: Vec<_> = (0..100).map(|_| broker.dial()).collect();
    let warned = broker.warning();
    assert!(warned.contains(" accept-paused ") && warned.contains("have to wait"), "{warned}");
    assert!(warned.contains("ulimit"), "{warned}");
    let before = broker.cpu_seconds();
    assert!(is_answered(&mut early));
    drop(crowd);
    // It is tried again within a second, and what went away in the backlog is passed over.
    let mut late = broker.connected("late");
    assert!(is_answered(&mut late) && is_answered(&mut early));
    assert!(broker.cpu_seconds() - before < 0.5, "it spins");
}

fn a_signal_ends_it_in_order(runtime: &str) {
    for signal in ["-TERM", "-INT"] {
        let mut broker = Broker::start(runtime, 1000);
        let mut client = broker.connected("c");
        broker.kill(signal);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).expect("no reset");
        assert_eq!(rest, [0xe0, 1, 0x8b], "Server shutting down");
        drop(client);
        assert!(broker.output.next().expect("a line").expect("text").contains("stopping"));
        assert_eq!(broker.wait().code(), Some(0));
    }
}

#[cfg(target_os = "linux")]
fn who_does_not_read_what_it_prints_holds_up_no_end(runtime: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut broker = Broker::start(runtime, 1000);
    let mut client = broker.connected("c");
    // Its pipe, by a handle of our own that doesn't wait (O_NONBLOCK).
    let pipe = format!("/proc/{}/fd/1", broker.child.id());
    let mut pipe = std::fs::File::options().write(true).custom_flags(0o4000).open(pipe).expect("a pipe");
    for size in [4096, 1] {
        while pipe.write(&vec![b'\n'; size]).is_ok() {}
    }
    broker.kill("-TERM");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("no reset");
    assert_eq!(rest, [0xe0, 1, 0x8b], "Server shutting down");
    drop(client);
    assert_eq!(broker.wait().code(), Some(0));
}

fn a_second_signal_ends_it_at_once(runtime: &str) {
    let mut broker = Broker::start(runtime, 1000);
    let client = broker.connected("never goes");
    broker.kill("-TERM");
    assert!(broker.output.next().expect("a line").expect("text").contains("stopping"));
    broker.kill("-TERM");
    assert_eq!(broker.wait().code(), Some(143));
    drop(client);
}

fn a_hangup_is_said_and_ends_nothing(runtime: &str) {
    let mut broker = Broker::start(runtime, 1000);
    let mut client = broker.connected("c");
    broker.kill("-HUP");
    let mut lines = broker.errors.by_ref().map(|line| line.expect("text"));
    lines.find(|line| line.contains(" signal-ignored: SIGHUP")).expect("it says so");
    assert!(is_answered(&mut client));
    assert!(is_answered(&mut broker.connected("another")));
}
