//! A server of scripted shards on a network of memory.
use super::Shard;
use crate::memory::{MemoryReactor, Network, Socket, Wire};
use crate::script::{Script, Seen};
use crate::{Mailbox, Place, Turn};
use tidewire_core::broker::policy::Peer;
use tidewire_core::id::ShardId;

pub(super) const PEER: Peer =
    Peer::new(std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1), 0);

/// The first connection of a shard.
pub(super) const FIRST: Place = Place { index: 0, generation: 0 };

/// The shards, and the network that their sockets are of.
pub(super) struct Bench {
    pub(super) network: Network,
    pub(super) shards: Vec<Shard<MemoryReactor, Script>>,
}

impl Bench {
    pub(super) fn new(shards: u16) -> Self {
        let network = Network::new();
        let mailboxes: Vec<Mailbox<Script, Socket>> = (0..shards).map(|_| Mailbox::default()).collect();
        let shard = |me| {
            let (reactor, mailboxes) = (network.reactor(), mailboxes.clone());
            Shard::new(ShardId(me), Script::default(), reactor, Box::new(()), None, mailboxes)
        };
        let shards = (0..shards).map(shard).collect();
        Self { network, shards }
    }

    /// A connection into the first shard that it knows already.
    pub(super) fn connected() -> (Self, Wire) {
        let mut bench = Self::new(1);
        let wire = bench.connect();
        (bench, wire)
    }

    pub(super) fn connect(&mut self) -> Wire {
        let (wire, socket) = self.network.connect();
        self.shards[0].mailbox().post_accepted(socket, PEER).unwrap();
        let _ = self.shards[0].turn();
        self.machine().seen.clear();
        wire
    }

    pub(super) fn machine(&mut self) -> &mut Script {
        &mut self.shards[0].machine
    }

    /// Turns the first shard until it would wait.
    pub(super) fn settle(&mut self) -> Vec<Seen> {
        self.settle_shard(0)
    }

    pub(super) fn settle_shard(&mut self, shard: usize) -> Vec<Seen> {
        let _ = self.rest(shard);
        std::mem::take(&mut self.shards[shard].machine.seen)
    }

    /// Turns a shard until it would wait, or has ended.
    pub(super) fn rest(&mut self, shard: usize) -> Turn {
        for _ in 0..1000 {
            let turn = self.shards[shard].turn();
            self.shards[shard].check();
            if turn != Turn::Again {
                return turn;
            }
        }
        panic!("it turns and turns");
    }
}
