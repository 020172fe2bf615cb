//! A broker, the tools, and servers that say just what a test wants.
use crate::broker::Broker;
use std::io::{BufRead, BufReader, ErrorKind, Lines, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

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

/// What happens on one connection.
pub(crate) type Connection = Box<dyn FnOnce(&mut Wire) + Send>;

/// A server that does what a test says on each of its connections, one after the other.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(connections: Vec<Connection>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("loopback"), connections)
    }

    fn on(listener: TcpListener, connections: Vec<Connection>) -> Self {
        let address = listener.local_addr().expect("bound");
        let thread = std::thread::spawn(move || {
            for connection in connections {
                let (stream, _) = listener.accept().expect("somebody connects");
                stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
                let mut wire = Wire(stream);
                connection(&mut wire);
                wire.closes();
            }
        });
        Self { address, thread }
    }

    pub(crate) fn once(connection: impl FnOnce(&mut Wire) + Send + 'static) -> Self {
        Self::start(vec![Box::new(connection)])
    }

    /// The same, where somebody may have tried before.
    pub(crate) fn with(listener: TcpListener, connection: impl FnOnce(&mut Wire) + Send + 'static) -> Self {
        Self::on(listener, vec![Box::new(connection)])
    }

    /// All has happened as the test says.
    pub(crate) fn join(self) {
        self.thread.join().expect("the server's side of it");
    }
}

/// The server's end of a connection.
pub(crate) struct Wire(TcpStream);

impl Wire {
    /// The first byte of something comes.
    pub(crate) fn begins(&mut self) {
        self.0.read_exact(&mut [0]).expect("something begins to come");
    }

    /// The next packet: its first byte, and what stands behind its length, which is short.
    pub(crate) fn packet(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a packet comes");
        assert!(head[1] < 128, "packets of these tests are short");
        let mut body = vec![0; head[1].into()];
        self.0.read_exact(&mut body).expect("the rest of it");
        (head[0], body)
    }

    pub(crate) fn says(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the client reads");
    }

    /// CONNECT is answered; what stands in it.
    pub(crate) fn lets_in(&mut self, v5: bool) -> Vec<u8> {
        let (first, connect) = self.packet();
        assert_eq!(first, 0x10, "CONNECT");
        self.says(if v5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] });
        connect
    }

    /// SUBSCRIBE to one Topic Filter is answered.
    pub(crate) fn grants(&mut self, v5: bool, qos: u8) {
        let (first, subscribe) = self.packet();
        assert_eq!(first, 0x82, "SUBSCRIBE");
        let [high, low] = [subscribe[0], subscribe[1]];
        if v5 {
            self.says(&[0x90, 4, high, low, 0, qos]);
        } else {
            self.says(&[0x90, 3, high, low, qos]);
        }
    }

    /// A message with QoS 1 and this packet identifier.
    pub(crate) fn publishes(&mut self, v5: bool, packet_id: u8) {
        if v5 {
            self.says(&[0x32, 7, 0, 1, b't', 0, packet_id, 0, b'a' + packet_id]);
        } else {
            self.says(&[0x32, 6, 0, 1, b't', 0, packet_id, b'a' + packet_id]);
        }
    }

    /// Says no more, and reads what still comes: a socket that is dropped with something unread resets the connection.
    fn closes(&mut self) {
        // The client may be gone.
        let _ = self.0.shutdown(Shutdown::Write);
        let mut room = vec![0; 64 * 1024];
        let ends = |_| match self.0.read(&mut room) {
            Ok(read) => read == 0,
            Err(error) => {
                assert_eq!(
                    error.kind(),
                    ErrorKind::ConnectionReset,
                    "the client stays as if nobody had closed"
                );
                true
            }
        };
        assert!((0..1000).any(ends), "the client goes on as if nobody had closed");
    }

    /// All packets until the client closes.
    pub(crate) fn rest(&mut self) -> Vec<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).expect("no reset");
        let (mut packets, mut rest) = (Vec::new(), bytes.as_slice());
        while let Some(length) = rest.get(1) {
            let (packet, after) = rest.split_at(2 + usize::from(*length));
            packets.push(packet.to_vec());
            rest = after;
        }
        packets
    }
}
