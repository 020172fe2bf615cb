//! What the server supports of what a client may publish.
use super::policy::Grant;
use crate::broker::base::limits::Limits;
use crate::broker::cause::ProtocolError;
use crate::qos::QoS;

/// What this client is told in CONNACK, and held to: the least of its grant and the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Supported {
    /// Subscriptions with a greater QoS are granted this one. [MQTT-3.2.2-9] [MQTT-3.2.2-10]
    pub(crate) maximum_qos: QoS,
    pub(crate) retain_available: bool,
}

impl Supported {
    #[inline]
    pub(crate) fn by(limits: &Limits, grant: &Grant) -> Self {
        let maximum_qos = QoS::from_bits(limits.maximum_qos).unwrap_or(QoS::ExactlyOnce);
        Self {
            maximum_qos: maximum_qos.min(grant.maximum_qos),
            retain_available: limits.retain_available > 0 && grant.retain_available,
        }
    }

    /// Of a PUBLISH, or of a will. Whoever speaks a version before 5.0 can't know it, and is closed all the same: what
    /// it asks for it would not get. [MQTT-3.2.2-11] [MQTT-3.2.2-12] [MQTT-3.2.2-13] [MQTT-3.2.2-14]
    #[inline]
    pub(crate) fn check(self, qos: QoS, retain: bool) -> Result<(), ProtocolError> {
        if qos > self.maximum_qos {
            Err(ProtocolError::MaximumQos)
        } else if retain && !self.retain_available {
            Err(ProtocolError::RetainNotAvailable)
        } else {
            Ok(())
        }
    }
}
