//! The other end of a connection: what a machine says has to be MQTT, too.
use tidewire_core::codec::{DecodeError, Decoder, Item, Limits, Mode, Packet};
use tidewire_core::text::TextError;
use tidewire_core::version::{Role, Version};

pub(crate) struct Ear {
    decoder: Decoder,
    limits: Limits,
    has_heard: bool,
}

impl Ear {
    /// A server's ear learns the version from the CONNECT. A packet of more than `packet_bytes` is not accepted.
    pub(crate) fn new(role: Role, version: Option<Version>, packet_bytes: u32) -> Self {
        let mut limits = Limits::default();
        (limits.maximum_packet_size, limits.streamed_from) = (packet_bytes, u32::MAX);
        Self { decoder: Decoder::new(Mode { role, version }), limits, has_heard: false }
    }

    /// Shows each packet, and whether it is the first, to `look`.
    ///
    /// # Panics
    /// Where it is none.
    pub(crate) fn hear(&mut self, mut bytes: &[u8], mut look: impl FnMut(&Packet<'_>, bool)) {
        loop {
            match self.decoder.next(&self.limits, &mut bytes) {
                Ok(Some(Item::Packet(packet))) => {
                    look(&packet, !self.has_heard);
                    self.has_heard = true;
                }
                Ok(None) => return,
                // A server may have assigned a name that we would not take. It is given back all the same.
                Err(DecodeError::ClientId(TextError::ControlCharacter | TextError::NonCharacter)) => return,
                other => panic!("what is said is whole packets: {other:?}"),
            }
        }
    }
}
