//! QoS 2, the receiver's half: which Packet Identifiers wait for their PUBREL.
use crate::id::PacketId;
use alloc::collections::VecDeque;

/// Whether a PUBLISH with QoS 2 is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// To be delivered onward, now and only now.
    First,
    /// Was delivered onward before; only its PUBREC may have been lost. [MQTT-4.3.3-10]
    Again,
}

/// The Packet Identifiers of messages that were delivered onward and not yet released.
///
/// Onward delivery starts at PUBLISH, so two bytes are all that is kept of a message.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// Ascending. Peers count up, so both ends are where things happen.
    open: VecDeque<u16>,
}

impl Receiver {
    /// How many wait for their PUBREL.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Has it come, and no PUBREL since?
    pub(crate) fn contains(&self, id: PacketId) -> bool {
        self.open.binary_search(&id.get()).is_ok()
    }

    /// Takes note of a PUBLISH with QoS 2. [MQTT-4.3.3-8]
    pub(crate) fn receive(&mut self, id: PacketId) -> Receipt {
        match self.open.binary_search(&id.get()) {
            Ok(_) => Receipt::Again,
            Err(at) => {
                self.open.insert(at, id.get());
                Receipt::First
            }
        }
    }

    /// A PUBREL came, or the PUBLISH was refused after all; false if nothing was waiting.
    /// [MQTT-4.3.3-9] [MQTT-4.3.3-12]
    pub(crate) fn release(&mut self, id: PacketId) -> bool {
        match self.open.binary_search(&id.get()) {
            Ok(at) => {
                self.open.remove(at);
                true
            }
            Err(_) => false,
        }
    }

    /// All that wait, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u16> {
        self.open.iter().copied()
    }

    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }

    /// Gives back memory that a burst needed.
    pub(crate) fn shrink(&mut self, entries: usize) {
        if self.open.capacity() > entries {
            self.open.shrink_to(entries);
        }
    }

    pub(crate) fn check(&self) {
        assert!(self.open.iter().zip(self.open.iter().skip(1)).all(|(a, b)| a < b), "receipts ascend");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_publish_with_the_same_id_is_not_delivered_again() {
        let mut receiver = Receiver::default();
        let seven = PacketId::new(7).unwrap();
        assert_eq!(receiver.receive(seven), Receipt::First);
        assert_eq!(receiver.receive(seven), Receipt::Again);
        assert!(receiver.release(seven));
        assert!(!receiver.release(seven), "a second PUBREL finds nothing");
        assert_eq!(receiver.receive(seven), Receipt::First, "the id is free again");
    }

    #[test]
    fn ids_may_come_in_any_order() {
        let mut receiver = Receiver::default();
        for id in [9, 1, 65_535, 4] {
            assert_eq!(receiver.receive(PacketId::new(id).unwrap()), Receipt::First);
            receiver.check();
        }
        assert!(receiver.iter().eq([1, 4, 9, 65_535]));
    }
}
