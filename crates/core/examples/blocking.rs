//! A whole client on nothing but the standard library: `blocking HOST:PORT FILTER` prints what comes.
#![allow(clippy::disallowed_methods, reason = "and a clock")]
use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;
use tidewire_core::client::{Action, Cause, Client, Config, Event, Subscription};
use tidewire_core::{Input, output::Output, qos::QoS, time::Instant, topic::TopicFilter};

/// To connect, and for the server to take what is sent.
const PATIENCE: Duration = Duration::from_secs(3);

fn blocking(server: &str, filter: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::default();
    // A server that can't be reached, or is silent, is the end; a wrong password is in any case.
    (config.reconnect, config.connect_seconds) = (false, 3);
    let mut host = Host {
        start: std::time::Instant::now(),
        client: Client::new(config, &[42; 32]),
        stream: None,
        input: Input::More,
        output: Output::default(),
    };
    host.client.connect(host.now());
    let subscription = Subscription::new(TopicFilter::new(filter)?, QoS::AtLeastOnce);
    host.client.subscribe(&[subscription], None)?;
    let mut buffer = vec![0; 65_536];
    loop {
        while let Some(action) = host.client.poll_action() {
            host.act(action, server, filter)?;
        }
        let due = host.client.poll_timeout();
        let wait = due.map(|due| due.at.saturating_duration_since(host.now()));
        if wait.is_some_and(|wait| wait.is_zero()) {
            host.client.handle_timeout(host.now());
        } else {
            host.read(wait, &mut buffer)?;
        }
    }
}

/// A client, which does no I/O itself, with a clock and the connection that it has.
struct Host {
    start: std::time::Instant,
    client: Client,
    stream: Option<TcpStream>,
    /// What the client wants of the bytes that come: `Hold` leaves them where they are, `Done` throws them away.
    input: Input,
    output: Output,
}

impl Host {
    fn now(&self) -> Instant {
        Instant::default().after(self.start.elapsed())
    }

    /// Does what the client announces.
    fn act(&mut self, action: Action, server: &str, filter: &str) -> Result<(), Box<dyn std::error::Error>> {
        match action {
            Action::Open(_) => match open(server) {
                Ok(stream) => {
                    (self.stream, self.input) = (Some(stream), Input::More);
                    self.client.handle_open(self.now());
                }
                Err(_) => self.client.handle_close(self.now(), Cause::Unreachable),
            },
            Action::Transmit => self.transmit(),
            Action::Close => {
                self.transmit();
                if let Some(stream) = &self.stream {
                    let _ = stream.shutdown(Shutdown::Write);
                    self.input = Input::Done;
                }
            }
            Action::Abort => self.closed(Cause::Reset),
            Action::Resume => self.input = Input::More,
            Action::Message => {
                while let Some(message) = self.client.poll_message(self.now()) {
                    println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload.to_vec()));
                }
            }
            Action::Event => {
                while let Some(event) = self.client.poll_event() {
                    match event {
                        Event::Subscribed(_, answers) if answers[0].is_error() => {
                            return Err(format!("{filter}: {}", answers[0]).into());
                        }
                        Event::Ended(cause) => return Err(cause.into()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes all that the client has to say.
    fn transmit(&mut self) {
        let Some(mut stream) = self.stream.as_ref() else { return };
        while self.client.poll_transmit(self.now(), 65_536, &mut self.output) || !self.output.is_empty() {
            let mut slices: [&[u8]; 1] = [&[]];
            self.output.slices(&mut slices);
            match stream.write(slices[0]) {
                Ok(n) => self.output.advance(n),
                // The next read tells.
                Err(_) => {
                    self.output = Output::default();
                    let _ = stream.shutdown(Shutdown::Both);
                }
            }
        }
    }

    /// Reads once, and no longer than until something is due.
    fn read(&mut self, wait: Option<Duration>, buffer: &mut [u8]) -> std::io::Result<()> {
        let Some(stream) = self.stream.as_mut().filter(|_| self.input != Input::Hold) else {
            // Nothing is to be read; not here, where all is taken as it comes and there is no second attempt.
            std::thread::park_timeout(wait.unwrap_or(PATIENCE));
            return Ok(());
        };
        stream.set_read_timeout(wait)?;
        match stream.read(buffer) {
            Ok(0) => self.closed(Cause::Closed),
            Ok(_) if self.input == Input::Done => {}
            Ok(n) => self.input = self.client.handle_bytes(self.now(), &buffer[..n]),
            Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => {}
            Err(_) => self.closed(Cause::Reset),
        }
        Ok(())
    }

    fn closed(&mut self, cause: Cause) {
        self.stream = None;
        self.client.handle_close(self.now(), cause);
    }
}

/// At whichever of its addresses it is.
fn open(server: &str) -> std::io::Result<TcpStream> {
    let mut result = Err(std::io::ErrorKind::NotFound.into());
    for address in server.to_socket_addrs()? {
        result = TcpStream::connect_timeout(&address, PATIENCE);
        if let Ok(stream) = &result {
            stream.set_write_timeout(Some(PATIENCE))?;
            break;
        }
    }
    result
}

fn main() -> std::process::ExitCode {
    let [Some(server), Some(filter)] = [1, 2].map(|n| std::env::args().nth(n)) else {
        eprintln!("usage: blocking HOST:PORT FILTER");
        return std::process::ExitCode::from(2);
    };
    match blocking(&server, &filter) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
