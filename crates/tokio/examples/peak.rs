//! A burst of 100,000 orders at a worker that has sixteen in hand at a time: `peak URL`. What it has not asked for yet
//! waits in the server, as far as that has room; what the server refuses for want of room, the shop tries again.
use tidewire_tokio::{Duration, Error, ReasonCode, Result, connect};

const ORDERS: usize = 100_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let worker = connect(&url).client_id("worker").receive_maximum(16).await?;
    let mut jobs = worker.subscribe("peak/jobs").manual_ack().await?;
    let working = tokio::spawn(async move {
        let mut done = vec![false; ORDERS];
        for _ in 0..ORDERS {
            let job = jobs.next().await.expect("it goes on");
            let n = job.text()?.parse::<usize>().expect("a number");
            assert!(!std::mem::replace(&mut done[n], true), "none is done twice");
            job.ack();
        }
        worker.disconnect().await
    });
    let shop = connect(&url).await?;
    let mut orders: Vec<usize> = (0..ORDERS).collect();
    while !orders.is_empty() {
        let mut receipts = Vec::new();
        for n in std::mem::take(&mut orders) {
            // It waits while ten thousand are on their way: a burst fills no memory.
            receipts.push((n, shop.publish("peak/jobs", n.to_string()).enqueue().await?));
        }
        for (n, receipt) in receipts {
            match receipt.await {
                Ok(_) => {}
                Err(Error::Refused(refusal)) if refusal.reason == ReasonCode::QuotaExceeded => orders.push(n),
                Err(error) => return Err(error),
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shop.disconnect().await?;
    working.await.expect("it does not panic")?;
    println!("{ORDERS} done");
    Ok(())
}
