//! The client that blocks, for programs without async.
use std::net::TcpListener;
use std::time::Duration;
use tidewire_core::client::{Acknowledge, Cause, Config, Subscription};
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::{TopicFilter, TopicName};
use tidewire_driver::clients::{Endpoint, Error, Notice};
use tidewire_mio::{Client, Clients, TimedOut};
use tidewire_server::{Options, Server};

const PATIENCE: Duration = Duration::from_secs(20);

fn server() -> (Server, Endpoint) {
    let mut options = Options::default();
    options.listen = vec!["127.0.0.1:0".into()];
    let server = Server::start(&options).expect("a free port on loopback");
    let address = server.addresses().next().expect("it has one listener");
    (server, Endpoint::new("127.0.0.1", address.port()))
}

fn to(topic: &str) -> Publication {
    Publication::new(TopicName::new(topic).expect("a Topic Name"), "hello").qos(QoS::AtLeastOnce)
}

fn filter(filter: &str) -> TopicFilter {
    TopicFilter::new(filter).expect("a Topic Filter")
}

fn next(client: &Client) -> Notice {
    client.recv_timeout(PATIENCE).expect("it comes in time").expect("it goes on")
}

#[test]
fn everything_that_blocks_comes_back() {
    let (server, endpoint) = server();
    let clients = Clients::start().expect("a poll");
    let mut config = Config::default();
    config.acknowledge = Acknowledge::ByToken;
    let client = clients.client(config, vec![endpoint]);
    assert!(matches!(next(&client), Notice::Connected { .. }));
    assert_eq!(client.recv_timeout(Duration::from_millis(1)).err(), Some(TimedOut));
    let granted = client.subscribe(&[Subscription::new(filter("t/#"), QoS::AtLeastOnce)], None);
    assert_eq!(granted.as_deref(), Ok(&[ReasonCode::GrantedQoS1][..]));
    let receipts: Vec<_> = (0..100).map(|_| client.publish(to("t/1")).expect("it is accepted")).collect();
    for receipt in receipts {
        assert_eq!(receipt.wait(), Ok(ReasonCode::Success));
    }
    for _ in 0..100 {
        let Notice::Message(message) = next(&client) else { panic!("a message") };
        client.acknowledge(message.token.expect("QoS 1 has one"), ReasonCode::Success).expect("it goes on");
    }
    assert_eq!(client.unsubscribe(&[filter("t/#")]).as_deref(), Ok(&[ReasonCode::Success][..]));
    let receipt = client.publish(to("t/1")).expect("it is accepted");
    assert_eq!(receipt.wait(), Ok(ReasonCode::NoMatchingSubscribers));
    client.disconnect(PATIENCE, ReasonCode::Success).expect("it goes on");
    assert!(matches!(next(&client), Notice::Disconnected { cause: Cause::Ended, .. }));
    assert!(matches!(next(&client), Notice::Ended(_)));
    client.connect().expect("it goes on");
    assert!(matches!(next(&client), Notice::Connected { .. }));
    let copy = client.clone();
    clients.shutdown(PATIENCE);
    assert!(std::iter::from_fn(|| copy.recv()).count() < 10);
    assert_eq!(client.publish(to("t/1")).err(), Some(Error::Gone));
    server.shutdown(Duration::ZERO);
    server.join();
}

#[test]
fn a_loop_ends_though_its_server_can_not_be_reached() {
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    let clients = Clients::start().expect("a poll");
    let client = clients.client(Config::default(), vec![Endpoint::new("127.0.0.1", free.port())]);
    let receipt = client.publish(to("t")).expect("it is accepted");
    assert!(matches!(next(&client), Notice::Disconnected { cause: Cause::Unreachable, .. }));
    clients.shutdown(Duration::from_millis(10));
    assert!(matches!(receipt.wait(), Err(Error::Ended(_) | Error::Gone)));
}
