//! What a connection needs that may authenticate again.
use crate::broker::authority::policy::AuthStep;
use alloc::boxed::Box;

/// Of a connection whose CONNECT named an Authentication Method.
#[derive(Debug)]
pub(crate) struct Again {
    /// Each AUTH must repeat it. [MQTT-4.12.1-1]
    pub(crate) method: Box<str>,
    pub(crate) turn: Turn,
    /// How many AUTHs of this authentication have come.
    pub(crate) rounds: u8,
    /// What the policy was asked, while its answer is awaited.
    pub(crate) step: Option<AuthStep>,
}

/// Whose AUTH is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// None is; the client may begin.
    Nobody,
    /// The client's, as an answer to ours.
    Client,
}

impl Again {
    pub(crate) fn new(method: Box<str>) -> Self {
        Self { method, turn: Turn::Nobody, rounds: 0, step: None }
    }
}
