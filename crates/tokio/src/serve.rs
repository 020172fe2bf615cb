//! A whole server: listeners, and a thread for each shard.
use crate::Tokio;
use crate::client::launch_within;
use std::io;
use std::sync::Arc;
use tidewire_driver::adapter::{Acceptor, Turns};
use tidewire_driver::poll::{PollReactor, ShardFuture};
use tidewire_driver::serve::{Running, Serve, ServeConfig, ServerMailbox};
use tidewire_driver::{Clock, Shard, ShardSetup, WithPipes};
use tokio::runtime::Runtime;
use tokio::task::unconstrained;

/// A broker in this process, each shard in a thread with a runtime of its own.
///
/// ```no_run
#[doc = include_str!("../examples/within.rs")]
/// ```
pub fn serve() -> Serve {
    Serve::new(serve_with)
}

/// The same, of shards that are made by hand. Each shard's panic ends the process.
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
/// let server = tidewire_tokio::serve_with(config)?;
/// // From anywhere:
/// server.stopper().shutdown(Duration::from_secs(5));
/// server.join();
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn serve_with(config: ServeConfig) -> io::Result<Running> {
    let mailboxes = config.mailboxes();
    let clock = config.clock;
    let runtimes = config.shards.iter().map(|_| runtime()).collect::<io::Result<Vec<_>>>()?;
    let shards = Arc::new(Turns::new(mailboxes.clone()));
    let mut acceptors = Vec::new();
    for ((number, listener), runtime) in (0..).zip(config.listeners).zip(runtimes.iter().cycle()) {
        let _entered = runtime.enter();
        let (notices, shards) = (Arc::clone(&config.notices), Arc::clone(&shards));
        let acceptor = Acceptor::<Tokio>::new(number, listener, clock, notices, shards)?;
        acceptors.push(runtime.spawn(acceptor.run()).abort_handle());
    }
    let stop_accepting = move || acceptors.iter().for_each(tokio::task::AbortHandle::abort);
    let mut running = Running::new(clock, mailboxes, stop_accepting, launch_within);
    for (runtime, setup) in runtimes.into_iter().zip(config.shards) {
        running.spawn_shard(setup, move |setup, mailboxes| run(&runtime, setup, clock, mailboxes))?;
    }
    Ok(running)
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

/// A shard's thread. The shard is what the runtime blocks on, not a task: its wake-ups then cost nothing, and
/// readiness is looked for between any two turns.
fn run(runtime: &Runtime, setup: ShardSetup, clock: Clock, mailboxes: Vec<ServerMailbox>) {
    let _entered = runtime.enter();
    let shard = Shard::start(setup, clock, WithPipes::new(PollReactor::<Tokio>::new(clock)), mailboxes);
    runtime.block_on(unconstrained(ShardFuture::new(shard)));
}
