//! A broker within a program, which reaches it without a socket; others come over TCP: `within_blocking ADDRESS`.
use tidewire_mio::{Duration, Result, Wait, connect, serve};

fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1883".into());
    let broker = serve().listen(address).start()?;
    let dashboard = broker.connect().client_id("dashboard").wait()?;
    let mut everything = dashboard.subscribe("#").wait()?;
    dashboard.publish("plant/state", "up").retain(true).wait()?;
    for address in broker.addresses() {
        let pump = connect(format!("mqtt://{address}")).wait()?;
        pump.publish("plant/7/bar", "5.2").wait()?;
    }
    while let Some(message) = everything.next().wait() {
        println!("{}: {}", message.topic, message.text()?);
        if message.topic.as_str() == "plant/7/bar" {
            break;
        }
    }
    // Whoever is connected hears of it.
    broker.shutdown(Duration::from_secs(5)).wait()
}
