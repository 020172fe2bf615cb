//! A broker in this process, and clients of it that need no socket, on each runtime.
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidewire_core::broker::policy::{AuthStep, Authentication, Denial, Grant, Open, Peer, Policy};
use tidewire_core::id::{IdentityId, ShardId};
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_driver::Wait;
use tidewire_driver::client::{Cause, Client, Connect, Error, Fault, Messages, Serve};

tidewire_driver::on_each! {
    [tokio, mio, #[cfg(feature = "async-std")] async_std] {
        messages_of_any_size_cross_within_and_without
        whoever_does_not_read_holds_nobody_up
        what_was_accepted_is_there_before_the_end
        the_policy_is_asked_for_this_process_too
        what_stands_in_its_way_is_said
        whoever_lets_go_of_it_does_not_stop_it
        it_ends_though_nobody_turns_its_clients
        a_runtime_that_ends_takes_no_later_client_with_it
        a_stopper_ends_its_clients_too
        any_number_comes_at_once
    }
}

fn serve(runtime: &str) -> Serve {
    match runtime {
        "tokio" => tidewire_tokio::serve(),
        #[cfg(feature = "async-std")]
        "async-std" => tidewire_async_std::serve(),
        _ => tidewire_mio::serve(),
    }
    .shards(2)
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        ::tokio::time::timeout(Duration::from_secs(20), test).await.expect("it takes no time at all")
    })
}

/// Each has a name, so that some live on the one shard and some on the other.
async fn client(connect: Connect, name: &str) -> Client {
    connect.client_id(name).await.expect("it is let in")
}

async fn next(messages: &mut Messages) -> Vec<u8> {
    messages.next().await.expect("it goes on").payload.to_vec()
}

fn messages_of_any_size_cross_within_and_without(runtime: &str) {
    let broker = serve(runtime).listen("127.0.0.1:0").start().expect("a free port on loopback");
    let address = broker.addresses().next().expect("it has one listener");
    run(async {
        let outside = client(tidewire_tokio::connect(format!("mqtt://{address}")), "outside").await;
        let mut clients = vec![outside];
        for name in ["a", "b", "c", "d"] {
            clients.push(client(broker.connect(), name).await);
        }
        let mut streams = Vec::new();
        for client in &clients {
            streams.push(client.subscribe("t").qos(QoS::ExactlyOnce).await.expect("it is granted"));
        }
        for (from, qos) in
            [(0, QoS::AtMostOnce), (1, QoS::AtMostOnce), (2, QoS::AtLeastOnce), (3, QoS::ExactlyOnce)]
        {
            for size in [0, 1, 100_000, 3_000_000] {
                let sent: Vec<u8> = (0..size).map(|n: u32| n.to_le_bytes()[0]).collect();
                clients[from].publish("t", sent.clone()).qos(qos).await.expect("somebody listens");
                for stream in &mut streams {
                    assert!(next(stream).await == sent, "{size} bytes of {from}");
                }
            }
        }
        broker.shutdown(Duration::from_secs(5)).await.expect("it ends");
    });
}

fn whoever_does_not_read_holds_nobody_up(runtime: &str) {
    let broker = serve(runtime).start().expect("it needs no port");
    run(async {
        let reader = client(broker.connect().receive_maximum(4), "reader").await;
        let writer = client(broker.connect(), "writer").await;
        let mut messages = reader.subscribe("t").await.expect("it is granted");
        let payload = vec![7; 50_000];
        for _ in 0..100 {
            writer.publish("t", payload.clone()).await.expect("it is taken");
        }
        for _ in 0..100 {
            assert_eq!(next(&mut messages).await.len(), payload.len());
        }
        broker.shutdown(Duration::from_secs(5)).await.expect("it ends");
    });
}

fn what_was_accepted_is_there_before_the_end(runtime: &str) {
    let broker = serve(runtime).start().expect("it needs no port");
    run(async {
        let client = client(broker.connect(), "a").await;
        let mut messages = client.subscribe("#").await.expect("it is granted");
        let mut receipts = Vec::new();
        for n in 0..100 {
            let receipt = client.publish("t", n.to_string()).qos(QoS::ExactlyOnce).enqueue().await;
            receipts.push(receipt.expect("there is room"));
        }
        broker.shutdown(Duration::from_secs(5)).await.expect("it ends");
        for receipt in receipts {
            receipt.await.expect("it was acknowledged before the end");
        }
        assert_eq!(next(&mut messages).await, b"0", "what has come can be taken");
        let error = client.publish("t", "late").await.expect_err("there is nobody any more");
        assert_eq!(error, Error::Ended(Cause::Ended));
    });
}

/// Lets in whoever has the password, and notes down from where.
struct Doorkeeper {
    open: Open,
    seen: Arc<Mutex<Vec<Peer>>>,
}

impl Policy for Doorkeeper {
    fn authenticate(&mut self, now: Instant, peer: &Peer, step: &AuthStep) -> Authentication {
        self.seen.lock().expect("nobody panics").push(*peer);
        match step {
            AuthStep::Connect { password: Some(password), .. } if **password == *b"secret" => {
                self.open.authenticate(now, peer, step)
            }
            _ => Authentication::Deny(Denial::new(ReasonCode::BadUserNameOrPassword)),
        }
    }

    fn known(&mut self, now: Instant, identity: IdentityId, variant: u32) -> Option<Grant> {
        self.open.known(now, identity, variant)
    }
}

fn the_policy_is_asked_for_this_process_too(runtime: &str) {
    let seen: Arc<Mutex<Vec<Peer>>> = Arc::default();
    let broker = serve(runtime).policy({
        let seen = Arc::clone(&seen);
        move |_: ShardId| Doorkeeper { open: Open::new(), seen: Arc::clone(&seen) }
    });
    let broker = broker.start().expect("it needs no port");
    run(async {
        let error = broker.connect().await.expect_err("it has no password");
        assert_eq!(error.reason(), Some(ReasonCode::BadUserNameOrPassword));
        let client = broker.connect().credentials("me", *b"secret").await.expect("it has one");
        client.disconnect().await.expect("nothing is left");
        broker.shutdown(Duration::from_secs(5)).await.expect("it ends");
    });
    assert_eq!(*seen.lock().expect("nobody panics"), [Peer::WITHIN; 2]);
}

fn what_stands_in_its_way_is_said(runtime: &str) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = taken.local_addr().expect("bound");
    for (listen, said) in [
        (address.to_string(), "the port is in use"),
        ("1883".into(), "say 127.0.0.1:1883"),
        ("0.0.0.0:0".into(), "nobody would be asked who they are"),
    ] {
        let error = serve(runtime).listen(listen).start().expect_err("it can't be had");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.fault(), Fault::Program);
    }
    let broker = serve(runtime).start().expect("it needs no port");
    let error = broker.connect().server("mqtt://elsewhere").start().expect_err("it reaches this one only");
    assert!(error.to_string().contains("has no other server"), "{error}");
    run(broker.shutdown(Duration::ZERO)).expect("it ends");
}

fn whoever_lets_go_of_it_does_not_stop_it(runtime: &str) {
    let broker = serve(runtime).listen("127.0.0.1:0").start().expect("a free port on loopback");
    let address = broker.addresses().next().expect("it has one listener");
    drop(broker);
    run(async {
        for _ in 0..3 {
            let client = tidewire_tokio::connect(format!("mqtt://{address}")).await.expect("it is let in");
            client.disconnect().await.expect("nothing is left");
        }
    });
}

fn runtime() -> ::tokio::runtime::Runtime {
    ::tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn it_ends_though_nobody_turns_its_clients(runtime_name: &str) {
    let broker = serve(runtime_name).start().expect("it needs no port");
    let runtime = runtime();
    let client = runtime.block_on(broker.connect().into_future()).expect("it is let in");
    let ended = broker.shutdown(Duration::from_secs(1)).wait_for(Duration::from_secs(20));
    ended.expect("in time").expect("it ends");
    drop(client);
}

fn a_runtime_that_ends_takes_no_later_client_with_it(runtime_name: &str) {
    let broker = serve(runtime_name).start().expect("it needs no port");
    for _ in 0..3 {
        let runtime = runtime();
        let client = runtime.block_on(broker.connect().into_future()).expect("it is let in");
        runtime.block_on(client.publish("t", "x").into_future()).expect("it is taken");
        drop(runtime);
    }
    broker.stopper().shutdown(Duration::ZERO);
    broker.join();
}

fn a_stopper_ends_its_clients_too(runtime: &str) {
    let broker = serve(runtime).start().expect("it needs no port");
    run(async {
        let client = client(broker.connect(), "a").await;
        let mut messages = client.subscribe("#").await.expect("it is granted");
        broker.stopper().shutdown(Duration::from_secs(5));
        assert!(messages.next().await.is_none());
        assert_eq!(messages.end(), Some(Error::Ended(Cause::Ended)));
    });
    broker.join();
}

fn any_number_comes_at_once(runtime: &str) {
    let broker = serve(runtime).shards(1).start().expect("it needs no port");
    run(async {
        let clients: Vec<_> = (0..3000).map(|_| broker.connect().start().expect("there is a loop")).collect();
        for client in &clients {
            client.connected().await.expect("it is let in");
            assert_eq!(client.stats().open, 0);
        }
        broker.shutdown(Duration::from_secs(5)).await.expect("it ends");
    });
}
