//! Section 4 of the specification, for whichever side sends and receives.
mod aliases;
mod assembly;
mod in_order;
mod receiver;
mod sender;

pub(crate) use aliases::{Inward, Outward, WrongAlias};
pub(crate) use assembly::{Assembly, CHUNK};
pub(crate) use in_order::{Answer, InOrder};
pub(crate) use receiver::{Receipt, Receiver};
pub(crate) use sender::{Acknowledged, Progress, Received, Sender, Unsent};

use crate::time::Instant;

/// What is left until then, in whole seconds: what is about to expire has one left. [MQTT-3.3.2-6]
pub(crate) fn remaining(expires_at: Instant, now: Instant) -> u32 {
    let micros = expires_at.as_micros().saturating_sub(now.as_micros());
    u32::try_from(micros.div_ceil(1_000_000)).unwrap_or(u32::MAX)
}
