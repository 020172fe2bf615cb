//! A whole client on nothing but the standard library: `blocking HOST:PORT FILTER` prints what comes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example has a screen")]
#![allow(clippy::disallowed_methods, reason = "and a clock")]
use std::io::{ErrorKind::TimedOut, ErrorKind::WouldBlock, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;
use tidewire_core::client::{Action, Cause, Client, Config, Event, Subscription};
use tidewire_core::{output::Output, qos::QoS, time::Instant, topic::TopicFilter};

fn blocking(address: &str, filter: &str) -> Result<(), Box<dyn std::error::Error>> {
    let address = address.to_socket_addrs()?.next().ok_or("it has no address")?;
    let start = std::time::Instant::now();
    let now = || Instant::from_micros(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    let mut config = Config::default();
    // A server that can't be reached, or is silent, is the end; a wrong password is in any case.
    (config.reconnect, config.connect_seconds) = (false, 3);
    let mut client = Client::new(config, &[42; 32]);
    client.connect(now());
    client.subscribe(&[Subscription::new(TopicFilter::new(filter)?, QoS::AtLeastOnce)], None)?;
    let (mut stream, mut buffer, mut output) = (None::<TcpStream>, vec![0; 65_536], Output::default());
    loop {
        // Until it announces nothing more. All messages are taken as they come: it never has to hold any back for long.
        while let Some(action) = client.poll_action() {
            match (action, &mut stream) {
                (Action::Open(_), _) => match TcpStream::connect_timeout(&address, Duration::from_secs(3)) {
                    Ok(opened) => {
                        stream = Some(opened);
                        client.handle_open(now());
                    }
                    Err(_) => client.handle_close(now(), Cause::Unreachable),
                },
                (Action::Transmit | Action::Close, Some(stream)) => {
                    while client.poll_transmit(now(), 65_536, &mut output) || !output.is_empty() {
                        let mut slices: [&[u8]; 1] = [&[]];
                        output.slices(&mut slices);
                        // What can't be written is told by the next read.
                        let all = output.unsent();
                        output.advance(stream.write(slices[0]).unwrap_or(all));
                    }
                    if action == Action::Close {
                        let _ = stream.shutdown(Shutdown::Write);
                    }
                }
                (Action::Abort, _) => {
                    stream = None;
                    client.handle_close(now(), Cause::Reset);
                }
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
        let Some(open) = &mut stream else { continue };
        let wait = client.poll_timeout().map(|due| due.at.saturating_duration_since(now()));
        open.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        match open.read(&mut buffer) {
            Ok(n) if n > 0 => drop(client.handle_bytes(now(), &buffer[..n])),
            Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => client.handle_timeout(now()),
            end => {
                stream = None;
                client.handle_close(now(), if end.is_ok() { Cause::Closed } else { Cause::Reset });
            }
        }
    }
}

fn main() -> std::process::ExitCode {
    let [address, filter] = [1, 2].map(|n| std::env::args().nth(n).expect("blocking HOST:PORT FILTER"));
    match blocking(&address, &filter) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
