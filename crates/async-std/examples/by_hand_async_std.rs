//! A ledger: an order is acknowledged once it is written down: `by_hand_async_std URL FILE`.
use tidewire_async_std::{Duration, ReasonCode, Result, connect};

#[async_std::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "mqtt://localhost".into());
    let ledger = arguments.next().unwrap_or_else(|| "ledger".into());
    let client = connect(url).client_id("ledger").session_expiry(Duration::from_secs(86_400)).await?;
    let mut orders = client.subscribe("orders/#").manual_ack().await?;
    println!("ready");
    while let Some(order) = orders.next().await {
        match order.text().ok().and_then(|text| text.parse::<u64>().ok()) {
            Some(sum) if std::fs::write(&ledger, sum.to_string()).is_ok() => {
                println!("{sum}");
                order.ack();
            }
            Some(_) => break, // Not acknowledged: it comes again when the next process has connected.
            None => order.refuse(ReasonCode::PayloadFormatInvalid),
        }
    }
    client.disconnect().await
}
