//! A meter on a bad line, with two gateways: `bad_line_blocking URL URL`.
use tidewire_mio::{Duration, Event, Result, Wait, connect};

#[expect(clippy::disallowed_methods, reason = "what is measured takes its time")]
fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let gateway = arguments.next().unwrap_or_else(|| "mqtt://gateway".into());
    let backup = arguments.next().unwrap_or_else(|| "mqtt://backup".into());
    // Nobody needs to be there: what is accepted waits, within these bounds.
    let client = connect(gateway).server(backup).outbox(100_000, 1 << 28).start()?;
    let mut events = client.events();
    std::thread::spawn(move || {
        while let Some(event) = events.next().wait() {
            match event {
                Event::Disconnected { cause, retry_in, .. } => eprintln!("{cause}; again in {retry_in:?}"),
                other => eprintln!("{other}"),
            }
        }
    });
    for kwh in 0..1_000 {
        let _receipt = client.publish("meter/7/kwh", kwh.to_string()).enqueue().wait()?;
        std::thread::sleep(Duration::from_millis(1));
    }
    client.disconnect().patience(Duration::from_secs(30)).wait()
}
