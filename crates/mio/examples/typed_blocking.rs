//! Two streams, one of typed payloads: `typed_blocking URL`.
use tidewire_mio::{Error, Result, Wait, connect};

#[derive(serde::Deserialize)]
struct Reading(u64, f32);

fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let client = connect(url).wait()?;
    let (mut readings, mut alarms) = (client.subscribe("+/bar").wait()?, client.subscribe("+/alarm").wait()?);
    std::thread::spawn(move || {
        while let Some(alarm) = alarms.next().wait() {
            println!("{}: {}", alarm.topic, alarm.text()?);
        }
        Ok::<_, Error>(())
    });
    println!("ready");
    while let Some(message) = readings.next().wait() {
        match serde_json::from_slice(&message.bytes()) {
            Ok(Reading(at, bar)) => println!("{at} {}: {bar} bar", message.topic),
            Err(error) => eprintln!("{}: {error}", message.topic),
        }
    }
    readings.end().map_or(Ok(()), Err)
}
