//! Quality of Service.

/// How hard both sides try to have a message delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    /// Once or not at all; nothing is acknowledged.
    #[default]
    AtMostOnce = 0,
    /// At least once; acknowledged by PUBACK.
    AtLeastOnce = 1,
    /// Exactly once; PUBREC, PUBREL, PUBCOMP.
    ExactlyOnce = 2,
}

impl QoS {
    /// From its two bits; `None` for 3, which is reserved. [MQTT-3.3.1-4]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// 0, 1 or 2.
    pub const fn bits(self) -> u8 {
        self as u8
    }
}
