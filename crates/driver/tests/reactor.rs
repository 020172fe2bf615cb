//! The reactor of tests and simulations keeps what a reactor promises.
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use tidewire_driver::memory::{MemoryReactor, Network, Socket, Wire};
use tidewire_driver::suite::{Bench, Peer};
use tidewire_driver::{Place, Reactor, Ready};

tidewire_driver::reactor_contract!(memory, MemoryBench);

/// What a peer takes before it reads.
const WINDOW: usize = 1 << 20;

struct MemoryBench {
    network: Network,
    reactor: MemoryReactor,
}

impl Bench for MemoryBench {
    type Reactor = MemoryReactor;
    type Peer = MemoryPeer;

    fn new() -> Self {
        let network = Network::new();
        Self { reactor: network.reactor(), network }
    }

    fn another(&self) -> Self {
        Self { reactor: self.network.reactor(), network: self.network.clone() }
    }

    fn pair(&mut self) -> (MemoryPeer, Socket) {
        let (wire, socket) = self.network.connect();
        wire.take_only(WINDOW);
        (MemoryPeer(wire), socket)
    }

    fn listen(&mut self) -> (SocketAddr, Box<dyn FnOnce() -> MemoryPeer>) {
        let (address, network) = (([127, 0, 0, 1], 1883).into(), self.network.clone());
        network.listen(address);
        let listening = Listening { address, network };
        (address, Box::new(move || MemoryPeer(listening.network.accept().expect("it was connected to").1)))
    }

    fn attach(&mut self, place: Place, socket: Socket) -> Socket {
        self.reactor.attach(place, socket).expect("it never fails")
    }

    fn reactor(&mut self) -> &mut MemoryReactor {
        &mut self.reactor
    }

    fn news(&mut self) -> Ready {
        self.reactor.next_ready().expect("news, as nothing has to be waited for")
    }
}

/// Ends when it is dropped.
struct Listening {
    address: SocketAddr,
    network: Network,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.network.unlisten(self.address);
    }
}

struct MemoryPeer(Wire);

impl Read for MemoryPeer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let received = self.0.received();
        assert!(received.len() <= buffer.len(), "the tests read all that there is");
        buffer[..received.len()].copy_from_slice(&received);
        if !received.is_empty() {
            self.0.take_only(WINDOW);
        }
        Ok(received.len())
    }
}

impl Write for MemoryPeer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Peer for MemoryPeer {
    fn finish(&mut self) {
        self.0.finish();
    }
}
