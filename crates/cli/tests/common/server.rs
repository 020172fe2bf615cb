//! Servers that say just what a test wants.
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// What happens on one connection.
pub(crate) type Connection = Box<dyn FnOnce(&mut Wire) + Send>;

/// A server that does what a test says on each of its connections, one after the other.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(connections: Vec<Connection>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("loopback"), connections)
    }

    fn on(listener: TcpListener, connections: Vec<Connection>) -> Self {
        let address = listener.local_addr().expect("bound");
        let thread = std::thread::spawn(move || {
            for connection in connections {
                let (stream, _) = listener.accept().expect("somebody connects");
                stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
                let mut wire = Wire(stream);
                connection(&mut wire);
                wire.closes();
            }
        });
        Self { address, thread }
    }

    pub(crate) fn once(connection: impl FnOnce(&mut Wire) + Send + 'static) -> Self {
        Self::start(vec![Box::new(connection)])
    }

    /// The same, where somebody may have tried before.
    pub(crate) fn with(listener: TcpListener, connection: impl FnOnce(&mut Wire) + Send + 'static) -> Self {
        Self::on(listener, vec![Box::new(connection)])
    }

    /// All has happened as the test says.
    pub(crate) fn join(self) {
        self.thread.join().expect("the server's side of it");
    }
}

/// The server's end of a connection.
pub(crate) struct Wire(TcpStream);

impl Wire {
    /// The first byte of something comes.
    pub(crate) fn begins(&mut self) {
        self.0.read_exact(&mut [0]).expect("something begins to come");
    }

    /// The next packet: its first byte, and what stands behind its length, which is short.
    pub(crate) fn packet(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a packet comes");
        assert!(head[1] < 128, "packets of these tests are short");
        let mut body = vec![0; head[1].into()];
        self.0.read_exact(&mut body).expect("the rest of it");
        (head[0], body)
    }

    pub(crate) fn says(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the client reads");
    }

    /// CONNECT is answered; what stands in it.
    pub(crate) fn lets_in(&mut self, v5: bool) -> Vec<u8> {
        let (first, connect) = self.packet();
        assert_eq!(first, 0x10, "CONNECT");
        self.says(if v5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] });
        connect
    }

    /// SUBSCRIBE to one Topic Filter is answered.
    pub(crate) fn grants(&mut self, v5: bool, qos: u8) {
        let (first, subscribe) = self.packet();
        assert_eq!(first, 0x82, "SUBSCRIBE");
        let [high, low] = [subscribe[0], subscribe[1]];
        if v5 {
            self.says(&[0x90, 4, high, low, 0, qos]);
        } else {
            self.says(&[0x90, 3, high, low, qos]);
        }
    }

    /// A message with QoS 1 and this packet identifier.
    pub(crate) fn publishes(&mut self, v5: bool, packet_id: u8) {
        if v5 {
            self.says(&[0x32, 7, 0, 1, b't', 0, packet_id, 0, b'a' + packet_id]);
        } else {
            self.says(&[0x32, 6, 0, 1, b't', 0, packet_id, b'a' + packet_id]);
        }
    }

    /// Says no more, and reads what still comes: a socket that is dropped with something unread resets the connection.
    fn closes(&mut self) {
        // The client may be gone.
        let _ = self.0.shutdown(Shutdown::Write);
        let mut room = vec![0; 64 * 1024];
        let ends = |_| match self.0.read(&mut room) {
            Ok(read) => read == 0,
            Err(error) => {
                assert_eq!(
                    error.kind(),
                    ErrorKind::ConnectionReset,
                    "the client stays as if nobody had closed"
                );
                true
            }
        };
        assert!((0..1000).any(ends), "the client goes on as if nobody had closed");
    }

    /// All packets until the client closes.
    pub(crate) fn rest(&mut self) -> Vec<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).expect("no reset");
        let (mut packets, mut rest) = (Vec::new(), bytes.as_slice());
        while let Some(length) = rest.get(1) {
            let (packet, after) = rest.split_at(2 + usize::from(*length));
            packets.push(packet.to_vec());
            rest = after;
        }
        packets
    }
}
