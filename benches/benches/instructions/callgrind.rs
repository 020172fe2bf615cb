//! A program that counts the instructions of jobs, by callgrind.

/// `job_N` is the run of job N, without what is prepared for it.
///
/// Each family is a program of its own: what stands beside the code that is counted changes what the compiler makes of it.
macro_rules! instructions {
    ($jobs:path) => {
        use gungraun::{Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
        use tidewire_benches::jobs::Run;

        fn count() -> usize {
            $jobs().len()
        }

        fn start(index: usize) -> Box<dyn Run> {
            $jobs()[index].start()
        }

        #[library_benchmark(setup = start, teardown = drop)]
        #[benches::job(iter = 0..count())]
        fn instructions(mut run: Box<dyn Run>) -> Box<dyn Run> {
            run.run();
            run
        }

        library_benchmark_group!(name = jobs, benchmarks = instructions);
        main!(
            config = LibraryBenchmarkConfig::default()
                .tool(Callgrind::with_args(["--cache-sim=no"]))
                .env("GLIBC_TUNABLES", $crate::callgrind::COPYING),
            library_benchmark_groups = jobs
        );
    };
}

/// The copying of glibc that is the same on each x86-64. What it chooses by itself depends on the processor, and callgrind
/// counts `rep movsb` as an instruction for each byte.
pub(crate) const COPYING: &str =
    "glibc.cpu.hwcaps=-AVX512VL,-AVX512F,-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM";
