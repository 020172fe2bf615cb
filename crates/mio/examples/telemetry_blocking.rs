//! A thousand measurements, each worth ten minutes: `telemetry_blocking URL`.
use tidewire_mio::{Duration, Result, Wait, connect};

#[expect(clippy::disallowed_methods, reason = "what is measured takes its time")]
fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let client = connect(url).client_id("pump-7").wait()?;
    for bar in 1..=1_000 {
        // Accepted is enough: it leaves in this order, also over another connection.
        let measured = client.publish("plant/7/bar", bar.to_string()).expiry(Duration::from_secs(600));
        let _receipt = measured.enqueue().wait()?;
        std::thread::sleep(Duration::from_millis(1));
    }
    // Waits for the last of them.
    client.disconnect().wait()
}
