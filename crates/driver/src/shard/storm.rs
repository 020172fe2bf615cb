//! Whatever coincides: everything that was asked for is answered, and each connection ends once.
use super::bench::Bench;
use crate::Place;
use crate::machine::Task;
use crate::memory::Wire;
use crate::script::Seen;

/// Numbers that are the same each time, from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

struct Peer {
    wire: Wire,
    asked: usize,
    answered: usize,
}

impl Peer {
    fn listen(&mut self) {
        self.answered += self.wire.received().len();
    }
}

/// Wakes up all connections that a shard holds.
fn resume(bench: &mut Bench, shard: usize) {
    let machine = &mut bench.shards[shard].machine;
    let places: Vec<Place> = machine.places().collect();
    machine.tasks.extend(places.into_iter().map(Task::Resume));
}

fn step(bench: &mut Bench, peers: &mut Vec<Peer>, random: &mut Random) {
    match random.below(8) {
        0 if peers.len() < 6 => {
            let wire = bench.connect();
            // A connection moves before anything was said on it.
            wire.send(random.of(&[b"h", b"v"]));
            wire.split_reads(random.of(&[1, 2, 1000]));
            peers.push(Peer { wire, asked: 0, answered: 0 });
        }
        1 | 2 => {
            resume(bench, 0);
            resume(bench, 1);
        }
        3 => {
            let _ = bench.shards[random.below(2)].turn();
        }
        _ if peers.is_empty() => {}
        4 => {
            let n = random.below(peers.len());
            peers[n].wire.take_only(random.of(&[0, 1, 7, usize::MAX]));
        }
        _ => {
            let n = random.below(peers.len());
            let bytes = random.of(&["e", "eeee", ".", "eh", "ep", "em", "ehe"]);
            peers[n].asked += bytes.bytes().filter(|byte| *byte == b'e').count();
            peers[n].wire.send(bytes.as_bytes());
        }
    }
    for peer in peers {
        peer.listen();
    }
    bench.shards.iter().for_each(super::Shard::check);
}

fn settle(bench: &mut Bench, ends: &mut usize) {
    for _ in 0..100 {
        for shard in 0..2 {
            resume(bench, shard);
            let seen = bench.settle_shard(shard);
            *ends += seen.iter().filter(|seen| matches!(seen, Seen::Closed(..))).count();
        }
    }
}

#[test]
fn nothing_is_lost_and_every_connection_ends_once() {
    for seed in 0..300 {
        let (mut bench, mut random) = (Bench::new(2), Random(seed));
        let (mut peers, mut ends) = (Vec::new(), 0);
        for _ in 0..200 {
            step(&mut bench, &mut peers, &mut random);
        }
        for peer in &peers {
            peer.wire.take_only(usize::MAX);
        }
        settle(&mut bench, &mut ends);
        for peer in &mut peers {
            peer.listen();
            assert_eq!(peer.answered, peer.asked, "seed {seed}");
            peer.wire.finish();
        }
        assert_eq!(ends, 0, "seed {seed}: nobody has gone");
        settle(&mut bench, &mut ends);
        assert_eq!(ends, peers.len(), "seed {seed}");
        assert!(peers.iter().all(|peer| peer.wire.is_closed()), "seed {seed}");
    }
}
