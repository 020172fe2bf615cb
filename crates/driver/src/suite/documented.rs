//! Programs of the documentation, run as they stand: whatever their server does, each ends, and says why.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::spawn;
use std::time::Duration;
use tidewire_core::codec::{AckKind, Connack, Disconnect, Payload, Properties, Publish, Suback};
use tidewire_core::codec::{Decoder, Item, Limits, Mode, Packet, encode_ack};
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::Text;
use tidewire_core::version::{Role, Version};

/// What it takes to begin; whoever waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the programs wait for CONNACK.
const CONNECT: Duration = Duration::from_secs(3);
/// Who waits for any of several looks at the next after this.
const SOON: Duration = Duration::from_millis(20);
/// After this, whoever knows has said so.
const KNOWING: Duration = Duration::from_secs(1);

/// A program that runs, and is killed with this.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// Line by line.
    out: Receiver<String>,
    error: Receiver<String>,
    /// What it has printed so far, and complained of.
    said: (String, String),
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = String::new();
        while from.read_line(&mut line).is_ok_and(|n| n > 0) && tell.send(std::mem::take(&mut line)).is_ok() {
        }
    });
    told
}

impl Program {
    pub(super) fn start(name: &str, arguments: &[String]) -> Self {
        let mut program = Command::new(place(name));
        program.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().expect("it can be run");
        let out = lines(child.stdout.take().expect("a pipe"));
        let error = lines(child.stderr.take().expect("a pipe"));
        Self { child, out, error, said: Default::default() }
    }

    /// The next line of its output is this.
    pub(super) fn prints(&mut self, line: &str) {
        let next = self.out.recv_timeout(PATIENCE).expect("it prints something in time");
        assert_eq!(next.trim_end(), line);
        self.said.0 += &next;
    }

    /// The next line of its output, if there is one soon.
    pub(super) fn prints_soon(&mut self) -> Option<String> {
        match self.out.recv_timeout(SOON) {
            Ok(line) => Some(line.trim_end().to_owned()),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("it has ended"),
        }
    }

    /// The next line for people is this.
    pub(super) fn complains(&mut self, line: &str) {
        let next = self.error.recv_timeout(PATIENCE).expect("it complains in time");
        assert_eq!(next.trim_end(), line);
        self.said.1 += &next;
    }

    /// It ends in time after each line: whether well, and what it has said to those who read its output, and to people.
    pub(super) fn ends_within(mut self, time: Duration) -> (bool, String, String) {
        for (lines, said) in [(&self.out, &mut self.said.0), (&self.error, &mut self.said.1)] {
            loop {
                match lines.recv_timeout(time) {
                    Ok(line) => *said += &line,
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => panic!("it does not end in time: {said}"),
                }
            }
        }
        let well = self.child.wait().expect("it has ended").success();
        let (out, error) = std::mem::take(&mut self.said);
        (well, out, error)
    }
}

/// Where Cargo puts examples: beside the tests of their package, and built with them.
pub fn place(name: &str) -> PathBuf {
    let mut folder = std::env::current_exe().expect("this is one");
    folder.pop();
    folder.pop();
    let place = folder.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        place.exists(),
        "{}: all tests of a package build its examples, one alone does not",
        place.display()
    );
    place
}

/// Runs an example to its end: whether it ends well, and what it says to those who read its output, and to people.
pub fn run(name: &str, arguments: &[String], patience: Duration) -> (bool, String, String) {
    Program::start(name, arguments).ends_within(patience)
}

/// A server for one connection. It tells when it has done what it does.
fn server(serve: impl FnOnce(TcpStream, Sender<()>) + Send + 'static) -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let (tell, told) = channel();
    spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        serve(stream, tell);
    });
    (address, told)
}

/// Lets everybody in, grants everything, and publishes what is published; a greeting to each subscriber.
struct Good {
    stream: TcpStream,
    tell: Sender<()>,
    /// It says goodbye after the greeting.
    leaves: bool,
}

impl Good {
    fn serve(mut self) {
        let mut decoder = Decoder::new(Mode { role: Role::Server, version: None });
        let (mut buffer, mut kept) = ([0; 4096], Vec::new());
        while let Some(n) = self.stream.read(&mut buffer).ok().filter(|n| *n > 0) {
            kept.extend_from_slice(&buffer[..n]);
            let bytes = std::mem::take(&mut kept);
            let (mut rest, mut out) = (bytes.as_slice(), Vec::new());
            while let Some(item) = decoder.next(&Limits::NONE, &mut rest).expect("it is MQTT") {
                let Item::Packet(packet) = item else { panic!("nothing is large") };
                if !self.answer(&packet, &mut out) {
                    let _ = self.stream.write_all(&out);
                    let _ = self.tell.send(());
                    return;
                }
            }
            kept = rest.to_vec();
            self.stream.write_all(&out).expect("it listens");
        }
    }

    /// False if it is the last.
    fn answer(&self, packet: &Packet<'_>, out: &mut Vec<u8>) -> bool {
        let (reason, properties) = (ReasonCode::Success, Properties::default());
        let mut say = |packet: Packet<'_>| packet.encode(Version::V5, u32::MAX, out).expect("it is small");
        match packet {
            Packet::Connect(_) => {
                say(Packet::Connack(Connack { session_present: false, reason, properties }));
            }
            Packet::Subscribe(subscribe) => {
                let reasons = vec![1; subscribe.filters.len()];
                let packet_id = subscribe.packet_id;
                say(Packet::Suback(Suback { packet_id, properties, reasons: &reasons }));
                if self.leaves {
                    say(greeting());
                    let reason = ReasonCode::ServerShuttingDown;
                    say(Packet::Disconnect(Disconnect { reason, properties }));
                    return false;
                }
            }
            Packet::Publish(publish) => {
                say(greeting());
                if let Some(packet_id) = publish.delivery.packet_id() {
                    encode_ack(AckKind::Puback, packet_id, reason, Version::V5, out);
                }
            }
            Packet::Disconnect(_) => return false,
            _ => {}
        }
        true
    }
}

fn greeting() -> Packet<'static> {
    Packet::Publish(Publish {
        delivery: tidewire_core::codec::Delivery::AtMostOnce,
        retain: false,
        topic: Text::new("sensors/7").expect("it has no U+0000"),
        properties: Properties::default(),
        payload: Payload::Whole(b"21.5"),
    })
}

/// The program in an adapter's documentation, in a module with the runtime's name.
#[macro_export]
macro_rules! documented_program {
    ($runtime:ident, $name:literal) => {
        mod $runtime {
            use $crate::suite::documented;

            #[test]
            fn a_wrong_password_ends_the_documented_program_with_a_line() {
                documented::refused($name, documented::url);
            }

            #[test]
            fn a_server_that_is_not_there_ends_the_documented_program_with_a_line() {
                documented::absent($name, documented::url);
            }

            #[test]
            fn a_server_that_never_answers_ends_the_documented_program_with_a_line() {
                documented::silent($name, documented::url);
            }

            #[test]
            fn a_server_that_leaves_ends_the_documented_program_with_a_line() {
                documented::leaving($name, documented::url, "");
            }

            #[test]
            fn with_a_good_server_the_documented_program_ends_well() {
                documented::good($name, documented::url);
            }
        }
    };
}

/// As the adapters' programs want it.
pub fn url(server: SocketAddr) -> Vec<String> {
    vec![format!("mqtt://{server}")]
}

/// One line, that says why.
fn says(error: &str, why: &str) {
    assert!(error.contains(why) && error.lines().count() == 1, "{error}");
}

/// How a program is called.
pub type Arguments = fn(SocketAddr) -> Vec<String>;

/// A server that refuses a password.
pub fn refused(name: &str, arguments: Arguments) {
    let (address, told) = server(|mut stream, tell| {
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).is_ok_and(|n| n > 0), "CONNECT");
        stream.write_all(&[0x20, 3, 0, 0x87, 0]).expect("it listens");
        let _ = tell.send(());
        // And it does not close.
        while stream.read(&mut buffer).is_ok_and(|n| n > 0) {}
    });
    let program = Program::start(name, &arguments(address));
    told.recv_timeout(PATIENCE).expect("it connects");
    let (well, out, error) = program.ends_within(KNOWING);
    assert_eq!((well, out.as_str()), (false, ""));
    says(&error, "0x87 NotAuthorized");
}

/// Nobody listens.
pub fn absent(name: &str, arguments: Arguments) {
    let address = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    let program = Program::start(name, &arguments(address));
    let (well, out, error) = program.ends_within(KNOWING);
    assert_eq!((well, out.as_str()), (false, ""));
    says(&error, "the server could not be reached");
}

/// A server that accepts and says nothing.
pub fn silent(name: &str, arguments: Arguments) {
    let (address, told) = server(|mut stream, tell| {
        let _ = tell.send(());
        while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    });
    let program = Program::start(name, &arguments(address));
    told.recv_timeout(PATIENCE).expect("it connects");
    let (well, out, error) = program.ends_within(CONNECT + KNOWING);
    assert_eq!((well, out.as_str()), (false, ""));
    says(&error, "the server did not answer in time");
}

/// A server that is as it should be.
pub fn good(name: &str, arguments: Arguments) {
    let (address, told) = server(|stream, tell| Good { stream, tell, leaves: false }.serve());
    let program = Program::start(name, &arguments(address));
    told.recv_timeout(PATIENCE).expect("it says goodbye");
    let (well, out, error) = program.ends_within(KNOWING);
    assert_eq!((well, out.as_str(), error.as_str()), (true, "sensors/7: 21.5\n", ""));
}

/// A server that says goodbye to a program that has not, once it has printed this.
pub fn leaving(name: &str, arguments: Arguments, printed: &str) {
    let (address, told) = server(|stream, tell| Good { stream, tell, leaves: true }.serve());
    let program = Program::start(name, &arguments(address));
    told.recv_timeout(PATIENCE).expect("it subscribes");
    let (well, out, error) = program.ends_within(KNOWING);
    assert_eq!((well, out.as_str()), (false, printed));
    says(&error, "0x8b ServerShuttingDown");
}
