//! Debian's NATS, which speaks MQTT on top of its streams. It finds its ports itself, and says which.
use super::matrix::Column;
use super::{Folder, Rows, USER, ready};
use crate::Result;
use crate::shell::{Running, command};
use std::time::Duration;

const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// With its defaults, but for two. What is not acknowledged comes again after thirty seconds, whether or not there was
/// another connection: here after one. And a session has 64 subscriptions of QoS 1, as each may have 1,024 messages in
/// flight of the 65,535 that a session may have: here it is 40 each, and 1,638 subscriptions.
pub(super) fn with(rows: &Rows<'_>) -> Result<Vec<Column>> {
    let folder = Folder::new("nats")?;
    let file = folder.0.join("nats.conf");
    let store = folder.0.join("store");
    let text = format!(
        "server_name: rows\nlisten: \"127.0.0.1:-1\"\njetstream {{ store_dir: {store:?} }}\n\
         mqtt {{ listen: \"127.0.0.1:-1\", ack_wait: \"1s\", max_ack_pending: 40 }}\n\
         authorization {{ users: [{{ user: {USER}, password: {USER} }}, {{ user: anybody, password: anybody }}] }}\n\
         no_auth_user: anybody\n"
    );
    std::fs::write(&file, text)?;
    let mut nats = command("nats-server");
    nats.arg("--config").arg(&file);
    let running = Running::start(nats)?;
    let mut address = None;
    ready(&running, STARTS_WITHIN, |line| {
        let listens = line.split_once("Listening for MQTT clients on mqtt://");
        address = listens.and_then(|(_, address)| address.parse().ok()).or(address);
        line.ends_with("Server is ready")
    })?;
    Ok(rows(address.ok_or("it does not say where it listens")?))
}
