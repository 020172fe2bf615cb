//! Two people in a room; each hears the other, and nobody hears what they said themselves: `chat URL`. (5.0)
use tidewire_tokio::{Client, Messages, Publication, Result, TopicName, connect};

async fn enter(url: &str, name: &str) -> Result<(Client, Messages)> {
    // Whoever is gone without a word is said to be.
    let gone = Publication::new(TopicName::new("room/1/left")?, name);
    let client = connect(url).client_id(name).will(gone).await?;
    let heard = client.subscribe("room/1/#").no_local().await?;
    Ok((client, heard))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let (ada, mut ada_hears) = enter(&url, "ada").await?;
    let (bob, mut bob_hears) = enter(&url, "bob").await?;
    ada.publish("room/1/said", "hello").user_property("from", "ada").await?;
    let hello = bob_hears.next().await.expect("it goes on");
    assert_eq!((hello.user_property("from"), hello.text()?.as_ref()), (Some("ada"), "hello"));
    bob.publish("room/1/said", "hello yourself").user_property("from", "bob").await?;
    let answer = ada_hears.next().await.expect("it goes on");
    println!("{}: {}", answer.user_property("from").unwrap_or("somebody"), answer.text()?);
    assert_eq!(answer.text()?, "hello yourself", "she does not hear herself");
    ada.disconnect().await?;
    bob.disconnect().await
}
