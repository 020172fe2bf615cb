//! One client of many: what all of them do.
use super::figures::Figures;
use super::setup::{Role, Setup};
use crate::client::lost;
use crate::say::{Failure, given};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tidewire_core::client::{Cause, Message};
use tidewire_core::version::Version;
use tidewire_driver::Clock;
use tidewire_driver::clients::{Client, Maker, Notice, seed};
use tidewire_server::Signal;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

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

/// What all clients of a bench share. They live on one thread.
pub(super) struct Shared {
    pub(super) setup: Setup,
    pub(super) clock: Clock,
    pub(super) figures: RefCell<Figures>,
    /// Since when messages are published, in microseconds.
    pub(super) begun: Cell<Option<u64>>,
    /// No further message is to be published.
    pub(super) is_over: Cell<bool>,
    /// One of both has changed.
    pub(super) changed: Notify,
    pub(super) news: UnboundedSender<News>,
}

impl Shared {
    /// Microseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        self.clock.now().as_micros()
    }

    pub(super) fn tell(&self, news: News) {
        // If nobody listens, all is over.
        let _ = self.news.send(news);
    }

    pub(super) fn begin(&self) {
        let now = self.now();
        self.begun.set(Some(now));
        self.figures.borrow_mut().begin(now);
        self.changed.notify_waiters();
    }

    pub(super) fn end(&self) {
        self.is_over.set(true);
        self.changed.notify_waiters();
    }
}

/// One client.
pub(super) struct Member {
    pub(super) client: Client,
    pub(super) shared: Rc<Shared>,
    id: String,
    begun: u64,
    version: Version,
    let_in: bool,
    /// What the server takes.
    pub(super) limit: u32,
    /// Why there is no connection.
    cause: Cause,
    error: Option<Arc<str>>,
}

impl Member {
    /// One that connects; it is the `nth` of all.
    pub(super) fn new(maker: &Maker, shared: &Rc<Shared>, role: Role, number: u32, nth: u32) -> Self {
        let setup = &shared.setup;
        let config = setup.config(role, number);
        Self {
            id: config.client_id.to_string(),
            version: config.version.unwrap_or(Version::V5),
            begun: shared.now(),
            client: maker.client(config, vec![setup.server(nth)], seed()),
            shared: Rc::clone(shared),
            let_in: false,
            limit: u32::MAX,
            cause: Cause::ConnectTimeout,
            error: None,
        }
    }

    /// Until it is let in.
    pub(super) async fn connect(&mut self) -> Result<(), News> {
        poll_fn(|cx| {
            while !self.let_in {
                ready!(self.poll_message(cx))?;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Sees what happens: the end of its connection, or a message; `None` for other news.
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, News>> {
        Poll::Ready(match ready!(self.client.poll_recv(cx)) {
            Some(Notice::Message(message)) => Ok(Some(message)),
            Some(Notice::Connected { server, .. }) => {
                (self.version, self.limit, self.let_in) = (server.version, server.maximum_packet_size, true);
                let now = self.shared.now();
                self.shared.figures.borrow_mut().connects.record(self.begun, now);
                Ok(None)
            }
            Some(Notice::Disconnected { cause, error }) => {
                (self.cause, self.error) = (cause, error);
                // An attempt with another version may follow, but nobody measures a connection that is not there.
                if self.let_in { Err(self.failed()) } else { Ok(None) }
            }
            Some(Notice::Ended(ended)) => {
                (self.cause, self.error) = (ended.cause, ended.error);
                Err(self.failed())
            }
            Some(_) => Ok(None),
            None => Err(self.failed()),
        })
    }

    /// Until its connection ends, or, if the client has ended, why.
    pub(super) async fn end(&mut self) -> News {
        poll_fn(|cx| {
            loop {
                if let Err(news) = ready!(self.poll_message(cx)) {
                    return Poll::Ready(news);
                }
            }
        })
        .await
    }

    fn failed(&self) -> News {
        let server = &self.shared.setup.plan.server;
        let failure = lost(server, self.version, self.let_in, self.cause, self.error.as_deref());
        News::Failed { let_in: self.let_in, failure: failure.at(given(&self.id)) }
    }

    /// Why it can't go on, though it has a connection.
    pub(super) fn stuck(&self, failure: Failure) -> News {
        News::Failed { let_in: true, failure: failure.at(given(&self.id)) }
    }
}
