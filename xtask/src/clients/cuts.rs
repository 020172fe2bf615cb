//! `tidewire pub` and `tidewire sub` on a line that breaks every few kilobytes, with our broker and with Debian's.
use super::counted;
use crate::Result;
use crate::count::Count;
use crate::servers::Mosquitto;
use crate::shell::cargo;
use crate::suite::WITH_ALL;
use std::net::SocketAddr;

/// A session keeps any number of messages.
const UNBOUNDED: &str = "allow_anonymous true\nmax_queued_messages 0";
/// Seeds that are tried without being asked for.
const SEEDS: u64 = 2;

/// Few seeds, with this broker and with mosquitto.
pub(super) fn all(broker: SocketAddr) -> Result<Count> {
    both(SEEDS, Some(broker))
}

/// As many as are wanted, with one of our own and with mosquitto.
pub(super) fn seeds(seeds: u64) -> Result<Count> {
    both(seeds, None)
}

fn both(seeds: u64, broker: Option<SocketAddr>) -> Result<Count> {
    let mut count = run(seeds, broker)?;
    let mosquitto = Mosquitto::start(UNBOUNDED)?;
    count += run(seeds, Some(mosquitto.address))?;
    Ok(count)
}

fn run(seeds: u64, broker: Option<SocketAddr>) -> Result<Count> {
    // Of the workspace, as all tests are built.
    let mut test = cargo(&["test", "--workspace", "--test", "cuts"]);
    test.args(WITH_ALL).args(["--", "--nocapture"]);
    test.env("CUTS_SEEDS", seeds.to_string());
    if let Some(broker) = broker {
        test.env("CUTS_BROKER", broker.to_string());
    }
    counted(test)
}
