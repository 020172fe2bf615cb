//! A broker, and the tools.
use crate::broker::Broker;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// On two shards, for small packets.
pub(crate) fn broker() -> Broker {
    Broker::start(&["--shards", "2", "--limit", "packet_bytes=64KiB"])
}

impl Broker {
    /// `tidewire TOOL WORDS…` with this broker.
    pub(crate) fn tool(&self, words: &[&str]) -> Command {
        tool(self.address, words)
    }

    /// Publishes, and is done.
    pub(crate) fn publish(&self, words: &[&str]) {
        let output = self.tool(&[&["pub"], words].concat()).output().expect("it was built");
        assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {}", said(&output));
    }

    /// Publishes this text as it comes from a pipe.
    pub(crate) fn pipe(&self, words: &[&str], input: &[u8]) -> Output {
        fed(self.tool(&[&["pub"], words].concat()), input)
    }

    /// What is printed by a subscriber that ends by itself.
    pub(crate) fn subscribe(&self, words: &[&str]) -> Output {
        self.tool(&[&["sub", "-W", "20"], words].concat()).output().expect("it was built")
    }

    /// A subscriber that has its SUBACK.
    pub(crate) fn subscriber(&self, words: &[&str]) -> Running {
        Running::subscribed(self.tool(&[&["sub", "-d", "-W", "20"], words].concat()))
    }
}

/// `tidewire TOOL WORDS…` with the server at this address.
pub(crate) fn tool(server: SocketAddr, words: &[&str]) -> Command {
    let (ip, port) = (server.ip().to_string(), server.port().to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire"));
    command.args(&words[..1]).args(["-h", &ip, "-p", &port]).args(&words[1..]).stdin(Stdio::null());
    command
}

/// What becomes of a program that reads this.
pub(crate) fn fed(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it was built");
    // It may end before it has read everything.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("it was started")
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One that runs; killed if a test fails.
pub(crate) struct Running {
    child: Option<Child>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Running {
    /// It has its SUBACK.
    pub(crate) fn subscribed(command: Command) -> Self {
        Self::start(command, "subscribed: ")
    }

    /// It has said a line with this.
    pub(crate) fn start(mut command: Command, word: &str) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it was built");
        let errors = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut running = Self { child: Some(child), errors };
        running.waits_for(word);
        running
    }

    /// Until it says a line with this.
    pub(crate) fn waits_for(&mut self, word: &str) -> String {
        let mut lines = self.errors.by_ref().map(|line| line.expect("text"));
        lines.find(|line| line.contains(word)).expect("it says so before it ends")
    }

    /// It gets this to read, and then the end.
    pub(crate) fn reads(&mut self, input: &[u8]) {
        let stdin = self.child.as_mut().expect("it has not ended").stdin.take();
        stdin.expect("piped").write_all(input).expect("it reads");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it has not ended").id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    }

    /// Nobody reads what it prints from now on.
    pub(crate) fn stop_reading(&mut self) {
        drop(self.child.as_mut().expect("it has not ended").stdout.take());
    }

    /// Its exit code, and what it has printed.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<u8>) {
        let child = self.child.take().expect("it ends once");
        let output = child.wait_with_output().expect("it was started");
        (output.status.code(), output.stdout)
    }

    /// All that it has still to say before it ends.
    pub(crate) fn says(mut self) -> String {
        let said: Vec<_> = self.errors.by_ref().map(|line| line.expect("text") + "\n").collect();
        said.concat()
    }

    pub(crate) fn prints(self, expected: &str) {
        let (code, printed) = self.end();
        assert_eq!((code, String::from_utf8_lossy(&printed).as_ref()), (Some(0), expected));
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
