//! Clients of programs without async, against the daemon.
use std::net::TcpListener;
use std::time::Duration;
use tidewire_mio::{Cause, Error, Expiry, QoS, ReasonCode, Wait, clients};
use tidewire_server::{Options, Server};

const PATIENCE: Duration = Duration::from_secs(20);

fn server() -> (Server, String) {
    let mut options = Options::default();
    options.broker.listen = vec!["127.0.0.1:0".into()];
    let server = Server::start(&options).expect("a free port on loopback");
    let address = server.addresses().next().expect("it has one listener");
    (server, format!("mqtt://{address}"))
}

#[test]
fn everything_that_blocks_comes_back() {
    let (server, url) = server();
    let clients = clients().expect("a poll");
    let client = clients.connect(&url).wait_for(PATIENCE).expect("it comes in time").expect("it is let in");
    let mut all = client.subscribe("t/#").manual_ack().wait().expect("it is granted");
    assert_eq!(all.granted()[0].1, QoS::AtLeastOnce);
    assert!(all.next().wait_for(Duration::from_millis(1)).is_none());
    let receipts: Vec<_> = (0..100)
        .map(|n| client.publish("t/1", n.to_string()).enqueue().wait().expect("it is accepted"))
        .collect();
    for receipt in receipts {
        assert_eq!(receipt.wait().map(|published| published.reason), Ok(ReasonCode::Success));
    }
    for n in 0..100 {
        let message = all.next().wait_for(PATIENCE).expect("it comes in time").expect("it goes on");
        assert_eq!(message.text().as_deref(), Ok(n.to_string().as_str()));
        message.ack();
    }
    all.unsubscribe().wait().expect("it goes on");
    let published = client.publish("t/1", "").wait().expect("it goes on");
    assert_eq!(published.reason, ReasonCode::NoMatchingSubscribers);
    client.disconnect().wait().expect("nothing is open");
    assert_eq!(client.publish("t/1", "").wait().err(), Some(Error::Ended(Cause::Ended)));
    let other =
        clients.connect(&url).session_expiry(Expiry::Never).client_id("c").wait().expect("it is let in");
    clients.shutdown(PATIENCE).wait().expect("it ends");
    assert!(matches!(other.publish("t/1", "").wait(), Err(Error::Ended(Cause::Ended))));
    server.shutdown(Duration::ZERO);
    server.join();
}

#[test]
fn a_loop_ends_though_its_server_can_not_be_reached() {
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    let clients = clients().expect("a poll");
    let client = clients.connect(format!("mqtt://{free}")).start().expect("nobody is asked");
    let receipt = client.publish("t", "hello").enqueue().wait().expect("it is accepted");
    clients.shutdown(Duration::from_millis(10)).wait().expect("it ends");
    assert!(matches!(receipt.wait(), Err(Error::Ended(_))));
}
