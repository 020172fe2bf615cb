//! A client, and all that may end what it is used for.
use super::Plan;
use super::reasons::{brief, lost, place, silent};
use crate::say::{self, Failure};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tidewire_core::client::{Cause, Message, Server};
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicFilter;
use tidewire_core::version::Version;
use tidewire_driver::clients::{Client, Endpoint, Notice, seed};
use tidewire_server::{Signal, Signals};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout};

/// How long a goodbye may take when nobody is in a hurry.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);
/// What a server may take to close after it.
const MOMENT: Duration = Duration::from_millis(250);
/// After a connection that lasted so long, the end of one is news again.
const LASTING: Duration = Duration::from_secs(10);
/// Ends that are remembered as told, at most.
const TOLD: usize = 16;

/// What happens to a client.
pub(crate) enum Event {
    /// The server has let it in.
    Connected(Box<Server>),
    Message(Message),
    /// The server has forgotten a subscription, and does not grant it again.
    SubscriptionLost(TopicFilter, ReasonCode),
    /// A connection has ended, or, if there was none, an attempt has; there will be another one.
    Interrupted {
        was_connected: bool,
    },
    /// The same, and nobody tries again.
    Lost(Failure),
    /// Somebody wants the process to end.
    Signal(Signal),
}

/// What cuts a goodbye short.
pub(crate) enum Haste {
    Signal(Signal),
    Time,
}

/// The end of a connection, or of an attempt to make one.
struct End {
    was_connected: bool,
    cause: Cause,
    /// The system's words for it.
    error: Option<Arc<str>>,
}

/// A client, and all that may end what it is used for.
pub(crate) struct Watched {
    pub(crate) client: Client,
    server: Endpoint,
    /// What is spoken, or tried.
    version: Version,
    /// No other is tried.
    version_known: bool,
    /// Since when there is a connection.
    connected: Option<Instant>,
    /// There was one; or it goes on without.
    persists: bool,
    last: Option<End>,
    /// It is not known yet whether there is another attempt after it.
    is_open: bool,
    /// Causes that were told since a connection lasted.
    told: Vec<(Cause, Option<Arc<str>>)>,
    /// It was looked at, to see whether it is the end.
    next: Option<Notice>,
    signals: UnboundedReceiver<Signal>,
    debug: bool,
}

impl Watched {
    /// Connects.
    pub(crate) fn start(plan: Plan) -> Result<Self, Failure> {
        let signals = catch_signals()?;
        let clients = tidewire_tokio::launch().map_err(|error| Failure::Machine(error.to_string()))?;
        let (version, persists) = (plan.config.version, plan.config.reconnect_at_first);
        let watched = Self {
            client: clients.client(plan.config, vec![plan.server.clone()], seed()),
            server: plan.server,
            version: version.unwrap_or(Version::V5),
            version_known: version.is_some(),
            connected: None,
            persists,
            last: None,
            is_open: false,
            told: Vec::new(),
            next: None,
            signals,
            debug: plan.debug,
        };
        watched.tell("connecting");
        Ok(watched)
    }

    /// Says it to whoever asked for that.
    pub(crate) fn tell(&self, what: impl std::fmt::Display) {
        if self.debug {
            say::debug_line(format_args!("{}: {what}", place(&self.server)));
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connected.is_some()
    }

    /// What the last end is to whoever gives up because of it.
    pub(crate) fn failure(&self) -> Failure {
        let (was_connected, cause, error) = match &self.last {
            Some(end) => (end.was_connected, end.cause, end.error.as_deref()),
            None => (false, Cause::ConnectTimeout, None),
        };
        lost(&self.server, self.version, was_connected, cause, error)
    }

    /// There is a connection, and nothing comes of it.
    pub(crate) fn silent(&self) -> Failure {
        silent(&self.server)
    }

    pub(crate) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(Some(signal)) = self.signals.poll_recv(cx) {
            return Poll::Ready(Event::Signal(signal));
        }
        loop {
            let notice = self.poll_notice(cx);
            // If there were no further attempt, that would be known by now.
            if self.is_open && !matches!(notice, Poll::Ready(None)) {
                if let Poll::Ready(notice) = notice {
                    self.next = notice;
                }
                self.is_open = false;
                return Poll::Ready(Event::Interrupted { was_connected: self.on_another_attempt() });
            }
            if let Some(event) = self.event(ready!(notice)) {
                return Poll::Ready(event);
            }
        }
    }

    /// `None` at the end.
    fn poll_notice(&mut self, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        if let Some(notice) = self.next.take() {
            return Poll::Ready(Some(notice));
        }
        let notice = ready!(self.client.poll_recv(cx));
        Poll::Ready(notice.filter(|notice| !matches!(notice, Notice::Ended(_))))
    }

    fn event(&mut self, notice: Option<Notice>) -> Option<Event> {
        match notice {
            Some(Notice::Connected { server, session_present }) => {
                (self.version, self.version_known, self.persists) = (server.version, true, true);
                self.connected = Some(Instant::now());
                let session = if session_present { "the session was kept" } else { "a new session" };
                self.tell(format_args!("connected, {}, {session}", spoken(self.version)));
                Some(Event::Connected(server))
            }
            Some(Notice::Disconnected { cause, error }) => {
                self.tell(format_args!("not connected: {cause}"));
                let since = self.connected.take();
                if since.is_some_and(|since| since.elapsed() >= LASTING) {
                    self.told.clear();
                }
                self.last = Some(End { was_connected: since.is_some(), cause, error });
                self.is_open = true;
                None
            }
            Some(Notice::Message(message)) => Some(Event::Message(message)),
            Some(Notice::SubscriptionLost(filter, reason)) => Some(Event::SubscriptionLost(filter, reason)),
            Some(_) => None,
            None => Some(Event::Lost(self.failure())),
        }
    }

    /// Says why there is another attempt; the same only once, however many there are. Was it a connection that ended?
    fn on_another_attempt(&mut self) -> bool {
        let Some(End { was_connected, cause, error }) = &self.last else { return false };
        let why = (*cause, error.clone());
        if self.persists && !self.told.contains(&why) {
            say::error_line(format_args!(
                "{}; connecting again",
                brief(&self.server, *cause, error.as_deref())
            ));
            if self.told.len() == TOLD {
                self.told.clear();
            }
            self.told.push(why);
        }
        let is_other_version = match *cause {
            Cause::Refused(reason) => reason == ReasonCode::UnsupportedProtocolVersion,
            cause => matches!(cause, Cause::Closed | Cause::Reset),
        };
        if !self.version_known && is_other_version {
            self.version = if self.version.is_v5() { Version::V3_1_1 } else { Version::V5 };
        }
        *was_connected
    }

    /// Hears what there is about connections, before the end: what came by one may have been heard before the news that it
    /// is there. Messages that come meanwhile are nobody's.
    pub(crate) fn catch_up(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(notice)) = self.poll_notice(&mut cx) {
            if std::mem::take(&mut self.is_open) {
                self.on_another_attempt();
            }
            self.event(Some(notice));
        }
    }

    /// Says goodbye once what was accepted has ended and has left, or at the end of `patience`. What made it shorter, if
    /// something did. Only with 5.0 it may have its Will published.
    pub(crate) async fn goodbye(&mut self, reason: ReasonCode, patience: Duration) -> Option<Haste> {
        let reason = if self.version.is_v5() { reason } else { ReasonCode::Success };
        if self.client.disconnect(patience, reason).is_err() {
            return None;
        }
        let until = Instant::now().checked_add(patience);
        let end = poll_fn(|cx| {
            if let Poll::Ready(Some(signal)) = self.signals.poll_recv(cx) {
                return Poll::Ready(Some(Haste::Signal(signal)));
            }
            while ready!(self.poll_notice(cx)).is_some() {}
            Poll::Ready(None)
        });
        // Whoever has not closed by then has had its chance.
        let end = timeout(patience.saturating_add(MOMENT), end).await.unwrap_or(Some(Haste::Time));
        end.or_else(|| until.filter(|until| Instant::now() >= *until).map(|_| Haste::Time))
    }
}

/// The exit code of what a signal has ended, by the rule of shells.
pub(crate) fn code_of(signal: Signal) -> u8 {
    match signal {
        Signal::Interrupt => 130,
        Signal::Terminate => 143,
    }
}

/// The first is handed on, the second ends the process at once.
pub(crate) fn catch_signals() -> Result<UnboundedReceiver<Signal>, Failure> {
    let mut signals = Signals::catch().map_err(|error| Failure::Machine(format!("no signals: {error}")))?;
    let (sender, receiver) = unbounded_channel();
    let wait = move || {
        // If nobody waits for it, the end has come already.
        let _ = sender.send(signals.wait());
        std::process::exit(code_of(signals.wait()).into());
    };
    match std::thread::Builder::new().name("signals".into()).spawn(wait) {
        Ok(_) => Ok(receiver),
        Err(error) => Err(Failure::Machine(format!("can't start a thread: {error}; raise ulimit -u"))),
    }
}

fn spoken(version: Version) -> &'static str {
    match version {
        Version::V3_1 => "MQTT 3.1",
        Version::V3_1_1 => "MQTT 3.1.1",
        Version::V5 => "MQTT 5.0",
    }
}
