//! The examples, with each other.
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use tidewire_driver::suite::documented::place;

/// Killed with this.
struct Broker(Child);

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_broker_serves_the_client() {
    let mut broker = Command::new(place("broker_async_std"));
    broker.args(["--listen", "127.0.0.1:0", "--limit", "packet_bytes=1KiB", "--shards", "2"]);
    let mut broker = Broker(broker.stdout(Stdio::piped()).spawn().expect("it can be run"));
    let mut said = BufReader::new(broker.0.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let line = said.find(|line| line.starts_with("listening on ")).expect("it says where");
    let url = format!("mqtt://{}", line.split(' ').nth(2).expect("an address"));
    let client = Command::new(place("sensors_async_std")).arg(url).output().expect("it can be run");
    assert_eq!(String::from_utf8_lossy(&client.stderr), "");
    assert_eq!(String::from_utf8_lossy(&client.stdout), "sensors/7: 21.5\n");
}

#[test]
fn the_broker_says_what_it_does_not_understand() {
    for limit in ["packet_bytes", "packet_bytes=big", "colour=7"] {
        let broker = Command::new(place("broker_async_std")).args(["--limit", limit]).output();
        let broker = broker.expect("it can be run");
        assert!(!broker.status.success(), "{limit}");
        assert_eq!(String::from_utf8_lossy(&broker.stderr).lines().count(), 1, "{broker:?}");
    }
}
