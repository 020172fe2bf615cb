//! Section 4 of the specification, for whichever side sends and receives.
mod receiver;
mod sender;

pub(crate) use receiver::{Receipt, Receiver};
pub(crate) use sender::{Acknowledged, Received, Sender, Unsent};
