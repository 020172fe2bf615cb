//! Clients on plain threads: calls that block.
use crate::{MioReactor, run};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use tidewire_core::client::{Config, Subscription};
use tidewire_core::id::{ShardId, Token};
use tidewire_core::message::Publication;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicFilter;
use tidewire_driver::clients::{self, Endpoint, Error, Maker, Notice};
use tidewire_driver::{Clock, Mailbox, Post, Shard};

/// A loop that any number of clients share, on a thread of its own.
///
/// ```no_run
#[doc = include_str!("../examples/sensors_blocking.rs")]
/// ```
pub struct Clients {
    maker: Maker,
    mailbox: Mailbox<clients::Clients, TcpStream>,
    clock: Clock,
    thread: JoinHandle<()>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// Starts the loop. It goes on until [`shutdown`](Self::shutdown).
    pub fn start() -> io::Result<Self> {
        let (clock, mailbox) = (Clock::start(), Mailbox::default());
        let (machine, maker) = clients::Clients::new(&mailbox);
        let reactor = MioReactor::new(clock)?;
        let mailboxes = vec![mailbox.clone()];
        let thread = tidewire_driver::adapter::spawn("clients".to_owned(), move || {
            let shard = Shard::new(ShardId(0), machine, reactor, Box::new(()), None, mailboxes);
            run(shard).expect("a poll of our own can be waited for");
        })?;
        Ok(Self { maker, mailbox, clock, thread })
    }

    /// A client of these servers, which are tried in turn. It connects at once.
    pub fn client(&self, config: Config, servers: Vec<Endpoint>) -> Client {
        Client { inner: self.maker.client(config, servers, clients::seed()), clock: self.clock }
    }

    /// All clients say goodbye once what they have accepted has ended, at the latest after `grace`.
    pub fn shutdown(self, grace: Duration) {
        self.mailbox.post(Post::Shutdown(self.clock.now().after(grace)));
        // A loop that panics takes the process with it.
        let _ = self.thread.join();
    }
}

/// A handle of one client, whose calls block. Copies are handles of the same one; when the last is dropped, it says
/// goodbye.
#[derive(Clone, Debug)]
pub struct Client {
    inner: clients::Client,
    clock: Clock,
}

/// The end of a message that was accepted. Dropping it changes nothing: the message goes its way.
#[derive(Debug)]
#[must_use = "what became of it is known only here"]
pub struct Receipt {
    inner: clients::Receipt<ReasonCode>,
}

impl Receipt {
    /// Waits for what the server says: `Success` or `NoMatchingSubscribers`. With QoS 0 for the message to be sent.
    pub fn wait(self) -> Result<ReasonCode, Error> {
        block_on(self.inner)
    }
}

impl Client {
    /// Hands a message over, as soon as there is room for it.
    pub fn publish(&self, publication: Publication) -> Result<Receipt, Error> {
        block_on(self.inner.publish(publication)).map(|inner| Receipt { inner })
    }

    /// Subscribes, and waits for the answer to each Topic Filter: the QoS that was granted, or why not.
    ///
    /// `identifier` comes back with each message that is sent for one of them. (5.0)
    pub fn subscribe(
        &self,
        subscriptions: &[Subscription],
        identifier: Option<u32>,
    ) -> Result<Box<[ReasonCode]>, Error> {
        block_on(self.inner.subscribe(subscriptions, identifier)?)
    }

    /// Ends subscriptions, and waits for the answer to each Topic Filter.
    pub fn unsubscribe(&self, filters: &[TopicFilter]) -> Result<Box<[ReasonCode]>, Error> {
        block_on(self.inner.unsubscribe(filters)?)
    }

    /// The next thing to know: a message, most of the time. `None` once there will be nothing more: behind
    /// [`Notice::Ended`], until [`connect`](Self::connect).
    pub fn recv(&self) -> Option<Notice> {
        block_on(self.inner.recv())
    }

    /// The same, but `Err` if nothing comes for so long.
    pub fn recv_timeout(&self, patience: Duration) -> Result<Option<Notice>, TimedOut> {
        let until = self.clock.now().after(patience);
        block_until(self.inner.recv(), Some((self.clock, until))).ok_or(TimedOut)
    }

    /// A message that came with a token is in safe hands, or is refused.
    pub fn acknowledge(&self, token: Token, reason: ReasonCode) -> Result<(), Error> {
        self.inner.acknowledge(token, reason)
    }

    /// The next step of an authentication, or the first one of another.
    pub fn authenticate(&self, reason: ReasonCode, data: &[u8]) -> Result<(), Error> {
        self.inner.authenticate(reason, data)
    }

    /// Says goodbye when everything that was accepted has ended, at the latest after `patience`, when what is left ends
    /// with it; the last notice is then `Ended`. `DisconnectWithWill` has the will published. A client that has ended
    /// stays so.
    ///
    /// Messages are waited for over any number of connections; subscriptions only while there is one. If nothing is
    /// open, it ends at once, whether or not a server has answered.
    pub fn disconnect(&self, patience: Duration, reason: ReasonCode) -> Result<(), Error> {
        self.inner.disconnect(patience, reason)
    }

    /// Connects again after `Ended`, or once a goodbye that is under way has been said.
    pub fn connect(&self) -> Result<(), Error> {
        self.inner.connect()
    }
}

/// Nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing came in time")
    }
}

impl std::error::Error for TimedOut {}

/// Wakes a thread.
struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    block_until(future, None).expect("without a time there is no end to waiting")
}

thread_local! {
    /// One for each thread: of those who wait for the same, none is remembered twice, however often it gives up.
    static WAKER: Waker = Waker::from(Arc::new(Sleeper(std::thread::current())));
}

fn block_until<T>(future: impl Future<Output = T>, until: Option<(Clock, Instant)>) -> Option<T> {
    let mut future = pin!(future);
    let waker = WAKER.with(Waker::clone);
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return Some(done);
        }
        match until {
            None => std::thread::park(),
            Some((clock, at)) => {
                let left = at.saturating_duration_since(clock.now());
                if left.is_zero() {
                    return None;
                }
                std::thread::park_timeout(left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[test]
    fn a_thread_that_gives_up_again_and_again_is_remembered_once() {
        let (clock, mut wakers) = (Clock::start(), Vec::<Waker>::new());
        for _ in 0..3 {
            let never = poll_fn(|cx| {
                if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    wakers.push(cx.waker().clone());
                }
                Poll::<()>::Pending
            });
            assert_eq!(block_until(never, Some((clock, clock.now()))), None);
        }
        assert_eq!(wakers.len(), 1);
    }
}
