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

/// Does something to each buffer.
pub struct Each<O, F> {
    buffers: Vec<O>,
    put: F,
}

impl<O, F: FnMut(&mut O)> Each<O, F> {
    pub fn new(buffers: Vec<O>, put: F) -> Self {
        Self { buffers, put }
    }
}

impl<O, F: FnMut(&mut O)> Run for Each<O, F> {
    fn run(&mut self) -> usize {
        self.buffers.iter_mut().for_each(&mut self.put);
        self.buffers.len()
    }
}

/// The same, with a value for each that is used up. They are made beforehand.
pub struct UseUp<T, O, F> {
    pattern: T,
    ready: Vec<T>,
    buffers: Vec<O>,
    put: F,
}

impl<T, O, F: FnMut(T, &mut O)> UseUp<T, O, F> {
    pub fn new(pattern: T, buffers: Vec<O>, put: F) -> Self {
        Self { pattern, ready: Vec::with_capacity(buffers.len()), buffers, put }
    }
}

impl<T: Clone, O, F: FnMut(T, &mut O)> Run for UseUp<T, O, F> {
    fn prepare(&mut self) {
        self.ready.resize(self.buffers.len(), self.pattern.clone());
    }

    fn run(&mut self) -> usize {
        for (value, buffer) in self.ready.drain(..).zip(&mut self.buffers) {
            (self.put)(value, buffer);
        }
        self.buffers.len()
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
