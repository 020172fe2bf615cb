//! News for a device that is away: they wait for it, and what is no longer news does not: `push URL`. (5.0)
use tidewire_tokio::{Duration, Result, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let day = Duration::from_secs(86_400);
    let phone = || connect(&url).client_id("phone-7").session_expiry(day);
    let device = phone().await?;
    let news = device.subscribe("news/#").await?;
    device.disconnect().await?;
    drop(news);

    let editor = connect(&url).await?;
    for n in 1..=3 {
        editor.publish("news/world", format!("number {n}")).expiry(day).await?;
    }
    editor.publish("news/now", "over in a second").expiry(Duration::from_secs(1)).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;

    // The session has the subscription still; the stream says whose the messages are.
    let device = phone().await?;
    let mut news = device.subscribe("news/#").await?;
    for n in 1..=3 {
        let message = news.next().await.expect("it goes on");
        println!("{}: {}", message.topic, message.text()?);
        assert_eq!(message.text()?, format!("number {n}"));
    }
    editor.publish("news/world", "number 4").await?;
    assert_eq!(news.next().await.expect("it goes on").text()?, "number 4", "nothing old was between");
    // Nobody waits for this session any more.
    device.disconnect().session_expiry(Duration::ZERO).await?;
    editor.disconnect().await
}
