//! The client against any server: what whoever uses it counts on, one row for each.
//!
//! Without being told, against ours, in both versions. `SERVERS_ADDRESS=ADDR:PORT` names another and `SERVERS_VERSION`, 3.1.1 or
//! 5.0, what is spoken with it; `cargo xtask servers` does so with what Debian packages.
mod messages;
mod proxy;
mod sessions;
mod version_5;

use std::net::SocketAddr;
use std::time::Duration;
use tidewire_server::{Options, Server};
use tidewire_tokio::{Client, Connect, Message, Messages, Result, Version, connect};
use tokio::time::timeout;

/// A row that takes so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);

/// A server, what is spoken with it, and where in it a row has topics and names of its own.
struct Line {
    server: SocketAddr,
    version: Version,
    place: String,
}

impl Line {
    fn connect(&self) -> Connect {
        self.connect_to(self.server)
    }

    /// It comes back soon: no row is about how long it waits.
    fn connect_to(&self, address: SocketAddr) -> Connect {
        let (first, most) = (Duration::from_millis(10), Duration::from_millis(100));
        connect(format!("mqtt://{address}")).version(self.version).backoff(first, most)
    }

    fn topic(&self, name: &str) -> String {
        format!("{}/{name}", self.place)
    }

    /// A Client Identifier.
    fn name(&self, who: &str) -> String {
        format!("{}-{who}", self.place)
    }
}

/// Tells the story with the server in question.
#[allow(clippy::needless_pass_by_value, reason = "a story is told where it is called")]
fn with_server(story: impl AsyncFn(&Line) -> Result<()>) {
    match std::env::var("SERVERS_ADDRESS") {
        Ok(address) => with(address.parse().expect("ADDR:PORT"), asked_version(), &story),
        Err(_) => {
            let mut options = Options::default();
            options.broker.listen = vec!["127.0.0.1:0".into()];
            options.broker.shards = Some(2);
            let server = Server::start(&options).expect("a free port on loopback");
            let address = server.addresses().next().expect("it has one listener");
            for version in [Version::V3_1_1, Version::V5] {
                with(address, version, &story);
            }
        }
    }
}

/// The same, if it is about what only 5.0 has.
#[allow(clippy::needless_pass_by_value, reason = "a story is told where it is called")]
fn with_server_of_5(story: impl AsyncFn(&Line) -> Result<()>) {
    with_server(async |line| {
        if line.version.is_v5() {
            return story(line).await;
        }
        lacking("only 5.0 has it");
        Ok(())
    });
}

/// This server has no such thing: whoever makes the table knows.
fn lacking(what: &str) {
    assert!(std::env::var("SERVERS_ADDRESS").is_err(), "{what}");
}

fn asked_version() -> Version {
    match std::env::var("SERVERS_VERSION").as_deref() {
        Ok("3.1.1") => Version::V3_1_1,
        Ok("5.0") => Version::V5,
        other => panic!("SERVERS_VERSION is 3.1.1 or 5.0, not {other:?}"),
    }
}

fn with(server: SocketAddr, version: Version, story: &impl AsyncFn(&Line) -> Result<()>) {
    let row = std::thread::current().name().expect("a test has a name").replace("::", "-");
    let place = format!("{row}-{}-{}", version.level(), std::process::id());
    let line = Line { server, version, place };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ended = runtime.block_on(async { timeout(PATIENCE, story(&line)).await });
    ended.expect("it ends in time").unwrap_or_else(|error| panic!("{error}"));
}

async fn next(messages: &mut Messages) -> Message {
    messages.next().await.unwrap_or_else(|| panic!("the stream ended: {:?}", messages.end()))
}

/// QoS and payload of what comes next.
async fn heard(messages: &mut Messages) -> String {
    shown(&next(messages).await)
}

fn shown(message: &Message) -> String {
    let retained = if message.retain { " retained" } else { "" };
    format!("{} {}{retained}", message.qos as u8, message.text().expect("text"))
}

/// All that comes before this.
async fn heard_before(last: &str, messages: &mut Messages) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let message = next(messages).await;
        if message.text().is_ok_and(|text| text == last) {
            return heard;
        }
        heard.push(shown(&message));
    }
}

/// So many, in the order of their names.
async fn heard_sorted(number: usize, messages: &mut Messages) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..number {
        all.push(heard(messages).await);
    }
    all.sort();
    all
}

/// All say goodbye.
async fn goodbye(clients: impl IntoIterator<Item = Client>) -> Result<()> {
    for client in clients {
        client.disconnect().await?;
    }
    Ok(())
}
