//! The client's machine: a QoS 1 publish and its PUBACK, while so many are in flight.
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tidewire_core::client::{Client, Config};
use tidewire_core::message::Publication;
use tidewire_core::output::Output;
use tidewire_core::qos::QoS;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicName;

/// A client and its server, which acknowledges what is oldest.
struct Pair {
    client: Client,
    out: Output,
    publication: Publication,
    oldest: u16,
}

const NOW: Instant = Instant::from_secs(1);

impl Pair {
    fn new(in_flight: u16) -> Self {
        let mut config = Config::default();
        (config.in_flight, config.outbox_messages) = (u16::MAX, usize::MAX);
        let mut client = Client::new(config, &[0; 32]);
        client.connect(NOW);
        client.handle_open(NOW);
        let mut out = Output::default();
        client.poll_transmit(NOW, usize::MAX, &mut out);
        let _ = client.handle_bytes(NOW, &[0x20, 3, 0, 0, 0]);
        let topic = TopicName::new("bench/a").expect("a Topic Name");
        let publication = Publication::new(topic, Bytes::from_static(&[7; 64])).qos(QoS::AtLeastOnce);
        let mut pair = Self { client, out, publication, oldest: 1 };
        (0..in_flight).for_each(|_| pair.publish());
        pair
    }

    fn publish(&mut self) {
        self.client.publish(NOW, self.publication.clone()).expect("there is room");
        self.client.poll_transmit(NOW, usize::MAX, &mut self.out);
        self.out.advance(self.out.unsent());
        while self.client.poll_action().is_some() {}
    }

    fn acknowledged(&mut self) {
        let [high, low] = self.oldest.to_be_bytes();
        let _ = self.client.handle_bytes(NOW, &[0x40, 2, high, low]);
        self.oldest = if self.oldest == u16::MAX { 1 } else { self.oldest + 1 };
        while self.client.poll_action().is_some() {}
        black_box(self.client.poll_event());
    }
}

fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish QoS 1 and PUBACK");
    group.throughput(Throughput::Elements(1));
    for in_flight in [0, 100, 1000, 15_000] {
        let mut pair = Pair::new(in_flight);
        group.bench_function(BenchmarkId::from_parameter(in_flight), |bencher| {
            bencher.iter(|| {
                pair.publish();
                pair.acknowledged();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, publish);
criterion_main!(benches);
