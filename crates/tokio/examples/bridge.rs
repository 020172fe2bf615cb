//! What is published to one server, on another, too: `bridge URL URL`. A message is acknowledged here once it is there, so
//! none is lost, whichever of the three goes away.
use tidewire_tokio::{Client, Duration, Messages, Result, connect};

async fn forward(mut here: Messages, there: Client) -> Result<()> {
    while let Some(message) = here.next().await {
        let topic = format!("branch/{}", message.topic);
        there.publish(topic, message.payload.clone()).retain(message.retain).await?;
        message.ack();
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let here = arguments.next().unwrap_or_else(|| "mqtt://localhost".into());
    let there = arguments.next().unwrap_or_else(|| "mqtt://localhost:1884".into());
    let source = connect(&here).client_id("bridge").session_expiry(Duration::from_secs(3600)).await?;
    let outgoing = source.subscribe("sales/#").manual_ack().await?;
    tokio::spawn(forward(outgoing, connect(&there).await?));

    // And somebody at each end.
    let (sells, counts) = (connect(&here).await?, connect(&there).await?);
    let mut sales = counts.subscribe("branch/sales/#").await?;
    for n in 1..=3 {
        sells.publish("sales/shoes", n.to_string()).await?;
    }
    for n in 1..=3 {
        let sale = sales.next().await.expect("it goes on");
        println!("{}: {}", sale.topic, sale.text()?);
        assert_eq!(
            (sale.topic.as_str(), sale.text()?.as_ref()),
            ("branch/sales/shoes", n.to_string().as_str())
        );
    }
    source.disconnect().session_expiry(Duration::ZERO).await?;
    sells.disconnect().await?;
    counts.disconnect().await
}
