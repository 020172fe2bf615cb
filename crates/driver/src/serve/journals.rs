//! What a server has written down, and goes on writing.
use super::StartError;
use crate::{Journal, ShardSetup};
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use tidewire_core::broker::{Config, Restore};
use tidewire_core::id::ShardId;
use tidewire_core::time::Instant;

/// So much is read at a time.
const PIECE: usize = 256 * 1024;

/// Where a server writes down what must not be lost: sessions that outlive their connections with their subscriptions and
/// queues, wills, Retained Messages. With it, nothing is promised before it is durable.
///
/// Who brings it keeps three things from one start to the next: which shard a client is at home on, how many shards there
/// are ([`Options::shards`](super::Options::shards)), and how often the server was started.
#[derive(Clone)]
pub struct Journals {
    /// Which shard a client is at home on. Secret, and the same at each start.
    pub placement: [u8; 16],
    /// How many times the server was started before. No Message id comes twice as long as this grows.
    pub incarnation: u32,
    /// Opens the journal of a shard: called once for each, before the server starts.
    pub open: Arc<dyn Fn(ShardId) -> io::Result<Recorded> + Send + Sync>,
}

impl fmt::Debug for Journals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journals").field("incarnation", &self.incarnation).finish_non_exhaustive()
    }
}

/// The journal of one shard.
pub struct Recorded {
    /// What was recorded, from the beginning; nothing the first time. It may end in the middle of a record.
    pub records: Box<dyn Read>,
    /// Where records go from here on, behind the last that is whole.
    pub journal: Box<dyn Journal + Send>,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").finish_non_exhaustive()
    }
}

impl Journals {
    /// The shard of this configuration, as its journal says; and the newest time that it tells.
    pub(super) fn restore(&self, mut config: Config) -> Result<(ShardSetup, Instant), StartError> {
        config.durable = true;
        let mut restore = Restore::new(config);
        let shard = restore.shard();
        let unreadable = |error| StartError::Journal { shard, error };
        let Recorded { mut records, journal } = (self.open)(shard).map_err(unreadable)?;
        let mut piece = vec![0; PIECE];
        loop {
            match records.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => restore.feed(&piece[..n]).map_err(|error| StartError::Recorded { shard, error })?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        let newest = restore.newest();
        Ok((ShardSetup::restored(restore, journal), newest))
    }
}
