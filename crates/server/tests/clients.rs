//! Our clients and our server over TCP, on each runtime.
use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;
use tidewire_core::client::{Cause, Config, Subscription};
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::{TopicFilter, TopicName};
use tidewire_driver::clients::{Client, Endpoint, Error, Maker, Notice, seed};
use tidewire_server::{Options, Server};

tidewire_driver::on_each! {
    [tokio, mio, #[cfg(feature = "async-std")] async_std] {
        messages_of_any_size_cross_in_all_qualities
        who_can_not_be_reached_is_told_why
        the_next_server_has_its_turn
        whoever_was_busy_gets_all_that_came_meanwhile
        a_goodbye_to_a_silent_server_is_over_at_once
    }
}

fn server(runtime: &str) -> (Server, Endpoint) {
    let mut options = Options::default();
    options.broker.listen = vec!["127.0.0.1:0".into()];
    options.broker.shards = Some(2);
    options.runtime = runtime.parse().expect("a runtime");
    let server = Server::start(&options).expect("a free port on loopback");
    let address = server.addresses().next().expect("it has one listener");
    (server, Endpoint::new("localhost", address.port()))
}

fn run(test: impl Future<Output = ()>) {
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        ::tokio::time::timeout(Duration::from_secs(20), test).await.expect("it takes no time at all");
    });
}

/// A loop for clients.
fn launch(runtime: &str) -> Maker {
    match runtime {
        "tokio" => tidewire_tokio::launch(),
        #[cfg(feature = "async-std")]
        "async-std" => tidewire_async_std::launch(),
        // A thread of its own, as a program without async would have it.
        _ => tidewire_mio::launch(),
    }
    .expect("a loop")
}

fn to(topic: &str, qos: QoS, payload: Vec<u8>) -> Publication {
    Publication::new(TopicName::new(topic).expect("a Topic Name"), payload).qos(qos)
}

async fn subscribe(client: &Client, filter: &str) {
    let filter = TopicFilter::new(filter).expect("a Topic Filter");
    let receipt = client.subscribe(&[Subscription::new(filter, QoS::ExactlyOnce)], None).expect("it goes on");
    assert_eq!(*receipt.await.expect("it is granted"), [ReasonCode::GrantedQoS2]);
}

async fn payload(client: &Client) -> Vec<u8> {
    loop {
        if let Notice::Message(message) = client.recv().await.expect("it goes on") {
            return message.payload.to_vec();
        }
    }
}

fn messages_of_any_size_cross_in_all_qualities(runtime: &str) {
    let (server, endpoint) = server(runtime);
    run(async {
        let clients = launch(runtime);
        let [sender, receiver] =
            [0, 1].map(|_| clients.client(Config::default(), vec![endpoint.clone()], seed()));
        subscribe(&receiver, "t/#").await;
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for size in [0, 1, 100_000, 3_000_000] {
                let sent: Vec<u8> = (0..size).map(|n: u32| n.to_le_bytes()[0]).collect();
                let receipt = sender.publish(to("t/1", qos, sent.clone())).await.expect("it is accepted");
                assert!(payload(&receiver).await == sent, "{qos:?}, {size} bytes");
                assert_eq!(receipt.await, Ok(ReasonCode::Success));
            }
        }
        clients.shutdown(Duration::from_secs(5)).await.expect("it ends");
    });
    server.shutdown(Duration::ZERO);
    server.join();
}

fn who_can_not_be_reached_is_told_why(runtime: &str) {
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    let dead = Endpoint::new("127.0.0.1", free.port());
    // A name that nobody may ever have. (RFC 6761)
    let nobody = Endpoint::new("tidewire.invalid", 1883);
    run(async {
        let clients = launch(runtime);
        for (endpoint, word) in [(dead, "refused"), (nobody, "")] {
            let mut config = Config::default();
            config.reconnect = false;
            let client = clients.client(config, vec![endpoint], seed());
            let Some(Notice::Disconnected { cause, error }) = client.recv().await else { panic!("a cause") };
            assert_eq!(cause, Cause::Unreachable);
            let error = error.expect("the system says why");
            assert!(error.contains(word), "{error}");
            assert!(matches!(client.recv().await, Some(Notice::Ended(_))));
        }
    });
}

fn the_next_server_has_its_turn(runtime: &str) {
    let (server, endpoint) = server(runtime);
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    run(async {
        let clients = launch(runtime);
        let servers = vec![Endpoint::new("127.0.0.1", free.port()), endpoint];
        let client = clients.client(Config::default(), servers, seed());
        assert!(matches!(client.recv().await, Some(Notice::Disconnected { .. })));
        assert!(matches!(client.recv().await, Some(Notice::Connected { .. })));
    });
    server.shutdown(Duration::ZERO);
    server.join();
}

fn whoever_was_busy_gets_all_that_came_meanwhile(runtime: &str) {
    const MESSAGES: usize = 300;
    let (server, endpoint) = server(runtime);
    run(async {
        let clients = launch(runtime);
        let sender = clients.client(Config::default(), vec![endpoint.clone()], seed());
        let mut config = Config::default();
        (config.inbox_bytes, config.keep_alive_seconds) = (100_000, 0);
        let receiver = clients.client(config, vec![endpoint], seed());
        subscribe(&receiver, "t").await;
        for _ in 0..MESSAGES {
            let receipt =
                sender.publish(to("t", QoS::AtLeastOnce, vec![7; 30_000])).await.expect("it is accepted");
            assert_eq!(receipt.await, Ok(ReasonCode::Success));
        }
        for _ in 0..MESSAGES {
            assert_eq!(payload(&receiver).await.len(), 30_000);
        }
        clients.shutdown(Duration::from_secs(5)).await.expect("it ends");
    });
    server.shutdown(Duration::ZERO);
    server.join();
}

fn a_goodbye_to_a_silent_server_is_over_at_once(runtime: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let endpoint = Endpoint::new("127.0.0.1", listener.local_addr().expect("bound").port());
    run(async {
        let clients = launch(runtime);
        let client = clients.client(Config::default(), vec![endpoint], seed());
        let filter = TopicFilter::new("t").expect("a Topic Filter");
        let asked =
            client.subscribe(&[Subscription::new(filter, QoS::AtMostOnce)], None).expect("it goes on");
        // It has said hello, and waits for an answer.
        let hello = ::tokio::task::spawn_blocking(move || {
            let (mut stream, _) = listener.accept().expect("it connects");
            stream.read_exact(&mut [0]).expect("CONNECT");
            stream
        });
        let mut stream = hello.await.expect("it does not panic");
        client.disconnect(Duration::from_secs(3600), ReasonCode::Success).expect("it goes on");
        assert!(matches!(client.recv().await, Some(Notice::Disconnected { cause: Cause::Ended, .. })));
        assert!(matches!(client.recv().await, Some(Notice::Ended(_))));
        assert!(matches!(asked.await, Err(Error::Ended(_))));
        let rest = ::tokio::task::spawn_blocking(move || {
            let mut rest = vec![];
            stream.read_to_end(&mut rest).expect("it closes");
            rest
        });
        assert!(rest.await.expect("it does not panic").ends_with(&[0xe0, 0]), "DISCONNECT");
    });
}
