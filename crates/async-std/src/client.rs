//! Clients on async-std.
use crate::AsyncStd;
use async_std::task;
use std::sync::Arc;
use tidewire_driver::adapter::Turns;
use tidewire_driver::client::{Clients, Connect, Result};
use tidewire_driver::clients::Maker;
use tidewire_driver::poll::{PollReactor, ShardFuture};
use tidewire_driver::{Clock, WithPipes};

/// A client of the server at this URL, in a task of async-std.
///
/// ```no_run
#[doc = include_str!("../examples/sensors_async_std.rs")]
/// ```
pub fn connect(url: impl AsRef<str>) -> Connect {
    Connect::new(launch, url.as_ref())
}

/// A loop that many clients share, as one task of async-std.
///
/// # Errors
/// None today.
pub fn clients() -> Result<Clients> {
    Clients::new(launch)
}

/// The same, for clients whose [configuration](tidewire_core::client::Config) is made by hand. It goes on as long as the
/// process does.
///
/// # Errors
/// None today.
pub fn launch() -> Result<Maker> {
    let (shard, maker) = tidewire_driver::Clients::on(PollReactor::<AsyncStd>::new(Clock::start()));
    task::spawn(ShardFuture::new(shard));
    Ok(maker)
}

/// The same, for clients of a broker in this process.
pub(crate) fn launch_within(clock: Clock, shards: Arc<Turns>) -> Result<Maker> {
    let (shard, maker) =
        tidewire_driver::Clients::on(WithPipes::within(PollReactor::<AsyncStd>::new(clock), shards));
    task::spawn(ShardFuture::new(shard));
    Ok(maker)
}
