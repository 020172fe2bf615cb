//! Protocol versions, and who reads.

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// MQIsdp, level 3.
    V3_1 = 3,
    /// MQTT, level 4.
    V3_1_1 = 4,
    /// MQTT, level 5.
    V5 = 5,
}

impl Version {
    /// The Protocol Level on the wire.
    pub const fn level(self) -> u8 {
        self as u8
    }

    /// Does it have properties, Reason Codes and the rest of 5.0?
    pub const fn is_v5(self) -> bool {
        matches!(self, Self::V5)
    }
}

/// Who is reading. Some packets and properties only the other side may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads what a server sent.
    Client,
    /// Reads what a client sent.
    #[default]
    Server,
}
