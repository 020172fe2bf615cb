//! A whole server: a thread for each shard, and one that accepts.
use crate::MioReactor;
use crate::accept::Acceptor;
use crate::client::launch_within;
use std::io;
use std::time::Duration;
use tidewire_driver::serve::{Running, Serve, ServeConfig, ServerMailbox};
use tidewire_driver::{Clock, Machine, Reactor, Shard, ShardSetup, Turn, WithPipes};

/// A broker in this process, a thread for each shard.
///
/// ```no_run
#[doc = include_str!("../examples/within_blocking.rs")]
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
/// let server = tidewire_mio::serve_with(config)?;
/// // From anywhere:
/// server.stopper().shutdown(Duration::from_secs(5));
/// server.join();
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn serve_with(config: ServeConfig) -> io::Result<Running> {
    let mailboxes = config.mailboxes();
    let clock = config.clock;
    let reactors = config.shards.iter().map(|_| MioReactor::new(clock)).collect::<io::Result<Vec<_>>>()?;
    let acceptor = Acceptor::new(config.listeners, clock, config.notices, mailboxes.clone())?;
    let stop = acceptor.stop();
    let mut running = Running::new(clock, mailboxes, move || stop.ask(), launch_within);
    for (reactor, setup) in reactors.into_iter().zip(config.shards) {
        running.spawn_shard(setup, move |setup, mailboxes| serve_shard(setup, clock, reactor, mailboxes))?;
    }
    running.spawn("acceptor".into(), move || acceptor.run())?;
    Ok(running)
}

fn serve_shard(setup: ShardSetup, clock: Clock, reactor: MioReactor, mailboxes: Vec<ServerMailbox>) {
    let shard = Shard::start(setup, clock, WithPipes::new(reactor), mailboxes);
    run(shard).expect("a poll of our own can be waited for");
}

/// Turns a shard on this thread until its shutdown is done.
pub fn run<R: Reactor + AsMut<MioReactor>, M: Machine>(mut shard: Shard<R, M>) -> io::Result<()> {
    let waker = shard.reactor_mut().as_mut().waker().clone();
    shard.wake_with(&waker);
    loop {
        let time = match shard.turn() {
            Turn::Ended => return Ok(()),
            Turn::Again => Some(Duration::ZERO),
            Turn::Wait(None) => None,
            Turn::Wait(Some(at)) => Some(at.saturating_duration_since(shard.reactor().now())),
        };
        shard.reactor_mut().as_mut().wait(time)?;
    }
}
