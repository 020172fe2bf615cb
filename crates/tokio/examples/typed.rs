//! Two streams, one of typed payloads: `typed URL`.
use tidewire_tokio::{Result, connect};

#[derive(serde::Deserialize)]
struct Reading(u64, f32);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let client = connect(url).await?;
    let (mut readings, mut alarms) = (client.subscribe("+/bar").await?, client.subscribe("+/alarm").await?);
    println!("ready");
    loop {
        tokio::select! {
            Some(message) = readings.next() => match serde_json::from_slice(&message.bytes()) {
                Ok(Reading(at, bar)) => println!("{at} {}: {bar} bar", message.topic),
                Err(error) => eprintln!("{}: {error}", message.topic),
            },
            Some(alarm) = alarms.next() => println!("{}: {}", alarm.topic, alarm.text()?),
            else => return readings.end().map_or(Ok(()), Err),
        }
    }
}
