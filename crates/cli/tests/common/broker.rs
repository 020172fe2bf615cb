//! A broker as a process.
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// One that is up, until it is dropped.
pub(crate) struct Broker {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Broker {
    /// `tidewire broker WORDS…`, on some port.
    pub(crate) fn start(words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidewire"))
            .args(["broker", "--listen", "127.0.0.1:0", "--log-level", "error"])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map(|l| l.expect("text"));
        let address = up(&mut lines);
        Self { child, address }
    }
}

/// Reads what a broker says until it is ready: whom it lets in, and where.
pub(crate) fn up(lines: &mut impl Iterator<Item = String>) -> SocketAddr {
    let line = lines.find(|line| line.starts_with("listening on ")).expect("a banner");
    assert!(line.contains("anonymous"), "{line}");
    let address = line.split(' ').nth(2).and_then(|word| word.parse().ok()).expect("an address");
    lines.find(|line| line == "ready").expect("it is ready");
    address
}
