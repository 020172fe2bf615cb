//! A whole client on nothing but the standard library: `blocking HOST:PORT FILTER` prints what comes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example has a screen")]
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
    let start = std::time::Instant::now();
    let now = || Instant::default().after(start.elapsed());
    let mut config = Config::default();
    // A server that can't be reached, or is silent, is the end; a wrong password is in any case.
    (config.reconnect, config.connect_seconds) = (false, 3);
    let mut client = Client::new(config, &[42; 32]);
    client.connect(now());
    client.subscribe(&[Subscription::new(TopicFilter::new(filter)?, QoS::AtLeastOnce)], None)?;
    let (mut stream, mut input) = (None::<TcpStream>, Input::More);
    let (mut buffer, mut output) = (vec![0; 65_536], Output::default());
    loop {
        while let Some(action) = client.poll_action() {
            match (action, &mut stream) {
                (Action::Open(_), _) => match open(server) {
                    Ok(opened) => {
                        (stream, input) = (Some(opened), Input::More);
                        client.handle_open(now());
                    }
                    Err(_) => client.handle_close(now(), Cause::Unreachable),
                },
                (Action::Transmit | Action::Close, Some(stream)) => {
                    while client.poll_transmit(now(), 65_536, &mut output) || !output.is_empty() {
                        let mut slices: [&[u8]; 1] = [&[]];
                        output.slices(&mut slices);
                        match stream.write(slices[0]) {
                            Ok(n) => output.advance(n),
                            // The next read tells.
                            Err(_) => {
                                output = Output::default();
                                let _ = stream.shutdown(Shutdown::Both);
                            }
                        }
                    }
                    if action == Action::Close {
                        let _ = stream.shutdown(Shutdown::Write);
                        input = Input::Done;
                    }
                }
                (Action::Abort, _) => {
                    stream = None;
                    client.handle_close(now(), Cause::Reset);
                }
                (Action::Resume, _) => input = Input::More,
                (Action::Message, _) => {
                    while let Some(message) = client.poll_message(now()) {
                        println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload.to_vec()));
                    }
                }
                (Action::Event, _) => {
                    while let Some(event) = client.poll_event() {
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
        }
        let wait = client.poll_timeout().map(|due| due.at.saturating_duration_since(now()));
        if wait.is_some_and(|wait| wait.is_zero()) {
            client.handle_timeout(now());
            continue;
        }
        let Some(open) = stream.as_mut().filter(|_| input != Input::Hold) else {
            // Nothing is to be read; not here, where all is taken as it comes and there is no second attempt.
            std::thread::park_timeout(wait.unwrap_or(PATIENCE));
            continue;
        };
        open.set_read_timeout(wait)?;
        match open.read(&mut buffer) {
            Ok(n) if n > 0 && input == Input::Done => {}
            Ok(n) if n > 0 => input = client.handle_bytes(now(), &buffer[..n]),
            Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => {}
            end => {
                stream = None;
                client.handle_close(now(), if end.is_ok() { Cause::Closed } else { Cause::Reset });
            }
        }
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
