//! One of the workers that share the jobs: `group URL`. The server must have Shared Subscriptions.
use tidewire_tokio::{Result, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let client = connect(url).receive_maximum(1).await?; // One job at a time.
    let mut jobs = client.subscribe("jobs/#").shared("workers").manual_ack().await?;
    println!("ready");
    while let Some(job) = jobs.next().await {
        println!("{}: {} bytes", job.topic, job.payload.len());
        job.ack();
    }
    client.disconnect().await
}
