//! A Will Message while its client is connected, and until its exit.
use crate::codec;
use crate::qos::QoS;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A Will Message, from CONNECT to its exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Will {
    pub(crate) topic: Box<str>,
    /// Those that travel with it, encoded. [MQTT-3.1.3-10]
    pub(crate) properties: Box<[u8]>,
    pub(crate) payload: Box<[u8]>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expiry: Option<u32>,
    /// Will Delay Interval in seconds.
    pub(crate) delay: u32,
}

impl Will {
    pub(crate) fn new(will: &codec::Will<'_>) -> Self {
        let mut properties = Vec::new();
        will.properties.travelling(&mut properties);
        Self {
            topic: will.topic.into(),
            properties: properties.into(),
            payload: will.payload.into(),
            qos: will.qos,
            retain: will.retain,
            expiry: will.properties.message_expiry_interval(),
            delay: will.properties.will_delay_interval().unwrap_or(0),
        }
    }
}
