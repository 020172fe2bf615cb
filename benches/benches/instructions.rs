//! The instructions that packets take, by callgrind: `job_N` is the run of job N, without what is prepared for it.
#![forbid(unsafe_code)]

use gungraun::{Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use tidewire_benches::jobs::{Run, jobs};

fn start(index: usize) -> Box<dyn Run> {
    jobs()[index].start()
}

#[library_benchmark(setup = start, teardown = drop)]
#[benches::job(iter = 0..jobs().len())]
fn instructions(mut run: Box<dyn Run>) -> Box<dyn Run> {
    run.run();
    run
}

/// The copying of glibc that is the same on each x86-64. What it chooses by itself depends on the processor, and callgrind
/// counts `rep movsb` as an instruction for each byte.
const COPYING: &str = "glibc.cpu.hwcaps=-AVX512VL,-AVX512F,-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM";

library_benchmark_group!(name = codec, benchmarks = instructions);
main!(
    config = LibraryBenchmarkConfig::default()
        .tool(Callgrind::with_args(["--cache-sim=no"]))
        .env("GLIBC_TUNABLES", COPYING),
    library_benchmark_groups = codec
);
