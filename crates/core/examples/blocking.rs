//! A whole client on nothing but the standard library: `blocking HOST:PORT FILTER` prints what comes.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "an example has a screen and a clock")]
use std::io::{ErrorKind::WouldBlock, Read, Write};
use std::time::Duration;
use tidewire_core::client::{Action, Cause, Client, Config, Event, Subscription};
use tidewire_core::{output::Output, qos::QoS, time::Instant, topic::TopicFilter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [address, filter] = [1, 2].map(|n| std::env::args().nth(n).expect("blocking HOST:PORT FILTER"));
    let start = std::time::Instant::now();
    let now = || Instant::from_micros(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    let (mut buffer, mut output) = (vec![0; 65_536], Output::default());
    let mut client = Client::new(Config::default(), &[42; 32]);
    client.connect(now());
    client.subscribe(&[Subscription::new(TopicFilter::new(&filter)?, QoS::AtLeastOnce)], None)?;
    let mut stream = std::net::TcpStream::connect(address)?;
    client.handle_open(now());
    loop {
        while client.poll_action().is_some_and(|action| action != Action::Abort) {}
        while client.poll_transmit(now(), 65_536, &mut output) || !output.is_empty() {
            let mut slices: [&[u8]; 1] = [&[]];
            output.slices(&mut slices);
            let n = stream.write(slices[0])?;
            output.advance(n);
        }
        while let Some(message) = client.poll_message(now()) {
            println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload.to_vec()));
        }
        while let Some(event) = client.poll_event() {
            if let Event::Disconnected(cause) = event {
                return Err(cause.into());
            }
        }
        let wait = client.poll_timeout().map(|due| due.at.saturating_duration_since(now()));
        stream.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => drop(client.handle_bytes(now(), &buffer[..n])),
            Err(error) if error.kind() == WouldBlock => client.handle_timeout(now()),
            _ => client.handle_close(now(), Cause::Closed),
        }
    }
}
