//! One of the workers that share the jobs: `group_blocking URL`. The server must have Shared Subscriptions.
use tidewire_mio::{Result, Wait, connect};

fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let client = connect(url).receive_maximum(1).wait()?; // One job at a time.
    let mut jobs = client.subscribe("jobs/#").shared("workers").manual_ack().wait()?;
    println!("ready");
    while let Some(job) = jobs.next().wait() {
        println!("{}: {} bytes", job.topic, job.payload.len());
        job.ack();
    }
    client.disconnect().wait()
}
