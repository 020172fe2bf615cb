//! A hundred sums, each billed exactly once, over a line that is cut again and again: `billing URL`.
use tidewire_tokio::{Duration, QoS, Result, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let hour = Duration::from_secs(3600);
    let bank = connect(&url).client_id("bank").session_expiry(hour).await?;
    let mut sums = bank.subscribe("billing/sums").qos(QoS::ExactlyOnce).await?;
    let till = connect(&url).client_id("till").session_expiry(hour).await?;
    let mut receipts = Vec::new();
    for sum in 1..=100u32 {
        receipts.push(till.publish("billing/sums", sum.to_string()).qos(QoS::ExactlyOnce).enqueue().await?);
        if sum % 10 == 0 {
            // Both lines at once, in the middle of whatever is under way.
            let (till_is_back, bank_is_back) = (till.reconnect(), bank.reconnect());
            till_is_back.await?;
            bank_is_back.await?;
        }
    }
    let mut billed = Vec::new();
    while billed.len() < 100 {
        let sum = sums.next().await.expect("it goes on");
        billed.push(sum.text()?.parse::<u32>().expect("a number"));
    }
    for receipt in receipts {
        receipt.await?;
    }
    println!("billed: {}", billed.iter().sum::<u32>());
    assert_eq!(billed, (1..=100).collect::<Vec<_>>(), "each once, in order");
    till.disconnect().session_expiry(Duration::ZERO).await?;
    bank.disconnect().session_expiry(Duration::ZERO).await
}
