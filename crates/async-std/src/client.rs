//! Clients on async-std.
use crate::AsyncStd;
use async_std::task;
use tidewire_core::id::ShardId;
use tidewire_driver::client::{Clients, Connect, Result};
use tidewire_driver::clients::{self, Maker};
use tidewire_driver::poll::{PollReactor, ShardFuture};
use tidewire_driver::{Clock, Mailbox, Shard};

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
    let (clock, mailbox) = (Clock::start(), Mailbox::default());
    let (machine, maker) = clients::Clients::new(&mailbox);
    let reactor = PollReactor::<AsyncStd>::new(clock);
    let shard = Shard::new(ShardId(0), machine, reactor, Box::new(()), None, vec![mailbox]);
    task::spawn(ShardFuture::new(shard));
    Ok(maker)
}
