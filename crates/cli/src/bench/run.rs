//! From the first connection to the last message.
use super::figures::Figures;
use super::member::{Member, News, Shared};
use super::publisher::Publisher;
use super::report::{self, Expected};
use super::setup::{Kind, Role, Setup};
use super::subscriber::Subscriber;
use crate::client::{catch_signals, code_of};
use crate::say::{self, Failure};
use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, stderr};
use std::rc::Rc;
use std::time::Duration;
use tidewire_driver::Clock;
use tidewire_driver::clients::Maker;
use tidewire_server::Signal;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, timeout, timeout_at};

/// What is on its way has so long from the last one that arrived.
const IDLE: Duration = Duration::from_secs(2);
/// The same, once somebody has seen enough.
const HURRIED: Duration = Duration::from_millis(250);
/// How often it is looked whether all have arrived.
const STEP: Duration = Duration::from_millis(10);
/// How often a terminal hears how it goes.
const TICK: Duration = Duration::from_millis(500);
/// What a goodbye may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why it ends early.
pub(super) enum End {
    Told(Signal),
    Failed(Failure),
}

/// Runs a bench to its end. All is on one thread: a message wakes nobody.
pub(super) fn run(setup: Setup) -> Result<(), Failure> {
    if setup.quiet {
        say::be_quiet();
    }
    let clients = setup.clients();
    if let Some(allowed) = tidewire_server::raise_descriptors(clients.into()) {
        return Err(Failure::Machine(format!(
            "{clients} clients: this process may have {allowed} files open; raise that with ulimit -n"
        )));
    }
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Machine(format!("can't start: {error}; raise ulimit -n")))?;
    let done = LocalSet::new().block_on(&runtime, bench(setup));
    // Names may be looked up for longer than anybody wants to wait.
    runtime.shutdown_background();
    done
}

async fn bench(setup: Setup) -> Result<(), Failure> {
    let mut signals = catch_signals()?;
    let (news, coming) = unbounded_channel();
    let told = news.clone();
    spawn_local(async move {
        while let Some(signal) = signals.recv().await {
            let _ = told.send(News::Signal(signal));
        }
    });
    let maker = tidewire_tokio::launch().map_err(|error| Failure::Machine(error.to_string()))?;
    let expected = Expected::of(&setup)?;
    let shared = Rc::new(Shared {
        figures: RefCell::new(Figures::new(setup.run, setup.publishers, setup.subscribers)),
        setup,
        clock: Clock::start(),
        begun: Cell::new(None),
        is_over: Cell::new(false),
        changed: Notify::new(),
        news,
    });
    let mut conductor = Conductor {
        shared: Rc::clone(&shared),
        expected,
        news: coming,
        ready: 0,
        done: 0,
        refused: None,
        shows: stderr().is_terminal(),
        shown: Instant::now(),
    };
    let end = conductor.conduct(&maker).await;
    let end = conductor.wind_up(end).await;
    if conductor.shows {
        say::live_line("");
    }
    report::print(&shared, &conductor.expected, end.as_ref().err());
    // Nobody hears the goodbyes of those who are not there.
    if !matches!(end, Err(End::Failed(_))) {
        let _ = timeout(2 * FAREWELL, maker.shutdown(FAREWELL)).await;
    }
    match end {
        Ok(()) => Ok(()),
        Err(End::Told(signal)) => Err(Failure::Quiet(code_of(signal))),
        Err(End::Failed(failure)) => Err(failure),
    }
}

/// Lets the clients in, says when they begin and when it is over, and waits for what is under way.
struct Conductor {
    shared: Rc<Shared>,
    expected: Expected,
    news: UnboundedReceiver<News>,
    ready: u32,
    done: u32,
    /// Why the first of those was not let in that were not.
    refused: Option<Failure>,
    /// Somebody looks on.
    shows: bool,
    shown: Instant,
}

impl Conductor {
    async fn conduct(&mut self, maker: &Maker) -> Result<(), End> {
        self.connect(maker).await?;
        let all = u64::from(self.shared.setup.clients());
        while u64::from(self.ready) + self.shared.figures.borrow().refused < all {
            if let Some(news) = self.next(None).await {
                self.on_news(news)?;
            }
        }
        self.shared.begin();
        let setup = &self.shared.setup;
        if setup.plan.debug {
            say::debug_line(format_args!("bench: {} of {all} clients are there", self.ready));
        }
        let until = setup.seconds.and_then(|seconds| Instant::now().checked_add(seconds));
        if setup.kind == Kind::Conn && until.is_none() {
            return Ok(());
        }
        let working = if setup.publishers > 0 { setup.publishers } else { setup.clients() };
        while self.done < working {
            match self.next(until).await {
                Some(news) => self.on_news(news)?,
                None => break,
            }
        }
        Ok(())
    }

    async fn connect(&mut self, maker: &Maker) -> Result<(), End> {
        let (begun, ramp) = (Instant::now(), self.shared.setup.ramp);
        for nth in 0..self.shared.setup.clients() {
            let after = Duration::try_from_secs_f64(f64::from(nth) / ramp).unwrap_or(Duration::MAX);
            let due = begun.checked_add(after);
            while due.is_none_or(|due| Instant::now() < due) {
                if let Some(news) = self.next(due).await {
                    self.on_news(news)?;
                }
            }
            self.spawn(maker, nth).map_err(End::Failed)?;
        }
        Ok(())
    }

    fn spawn(&self, maker: &Maker, nth: u32) -> Result<(), Failure> {
        let shared = Rc::clone(&self.shared);
        let (role, number) = shared.setup.role_of(nth);
        let (topic, filter) = match role {
            Role::Publisher => (Some(shared.setup.topic_of(number)?), None),
            Role::Subscriber => (None, Some(shared.setup.filter_of(number)?)),
            Role::Idle => (None, None),
        };
        shared.figures.borrow_mut().connects.since.get_or_insert(shared.now());
        let mut member = Member::new(maker, &shared, role, number, nth);
        let life = async move {
            let shared = Rc::clone(&member.shared);
            member.connect().await?;
            match (topic, filter) {
                (Some(topic), _) => {
                    shared.tell(News::Ready);
                    Publisher::new(member, number, topic).run().await?;
                }
                (_, Some(filter)) => {
                    let mut subscriber = Subscriber::new(member, number, filter);
                    subscriber.subscribe().await?;
                    shared.tell(News::Ready);
                    subscriber.run().await?;
                }
                (None, None) => {
                    shared.tell(News::Ready);
                    return Err(member.end().await);
                }
            }
            Ok(())
        };
        spawn_local(async move { shared.tell(life.await.map_or_else(|news| news, |()| News::Done)) });
        Ok(())
    }

    /// What comes, until then.
    async fn next(&mut self, until: Option<Instant>) -> Option<News> {
        loop {
            let tick = self.shown + TICK;
            let at = until.map_or(tick, |until| until.min(tick));
            if let Ok(news) = timeout_at(at, self.news.recv()).await {
                return news;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return None;
            }
            self.shown = Instant::now();
            if self.shows {
                say::live_line(report::live(&self.shared));
            }
        }
    }

    fn on_news(&mut self, news: News) -> Result<(), End> {
        match news {
            News::Ready => self.ready += 1,
            News::Done => self.done += 1,
            News::Signal(signal) => return Err(End::Told(signal)),
            News::Failed { let_in, failure } => {
                let mut figures = self.shared.figures.borrow_mut();
                figures.refused += u64::from(!let_in);
                // How many are let in is what `conn` is to find out, if it is any.
                let goes_on = self.shared.setup.kind == Kind::Conn && !figures.connects.latencies.is_empty();
                if let_in || !goes_on {
                    return Err(End::Failed(failure));
                }
                self.refused.get_or_insert(failure);
            }
        }
        Ok(())
    }

    /// Waits for what is under way, unless the connections are gone.
    async fn wind_up(&mut self, end: Result<(), End>) -> Result<(), End> {
        self.shared.end();
        let idle = match end {
            Ok(()) => IDLE,
            Err(End::Told(_)) => HURRIED,
            Err(End::Failed(_)) => return end,
        };
        let publishers = self.shared.setup.publishers;
        if self.shared.begun.get().is_some() {
            self.settle(idle, |of| of.done >= publishers).await?;
            self.settle(idle, |of| of.expected.have_come(&of.shared.figures.borrow())).await?;
        }
        let refused = self.shared.figures.borrow().refused;
        match self.refused.take() {
            Some(failure) => {
                let all = self.shared.setup.clients();
                Err(End::Failed(failure.and(&format!("{refused} of {all} clients were not let in"))))
            }
            None => end,
        }
    }

    /// Until that is so, or nothing comes forward for so long.
    async fn settle(&mut self, idle: Duration, is_so: impl Fn(&Self) -> bool) -> Result<(), End> {
        let (mut before, mut since) = (self.progress(), Instant::now());
        while !is_so(self) && since.elapsed() < idle {
            if let Some(news) = self.next(Some(Instant::now() + STEP)).await {
                self.on_news(news)?;
            }
            if self.progress() != before {
                (before, since) = (self.progress(), Instant::now());
            }
        }
        Ok(())
    }

    fn progress(&self) -> u64 {
        let figures = self.shared.figures.borrow();
        figures.publishes.latencies.len() + figures.deliveries.latencies.len()
    }
}
