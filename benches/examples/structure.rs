//! What the broker's structures cost when they are large: `structure`. Each scenario runs with so many things and with twice as
//! many; whatever costs more for each of them with twice as many is on its way to a quadratic path.
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use tidewire_core::broker::policy::{Open, Peer};
use tidewire_core::broker::{Action, Broker, Config, Limit};
use tidewire_core::codec::{
    Connect, Delivery, FilterNamesBuf, FiltersBuf, Packet, Properties, PublishHead, Subscribe,
    SubscriptionOptions, Unsubscribe,
};
use tidewire_core::id::{ConnectionId, PacketId};
use tidewire_core::output::Output;
use tidewire_core::text::Text;
use tidewire_core::time::{Duration, Instant};
use tidewire_core::topic::TopicFilter;
use tidewire_core::version::Version;
use tidewire_driver::Clock;

const NOW: Instant = Instant::from_secs(1_800_000_000);
const PEER: Peer = Peer::new(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1), 0);
/// With twice as many, each may cost so much more: caches are no larger.
const GROWTH: f64 = 1.9;

struct Server {
    broker: Broker,
    output: Output,
    sent: usize,
    clock: Clock,
    longest: Duration,
}

impl Server {
    fn new() -> Self {
        let mut config = Config::new(Box::new(Open::new()), [2; 32]);
        for limit in Limit::ALL {
            // What is not limited by a protocol's field is unlimited here.
            let _ = config.limits.set(limit.name(), "unlimited");
        }
        config.limits.set("maximum_qos", "2").expect("there is");
        Self {
            broker: Broker::new(NOW, config),
            output: Output::default(),
            sent: 0,
            clock: Clock::start(),
            longest: Duration::ZERO,
        }
    }

    fn client(&mut self, name: &str) -> ConnectionId {
        let id = self.broker.handle_open(NOW, PEER);
        let connect = Connect {
            version: Version::V5,
            bridge: false,
            clean_start: true,
            keep_alive: 0,
            properties: Properties::default(),
            client_id: Text::new(name).expect("a text"),
            will: None,
            username: None,
            password: None,
        };
        self.send(id, &encode(&Packet::Connect(connect)));
        id
    }

    /// One packet, and all that follows from it; the longest turn is kept.
    fn send(&mut self, id: ConnectionId, bytes: &[u8]) {
        let begun = self.clock.now();
        let _ = self.broker.handle_bytes(NOW, id, bytes);
        while let Some(action) = self.broker.poll_action() {
            match action {
                Action::Transmit(id) => {
                    while self.broker.poll_transmit(NOW, id, 64 * 1024, &mut self.output) {
                        self.sent += self.output.unsent();
                        self.output.advance(self.output.unsent());
                    }
                    self.sent += self.output.unsent();
                    self.output.advance(self.output.unsent());
                }
                Action::Event => while self.broker.poll_event().is_some() {},
                _ => {}
            }
        }
        let took = self.clock.now().saturating_duration_since(begun);
        self.longest = self.longest.max(took);
    }
}

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![];
    packet.encode(Version::V5, u32::MAX, &mut bytes).expect("a packet");
    bytes
}

fn subscribe(filter: &str) -> Vec<u8> {
    let mut filters = FiltersBuf::new(Version::V5);
    filters.push(&TopicFilter::new(filter).expect("a filter"), SubscriptionOptions::default());
    let (packet_id, properties) = (PacketId::new(1).expect("not zero"), Properties::default());
    encode(&Packet::Subscribe(Subscribe { packet_id, properties, filters: filters.as_filters() }))
}

fn unsubscribe(filter: &str) -> Vec<u8> {
    let mut filters = FilterNamesBuf::new();
    filters.push(&TopicFilter::new(filter).expect("a filter"));
    let (packet_id, properties) = (PacketId::new(1).expect("not zero"), Properties::default());
    encode(&Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters: filters.as_filters() }))
}

fn publish(topic: &str, retain: bool) -> Vec<u8> {
    let head = PublishHead {
        delivery: Delivery::AtMostOnce,
        retain,
        topic: Text::new(topic).expect("a text"),
        topic_alias: None,
        message_expiry_interval: None,
        properties: &[],
        subscription_identifiers: &[],
        payload_len: 1,
    };
    let mut bytes = vec![];
    head.encode(Version::V5, u32::MAX, &mut bytes).expect("a packet");
    bytes.push(b'x');
    bytes
}

type Scenario = fn(&mut Server, usize);

/// What is done so often; the server is new each time.
const SCENARIOS: &[(&str, usize, Scenario)] = &[
    ("filters, each of a client with a hundred, and a publish to each", 500_000, |s, n| {
        for client in 0..n / 100 {
            let id = s.client(&format!("c{client}"));
            (0..100).for_each(|f| s.send(id, &subscribe(&format!("a/{client}/{f}"))));
        }
        let publisher = s.client("p");
        (0..n / 100).for_each(|client| s.send(publisher, &publish(&format!("a/{client}/7"), false)));
    }),
    ("subscriptions of one client, given back in their order", 50_000, |s, n| {
        let id = s.client("c");
        (0..n).for_each(|f| s.send(id, &subscribe(&format!("a/{f}"))));
        (0..n).for_each(|f| s.send(id, &unsubscribe(&format!("a/{f}"))));
    }),
    ("subscriptions of one client, given back in the other order", 50_000, |s, n| {
        let id = s.client("c");
        (0..n).for_each(|f| s.send(id, &subscribe(&format!("a/{f}"))));
        (0..n).rev().for_each(|f| s.send(id, &unsubscribe(&format!("a/{f}"))));
    }),
    ("memberships of one client, given back in their order", 10_000, |s, n| {
        let id = s.client("c");
        (0..n).for_each(|f| s.send(id, &subscribe(&format!("$share/g/a/{f}"))));
        (0..n).for_each(|f| s.send(id, &unsubscribe(&format!("$share/g/a/{f}"))));
    }),
    ("members of one group, and as many messages", 10_000, |s, n| {
        for client in 0..n {
            let id = s.client(&format!("c{client}"));
            s.send(id, &subscribe("$share/g/a"));
        }
        let publisher = s.client("p");
        (0..n).for_each(|_| s.send(publisher, &publish("a", false)));
    }),
    ("retained messages, and one subscription to all", 50_000, |s, n| {
        let publisher = s.client("p");
        (0..n).for_each(|t| s.send(publisher, &publish(&format!("a/{t}"), true)));
        let id = s.client("c");
        s.send(id, &subscribe("#"));
    }),
    ("levels of a topic, a filter with as many and one with `#`", 16_000, |s, n| {
        let id = s.client("c");
        let topic = "a/".repeat(n);
        s.send(id, &subscribe(&topic));
        s.send(id, &subscribe(&format!("{}#", "a/".repeat(n / 2))));
        s.send(id, &subscribe(&format!("{}a", "+/".repeat(n - 1))));
        (0..100).for_each(|_| s.send(id, &publish(&topic, true)));
    }),
    ("bytes of a topic without levels", 32_000, |s, n| {
        let id = s.client("c");
        let topic = "a".repeat(n);
        s.send(id, &subscribe(&topic));
        (0..1000).for_each(|_| s.send(id, &publish(&topic, true)));
    }),
    ("clients that come and go", 50_000, |s, n| {
        for client in 0..n {
            let id = s.client(&format!("c{client}"));
            s.send(id, &subscribe(&format!("a/{client}")));
            s.send(id, &[0xe0, 0]);
        }
    }),
];

fn run(scenario: Scenario, n: usize) -> (f64, Duration) {
    let mut server = Server::new();
    let begun = server.clock.now();
    scenario(&mut server, n);
    let took = server.clock.now().saturating_duration_since(begun);
    let each = took.as_secs_f64() * 1e9 / n as f64;
    black_box(server.sent);
    (each, server.longest)
}

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let mut is_fine = true;
    println!(
        "| how many | of what | ns each | with twice as many | growth | longest turn |\n|--:|---|--:|--:|--:|--:|"
    );
    for (name, n, scenario) in SCENARIOS.iter().filter(|(name, ..)| name.contains(&wanted)) {
        // The best of three: others use this machine, too.
        let best = |n: usize| {
            (0..3).map(|_| run(*scenario, n)).min_by(|a, b| a.0.total_cmp(&b.0)).expect("there are three")
        };
        let ((once, _), (twice, longest)) = (best(*n), best(n * 2));
        let growth = twice / once;
        is_fine &= growth < GROWTH;
        let longest = longest.as_secs_f64() * 1000.0;
        println!("| {n} | {name} | {once:.0} | {twice:.0} | {growth:.2} | {longest:.1} ms |");
    }
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
