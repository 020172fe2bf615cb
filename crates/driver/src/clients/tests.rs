//! A broker and many clients, each in a loop of its own, over a network in memory.
use super::{Client, Clients, Endpoint, Error, Maker, Notice, Receipt};
use crate::memory::{MemoryReactor, Network, Socket, Wire};
use crate::{Mailbox, Post, Shard, Turn};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tidewire_core::broker::policy::{Open, Peer};
use tidewire_core::broker::{self, Broker};
use tidewire_core::client::{Cause, Config, Subscription};
use tidewire_core::id::ShardId;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_core::topic::{TopicFilter, TopicName};

pub(crate) const SERVER: &str = "10.0.0.1";

pub(crate) struct World {
    pub(crate) network: Network,
    broker: Shard<MemoryReactor>,
    clients: Shard<MemoryReactor, Clients>,
    pub(crate) maker: Maker,
    /// The client's line, and the broker's.
    lines: Vec<(Wire, Wire)>,
    is_over: bool,
}

fn broker_on(network: &Network) -> Shard<MemoryReactor> {
    let mailbox: Mailbox<Broker, Socket> = Mailbox::default();
    let config = broker::Config::new(Box::new(Open::new()), [0; 32]);
    let broker = Broker::new(network.now(), config);
    Shard::new(ShardId(0), broker, network.reactor(), Box::new(()), None, vec![mailbox])
}

pub(crate) fn server() -> SocketAddr {
    SocketAddr::new(SERVER.parse().unwrap(), 1883)
}

impl World {
    pub(crate) fn new() -> Self {
        let network = Network::new();
        network.set_now(Instant::from_secs(1_000_000));
        network.listen(server());
        let broker = broker_on(&network);
        let (clients, maker) = Clients::on(network.reactor());
        Self { network, broker, clients, maker, lines: vec![], is_over: false }
    }

    fn client(&self, id: &str, change: impl Fn(&mut Config)) -> Client {
        let mut config = Config::default();
        config.client_id = id.into();
        change(&mut config);
        self.maker.client(config, vec![Endpoint::new(SERVER, 1883)], [1; 32])
    }

    /// Carries bytes both ways; true if there were any.
    pub(crate) fn carry(&mut self) -> bool {
        let mut busy = false;
        while let Some((_, wire)) = self.network.accept() {
            let (peer, mut socket) = self.network.connect();
            // From many addresses, each of which may only connect so often.
            let [.., high, low] = self.lines.len().to_be_bytes();
            let address = SocketAddr::from(([10, 1, high, low], 1000));
            let peer_of = Peer::new(address, 0);
            while let Err(back) = self.broker.mailbox().post_accepted(socket, peer_of) {
                socket = back;
                let _ = self.broker.turn();
            }
            self.lines.push((wire, peer));
            busy = true;
        }
        self.lines.retain(|(client, broker)| {
            let (up, down) = (client.received(), broker.received());
            if !up.is_empty() {
                broker.send(&up);
            }
            if !down.is_empty() {
                client.send(&down);
            }
            busy |= !up.is_empty() || !down.is_empty();
            let over = [client, broker].map(|wire| wire.is_closed() || wire.is_finished());
            if over[0] || over[1] {
                client.finish();
                broker.finish();
                busy = true;
            }
            !(over[0] || over[1])
        });
        busy
    }

    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.step() {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// One turn of each; true if there is more to do.
    pub(crate) fn step(&mut self) -> bool {
        let mut busy = self.carry();
        busy |= self.broker.turn() == Turn::Again;
        match self.clients.turn() {
            Turn::Again => busy = true,
            Turn::Wait(_) => {}
            // A loop drops its shard then.
            Turn::Ended => (self.clients, self.is_over) = (Clients::on(self.network.reactor()).0, true),
        }
        busy | self.carry()
    }

    /// Whatever holds between two turns, of all clients.
    pub(crate) fn check(&mut self) {
        self.clients.mailbox().post(Post::Call(Box::new(|clients: &mut Clients, _| clients.check())));
        self.settle();
    }

    /// Has the clients' loop ended?
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Until that is done, in so many turns at most.
    pub(crate) fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        for _ in 0..20_000 {
            if let Poll::Ready(done) = poll(future.as_mut()) {
                return done;
            }
            self.settle();
        }
        panic!("it is never done");
    }

    pub(crate) fn cut(&mut self) {
        for (client, broker) in self.lines.drain(..) {
            client.reset();
            broker.reset();
        }
    }

    /// The broker is another from now on, with no session; all lines are cut.
    pub(crate) fn forget_sessions(&mut self) {
        self.cut();
        self.broker = broker_on(&self.network);
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.network.set_now(self.network.now().after(time));
        self.settle();
    }
}

impl World {
    /// The clients' loop comes to rest, and the server neither hears nor says anything.
    fn rests(&mut self) {
        while self.clients.turn() == Turn::Again {}
    }

    fn accepts(&mut self) -> Wire {
        self.rests();
        let (_, wire) = self.network.accept().expect("an attempt");
        self.rests();
        wire
    }

    /// What a server hears that says this.
    fn says(&mut self, wire: &Wire, bytes: &[u8]) -> Vec<u8> {
        wire.send(bytes);
        self.rests();
        wire.received()
    }
}

pub(crate) fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn to(topic: &str, qos: QoS) -> Publication {
    Publication::new(TopicName::new(topic).unwrap(), "payload").qos(qos)
}

fn all(filter: &str) -> Vec<Subscription> {
    vec![Subscription::new(TopicFilter::new(filter).unwrap(), QoS::ExactlyOnce)]
}

async fn message(client: &Client) -> String {
    loop {
        match client.recv().await {
            Some(Notice::Message(message)) => return message.topic.as_str().to_owned(),
            Some(_) => {}
            None => panic!("nothing more comes"),
        }
    }
}

#[test]
fn what_is_published_arrives_and_is_acknowledged() {
    let mut world = World::new();
    let client = world.client("a", |_| {});
    let granted = world.run(client.subscribe(&all("t/#"), None).unwrap()).unwrap();
    assert_eq!(*granted, [ReasonCode::GrantedQoS2]);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let receipt = world.run(client.publish(to("t/1", qos))).unwrap();
        assert_eq!(world.run(receipt), Ok(ReasonCode::Success));
        assert_eq!(world.run(message(&client)), "t/1");
    }
    let receipt = world.run(client.publish(to("other", QoS::AtLeastOnce))).unwrap();
    assert_eq!(world.run(receipt), Ok(ReasonCode::NoMatchingSubscribers));
    let ended = world.run(client.unsubscribe(&[TopicFilter::new("t/#").unwrap()]).unwrap()).unwrap();
    assert_eq!(*ended, [ReasonCode::Success]);
}

#[test]
fn each_of_many_filters_has_its_answer() {
    let mut world = World::new();
    let client = world.client("a", |_| {});
    let many: Vec<_> = (0..100).flat_map(|n| all(&format!("t/{n}"))).collect();
    let granted = world.run(client.subscribe(&many, None).unwrap()).unwrap();
    assert_eq!(*granted, [ReasonCode::GrantedQoS2; 100]);
    let receipt = world.run(client.publish(to("t/99", QoS::AtLeastOnce))).unwrap();
    assert_eq!(world.run(receipt), Ok(ReasonCode::Success));
    assert_eq!(world.run(message(&client)), "t/99");
}

#[test]
fn a_receipt_outlives_any_number_of_connections() {
    let mut world = World::new();
    let client = world.client("a", |config| config.session_expiry_seconds = 100);
    world.settle();
    world.network.unlisten(server());
    world.cut();
    let receipt = world.run(client.publish(to("t", QoS::AtLeastOnce))).unwrap();
    let mut receipt = pin!(receipt);
    for _ in 0..5 {
        world.wait(Duration::from_secs(20));
        assert!(poll(receipt.as_mut()).is_pending());
    }
    world.network.listen(server());
    world.wait(Duration::from_secs(60));
    assert!(poll(receipt.as_mut()).is_ready());
}

#[test]
fn who_can_not_be_reached_is_told_why() {
    let mut world = World::new();
    world.network.unlisten(server());
    let client = world.client("a", |config| config.reconnect = false);
    let Some(Notice::Disconnected { cause, error }) = world.run(client.recv()) else { panic!("a cause") };
    assert_eq!(cause, Cause::Unreachable);
    assert!(error.is_some_and(|error| error.contains("refused")));
    assert!(matches!(world.run(client.recv()), Some(Notice::Ended(_))));
    // It may be tried again.
    world.network.listen(server());
    client.connect().unwrap();
    assert!(matches!(world.run(client.recv()), Some(Notice::Connected { .. })));
}

#[test]
fn a_client_that_nobody_holds_delivers_what_it_accepted_and_goes() {
    let mut world = World::new();
    let listener = world.client("b", |_| {});
    let _granted = world.run(listener.subscribe(&all("t"), None).unwrap()).unwrap();
    let client = world.client("a", |_| {});
    drop(world.run(client.publish(to("t", QoS::ExactlyOnce))));
    drop(client);
    assert_eq!(world.run(message(&listener)), "t");
    world.settle();
    assert_eq!(world.lines.len(), 1, "only the listener is left");
}

#[test]
fn what_was_not_taken_is_not_acknowledged() {
    let mut world = World::new();
    let client = world.client("a", |config| config.session_expiry_seconds = 100);
    let _granted = world.run(client.subscribe(&all("t"), None).unwrap()).unwrap();
    let sender = world.client("b", |_| {});
    for _ in 0..1000 {
        drop(world.run(sender.publish(to("t", QoS::AtLeastOnce))).unwrap());
    }
    world.settle();
    // It lies ready, and in the machine, and in the broker; then the application is gone.
    world.cut();
    drop(client);
    world.settle();
    let again = world.client("a", |config| {
        config.session_expiry_seconds = 100;
        config.clean_start = false;
    });
    let mut came = 0;
    world.run(async {
        while came < 1000 {
            assert_eq!(message(&again).await, "t");
            came += 1;
        }
    });
}

#[test]
fn ten_thousand_clients_live_in_one_thread() {
    const CLIENTS: usize = 10_000;
    let mut world = World::new();
    let clients: Vec<_> = (0..CLIENTS).map(|n| world.client(&format!("c{n}"), |_| {})).collect();
    world.settle();
    assert_eq!(world.lines.len(), CLIENTS);
    let granted: Vec<Receipt<_>> =
        (0..).zip(&clients).map(|(n, c)| c.subscribe(&all(&format!("t/{n}")), None).unwrap()).collect();
    for receipt in granted {
        assert!(world.run(receipt).is_ok());
    }
    for (n, client) in clients.iter().enumerate() {
        drop(world.run(client.publish(to(&format!("t/{}", (n + 1) % CLIENTS), QoS::AtLeastOnce))).unwrap());
    }
    for (n, client) in clients.iter().enumerate() {
        assert_eq!(world.run(message(client)), format!("t/{n}"));
    }
}

#[test]
fn the_end_of_the_loop_ends_every_wait() {
    let mut world = World::new();
    let client = world.client("a", |_| {});
    world.network.unlisten(server());
    world.cut();
    world.settle();
    let receipt = world.run(client.publish(to("t", QoS::AtLeastOnce))).unwrap();
    let maker = world.maker.clone();
    let deadline = world.network.now().after_secs(1);
    world.clients.mailbox().post(Post::Shutdown(deadline));
    world.settle();
    drop(world);
    assert_eq!(poll(pin!(receipt)), Poll::Ready(Err(Error::Gone)));
    let last = std::iter::from_fn(|| match poll(pin!(client.recv())) {
        Poll::Ready(Some(notice)) => Some(notice),
        Poll::Ready(None) => None,
        Poll::Pending => panic!("it waits for nothing"),
    });
    assert!(last.count() < 10);
    let late = maker.client(Config::default(), vec![Endpoint::new(SERVER, 1883)], [1; 32]);
    assert!(matches!(poll(pin!(late.recv())), Poll::Ready(None)));
}

#[path = "authentication.rs"]
mod authentication;
#[path = "ends.rs"]
mod ends;
#[path = "faults.rs"]
mod faults;
#[path = "residents.rs"]
mod residents;
