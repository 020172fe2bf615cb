//! What happens between clients and the broker, again and again.
use super::shards::{Client, Shards};
use crate::jobs::Run;
use crate::packets::TOPIC;
use crate::wire::{self, Heard};

/// Publishes from some clients reach others.
#[derive(Clone, Copy)]
pub(super) struct Flow {
    pub(super) qos: u8,
    pub(super) publishers: usize,
    /// So many PUBLISHes each publisher sends in one go.
    pub(super) batch: u16,
    pub(super) subscribers: usize,
    /// In a run.
    pub(super) turns: usize,
    pub(super) place: Place,
}

/// Where sessions live.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// As long as their connections do.
    Memory,
    /// In a journal.
    Journal,
    /// Publishers on one shard, subscribers on another.
    TwoShards,
}

impl Flow {
    pub(super) fn begin(self) -> Box<dyn Run> {
        let is_kept = self.place == Place::Journal;
        let (count, home) = if self.place == Place::TwoShards { (2, 1) } else { (1, 0) };
        let mut shards = Shards::new(count, is_kept);
        for number in 0..self.subscribers {
            let subscriber = shards.client(&format!("subscriber-{number}"), home, is_kept);
            shards.send(subscriber, &wire::subscribe(TOPIC, self.qos));
            shards.settle();
        }
        let name = |number| format!("publisher-{number}");
        let publishers =
            (0..self.publishers).map(|number| shards.client(&name(number), 0, is_kept)).collect();
        Box::new(Flowing {
            bytes: wire::publishes(self.batch, TOPIC, self.qos),
            flow: self,
            shards,
            publishers,
        })
    }

    /// What a run has to make clients hear.
    fn heard(&self) -> Heard {
        let published = self.turns * self.publishers * usize::from(self.batch);
        Heard {
            publishes: published * self.subscribers,
            receipts: if self.qos == 0 { 0 } else { published },
            ..Heard::default()
        }
    }
}

struct Flowing {
    flow: Flow,
    shards: Shards,
    publishers: Vec<Client>,
    bytes: Vec<u8>,
}

impl Run for Flowing {
    fn prepare(&mut self) {
        self.shards.forget();
    }

    fn run(&mut self) -> usize {
        for _ in 0..self.flow.turns {
            self.publishers.iter().for_each(|publisher| self.shards.send(*publisher, &self.bytes));
            self.shards.settle();
        }
        let shards = &self.shards;
        assert_eq!(shards.heard, self.flow.heard());
        assert_eq!(shards.journaled > 0, self.flow.place == Place::Journal);
        assert_eq!(shards.mailed > 0, self.flow.place == Place::TwoShards);
        shards.heard.publishes
    }
}

/// Messages wait for a session without a connection, which then comes back for them.
pub(super) struct Away {
    shards: Shards,
    publisher: Client,
    subscriber: Client,
    bytes: Vec<u8>,
}

const AWAY_BATCH: u16 = 20;
/// More than may be under way at once.
const AWAY_TURNS: usize = 100;

impl Away {
    pub(super) fn begin() -> Box<dyn Run> {
        let mut shards = Shards::new(1, false);
        let subscriber = shards.dial();
        shards.send(subscriber, &wire::connect("subscriber", true));
        shards.send(subscriber, &wire::subscribe(TOPIC, 1));
        shards.settle();
        let publisher = shards.client("publisher", 0, false);
        Box::new(Self { shards, publisher, subscriber, bytes: wire::publishes(AWAY_BATCH, TOPIC, 1) })
    }
}

impl Run for Away {
    fn prepare(&mut self) {
        self.shards.forget();
    }

    fn run(&mut self) -> usize {
        let shards = &mut self.shards;
        shards.cut(self.subscriber);
        for _ in 0..AWAY_TURNS {
            shards.send(self.publisher, &self.bytes);
            shards.settle();
        }
        let messages = AWAY_TURNS * usize::from(AWAY_BATCH);
        assert_eq!(shards.heard, Heard { receipts: messages, ..Heard::default() }, "all of them wait");
        shards.redial(self.subscriber);
        shards.send(self.subscriber, &wire::connect("subscriber", true));
        shards.settle();
        assert_eq!(
            shards.heard,
            Heard { connacks: 1, publishes: messages, receipts: messages, ..Heard::default() }
        );
        messages
    }
}

/// Somebody subscribes to what many Retained Messages match.
pub(super) struct Replay {
    shards: Shards,
    subscriber: Client,
}

const RETAINED: usize = 1000;
const REPLAYS: usize = 5;
const FILTER: &str = "sensors/#";

impl Replay {
    pub(super) fn begin() -> Box<dyn Run> {
        let mut shards = Shards::new(1, false);
        let publisher = shards.client("publisher", 0, false);
        for number in 0..RETAINED {
            shards.send(publisher, &wire::retained(&format!("sensors/house/{number}/temperature")));
        }
        let subscriber = shards.client("subscriber", 0, false);
        Box::new(Self { shards, subscriber })
    }
}

impl Run for Replay {
    fn prepare(&mut self) {
        self.shards.forget();
    }

    fn run(&mut self) -> usize {
        for _ in 0..REPLAYS {
            self.shards.send(self.subscriber, &wire::subscribe(FILTER, 0));
            self.shards.settle();
            self.shards.send(self.subscriber, &wire::unsubscribe(FILTER));
            self.shards.settle();
        }
        let publishes = RETAINED * REPLAYS;
        assert_eq!(self.shards.heard, Heard { publishes, subacks: REPLAYS, ..Heard::default() });
        publishes
    }
}

/// Clients come, are let in, and go.
pub(super) struct Greet {
    shards: Shards,
    client: Client,
    connects: Vec<Vec<u8>>,
    disconnect: Vec<u8>,
}

/// In a run; none of them connects twice in it. A run is longer than a connection's timers.
const CONNECTIONS: usize = 1000;

impl Greet {
    pub(super) fn begin() -> Box<dyn Run> {
        let mut shards = Shards::new(1, false);
        let client = shards.client("first", 0, false);
        shards.send(client, &wire::disconnect());
        shards.settle();
        let connects =
            (0..CONNECTIONS).map(|number| wire::connect(&format!("client-{number}"), false)).collect();
        Box::new(Self { shards, client, connects, disconnect: wire::disconnect() })
    }
}

impl Run for Greet {
    fn prepare(&mut self) {
        self.shards.forget();
    }

    fn run(&mut self) -> usize {
        for connect in &self.connects {
            self.shards.redial(self.client);
            self.shards.send(self.client, connect);
            self.shards.settle();
            self.shards.send(self.client, &self.disconnect);
            self.shards.settle();
        }
        assert_eq!(self.shards.heard, Heard { connacks: CONNECTIONS, ..Heard::default() });
        CONNECTIONS
    }
}
