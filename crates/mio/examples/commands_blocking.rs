//! A pump that is told what to do: `commands_blocking URL`.
use tidewire_mio::{Result, Wait, connect};

fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let client = connect(url).wait()?;
    let mut commands = client.subscribe("pump-7/set").wait()?;
    client.publish("pump-7/state", "ready").retain(true).wait()?;
    while let Some(command) = commands.next().wait() {
        println!("{}", command.text()?);
        client.publish("pump-7/done", command.bytes()).wait()?;
    }
    client.disconnect().wait()
}
