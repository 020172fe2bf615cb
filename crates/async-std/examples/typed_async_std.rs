//! Two streams, one of typed payloads: `typed_async_std URL`.
use tidewire_async_std::{Error, Result, connect};

#[derive(serde::Deserialize)]
struct Reading(u64, f32);

#[async_std::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let client = connect(url).await?;
    let (mut readings, mut alarms) = (client.subscribe("+/bar").await?, client.subscribe("+/alarm").await?);
    async_std::task::spawn(async move {
        while let Some(alarm) = alarms.next().await {
            println!("{}: {}", alarm.topic, alarm.text()?);
        }
        Ok::<_, Error>(())
    });
    println!("ready");
    while let Some(message) = readings.next().await {
        match serde_json::from_slice(&message.bytes()) {
            Ok(Reading(at, bar)) => println!("{at} {}: {bar} bar", message.topic),
            Err(error) => eprintln!("{}: {error}", message.topic),
        }
    }
    readings.end().map_or(Ok(()), Err)
}
