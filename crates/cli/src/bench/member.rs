//! One client of many: what all of them do.
use super::figures::Figures;
use super::publisher::Publisher;
use super::setup::Setup;
use super::subscriber::Subscriber;
use crate::client::lost;
use crate::say::{Failure, given};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidewire_core::client::{Cause, Client, Event};
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_core::version::Version;
use tidewire_driver::Clock;
use tidewire_driver::clients::Resident;
use tidewire_server::Signal;
use tokio::sync::mpsc::UnboundedSender;

/// What a goodbye may take.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// What whoever waits for the clients hears.
pub(super) enum News {
    /// A client is where it is to be: it is let in, and has what it subscribed to.
    Ready,
    /// It has done all that it was to do.
    Done,
    /// It can't go on; or, if it was not `let_in`, not begin.
    Failed {
        let_in: bool,
        failure: Failure,
    },
    Signal(Signal),
}

/// What all clients of a bench share.
pub(super) struct Shared {
    pub(super) setup: Setup,
    clock: Clock,
    state: Mutex<State>,
    news: UnboundedSender<News>,
}

/// Each client has it to itself while it has its turn. All is on one thread, and what lives in a loop could be on another.
pub(super) struct State {
    pub(super) figures: Figures,
    /// Since when messages are published, in microseconds.
    pub(super) begun: Option<u64>,
    /// No further message is to be published.
    pub(super) is_over: bool,
}

impl Shared {
    pub(super) fn new(setup: Setup, news: UnboundedSender<News>) -> Self {
        let figures = Figures::new(setup.run, setup.publishers, setup.subscribers);
        let state = Mutex::new(State { figures, begun: None, is_over: false });
        Self { setup, clock: Clock::start(), state, news }
    }

    /// Microseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        self.clock.now().as_micros()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, news: News) {
        // If nobody listens, all is over.
        let _ = self.news.send(news);
    }
}

/// What a client has in its turn.
pub(super) struct Turn<'a> {
    pub(super) client: &'a mut Client,
    pub(super) setup: &'a Setup,
    pub(super) state: &'a mut State,
    /// As the loop has it, and in microseconds since 1970.
    pub(super) at: Instant,
    pub(super) now: u64,
}

/// What a client is there for.
pub(super) enum Work {
    /// To be there.
    None,
    Publish(Publisher),
    Subscribe(Subscriber),
}

/// One client.
pub(super) struct Member {
    shared: Arc<Shared>,
    work: Work,
    id: String,
    begun: u64,
    version: Version,
    let_in: bool,
    /// Why there is no connection.
    cause: Cause,
    error: Option<String>,
    /// It only says goodbye.
    is_done: bool,
}

impl Member {
    /// One that begins to connect.
    pub(super) fn new(shared: &Arc<Shared>, id: String, work: Work) -> Self {
        Self {
            shared: Arc::clone(shared),
            work,
            id,
            begun: shared.now(),
            version: shared.setup.plan.config.version.unwrap_or(Version::V5),
            let_in: false,
            cause: Cause::ConnectTimeout,
            error: None,
            is_done: false,
        }
    }

    /// True if all is done.
    fn go_on(&mut self, turn: &mut Turn<'_>, error: Option<&str>) -> Result<bool, Failure> {
        while let Some(event) = turn.client.poll_event() {
            match event {
                Event::Progress(ticket, stage) => {
                    if let Work::Publish(publisher) = &mut self.work {
                        publisher.on_progress(turn, ticket, stage)?;
                    }
                }
                Event::Words(Some(ticket), words) => {
                    if let Work::Publish(publisher) = &mut self.work {
                        publisher.on_words(ticket, words);
                    }
                }
                Event::Subscribed(_, reasons) => {
                    if let Work::Subscribe(subscriber) = &mut self.work {
                        subscriber.on_answer(&reasons)?;
                        self.shared.tell(News::Ready);
                    }
                }
                Event::Connected { .. } => self.on_connected(turn)?,
                Event::Disconnected(cause) => {
                    (self.cause, self.error) = (cause, error.map(Into::into));
                    // An attempt with another version may follow, but nobody measures a connection that is not there.
                    if self.let_in {
                        return Err(self.lost());
                    }
                }
                Event::Ended(cause) => {
                    self.cause = cause;
                    return Err(self.lost());
                }
                _ => {}
            }
        }
        match &mut self.work {
            Work::None => Ok(false),
            Work::Publish(publisher) => publisher.go_on(turn),
            Work::Subscribe(subscriber) => subscriber.go_on(turn),
        }
    }

    fn on_connected(&mut self, turn: &mut Turn<'_>) -> Result<(), Failure> {
        self.let_in = true;
        if let Some(server) = turn.client.server() {
            self.version = server.version;
        }
        turn.state.figures.connects.record(self.begun, turn.now);
        match &mut self.work {
            Work::Subscribe(subscriber) => return subscriber.subscribe(turn),
            Work::Publish(publisher) => publisher.on_connected(turn),
            Work::None => {}
        }
        self.shared.tell(News::Ready);
        Ok(())
    }

    fn lost(&self) -> Failure {
        let server = &self.shared.setup.plan.server;
        lost(server, self.version, self.let_in, self.cause, self.error.as_deref())
    }
}

impl Resident for Member {
    fn turn(&mut self, now: Instant, client: &mut Client, error: Option<&str>) {
        if !self.is_done {
            let shared = Arc::clone(&self.shared);
            let mut state = shared.state();
            let mut turn =
                Turn { client, setup: &shared.setup, state: &mut state, at: now, now: shared.now() };
            let news = match self.go_on(&mut turn, error) {
                Ok(false) => return,
                Ok(true) => News::Done,
                Err(failure) => News::Failed { let_in: self.let_in, failure: failure.at(given(&self.id)) },
            };
            shared.tell(news);
            self.is_done = true;
            client
                .disconnect(now, now.after(FAREWELL), ReasonCode::Success)
                .expect("a reason alone can be said");
        }
        while client.poll_event().is_some() || client.poll_message(now).is_some() {}
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.work {
            Work::Publish(publisher) if !self.is_done => publisher.due,
            Work::Subscribe(subscriber) if !self.is_done => subscriber.due,
            _ => None,
        }
    }
}
