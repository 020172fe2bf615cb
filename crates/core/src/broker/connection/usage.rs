//! How much of the shard each address takes. Loopback has no quota unless somebody sets one: whoever is on the machine
//! is no stranger.
use super::Connection;
use crate::broker::base::limits::{Limit, Limits};
use crate::time::Instant;
use foldhash::quality::FixedState;
use hashbrown::HashMap;

#[derive(Clone, Copy, Debug, Default)]
struct Holding {
    connections: u32,
    /// Connects in the second that began then.
    since: Instant,
    connects: u32,
}

const SWEEP_AT: usize = 1024;

pub(super) struct Usage {
    by_address: HashMap<[u8; 16], Holding, FixedState>,
    /// With so many addresses those are looked for that can be forgotten.
    sweep_at: usize,
}

impl Usage {
    pub(super) fn new(seed: u64) -> Self {
        Self { by_address: HashMap::with_hasher(FixedState::with_seed(seed)), sweep_at: SWEEP_AT }
    }

    /// Counts a connection that was accepted, or has come from another shard; refused if its address has too many, or
    /// makes them too fast.
    pub(super) fn opened(
        &mut self,
        now: Instant,
        connection: &Connection,
        is_new: bool,
        limits: &Limits,
    ) -> Result<(), Limit> {
        let is_loopback = connection.is_loopback();
        if is_loopback && !limits.counts_loopback() {
            return Ok(());
        }
        self.sweep(now);
        let holding = self.by_address.entry(connection.address()).or_default();
        if now >= holding.since.after_secs(1) {
            (holding.since, holding.connects) = (now, 0);
        }
        holding.connections += 1;
        holding.connects = holding.connects.saturating_add(u32::from(is_new));
        if holding.connections > limits.connections_from(is_loopback) {
            return Err(Limit::connections_per_address);
        }
        if is_new && holding.connects > limits.connects_from(is_loopback) {
            return Err(Limit::connects_per_second);
        }
        Ok(())
    }

    pub(super) fn closed(&mut self, connection: &Connection) {
        if let Some(holding) = self.by_address.get_mut(&connection.address()) {
            holding.connections -= 1;
        }
    }

    /// Forgets addresses without connections, as often as their number doubles; not within the second, or whoever
    /// connects and goes would never be too fast.
    fn sweep(&mut self, now: Instant) {
        if self.by_address.len() >= self.sweep_at {
            self.by_address.retain(|_, h| h.connections > 0 || now < h.since.after_secs(1));
            self.sweep_at = (2 * self.by_address.len()).max(SWEEP_AT);
        }
    }
}
