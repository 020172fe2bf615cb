//! A whole server: a thread for each shard, and one that accepts.
use crate::AsyncStd;
use crate::client::launch_within;
use async_std::channel::{self, Receiver};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tidewire_driver::adapter::{Acceptor, Turns};
use tidewire_driver::poll::{PollReactor, ShardFuture};
use tidewire_driver::serve::{Running, Serve, ServeConfig, ServerMailbox};
use tidewire_driver::{Clock, Shard, ShardSetup, Wait, WithPipes};

/// A broker in this process, a thread for each shard.
///
/// ```no_run
#[doc = include_str!("../examples/within_async_std.rs")]
/// ```
pub fn serve() -> Serve {
    Serve::new(serve_with)
}

/// The same, of shards that are made by hand. Each thread's panic ends the process.
///
/// ```
/// use std::net::TcpListener;
/// use std::time::Duration;
/// use tidewire_core::broker::Config;
/// use tidewire_core::broker::policy::Open;
/// use tidewire_core::id::ShardId;
/// use tidewire_driver::serve::ServeConfig;
/// use tidewire_driver::{Clock, ShardSetup};
///
/// // Bytes that nobody can guess: a seed for each shard, and one placement for all of them.
/// let shard = |number: u8| {
///     let config = Config::new(Box::new(Open::new()), [number; 32]);
///     ShardSetup::new(config.one_of(2, ShardId(number.into()), [42; 16]))
/// };
/// let listeners = vec![TcpListener::bind("127.0.0.1:0")?];
/// let config = ServeConfig::new(listeners, vec![shard(0), shard(1)], Clock::start());
/// let server = tidewire_async_std::serve_with(config)?;
/// // From anywhere:
/// server.stopper().shutdown(Duration::from_secs(5));
/// server.join();
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// The system has no descriptors for async-io's reactor, of which a process has one.
pub fn serve_with(config: ServeConfig) -> io::Result<Running> {
    let mailboxes = config.mailboxes();
    let clock = config.clock;
    let shards = Arc::new(Turns::new(mailboxes.clone()));
    let acceptors = (0..).zip(config.listeners).map(|(number, listener)| {
        let (notices, shards) = (Arc::clone(&config.notices), Arc::clone(&shards));
        Ok(Box::pin(Acceptor::<AsyncStd>::new(number, listener, clock, notices, shards)?.run()))
    });
    let acceptors = acceptors.collect::<io::Result<Vec<_>>>()?;
    let (stop, stopped) = channel::bounded(1);
    // The channel stays open: only a message ends the thread.
    let kept = stop.clone();
    let stop_accepting = move || {
        // A channel that is full says it already.
        let _ = stop.try_send(());
    };
    let mut running = Running::new(clock, mailboxes, stop_accepting, launch_within);
    for setup in config.shards {
        running.spawn_shard(setup, move |setup, mailboxes| run(setup, clock, mailboxes))?;
    }
    running.spawn("acceptor".into(), move || {
        accept(acceptors, &stopped);
        drop(kept);
    })?;
    Ok(running)
}

/// A shard's thread. While it has nothing to do it waits for the sockets of all, if no other thread does: so one shard
/// alone never needs to be woken by anybody.
fn run(setup: ShardSetup, clock: Clock, mailboxes: Vec<ServerMailbox>) {
    let shard = Shard::start(setup, clock, WithPipes::new(PollReactor::<AsyncStd>::new(clock)), mailboxes);
    async_io::block_on(ShardFuture::new(shard));
}

/// The thread that accepts. It sleeps apart from the reactor, which is the shards' to wait with: what it saw there, it
/// would have to wake them for.
fn accept(mut acceptors: Vec<Pin<Box<impl Future<Output = ()>>>>, stopped: &Receiver<()>) {
    let mut stopped = pin!(stopped.recv());
    poll_fn(|cx| {
        for acceptor in &mut acceptors {
            // They have no end.
            let _ = acceptor.as_mut().poll(cx);
        }
        stopped.as_mut().poll(cx).map(drop)
    })
    .wait();
}
