//! Clients on tokio.
use crate::Tokio;
use std::sync::Arc;
use tidewire_driver::adapter::{self, Turns};
use tidewire_driver::client::{Clients, Connect, Error, Result};
use tidewire_driver::clients::Maker;
use tidewire_driver::poll::{PollReactor, ShardFuture};
use tidewire_driver::{Clock, WithPipes};
use tokio::runtime::Handle;
use tokio::task::unconstrained;

/// A client of the server at this URL, in a task of the runtime that this is called in.
///
/// ```no_run
#[doc = include_str!("../examples/sensors.rs")]
/// ```
pub fn connect(url: impl AsRef<str>) -> Connect {
    Connect::new(launch, url.as_ref())
}

/// A loop that many clients share, as one task of the runtime that this is called in.
///
/// # Errors
/// There is no runtime here.
pub fn clients() -> Result<Clients> {
    Clients::new(launch)
}

/// The same, for clients whose [configuration](tidewire_core::client::Config) is made by hand. It goes on as long as the
/// runtime does.
///
/// # Errors
/// There is no runtime here.
pub fn launch() -> Result<Maker> {
    let runtime = Handle::try_current().map_err(Error::no_loop)?;
    let (shard, maker) = tidewire_driver::Clients::on(PollReactor::<Tokio>::new(Clock::start()));
    runtime.spawn(unconstrained(ShardFuture::new(shard)));
    Ok(maker)
}

/// The same, for clients of a broker in this process. Where there is no runtime, a thread does as well.
pub(crate) fn launch_within(clock: Clock, shards: Arc<Turns>) -> Result<Maker> {
    let (shard, maker) =
        tidewire_driver::Clients::on(WithPipes::within(PollReactor::<Tokio>::new(clock), shards));
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(unconstrained(ShardFuture::new(shard)))),
        Err(_) => drop(adapter::spawn("clients".into(), || adapter::turn(shard)).map_err(Error::no_loop)?),
    }
    Ok(maker)
}
