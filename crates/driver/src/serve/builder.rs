//! A broker that is to run in this process.
use super::{ForEachShard, Journals, Options, Running, ServeConfig, StartError};
use crate::Host;
use crate::client::Result;
use std::fmt;
use std::io;
use std::sync::Arc;
use tidewire_core::broker::Limits;
use tidewire_core::broker::policy::Policy;
use tidewire_core::codec::Leniency;
use tidewire_core::id::ShardId;

/// What an adapter does for a broker: a thread for each shard, and whatever accepts.
pub type Start = fn(ServeConfig) -> io::Result<Running>;

/// A broker that is to run in this process: options, and then [`start`](Self::start). It has one shard, and no listener,
/// unless more is said: without one only this process can reach it.
#[derive(Clone)]
#[must_use = "nothing runs until it is started"]
pub struct Serve {
    start: Start,
    options: Options,
}

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Serve {
    /// For adapters.
    #[doc(hidden)]
    pub fn new(start: Start) -> Self {
        Self { start, options: Options::default() }
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// One more place to listen, `ADDRESS:PORT` or `NAME:PORT`; port 0 is any that is free, and
    /// [`addresses`](Running::addresses) tells which.
    pub fn listen(self, address: impl Into<String>) -> Self {
        self.with(|options| options.listen.push(address.into()))
    }

    /// How many shards, each with a thread of its own: one, if nothing is said.
    pub fn shards(self, shards: u16) -> Self {
        self.with(|options| options.shards = Some(shards))
    }

    /// The table of limits.
    pub fn limits(self, limits: Limits) -> Self {
        self.with(|options| options.limits = limits)
    }

    /// Which faults of clients are forgiven: none, if nothing is said.
    pub fn lenient(self, lenient: Leniency) -> Self {
        self.with(|options| options.lenient = lenient)
    }

    /// Lets everybody in on listeners beyond loopback, too. Not needed where there is a policy.
    pub fn allow_anonymous(self) -> Self {
        self.with(|options| options.allow_anonymous = true)
    }

    /// Who is let in, and may do what: one for each shard. Without it everybody is let in, and may do all but publish to the
    /// broker's own topics. It is asked for this process's own clients, too: they come from
    /// [`Peer::WITHIN`](tidewire_core::broker::policy::Peer::WITHIN).
    pub fn policy<P: Policy + Send + 'static>(
        self,
        make: impl Fn(ShardId) -> P + Send + Sync + 'static,
    ) -> Self {
        let make: ForEachShard<dyn Policy + Send> = Arc::new(move |shard| Box::new(make(shard)));
        self.with(|options| options.policy = Some(make))
    }

    /// Who is told all events, and finds the answers that the policy puts off: one for each shard, on its thread.
    pub fn host<H: Host + Send + 'static>(self, make: impl Fn(ShardId) -> H + Send + Sync + 'static) -> Self {
        let make: ForEachShard<dyn Host + Send> = Arc::new(move |shard| Box::new(make(shard)));
        self.with(|options| options.host = Some(make))
    }

    /// Where what must not be lost is written down. Without it a restart forgets everything.
    pub fn journals(self, journals: Journals) -> Self {
        self.with(|options| options.journals = Some(journals))
    }

    /// Starts it. When this returns, connections are accepted; it goes on until its [`shutdown`](Running::shutdown), also if
    /// what this gives is dropped.
    ///
    /// # Errors
    /// [`NotServed`](crate::client::Error::NotServed): what stands in its way, and what to do.
    pub fn start(self) -> Result<Running> {
        let (listeners, sockets): (Vec<_>, Vec<_>) = self.options.bind()?.into_iter().unzip();
        let (setups, clock) = self.options.set_up(self.options.shards.unwrap_or(1).max(1))?;
        let running = (self.start)(ServeConfig::new(sockets, setups, clock)).map_err(StartError::Runtime)?;
        Ok(running.at(listeners))
    }
}
