//! A thousand measurements, each worth ten minutes: `telemetry URL`.
use tidewire_tokio::{Duration, Result, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let client = connect(url).client_id("pump-7").await?;
    for bar in 1..=1_000 {
        // Accepted is enough: it leaves in this order, also over another connection.
        let measured = client.publish("plant/7/bar", bar.to_string()).expiry(Duration::from_secs(600));
        let _receipt = measured.enqueue().await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Waits for the last of them.
    client.disconnect().await
}
