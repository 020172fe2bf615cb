//! What a broker is to be like, and the shards and listeners that come of it.
use super::listeners::{self, Bound, Door};
use super::{Journals, StartError};
use crate::{Clock, Host, ShardSetup};
use std::fmt;
use std::net::TcpListener;
use std::sync::Arc;
use tidewire_core::broker::policy::{Open, Policy};
use tidewire_core::broker::{Config, Limits};
use tidewire_core::codec::Leniency;
use tidewire_core::id::ShardId;
use tidewire_core::time::Instant;

/// Makes what each shard has one of: called once for each, before the broker starts. What it makes lives on the shard's
/// thread.
pub type ForEachShard<T> = Arc<dyn Fn(ShardId) -> Box<T> + Send + Sync>;

/// What a broker is to be like, whatever it runs on.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Where to listen: `ADDRESS:PORT` or `NAME:PORT`.
    pub listen: Vec<String>,
    /// How many shards, each with a thread of its own. None: whoever starts it chooses.
    pub shards: Option<u16>,
    /// The table of limits.
    pub limits: Limits,
    /// Which faults of clients are forgiven. None: none.
    pub lenient: Leniency,
    /// Let everybody in on listeners beyond loopback, too. Not needed where there is a policy.
    pub allow_anonymous: bool,
    /// Who is let in, and may do what. None: everybody, and [all but the broker's own
    /// topics](tidewire_core::broker::policy::Everything).
    ///
    /// What one of them says of an identity has to hold on all shards.
    pub policy: Option<ForEachShard<dyn Policy + Send>>,
    /// The program around the broker: it is told all events, finds the answers that the policy puts off, and takes what
    /// comes for its local subscribers. What it has to say in turn it posts to the shards' mailboxes.
    pub host: Option<ForEachShard<dyn Host + Send>>,
    /// Where what must not be lost is written down. None: a restart forgets everything.
    pub journals: Option<Journals>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("shards", &self.shards)
            .field("allow_anonymous", &self.allow_anonymous)
            .finish_non_exhaustive()
    }
}

impl Options {
    fn door(&self) -> Door {
        match (&self.policy, self.allow_anonymous) {
            (Some(_), _) => Door::Guarded,
            (None, true) => Door::Open,
            (None, false) => Door::OpenHere,
        }
    }

    /// All its listeners, or none. Whoever reaches one from elsewhere must have been invited.
    pub fn bind(&self) -> Result<Vec<(Bound, TcpListener)>, StartError> {
        listeners::bind(&self.listen, self.door())
    }

    /// The same, at [`DEFAULT_LISTEN`](super::DEFAULT_LISTEN).
    pub fn bind_default(&self) -> Result<Vec<(Bound, TcpListener)>, StartError> {
        listeners::bind_default(self.door())
    }

    /// So many shards, and the clock of all: not before what their journals tell.
    pub fn set_up(&self, shards: u16) -> Result<(Vec<ShardSetup>, Clock), StartError> {
        let (placement, incarnation) = match &self.journals {
            Some(journals) => (journals.placement, journals.incarnation),
            None => (secret()?, u32::from_ne_bytes(secret()?)),
        };
        let mut newest = Instant::default();
        let setups = (0..shards).map(|shard| {
            let shard = ShardId(shard);
            let policy = self.policy.as_ref().map_or_else(|| Box::new(Open::new()) as _, |make| make(shard));
            let mut config = Config::new(policy, secret()?).one_of(shards, shard, placement);
            config.incarnation = incarnation;
            config.limits = self.limits.clone();
            config.lenient = self.lenient;
            let (mut setup, told) = match &self.journals {
                Some(journals) => journals.restore(config)?,
                None => (ShardSetup::new(config), newest),
            };
            newest = newest.max(told);
            if let Some(make) = &self.host {
                setup.host = make(shard);
            }
            Ok(setup)
        });
        let setups = setups.collect::<Result<_, StartError>>()?;
        Ok((setups, Clock::start().not_before(newest)))
    }
}

/// Bytes that nobody can guess.
fn secret<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| StartError::Randomness)?;
    Ok(bytes)
}
