//! The allocations that packets take, and how many packets a run has. A line for each job, in columns:
//! number, line, title, codec, packets, allocations, and the most of instructions, nanoseconds and allocations that there
//! may be for a packet.
#![forbid(unsafe_code)]

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use tidewire_benches::jobs::{Job, jobs};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    for (number, job) in jobs().iter().enumerate() {
        let (packets, allocations) = count(job);
        let (line, codec) = (&job.line, job.codec.name());
        let bar = line.bar;
        let most =
            [bar.instructions.map(f64::from), bar.nanoseconds, bar.allocations.map(f64::from)].map(shown);
        println!(
            "{number}\t{}\t{}\t{codec}\t{packets}\t{allocations}\t{}",
            line.key,
            line.title,
            most.join("\t")
        );
    }
}

fn count(job: &Job) -> (usize, usize) {
    let mut run = job.start();
    let region = Region::new(ALLOCATOR);
    let packets = run.run();
    let change = region.change();
    (packets, change.allocations + change.reallocations)
}

fn shown(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}
