//! What is said last.
use super::event::Misuse;
use super::{Client, Leaving, Phase};
use crate::codec::{Disconnect, Packet, PropertiesBuf, Property, PropertyError, is_disconnect};
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::version::{Role, Version};

/// What a DISCONNECT says: made of a [`ReasonCode`], to which 5.0 can add. Before 5.0 there is only the goodbye itself,
/// and what is added is left out.
/// ```
/// use tidewire_core::client::Goodbye;
/// use tidewire_core::reason::ReasonCode;
///
/// let goodbye = Goodbye::new(ReasonCode::Success)
///     .session_expiry_seconds(0)
///     .reason_string("the pump is dismantled")?
///     .user_property("site", "north")?;
/// # Ok::<(), tidewire_core::codec::PropertyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    reason: ReasonCode,
    session_expiry_seconds: Option<u32>,
    /// Reason String and User Properties.
    explains: PropertiesBuf,
}

impl From<ReasonCode> for Goodbye {
    fn from(reason: ReasonCode) -> Self {
        Self { reason, session_expiry_seconds: None, explains: PropertiesBuf::new() }
    }
}

impl Goodbye {
    /// With this reason; `DisconnectWithWill` has the will published.
    pub fn new(reason: ReasonCode) -> Self {
        reason.into()
    }

    /// From now on the server keeps the session for so long, and not as CONNECT has said. (Section 3.14.2.2.2)
    #[must_use]
    pub fn session_expiry_seconds(mut self, seconds: u32) -> Self {
        self.session_expiry_seconds = Some(seconds);
        self
    }

    /// The reason in words. (Section 3.14.2.2.3)
    ///
    /// # Errors
    /// There is one already, it contains U+0000, or has more than 65,535 bytes.
    pub fn reason_string(mut self, words: &str) -> Result<Self, PropertyError> {
        self.explains.push(Property::ReasonString(words))?;
        Ok(self)
    }

    /// One more name and value. (Section 3.14.2.2.4)
    ///
    /// # Errors
    /// One of the two contains U+0000, or has more than 65,535 bytes.
    pub fn user_property(mut self, name: &str, value: &str) -> Result<Self, PropertyError> {
        self.explains.push(Property::UserProperty((name, value)))?;
        Ok(self)
    }

    /// Appends it, as much of it as the server takes: what only explains is left out first.
    /// [MQTT-3.14.2-3] [MQTT-3.14.2-4]
    fn encode(&self, version: Version, limit: u32, out: &mut alloc::vec::Vec<u8>) {
        // Some reasons only a server may give. [MQTT-3.14.2-1]
        let is_ours = is_disconnect(self.reason, Role::Server);
        let reason = if is_ours { self.reason } else { ReasonCode::UnspecifiedError };
        let expiry = self.session_expiry_seconds.map(Property::SessionExpiryInterval);
        let explained = expiry.into_iter().chain(self.explains.as_properties().iter());
        for properties in [PropertiesBuf::of(explained), PropertiesBuf::of(expiry), PropertiesBuf::of([])] {
            let properties = properties.expect("each of them was checked, and they are of different kinds");
            let disconnect =
                Packet::Disconnect(Disconnect { reason, properties: properties.as_properties() });
            // Two or three bytes in the end; a server that takes not even that hears nothing.
            if disconnect.encode(version, limit, out).is_ok() {
                return;
            }
        }
    }
}

impl Client {
    pub(super) fn leave(&mut self, now: Instant, deadline: Instant, goodbye: Goodbye) -> Result<(), Misuse> {
        if self.config.session_expiry_seconds == 0 && goodbye.session_expiry_seconds.is_some_and(|s| s > 0) {
            // A Protocol Error. (Section 3.14.2.2.2)
            return Err(Misuse::SessionExpiry);
        }
        self.again = false;
        if self.ended.is_some() {
            return Ok(());
        }
        if let Some(leaving) = &mut self.leaving {
            // An earlier end comes first.
            leaving.deadline = leaving.deadline.min(deadline);
            if let Phase::Closing(until) = self.phase {
                self.phase = Phase::Closing(until.min(leaving.deadline.max(now.after(self.linger()))));
            }
            return Ok(());
        }
        self.leaving = Some(Leaving { deadline, goodbye });
        if let Phase::Closing(until) = self.phase {
            // It was going to connect again.
            self.phase = Phase::Closing(until.min(now.after(self.linger())));
        }
        self.leave_if_done(now);
        Ok(())
    }

    pub(super) fn say_goodbye(&mut self, goodbye: &Goodbye) {
        if goodbye.reason == ReasonCode::DisconnectWithWill && !self.version.is_v5() {
            // Before 5.0 every goodbye discards the will; only an end without one publishes it.
            return;
        }
        goodbye.encode(self.version, self.link.server.maximum_packet_size, &mut self.link.out);
    }
}
