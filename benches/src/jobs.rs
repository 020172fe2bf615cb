//! Work that can be done again and again.
use crate::codecs::{Codec, all};
use crate::lines::{Line, lines};

/// What one codec has to do for one line.
pub trait Run {
    /// What is not measured.
    fn prepare(&mut self) {}

    /// What is. Returns how many packets it took.
    fn run(&mut self) -> usize;
}

/// Does something to one packet after the other.
pub struct Repeat<F>(pub F);

/// How many of them a run takes.
const TIMES: usize = 256;

impl<F: FnMut()> Run for Repeat<F> {
    fn run(&mut self) -> usize {
        (0..TIMES).for_each(|_| (self.0)());
        TIMES
    }
}

/// The same to values that are used up by it; they are made beforehand.
pub struct UseUp<T, F> {
    pattern: T,
    ready: Vec<T>,
    with: F,
}

impl<T, F> UseUp<T, F> {
    pub fn new(pattern: T, with: F) -> Self {
        Self { pattern, ready: Vec::with_capacity(TIMES), with }
    }
}

impl<T: Clone, F: FnMut(T)> Run for UseUp<T, F> {
    fn prepare(&mut self) {
        self.ready.resize(TIMES, self.pattern.clone());
    }

    fn run(&mut self) -> usize {
        let count = self.ready.len();
        self.ready.drain(..).for_each(&mut self.with);
        count
    }
}

/// A line, and who does it.
pub struct Job {
    pub line: Line,
    pub codec: &'static dyn Codec,
}

impl Job {
    /// Ready to run, and has run once, so that what is only done at the beginning is done.
    pub fn start(&self) -> Box<dyn Run> {
        let mut run = self.codec.start(&self.line.task);
        run.prepare();
        run.run();
        run.prepare();
        run
    }
}

/// All that the codecs at hand can do, always in the same order.
pub fn jobs() -> Vec<Job> {
    let mut jobs = vec![];
    for line in lines() {
        let able = all().into_iter().filter(|codec| codec.can(&line.task));
        jobs.extend(able.map(|codec| Job { line: line.clone(), codec }));
    }
    jobs
}
