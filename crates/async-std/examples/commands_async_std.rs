//! A pump that is told what to do: `commands_async_std URL`.
use tidewire_async_std::{Result, connect};

#[async_std::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let client = connect(url).await?;
    let mut commands = client.subscribe("pump-7/set").await?;
    client.publish("pump-7/state", "ready").retain(true).await?;
    while let Some(command) = commands.next().await {
        println!("{}", command.text()?);
        client.publish("pump-7/done", command.bytes()).await?;
    }
    client.disconnect().await
}
