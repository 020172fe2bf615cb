//! Conversations with a whole server over TCP, byte by byte, on each runtime.
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;
use tidewire_driver::suite::PATIENCE;
use tidewire_server::{Options, Server};

tidewire_driver::on_each! {
    [tokio, mio, #[cfg(feature = "async-std")] async_std] {
        version_3_is_let_in
        credentials_are_not_checked_on_an_open_listener
        a_message_crosses_between_shards
        a_publishers_order_is_kept
        a_large_payload_comes_whole
        the_servers_topics_are_not_for_publishing
        connect_publish_and_the_end_in_one_segment_are_a_message
        whoever_errs_reads_why_although_it_goes_on_sending
        a_slow_reader_gets_everything_and_holds_nobody_up
        many_are_served_at_once
        a_shutdown_tells_everybody_why
        a_peer_that_never_reads_its_goodbye_does_not_hold_up_the_end
        #[cfg(target_os = "linux")]
        the_system_asks_whether_a_silent_peer_is_still_there
    }
}

fn server(runtime: &str, shards: u16) -> Server {
    let mut options = Options::default();
    options.broker.listen = vec!["127.0.0.1:0".into()];
    options.broker.shards = Some(shards);
    options.runtime = runtime.parse().expect("a runtime");
    Server::start(&options).expect("a free port on loopback")
}

fn address(server: &Server) -> SocketAddr {
    server.addresses().next().expect("it has one listener")
}

/// At once: who is still connected is not waited for.
fn stop(server: Server) {
    server.shutdown(Duration::ZERO);
    server.join();
}

/// A client that speaks bytes.
struct Client {
    stream: TcpStream,
}

impl Client {
    fn dial(server: &Server) -> Self {
        let stream = TcpStream::connect(address(server)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream.set_nodelay(true).expect("TCP");
        Self { stream }
    }

    /// Connected with 5.0.
    fn connected(server: &Server, client_id: &str) -> Self {
        let mut client = Self::dial(server);
        client.send(&connect5(client_id));
        let (kind, body) = client.packet();
        assert_eq!((kind, body[1]), (0x20, 0), "{client_id}: {body:?}");
        client
    }

    fn subscribed(server: &Server, client_id: &str, filter: &str, qos: u8) -> Self {
        let mut client = Self::connected(server, client_id);
        client.send(&subscribe5(filter, qos));
        assert_eq!(client.packet(), (0x90, vec![0, 1, 0, qos]));
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// The next packet: its first byte and its body.
    fn packet(&mut self) -> (u8, Vec<u8>) {
        let mut first = [0; 1];
        self.stream.read_exact(&mut first).expect("a packet comes");
        let mut length = 0;
        for shift in 0.. {
            let mut byte = [0; 1];
            self.stream.read_exact(&mut byte).expect("its length comes");
            length |= usize::from(byte[0] & 0x7f) << (7 * shift);
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("its body comes");
        (first[0], body)
    }

    /// The payload of the next packet, a PUBLISH of 5.0 with no properties and a topic of one letter.
    fn payload(&mut self) -> Vec<u8> {
        let (kind, body) = self.packet();
        assert_eq!(kind & 0xf0, 0x30, "a PUBLISH");
        let packet_id = if kind & 0x06 == 0 { 0 } else { 2 };
        if packet_id > 0 {
            self.send(&[0x40, 2, body[3], body[4]]);
        }
        body[3 + packet_id + 1..].to_vec()
    }

    fn is_answered(&mut self) -> bool {
        self.send(&[0xc0, 0]);
        self.packet() == (0xd0, vec![])
    }

    /// Nothing more comes, in good order.
    fn hears_the_end(&mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => assert_eq!(rest, b""),
            Err(error) => panic!("{error}"),
        }
    }
}

/// With its length in front.
fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    let mut length = body.len();
    loop {
        let more = if length > 127 { 0x80 } else { 0 };
        bytes.push(u8::try_from(length & 0x7f).expect("seven bits") | more);
        length >>= 7;
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

fn connect5(client_id: &str) -> Vec<u8> {
    packet(0x10, &[&text("MQTT")[..], &[5, 2, 0, 0, 0], &text(client_id)].concat())
}

fn subscribe5(filter: &str, qos: u8) -> Vec<u8> {
    packet(0x82, &[&[0, 1, 0][..], &text(filter), &[qos]].concat())
}

fn publish5(topic: &str, qos: u8, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    let id = packet_id.to_be_bytes();
    let id = if qos == 0 { &[][..] } else { &id };
    packet(0x30 | qos << 1, &[&text(topic)[..], id, &[0], payload].concat())
}

fn version_3_is_let_in(runtime: &str) {
    let server = server(runtime, 1);
    let mut client = Client::dial(&server);
    client.send(&packet(0x10, &[&text("MQTT")[..], &[4, 2, 0, 0], &text("three")].concat()));
    assert_eq!(client.packet(), (0x20, vec![0, 0]));
    assert!(client.is_answered());
    client.send(&[0xe0, 0]);
    client.hears_the_end();
    stop(server);
}

fn credentials_are_not_checked_on_an_open_listener(runtime: &str) {
    let server = server(runtime, 1);
    let mut client = Client::dial(&server);
    let who = [text("c"), text("alice"), text("wrong")].concat();
    client.send(&packet(0x10, &[&text("MQTT")[..], &[4, 0xc2, 0, 0], &who].concat()));
    assert_eq!(client.packet(), (0x20, vec![0, 0]));
    stop(server);
}

fn a_message_crosses_between_shards(runtime: &str) {
    for shards in 1..=3 {
        let server = server(runtime, shards);
        let names: Vec<String> = (0..12).map(|i| format!("subscriber-{i}")).collect();
        let mut subscribers: Vec<_> =
            names.iter().map(|name| Client::subscribed(&server, name, "#", 1)).collect();
        let mut publishers: Vec<_> =
            (0..4).map(|i| Client::connected(&server, &format!("publisher-{i}"))).collect();
        for (i, publisher) in publishers.iter_mut().enumerate() {
            let payload = [u8::try_from(i).expect("few")];
            publisher.send(&publish5("t", 1, 7, &payload));
            assert_eq!(publisher.packet(), (0x40, vec![0, 7]));
        }
        for subscriber in &mut subscribers {
            let mut payloads: Vec<_> = publishers.iter().flat_map(|_| subscriber.payload()).collect();
            payloads.sort_unstable();
            assert_eq!(payloads, [0, 1, 2, 3], "with {shards} shards");
        }
        stop(server);
    }
}

fn a_publishers_order_is_kept(runtime: &str) {
    let server = server(runtime, 2);
    let mut subscribers: Vec<_> =
        (0..4).map(|i| Client::subscribed(&server, &format!("s{i}"), "t", 0)).collect();
    let mut publisher = Client::connected(&server, "publisher");
    for i in 0..2000u32 {
        publisher.send(&publish5("t", 0, 0, &i.to_be_bytes()));
    }
    for subscriber in &mut subscribers {
        for i in 0..2000u32 {
            assert_eq!(subscriber.payload(), i.to_be_bytes());
        }
    }
    stop(server);
}

fn a_large_payload_comes_whole(runtime: &str) {
    let server = server(runtime, 2);
    let payload: Vec<u8> = (0..4_000_000u32).map(|i| i.to_le_bytes()[usize::from(i % 7 == 0)]).collect();
    let mut subscriber = Client::subscribed(&server, "subscriber", "t", 1);
    let mut publisher = Client::connected(&server, "publisher");
    publisher.send(&publish5("t", 1, 7, &payload));
    assert_eq!(publisher.packet(), (0x40, vec![0, 7]));
    assert!(subscriber.payload() == payload, "not as it was sent");
    stop(server);
}

fn the_servers_topics_are_not_for_publishing(runtime: &str) {
    let server = server(runtime, 1);
    let mut client = Client::connected(&server, "c");
    client.send(&publish5("$SYS/broker/version", 1, 7, b"mine"));
    let (kind, body) = client.packet();
    assert_eq!((kind, &body[..3]), (0x40, &[0, 7, 0x87][..]));
    stop(server);
}

fn connect_publish_and_the_end_in_one_segment_are_a_message(runtime: &str) {
    for shards in 1..=2 {
        let server = server(runtime, shards);
        let mut subscriber = Client::subscribed(&server, "subscriber", "t", 1);
        for i in 0..8u8 {
            let mut hasty = Client::dial(&server);
            let bytes = [connect5(&format!("hasty-{i}")), publish5("t", 0, 0, &[i]), vec![0xe0, 0]];
            hasty.send(&bytes.concat());
            hasty.stream.shutdown(Shutdown::Write).expect("connected");
            assert_eq!(subscriber.payload(), [i], "with {shards} shards");
        }
        stop(server);
    }
}

fn whoever_errs_reads_why_although_it_goes_on_sending(runtime: &str) {
    let server = server(runtime, 1);
    let mut client = Client::connected(&server, "c");
    // A second CONNECT, and much that nobody will look at. [MQTT-3.1.0-2]
    let noise = vec![0xff; 300_000];
    client.send(&[connect5("c"), noise].concat());
    let (kind, body) = client.packet();
    assert_eq!((kind, body[0]), (0xe0, 0x82));
    client.hears_the_end();
    stop(server);
}

fn a_slow_reader_gets_everything_and_holds_nobody_up(runtime: &str) {
    let server = server(runtime, 2);
    let mut slow = Client::subscribed(&server, "slow", "t", 1);
    let mut fast = Client::subscribed(&server, "fast", "t", 1);
    let mut publisher = Client::connected(&server, "publisher");
    let payload = vec![b'x'; 100_000];
    for i in 0..200u8 {
        publisher.send(&publish5("t", 1, u16::from(i) + 1, &[&[i], &payload[..]].concat()));
        assert_eq!(publisher.packet().0, 0x40);
        assert_eq!(fast.payload()[0], i);
    }
    for i in 0..200u8 {
        assert_eq!(slow.payload()[0], i);
    }
    stop(server);
}

fn many_are_served_at_once(runtime: &str) {
    let server = server(runtime, 2);
    let mut clients: Vec<_> = (0..300).map(|i| Client::connected(&server, &format!("c{i}"))).collect();
    for client in &mut clients {
        client.send(&[0xc0, 0]);
    }
    for client in &mut clients {
        assert_eq!(client.packet(), (0xd0, vec![]));
    }
    stop(server);
}

fn a_shutdown_tells_everybody_why(runtime: &str) {
    let server = server(runtime, 2);
    let mut clients: Vec<_> = (0..8).map(|i| Client::connected(&server, &format!("c{i}"))).collect();
    let address = address(&server);
    server.shutdown(PATIENCE);
    for client in &mut clients {
        assert_eq!(client.packet(), (0xe0, vec![0x8b]));
        client.hears_the_end();
    }
    drop(clients);
    server.join();
    let refused = TcpStream::connect(address).map_err(|error| error.kind());
    assert_eq!(refused.err(), Some(ErrorKind::ConnectionRefused));
}

fn a_peer_that_never_reads_its_goodbye_does_not_hold_up_the_end(runtime: &str) {
    let server = server(runtime, 1);
    let mut deaf = Client::subscribed(&server, "deaf", "t", 0);
    let mut publisher = Client::connected(&server, "publisher");
    // Until the way to it is full.
    let payload = vec![b'x'; 1_000_000];
    for _ in 0..16 {
        publisher.send(&publish5("t", 0, 0, &payload));
    }
    assert!(publisher.is_answered());
    server.shutdown(Duration::from_millis(500));
    server.join();
    assert!(deaf.stream.read(&mut [0; 1]).is_ok(), "what had reached it is there");
}

/// With a Keep Alive of 0 a peer that vanished would stay for ever. What timer a socket has, the system says: 2 is that of
/// probes.
#[cfg(target_os = "linux")]
fn the_system_asks_whether_a_silent_peer_is_still_there(runtime: &str) {
    let server = server(runtime, 1);
    let mut client = Client::connected(&server, "silent");
    assert!(client.is_answered());
    // What is read is acknowledged with what is sent next, and then no other timer is due first.
    client.send(&[0xc0]);
    let ends = [address(&server), client.stream.local_addr().expect("connected")].map(|end| end.port());
    let port = |address: &str| u16::from_str_radix(address.rsplit(':').next()?, 16).ok();
    let clock = tidewire_driver::Clock::start();
    let until = clock.now().after(PATIENCE);
    let timer = || {
        let sockets = std::fs::read_to_string("/proc/net/tcp").expect("the system tells");
        let mut rows = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| [1, 2].map(|n| port(row[n])) == ends.map(Some) && row[3] == "01");
        row.map(|row| row[5].to_owned()).expect("the server's end of the connection")
    };
    while !timer().starts_with("02:") {
        assert!(clock.now() < until, "{}", timer());
        std::thread::yield_now();
    }
    stop(server);
}
