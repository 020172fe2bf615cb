//! A house that knows how many of its lights are on, whenever it is asked: `lights URL`.
use std::collections::BTreeMap;
use tidewire_tokio::{Result, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let switches = connect(&url).await?;
    let rooms = ["kitchen", "hall", "attic"];
    for room in rooms {
        // The server keeps the last state of each: whoever comes later knows it at once.
        switches.publish(format!("home/{room}/light"), "on").retain(true).await?;
    }
    switches.publish("home/attic/light", "off").retain(true).await?;

    let panel = connect(&url).await?;
    let mut lights = panel.subscribe("home/+/light").await?;
    let mut on = BTreeMap::new();
    while on.len() < rooms.len() {
        let light = lights.next().await.expect("it goes on");
        let room = light.topic.levels().nth(1).unwrap_or_default().to_owned();
        on.insert(room, light.text()? == "on");
    }
    let count = on.values().filter(|on| **on).count();
    println!("{count} of {} lights are on", on.len());
    assert_eq!(count, 2);
    for room in rooms {
        switches.publish(format!("home/{room}/light"), "").retain(true).await?;
    }
    switches.disconnect().await?;
    panel.disconnect().await
}
