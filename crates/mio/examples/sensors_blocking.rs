//! Subscribes, publishes and prints what comes back, without async: `sensors_blocking URL`.
use tidewire_mio::{Duration, Reconnect, Result, Wait, connect};

fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    // A wrong password ends a client in any case. A server that goes away does so with `Never`; without it, the client
    // connects again for as long as it takes.
    let client = connect(url)
        .credentials("pump-7", *b"secret")
        .reconnect(Reconnect::Never)
        .connect_timeout(Duration::from_secs(3))
        .wait()?;
    let mut readings = client.subscribe("sensors/#").wait()?;
    client.publish("sensors/7", "21.5").wait()?;
    match readings.next().wait() {
        Some(message) => println!("{}: {}", message.topic, message.text()?),
        // Whatever ended the client says why.
        None => return readings.end().map_or(Ok(()), Err),
    }
    client.disconnect().wait()
}
