//! Subscribes, publishes and prints what comes back: `sensors_async_std HOST PORT`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example has a screen")]
use std::process::ExitCode;
use std::time::Duration;
use tidewire_async_std::Clients;
use tidewire_core::client::{Config, Subscription};
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::topic::{TopicFilter, TopicName};
use tidewire_driver::clients::{Endpoint, Notice};

async fn sensors(host: &str, port: u16) -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::default();
    config.username = Some("pump-7".into());
    config.password = Some(Box::from(*b"secret"));
    // A wrong password ends a client in any case. A server that can't be reached, is silent for `connect_seconds`, or
    // goes away does so with this; without it, the client tries again for as long as it takes.
    config.reconnect = false;
    config.connect_seconds = 3;
    let clients = Clients::start();
    let client = clients.client(config, vec![Endpoint::new(host, port)]);

    // Whatever ends the client ends all that waits, and the error says why.
    let everything = Subscription::new(TopicFilter::new("sensors/#")?, QoS::AtLeastOnce);
    for answer in client.subscribe(&[everything], None)?.await? {
        if answer.is_error() {
            return Err(format!("sensors/#: {answer}").into());
        }
    }
    let reading = Publication::new(TopicName::new("sensors/7")?, "21.5").qos(QoS::AtLeastOnce);
    client.publish(reading).await?.await?;
    while let Some(notice) = client.recv().await {
        match notice {
            Notice::Message(message) => {
                println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload.to_vec()));
                break;
            }
            Notice::Ended(why) => return Err(why.into()),
            _ => {}
        }
    }
    // Says goodbye, once all that was accepted has left.
    clients.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let host = arguments.next().unwrap_or_else(|| "localhost".into());
    let port = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(1883);
    match async_std::task::block_on(sensors(&host, port)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
