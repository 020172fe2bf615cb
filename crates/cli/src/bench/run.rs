//! From the first connection to the last message.
use super::member::{FAREWELL, Member, News, Shared, Work};
use super::publisher::Publisher;
use super::report::{self, Expected};
use super::setup::{Kind, Role, Setup};
use super::subscriber::Subscriber;
use crate::client::{catch_signals, code_of};
use crate::say::{self, Failure};
use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::time::Duration;
use tidewire_driver::clients::{Maker, seed};
use tidewire_server::Signal;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout, timeout_at};

/// What is on its way has so long from the last one that arrived.
const IDLE: Duration = Duration::from_secs(2);
/// The same, once somebody has seen enough.
const HURRIED: Duration = Duration::from_millis(250);
/// How often it is looked whether all have arrived.
const STEP: Duration = Duration::from_millis(10);
/// How often a terminal hears how it goes.
const TICK: Duration = Duration::from_millis(500);

/// Why it ends early.
pub(super) enum End {
    Told(Signal),
    Failed(Failure),
}

/// Runs a bench to its end. All is on one thread, and the clients live in its loop: a message wakes nobody.
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
    let done = runtime.block_on(bench(setup));
    // Names may be looked up for longer than anybody wants to wait.
    runtime.shutdown_background();
    done
}

async fn bench(setup: Setup) -> Result<(), Failure> {
    let mut signals = catch_signals()?;
    let (news, coming) = unbounded_channel();
    let told = news.clone();
    tokio::spawn(async move {
        while let Some(signal) = signals.recv().await {
            let _ = told.send(News::Signal(signal));
        }
    });
    let maker = tidewire_tokio::launch().map_err(|error| Failure::Machine(error.to_string()))?;
    let expected = Expected::of(&setup)?;
    let shared = Arc::new(Shared::new(setup, news));
    let mut conductor = Conductor {
        shared: Arc::clone(&shared),
        maker: maker.clone(),
        expected,
        news: coming,
        ready: 0,
        done: 0,
        refused: None,
        shows: stderr().is_terminal(),
        shown: Instant::now(),
    };
    let end = conductor.conduct().await;
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
    shared: Arc<Shared>,
    maker: Maker,
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
    async fn conduct(&mut self) -> Result<(), End> {
        self.connect().await?;
        let all = u64::from(self.shared.setup.clients());
        while u64::from(self.ready) + self.shared.state().figures.refused < all {
            if let Some(news) = self.next(None).await {
                self.on_news(news)?;
            }
        }
        self.begin();
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

    async fn connect(&mut self) -> Result<(), End> {
        let (begun, ramp) = (Instant::now(), self.shared.setup.ramp);
        for nth in 0..self.shared.setup.clients() {
            let after = Duration::try_from_secs_f64(f64::from(nth) / ramp).unwrap_or(Duration::MAX);
            let due = begun.checked_add(after);
            while due.is_none_or(|due| Instant::now() < due) {
                if let Some(news) = self.next(due).await {
                    self.on_news(news)?;
                }
            }
            self.spawn(nth).map_err(End::Failed)?;
        }
        Ok(())
    }

    fn spawn(&self, nth: u32) -> Result<(), Failure> {
        let setup = &self.shared.setup;
        let (role, number) = setup.role_of(nth);
        let work = match role {
            Role::Publisher => Work::Publish(Publisher::new(number, setup.topic_of(number)?)),
            Role::Subscriber => Work::Subscribe(Subscriber::new(number, setup.filter_of(number)?)),
            Role::Idle => Work::None,
        };
        let now = self.shared.now();
        self.shared.state().figures.connects.since.get_or_insert(now);
        let config = setup.config(role, number);
        let member = Member::new(&self.shared, config.client_id.to_string(), work);
        self.maker.resident(config, vec![setup.server(nth)], seed(), member);
        Ok(())
    }

    /// From now on it is published.
    fn begin(&self) {
        let now = self.shared.now();
        let mut state = self.shared.state();
        state.begun = Some(now);
        state.figures.begin(now);
        self.maker.wake_residents();
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
                let figures = &mut self.shared.state().figures;
                figures.refused += u64::from(!let_in);
                // How many are let in is what `conn` is to find out, if it is any.
                let goes_on = self.shared.setup.kind == Kind::Conn && figures.connects.count() > 0;
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
        self.shared.state().is_over = true;
        self.maker.wake_residents();
        let idle = match end {
            Ok(()) => IDLE,
            Err(End::Told(_)) => HURRIED,
            Err(End::Failed(_)) => return end,
        };
        let publishers = self.shared.setup.publishers;
        if self.shared.state().begun.is_some() {
            self.settle(idle, |of| of.done >= publishers).await?;
            self.settle(idle, |of| of.expected.have_come(&of.shared.state().figures)).await?;
        }
        let refused = self.shared.state().figures.refused;
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
        let figures = &self.shared.state().figures;
        figures.publishes.count() + figures.deliveries.count()
    }
}
