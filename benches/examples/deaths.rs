//! `deaths PORT [SECONDS] [QOS]`: a member of a Shared Subscription dies every 100 ms, over TCP, while somebody publishes. Says
//! how many messages came to nobody, and how many more than once. With mosquitto as with our broker.
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tidewire_core::codec::{
    Ack, Connect, Decoder, Delivery, FiltersBuf, Item, Limits, Mode, Packet, Payload, Properties,
    PropertiesBuf, Property, PublishHead, Subscribe, SubscriptionOptions,
};
use tidewire_core::id::PacketId;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::Text;
use tidewire_core::topic::TopicFilter;
use tidewire_core::version::{Role, Version};

const MEMBERS: usize = 5;
const DEATH: Duration = Duration::from_millis(100);
const AWAY: Duration = Duration::from_millis(250);
/// Not acknowledged at a time.
const WINDOW: usize = 50;
const MOST: usize = 4_000_000;

/// What came, and who may still die.
struct Scene {
    port: u16,
    qos: QoS,
    came: Vec<AtomicU8>,
    lines: Vec<Mutex<Option<TcpStream>>>,
    /// Nothing more is published.
    is_over: AtomicBool,
    /// Members who lose their connection make no other.
    is_closing: AtomicBool,
}

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![];
    packet.encode(Version::V5, u32::MAX, &mut bytes).expect("a packet");
    bytes
}

/// A connection that is let in, with a session that is kept.
fn connect(port: u16, name: &str) -> std::io::Result<TcpStream> {
    let mut line = TcpStream::connect(("127.0.0.1", port))?;
    line.set_nodelay(true)?;
    let kept = PropertiesBuf::of([Property::SessionExpiryInterval(1000), Property::ReceiveMaximum(20)]);
    let kept = kept.expect("they can be sent");
    let connect = Connect {
        version: Version::V5,
        bridge: false,
        clean_start: false,
        keep_alive: 0,
        properties: kept.as_properties(),
        client_id: Text::new(name).expect("a text"),
        will: None,
        username: None,
        password: None,
    };
    line.write_all(&encode(&Packet::Connect(connect)))?;
    Ok(line)
}

/// Reads packets, until the line breaks.
fn read(line: &mut TcpStream, mut each: impl FnMut(&Packet<'_>, &mut Vec<u8>)) {
    let mut decoder = Decoder::new(Mode { role: Role::Client, version: Some(Version::V5) });
    let (limits, mut buffer, mut answers) = (Limits::default(), vec![0; 65_536], vec![]);
    while let Ok(n @ 1..) = line.read(&mut buffer) {
        let mut rest = &buffer[..n];
        while let Ok(Some(item)) = decoder.next(&limits, &mut rest) {
            if let Item::Packet(packet) = item {
                each(&packet, &mut answers);
            }
        }
        if line.write_all(&answers).is_err() {
            return;
        }
        answers.clear();
    }
}

fn ack(id: PacketId) -> Ack<'static> {
    Ack { packet_id: id, reason: ReasonCode::Success, properties: Properties::default() }
}

fn live(scene: &Scene, n: usize) {
    let mut begun = BTreeSet::new();
    while !scene.is_closing.load(Ordering::Relaxed) {
        if let Ok(mut line) = connect(scene.port, &format!("member-{n}")) {
            let mut filters = FiltersBuf::new(Version::V5);
            let options = SubscriptionOptions { qos: scene.qos, ..SubscriptionOptions::default() };
            filters.push(&TopicFilter::new("$share/g/deaths").expect("a filter"), options);
            let packet_id = PacketId::new(1).expect("not zero");
            let properties = Properties::default();
            let subscribe = Subscribe { packet_id, properties, filters: filters.as_filters() };
            let _ = line.write_all(&encode(&Packet::Subscribe(subscribe)));
            *scene.lines[n].lock().expect("nobody panics") = line.try_clone().ok();
            read(&mut line, |packet, answers| match packet {
                Packet::Publish(publish) => {
                    let Payload::Whole(number) = publish.payload else { return };
                    let number = std::str::from_utf8(number).ok().and_then(|text| text.parse::<usize>().ok());
                    let is_new = match publish.delivery {
                        Delivery::ExactlyOnce { packet_id, .. } => begun.insert(packet_id),
                        Delivery::AtMostOnce | Delivery::AtLeastOnce { .. } => true,
                    };
                    if let Some(number) = number.filter(|_| is_new) {
                        scene.came[number].fetch_add(1, Ordering::Relaxed);
                    }
                    match publish.delivery {
                        Delivery::AtMostOnce => {}
                        Delivery::AtLeastOnce { packet_id, .. } => {
                            answers.extend(encode(&Packet::Puback(ack(packet_id))))
                        }
                        Delivery::ExactlyOnce { packet_id, .. } => {
                            answers.extend(encode(&Packet::Pubrec(ack(packet_id))))
                        }
                    }
                }
                Packet::Pubrel(release) => {
                    begun.remove(&release.packet_id);
                    answers.extend(encode(&Packet::Pubcomp(ack(release.packet_id))));
                }
                _ => {}
            });
        }
        thread::park_timeout(AWAY);
    }
}

/// As many as the server takes, until it is over; how many it has taken.
fn publish(scene: &Scene) -> usize {
    let mut line = connect(scene.port, "publisher").expect("a broker");
    let (mut sent, mut acknowledged) = (0, 0);
    let mut output = line.try_clone().expect("a socket");
    let mut next = move |sent: &mut usize| {
        let packet_id =
            PacketId::new(u16::try_from(*sent % 60_000).expect("it is less") + 1).expect("not zero");
        let payload = sent.to_string();
        let head = PublishHead {
            delivery: Delivery::new(scene.qos, packet_id, false),
            retain: false,
            topic: Text::new("deaths").expect("a text"),
            topic_alias: None,
            message_expiry_interval: None,
            properties: &[],
            subscription_identifiers: &[],
            payload_len: payload.len(),
        };
        let mut bytes = vec![];
        head.encode(Version::V5, u32::MAX, &mut bytes).expect("a packet");
        bytes.extend(payload.bytes());
        let _ = output.write_all(&bytes);
        *sent += 1;
    };
    (0..WINDOW).for_each(|_| next(&mut sent));
    let ender = line.try_clone().expect("a socket");
    read(&mut line, |packet, answers| {
        let is_done = match packet {
            Packet::Puback(ack) => {
                assert!(!ack.reason.is_error(), "it is taken: {:?}", ack.reason);
                true
            }
            Packet::Pubrec(received) => {
                answers.extend(encode(&Packet::Pubrel(ack(received.packet_id))));
                false
            }
            Packet::Pubcomp(_) => true,
            _ => false,
        };
        acknowledged += usize::from(is_done);
        if is_done && !scene.is_over.load(Ordering::Relaxed) && sent < MOST {
            // Members keep up with it.
            if acknowledged % 10 == 0 {
                thread::park_timeout(Duration::from_millis(1));
            }
            next(&mut sent);
        } else if acknowledged == sent {
            let _ = ender.shutdown(Shutdown::Both);
        }
    });
    acknowledged
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u16>().expect("a number"));
    let port = arguments.next().expect("deaths PORT [SECONDS] [QOS]");
    let seconds = arguments.next().unwrap_or(60);
    let qos = QoS::from_bits(u8::try_from(arguments.next().unwrap_or(1)).unwrap_or(3)).expect("a QoS");
    let scene = Arc::new(Scene {
        port,
        qos,
        came: (0..=MOST + WINDOW).map(|_| AtomicU8::new(0)).collect(),
        lines: (0..MEMBERS).map(|_| Mutex::new(None)).collect(),
        is_over: AtomicBool::new(false),
        is_closing: AtomicBool::new(false),
    });
    let members: Vec<_> = (0..MEMBERS)
        .map(|n| {
            let scene = Arc::clone(&scene);
            thread::spawn(move || live(&scene, n))
        })
        .collect();
    thread::park_timeout(Duration::from_secs(1));
    let publisher = thread::spawn({
        let scene = Arc::clone(&scene);
        move || publish(&scene)
    });
    let deaths = usize::from(seconds) * 10;
    for death in 0..deaths {
        if let Some(line) = scene.lines[death % MEMBERS].lock().expect("nobody panics").take() {
            let _ = line.shutdown(Shutdown::Both);
        }
        thread::park_timeout(DEATH);
    }
    scene.is_over.store(true, Ordering::Relaxed);
    let published = publisher.join().expect("it was let in");
    // What waits for them comes now.
    thread::park_timeout(Duration::from_secs(3));
    scene.is_closing.store(true, Ordering::Relaxed);
    for line in &scene.lines {
        if let Some(line) = line.lock().expect("nobody panics").take() {
            let _ = line.shutdown(Shutdown::Both);
        }
    }
    members.into_iter().for_each(|member| drop(member.join()));
    let times = |wanted: fn(u8) -> bool| {
        scene.came[..published].iter().filter(|came| wanted(came.load(Ordering::Relaxed))).count()
    };
    let (lost, again) = (times(|came| came == 0), times(|came| came > 1));
    println!(
        "{published} published with QoS {}, {deaths} deaths: {lost} lost, {again} came more than once",
        qos.bits()
    );
    if lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
