//! Section 4 of the specification, for whichever side sends and receives.
mod assembly;
mod receiver;
mod sender;

pub(crate) use assembly::{Assembly, CHUNK};
pub(crate) use receiver::{Receipt, Receiver};
pub(crate) use sender::{Acknowledged, Progress, Received, Sender, Unsent};
