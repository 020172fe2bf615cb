//! Clients on plain threads.
use crate::{MioReactor, run};
use std::sync::Arc;
use tidewire_driver::adapter::{self, Turns};
use tidewire_driver::client::{Clients, Connect, Error, Result};
use tidewire_driver::clients::Maker;
use tidewire_driver::{Clock, Reactor, WithPipes};

/// A client of the server at this URL, in a thread of its own. What it gives is [waited](crate::Wait) for.
///
/// ```no_run
#[doc = include_str!("../examples/sensors_blocking.rs")]
/// ```
pub fn connect(url: impl AsRef<str>) -> Connect {
    Connect::new(launch, url.as_ref())
}

/// A loop that many clients share, in a thread of its own.
///
/// # Errors
/// There is no thread to be had, or nothing to wait for sockets with.
pub fn clients() -> Result<Clients> {
    Clients::new(launch)
}

/// The same, for clients whose [configuration](tidewire_core::client::Config) is made by hand. It goes on as long as the
/// process does.
///
/// # Errors
/// There is no thread to be had, or nothing to wait for sockets with.
pub fn launch() -> Result<Maker> {
    turn(MioReactor::new(Clock::start()).map_err(Error::no_loop)?)
}

/// The same, for clients of a broker in this process.
pub(crate) fn launch_within(clock: Clock, shards: Arc<Turns>) -> Result<Maker> {
    turn(WithPipes::within(MioReactor::new(clock).map_err(Error::no_loop)?, shards))
}

fn turn<R>(reactor: R) -> Result<Maker>
where
    R: Reactor<Stream: Send> + AsMut<MioReactor> + Send + 'static,
{
    let (shard, maker) = tidewire_driver::Clients::on(reactor);
    let thread = adapter::spawn("clients".to_owned(), move || {
        run(shard).expect("a poll of our own can be waited for");
    });
    thread.map_err(Error::no_loop)?;
    Ok(maker)
}
