//! Work that can be done again and again.

/// What has to be done for one line.
pub trait Run {
    /// What is not measured.
    fn prepare(&mut self) {}

    /// What is. Returns how many of what the line counts it was: packets, or deliveries.
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

/// The most there may be for each of what a line counts.
#[derive(Clone, Copy, Default)]
pub struct Bar {
    pub instructions: Option<u32>,
    pub nanoseconds: Option<f64>,
    pub allocations: Option<u32>,
}

/// A line of a table, and who does it.
pub struct Job {
    /// Names the line in files.
    pub key: &'static str,
    /// Names it in the table.
    pub title: String,
    pub bar: Bar,
    /// Whose code it is.
    pub by: &'static str,
    pub begin: Box<dyn Fn() -> Box<dyn Run>>,
}

impl Job {
    /// Ready to run, and has run once, so that what is only done at the beginning is done.
    pub fn start(&self) -> Box<dyn Run> {
        let mut run = (self.begin)();
        run.prepare();
        run.run();
        run.prepare();
        run
    }
}

/// So many runs come before the one that counts: what grows by doubling then rarely grows in it.
const WARM_UP: usize = 10;

/// A line of our own, with nothing beside it.
pub(crate) fn warmed(key: &'static str, title: &str, begin: impl Fn() -> Box<dyn Run> + 'static) -> Job {
    let begin = move || {
        let mut run = begin();
        for _ in 0..WARM_UP {
            run.prepare();
            run.run();
        }
        run
    };
    Job { key, title: title.to_owned(), bar: Bar::default(), by: "Tidewire", begin: Box::new(begin) }
}
