//! A client, and all that may end what it is used for.
use super::Plan;
use super::reasons::{lost, place};
use crate::say::{self, Failure};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tidewire_core::client::{Cause, Message, Server};
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicFilter;
use tidewire_core::version::Version;
use tidewire_driver::clients::{Client, Endpoint, Notice};
use tidewire_server::{Signal, Signals};
use tidewire_tokio::Clients;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How long a goodbye may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// What happens to a client.
pub(crate) enum Event {
    /// The server has let it in.
    Connected(Box<Server>),
    Message(Message),
    /// The server has forgotten a subscription, and does not grant it again.
    SubscriptionLost(TopicFilter, ReasonCode),
    /// The connection is gone, or was never made; nobody tries again.
    Lost(Cause, Failure),
    /// Somebody wants the process to end.
    Signal(Signal),
}

/// A client, and all that may end what it is used for.
pub(crate) struct Watched {
    pub(crate) client: Client,
    server: Endpoint,
    /// What is spoken, or tried.
    version: Version,
    /// No other is tried.
    version_known: bool,
    connected: bool,
    /// There is no further attempt, and that was told.
    lost: bool,
    cause: Option<(Cause, Option<Arc<str>>)>,
    signals: UnboundedReceiver<Signal>,
    debug: bool,
    _clients: Clients,
}

impl Watched {
    /// Connects.
    pub(crate) fn start(plan: Plan) -> Result<Self, Failure> {
        let signals = catch_signals()?;
        let clients = Clients::start();
        let version = plan.config.version;
        Ok(Self {
            client: clients.client(plan.config, vec![plan.server.clone()]),
            server: plan.server,
            version: version.unwrap_or(Version::V5),
            version_known: version.is_some(),
            connected: false,
            lost: false,
            cause: None,
            signals,
            debug: plan.debug,
            _clients: clients,
        })
    }

    /// Says it to whoever asked for that.
    pub(crate) fn tell(&self, what: impl std::fmt::Display) {
        if self.debug {
            say::error_line(format_args!("{}: {what}", place(&self.server)));
        }
    }

    pub(crate) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(Some(signal)) = self.signals.poll_recv(cx) {
            return Poll::Ready(Event::Signal(signal));
        }
        loop {
            match std::task::ready!(self.client.poll_recv(cx)) {
                Some(Notice::Connected { server, session_present }) => {
                    (self.version, self.version_known, self.connected) = (server.version, true, true);
                    let session = if session_present { "the session was kept" } else { "a new session" };
                    self.tell(format_args!("connected, {}, {session}", spoken(self.version)));
                    return Poll::Ready(Event::Connected(server));
                }
                Some(Notice::Disconnected { cause, error }) => {
                    self.lost = false;
                    self.tell(format_args!("not connected: {cause}"));
                    // It was the second attempt, with the other version.
                    if !self.version_known && self.cause.is_some() {
                        self.version = Version::V3_1_1;
                    }
                    self.cause = Some((cause, error));
                }
                Some(Notice::Message(message)) => return Poll::Ready(Event::Message(message)),
                Some(Notice::SubscriptionLost(filter, reason)) => {
                    return Poll::Ready(Event::SubscriptionLost(filter, reason));
                }
                // It was told; the next attempt is somebody else's matter.
                None if self.lost => return Poll::Pending,
                Some(Notice::Ended(_)) | None => {
                    self.lost = true;
                    let (cause, error) = self.cause.take().unwrap_or((Cause::Ended, None));
                    let connected = std::mem::take(&mut self.connected);
                    let failure = lost(&self.server, self.version, connected, cause, error.as_deref());
                    return Poll::Ready(Event::Lost(cause, failure));
                }
                Some(_) => {}
            }
        }
    }

    /// What the server said when it let us in.
    pub(crate) async fn connected(&mut self) -> Result<Box<Server>, Failure> {
        loop {
            match poll_fn(|cx| self.poll_event(cx)).await {
                Event::Connected(server) => return Ok(server),
                Event::Lost(_, failure) => return Err(failure),
                Event::Signal(signal) => return Err(ended_by(signal)),
                Event::Message(_) | Event::SubscriptionLost(..) => {}
            }
        }
    }

    /// Goes on with this as long as there is a connection.
    pub(crate) async fn during<T>(
        &mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            // What has ended well is not spoilt by an end of the connection; and that explains what has not.
            let failed = match work.as_mut().poll(cx) {
                Poll::Ready(Ok(done)) => return Poll::Ready(Ok(done)),
                Poll::Ready(Err(failure)) => Some(failure),
                Poll::Pending => None,
            };
            loop {
                let Poll::Ready(event) = self.poll_event(cx) else {
                    return failed.map_or(Poll::Pending, |failure| Poll::Ready(Err(failure)));
                };
                match event {
                    Event::Lost(_, failure) => return Poll::Ready(Err(failure)),
                    Event::Signal(signal) => return Poll::Ready(Err(ended_by(signal))),
                    Event::Connected(_) | Event::Message(_) | Event::SubscriptionLost(..) => {}
                }
            }
        })
        .await
    }

    /// Says goodbye, once what was accepted has ended. Only with 5.0 it may have its Will published.
    pub(crate) async fn goodbye(self, reason: ReasonCode) {
        let reason = if self.version.is_v5() { reason } else { ReasonCode::Success };
        if self.client.disconnect(FAREWELL, reason).is_err() {
            return;
        }
        while let Some(notice) = self.client.recv().await {
            if matches!(notice, Notice::Ended(_)) {
                return;
            }
        }
    }
}

/// By the rule of shells.
fn ended_by(signal: Signal) -> Failure {
    Failure::Quiet(code_of(signal))
}

fn code_of(signal: Signal) -> u8 {
    match signal {
        Signal::Interrupt => 130,
        Signal::Terminate => 143,
    }
}

/// The first is handed on, the second ends the process at once.
fn catch_signals() -> Result<UnboundedReceiver<Signal>, Failure> {
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
