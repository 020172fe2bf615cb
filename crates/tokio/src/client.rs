//! Clients on tokio.
use crate::Tokio;
use tidewire_driver::Clock;
use tidewire_driver::client::{Clients, Connect, Error, Result};
use tidewire_driver::clients::Maker;
use tidewire_driver::poll::{PollReactor, ShardFuture};
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
