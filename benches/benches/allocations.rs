//! The allocations that packets or deliveries take, and how many of them a run has. Called with the name of a family; a
//! line for each of its jobs, in columns: number, line, title, whose it is, packets or deliveries, allocations, and the most
//! of instructions, nanoseconds and allocations that there may be for one.
#![forbid(unsafe_code)]

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use tidewire_benches::jobs::Job;
use tidewire_benches::{broker, client, codecs};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let family = std::env::args().nth(1);
    let jobs = match family.as_deref() {
        Some("codec") => codecs::jobs(),
        Some("core") => broker::jobs(),
        Some("client") => client::jobs(),
        _ => panic!("no family of jobs is called {family:?}"),
    };
    for (number, job) in jobs.iter().enumerate() {
        let (count, allocations) = count(job);
        let Job { key, title, by, bar, .. } = job;
        let most =
            [bar.instructions.map(f64::from), bar.nanoseconds, bar.allocations.map(f64::from)].map(shown);
        println!("{number}\t{key}\t{title}\t{by}\t{count}\t{allocations}\t{}", most.join("\t"));
    }
}

fn count(job: &Job) -> (usize, usize) {
    let mut run = job.start();
    let region = Region::new(ALLOCATOR);
    let count = run.run();
    let change = region.change();
    (count, change.allocations + change.reallocations)
}

fn shown(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}
