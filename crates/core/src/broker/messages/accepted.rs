//! A message that is ours from here on: how it came, and what became of it.
use super::store::View;
use crate::id::PacketId;
use crate::qos::QoS;
use crate::reason::ReasonCode;

/// A message that is accepted: made once, where it comes in, and handed on by reference until it is in its places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted<'a> {
    pub(crate) view: &'a View<'a>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Of its publisher's Client Identifier and Packet Identifier, to find it by.
    pub(crate) hash: u32,
    pub(crate) arrival: Arrival,
}

/// How a message came to this shard.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrival {
    /// On a connection. With QoS 2 its receipt goes into the same record.
    Socket {
        connection: u32,
        session: u32,
        receipt: Option<PacketId>,
    },
    /// From inside: what a local subscriber publishes, or a will. `NONE` if its session has ended by now.
    Inner {
        session: u32,
    },
    Will {
        session: u32,
    },
    /// From another shard. Whose it is if that is a session here; and may it come again after a crash?
    Mail {
        session: u32,
        tracked: bool,
    },
}

impl Arrival {
    /// What it came on; a will or a local subscriber's message came on none.
    pub(crate) fn connection(self) -> Option<u32> {
        match self {
            Self::Socket { connection, .. } => Some(connection),
            Self::Inner { .. } | Self::Will { .. } | Self::Mail { .. } => None,
        }
    }

    /// Who published it, for No Local.
    pub(crate) fn session(self) -> u32 {
        match self {
            Self::Socket { session, .. }
            | Self::Inner { session }
            | Self::Will { session }
            | Self::Mail { session, .. } => session,
        }
    }

    /// It came by mail, and may do so again after a crash of its publisher's shard.
    pub(crate) fn may_come_again(self) -> bool {
        matches!(self, Self::Mail { tracked: true, .. })
    }
}

/// What became of a message on its way to those who want it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Routed {
    /// Recipients on this shard.
    pub(crate) matched: usize,
    /// Of those, whose queue was full.
    pub(crate) refused: usize,
    /// Of those, connected and behind, so that the publisher had better wait.
    pub(crate) behind: usize,
    /// One of those that are behind.
    pub(crate) slowest: u32,
    /// Other shards that have to say what became of it there.
    pub(crate) mailed: usize,
    /// Where their words are gathered.
    pub(crate) settlement: Option<u32>,
    /// It is mailed again after a crash, until all shards have it.
    pub(crate) tracked: bool,
    /// It was not accepted at all: there was no room to retain it.
    pub(crate) no_room: bool,
}

impl Routed {
    /// What the publisher is told, if it is not told later what became of it elsewhere.
    pub(crate) fn reason(&self) -> ReasonCode {
        if self.mailed > 0 { ReasonCode::Success } else { self.reason_here() }
    }

    /// What it would be told if this were the only shard.
    pub(crate) fn reason_here(&self) -> ReasonCode {
        if self.no_room || (self.matched > 0 && self.refused == self.matched) {
            ReasonCode::QuotaExceeded
        } else if self.matched == 0 {
            ReasonCode::NoMatchingSubscribers
        } else {
            ReasonCode::Success
        }
    }
}
