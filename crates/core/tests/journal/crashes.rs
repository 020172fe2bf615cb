//! Random crashes.
use crate::host::{Dice, Got, Host, ack, publish};
use std::collections::{BTreeMap, BTreeSet};
use tidewire_core::codec::Packet;
use tidewire_core::id::ConnectionId;
use tidewire_core::qos::QoS;

/// Alice publishes at QoS 1 and 2 over crashes, and sends again what was not acknowledged. Bob takes what he gets,
/// over crashes and cuts. At the end: everything acknowledged has arrived, QoS 2 once, in order.
#[test]
fn over_random_crashes_nothing_acknowledged_is_lost_and_nothing_is_doubled() {
    for seed in 0..300 {
        Crashes::new(seed).run();
    }
}

pub(crate) struct Crashes {
    seed: u64,
    dice: Dice,
    host: Host,
    alice: Option<ConnectionId>,
    bob: Option<ConnectionId>,
    /// Alice's outgoing: id → (payload, state).
    outgoing: BTreeMap<u16, (String, bool, bool)>,
    acknowledged: Vec<String>,
    next: u16,
    /// Bob's incoming QoS 2 ids that were not released.
    open: BTreeSet<u16>,
    arrived: Vec<String>,
}

impl Crashes {
    pub(crate) fn new(seed: u64) -> Self {
        let mut host = Host::new();
        let bob = host.connect("bob", false);
        host.subscribe(bob, "t", QoS::ExactlyOnce);
        host.got(bob);
        let alice = host.connect("alice", false);
        host.got(alice);
        host.prompt = false;
        Self {
            seed,
            dice: Dice::new(seed),
            host,
            alice: Some(alice),
            bob: Some(bob),
            outgoing: BTreeMap::new(),
            acknowledged: Vec::new(),
            next: 1,
            open: BTreeSet::new(),
            arrived: Vec::new(),
        }
    }

    pub(crate) fn run(mut self) {
        for _ in 0..120 {
            match self.dice.roll(10) {
                0..=3 if self.alice.is_some() && self.next < 60 => self.publish(),
                4 | 5 => self.sync(),
                6 => {
                    let unsynced = self.dice.roll(400);
                    self.crash(unsynced);
                }
                7 => self.cut_bob(),
                _ => self.converse(),
            }
        }
        self.host.prompt = true;
        for _ in 0..6 {
            self.sync();
            self.converse();
        }
        self.judge();
    }

    fn publish(&mut self) {
        let Some(alice) = self.alice else { return };
        let n = self.next;
        self.next += 1;
        let exactly = n.is_multiple_of(2);
        let payload = format!("{}{n}", if exactly { 'e' } else { 'l' });
        let qos = if exactly { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
        self.outgoing.insert(n, (payload.clone(), exactly, false));
        self.host.publish(alice, "t", &payload, qos, n);
        self.listen();
    }

    fn sync(&mut self) {
        self.host.sync();
        self.host.run();
        self.listen();
    }

    fn crash(&mut self, unsynced: usize) {
        self.host.crash(unsynced);
        (self.alice, self.bob) = (None, None);
    }

    fn cut_bob(&mut self) {
        if let Some(bob) = self.bob.take() {
            self.host.cut(bob);
        }
    }

    /// Whoever is away comes back and says what is still open; both take what they got.
    fn converse(&mut self) {
        if self.alice.is_none() {
            let alice = self.host.connect("alice", false);
            self.host.sync();
            self.host.run();
            self.alice = Some(alice);
            for (n, (payload, exactly, released)) in self.outgoing.clone() {
                let qos = if exactly { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
                let packet = match released {
                    true => Packet::Pubrel(ack(n)),
                    false => publish("t", &payload, qos, n, true),
                };
                self.host.send(alice, &packet);
            }
        }
        if self.bob.is_none() {
            self.bob = Some(self.host.connect("bob", false));
        }
        self.listen();
    }

    fn listen(&mut self) {
        for _ in 0..4 {
            if let Some(alice) = self.alice {
                for got in self.host.got(alice) {
                    match got {
                        Got::Puback(n) | Got::Pubcomp(n) => {
                            if let Some((payload, ..)) = self.outgoing.remove(&n) {
                                self.acknowledged.push(payload);
                            }
                        }
                        Got::Pubrec(n) => {
                            if let Some(open) = self.outgoing.get_mut(&n) {
                                open.2 = true;
                            }
                            self.host.send(alice, &Packet::Pubrel(ack(n)));
                        }
                        Got::Connack { present } => assert!(present, "seed {}: alice's session", self.seed),
                        _ => {}
                    }
                }
            }
            let Some(bob) = self.bob else { continue };
            for got in self.host.got(bob) {
                match got {
                    Got::Publish { payload, qos: QoS::ExactlyOnce, id, .. } => {
                        if self.open.insert(id) {
                            self.arrived.push(payload);
                        }
                        self.host.send(bob, &Packet::Pubrec(ack(id)));
                    }
                    Got::Publish { payload, id, .. } => {
                        self.arrived.push(payload);
                        self.host.send(bob, &Packet::Puback(ack(id)));
                    }
                    Got::Pubrel(id) => {
                        self.open.remove(&id);
                        self.host.send(bob, &Packet::Pubcomp(ack(id)));
                    }
                    Got::Connack { present } => assert!(present, "seed {}: bob's session", self.seed),
                    _ => {}
                }
            }
        }
    }

    fn judge(&self) {
        let seed = self.seed;
        assert!(self.outgoing.is_empty(), "seed {seed}: every publish ends: {:?}", self.outgoing);
        for payload in &self.acknowledged {
            assert!(self.arrived.contains(payload), "seed {seed}: {payload} was acknowledged and is lost");
        }
        let exactly: Vec<u16> =
            self.arrived.iter().filter_map(|p| p.strip_prefix('e')?.parse().ok()).collect();
        assert!(
            exactly.windows(2).all(|w| w[0] < w[1]),
            "seed {seed}: QoS 2 doubled or out of order: {exactly:?}"
        );
        let mut first = BTreeSet::new();
        let least: Vec<u16> = self.arrived.iter().filter_map(|p| p.strip_prefix('l')?.parse().ok()).collect();
        let firsts: Vec<_> = least.into_iter().filter(|n| first.insert(*n)).collect();
        assert!(firsts.windows(2).all(|w| w[0] < w[1]), "seed {seed}: QoS 1 out of order: {firsts:?}");
    }
}
