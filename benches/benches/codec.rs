//! The time that packets take, by criterion.
#![forbid(unsafe_code)]

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use std::time::{Duration, Instant};
use tidewire_benches::codecs::jobs;
use tidewire_benches::jobs::Run;

fn time(criterion: &mut Criterion) {
    for job in jobs() {
        let mut run = job.start();
        let mut group = criterion.benchmark_group(job.key);
        group.warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(1)).sample_size(20);
        // Some runs take a tenth of a second.
        group.sampling_mode(SamplingMode::Flat);
        group.throughput(Throughput::Elements(run.run() as u64));
        group.bench_function(BenchmarkId::from_parameter(job.by), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| one(run.as_mut())).sum());
        });
    }
}

#[allow(clippy::disallowed_methods, reason = "what is prepared in between is not measured")]
fn one(run: &mut dyn Run) -> Duration {
    run.prepare();
    let start = Instant::now();
    run.run();
    start.elapsed()
}

criterion_group!(benches, time);
criterion_main!(benches);
