//! A million QoS 1 publishes with a window of a thousand: `client enqueue|tasks|rumqttc PORT [COUNT]`.
//!
//! Prints the CPU seconds of this process, and its memory when half of them are through and at the end.
//!
//! `client idle|subscribed PORT COUNT`: so many clients in one loop, with nothing to do, or with one subscription each; prints
//! what each takes of this process's memory.
//!
//! `client within|loopback 0 [COUNT]`: the first of these with a broker in this process, whose CPU seconds count as well; reached
//! without a socket, or over loopback.
use std::time::Duration;
use tidewire_driver::Clock;

const WINDOW: usize = 1000;
const PAYLOAD: &[u8] = &[7; 64];

fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
    let ticks: f64 =
        fields[11].parse::<f64>().expect("a number") + fields[12].parse::<f64>().expect("a number");
    ticks / 100.0
}

fn rss_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it is there");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

async fn connect(port: u16) -> tidewire_tokio::Client {
    widely(tidewire_tokio::connect(format!("mqtt://127.0.0.1:{port}"))).await
}

/// With a window of a thousand.
async fn widely(connect: tidewire_tokio::Connect) -> tidewire_tokio::Client {
    let window = u16::try_from(WINDOW).expect("it fits");
    connect.in_flight(window).outbox(WINDOW, usize::MAX).await.expect("it is let in")
}

/// Accepted one after the other, the receipts a thousand later.
async fn enqueue(client: tidewire_tokio::Client, count: usize) -> usize {
    let topic = tidewire_tokio::TopicName::new("bench/a").expect("a Topic Name");
    let payload = bytes::Bytes::from_static(PAYLOAD);
    let mut half = 0;
    let mut open = std::collections::VecDeque::with_capacity(WINDOW);
    for n in 0..count {
        if n == count / 2 {
            half = rss_kb();
        }
        let publish = client.publish(&topic, payload.clone());
        open.push_back(publish.enqueue().await.expect("it is accepted"));
        if open.len() == WINDOW {
            open.pop_front().expect("a thousand").await.expect("it is acknowledged");
        }
    }
    for receipt in open {
        receipt.await.expect("it is acknowledged");
    }
    half
}

/// A thousand tasks that wait for each of theirs.
async fn tasks(port: u16, count: usize) -> usize {
    let client = connect(port).await;
    let tasks: Vec<_> = (0..WINDOW)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let topic = tidewire_tokio::TopicName::new("bench/a").expect("a Topic Name");
                let payload = bytes::Bytes::from_static(PAYLOAD);
                for _ in 0..count / WINDOW {
                    client.publish(&topic, payload.clone()).await.expect("it is acknowledged");
                }
            })
        })
        .collect();
    let mut half = 0;
    for task in tasks {
        half = rss_kb();
        task.await.expect("it is through");
    }
    half
}

async fn rumqttc(port: u16, count: usize) -> usize {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
    let mut options = MqttOptions::new("bench", "127.0.0.1", port);
    options.set_inflight(u16::try_from(WINDOW).expect("it fits"));
    options.set_keep_alive(Duration::from_secs(60));
    let (client, mut events) = AsyncClient::new(options, WINDOW);
    let publisher = tokio::spawn(async move {
        for _ in 0..count {
            client.publish("bench/a", QoS::AtLeastOnce, false, PAYLOAD).await.expect("it is accepted");
        }
    });
    let (mut acknowledged, mut half) = (0, 0);
    while acknowledged < count {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.expect("it goes on") {
            acknowledged += 1;
            if acknowledged == count / 2 {
                half = rss_kb();
            }
        }
    }
    publisher.await.expect("it is through");
    half
}

async fn in_this_process(within: bool, count: usize) -> usize {
    let broker = tidewire_tokio::serve().listen("127.0.0.1:0").start().expect("a free port on loopback");
    let address = broker.addresses().next().expect("it has one listener");
    let client = if within { widely(broker.connect()).await } else { connect(address.port()).await };
    let half = enqueue(client, count).await;
    broker.shutdown(Duration::ZERO).await.expect("it ends");
    half
}

/// Clients in one loop. They connect a hundred at a time.
async fn many(port: u16, count: usize, subscribed: bool) {
    let clients = tidewire_tokio::clients().expect("a runtime");
    let (mut held, mut streams) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut before = 0;
    for n in 0..count {
        // The first ones make what all share.
        if n == 100 {
            before = rss_kb();
        }
        held.push(
            clients
                .connect(format!("mqtt://127.0.0.1:{port}?client_id=client-{n}"))
                .start()
                .expect("it is right"),
        );
        if n % 100 == 99 {
            for client in &held[n - 99..] {
                client.connected().await.expect("it is let in");
                if subscribed {
                    streams.push(
                        client.subscribe(format!("clients/{}", streams.len())).await.expect("it is granted"),
                    );
                }
            }
        }
    }
    let each = (rss_kb() - before) * 1024 / (count - 100);
    println!("{count} clients in one loop, each of {each} bytes");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [who, port, rest @ ..] = arguments.as_slice() else {
        panic!("client enqueue|tasks|rumqttc|within|loopback|idle|subscribed PORT [COUNT]")
    };
    let port = port.parse().expect("a port");
    let count = rest.first().map_or(1_000_000, |count| count.parse().expect("a number"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let "idle" | "subscribed" = who.as_str() {
        return runtime.block_on(many(port, count, who == "subscribed"));
    }
    let clock = Clock::start();
    let (before, begun) = (cpu(), clock.now());
    let half = match who.as_str() {
        "enqueue" => runtime.block_on(async { enqueue(connect(port).await, count).await }),
        "within" | "loopback" => runtime.block_on(in_this_process(who == "within", count)),
        "tasks" => runtime.block_on(tasks(port, count)),
        _ => runtime.block_on(rumqttc(port, count)),
    };
    let (used, took) = (cpu() - before, clock.now().saturating_duration_since(begun).as_secs_f64());
    println!("{who}: {used:.2} s CPU, {took:.2} s, {half} kB at half, {} kB at the end", rss_kb());
}
