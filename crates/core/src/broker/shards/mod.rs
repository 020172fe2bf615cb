//! The other shards, as this one sees them.
pub(crate) mod note;
pub(crate) mod post;
pub(crate) mod postponed;
pub(crate) mod road;
pub(crate) mod settle;

use crate::id::ShardId;
use alloc::vec::Vec;

/// All that one shard has to tell another in a turn.
///
/// Carry it by value; per pair of shards, keep the order.
#[derive(Debug)]
pub struct Mail {
    /// Between whom, and the how many-eth it is of this pair, from 1.
    pub(crate) from: ShardId,
    pub(crate) to: ShardId,
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) shared: Vec<note::Shared>,
}
