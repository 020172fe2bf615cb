//! What each message says of itself, in its first bytes.
use tidewire_core::bytes::Bytes;

/// Bytes of it: no message is shorter.
pub(super) const LENGTH: usize = 24;
/// Tells our messages from others'.
const MARK: [u8; 2] = *b"tw";

/// Whose message it is, which, and when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Tells processes apart that publish at the same time.
    pub(super) run: u16,
    /// Which of its publishers, from 0.
    pub(super) publisher: u32,
    /// Which of that one's messages, from 0.
    pub(super) sequence: u64,
    /// Microseconds since 1970.
    pub(super) time: u64,
}

impl Stamp {
    /// Behind it there are as many zeros as are wanted.
    pub(super) fn payload(&self, size: usize) -> Bytes {
        let mut head = [0; LENGTH];
        head[..2].copy_from_slice(&MARK);
        head[2..4].copy_from_slice(&self.run.to_be_bytes());
        head[4..8].copy_from_slice(&self.publisher.to_be_bytes());
        head[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        head[16..].copy_from_slice(&self.time.to_be_bytes());
        let mut payload = Vec::with_capacity(size.max(LENGTH));
        payload.extend_from_slice(&head);
        payload.resize(size.max(LENGTH), 0);
        payload.into()
    }

    /// `None` for a message of somebody else.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let (mark, rest) = payload.split_first_chunk()?;
        let (run, rest) = rest.split_first_chunk()?;
        let (publisher, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (time, _) = rest.split_first_chunk()?;
        (*mark == MARK).then_some(Self {
            run: u16::from_be_bytes(*run),
            publisher: u32::from_be_bytes(*publisher),
            sequence: u64::from_be_bytes(*sequence),
            time: u64::from_be_bytes(*time),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_whose_it_is_which_and_when_it_was_sent() {
        let stamp = Stamp { run: 0x1234, publisher: 7, sequence: u64::MAX, time: 1 };
        assert_eq!(stamp.payload(0).len(), LENGTH);
        let payload = stamp.payload(100);
        assert_eq!((payload.len(), Stamp::read(&payload)), (100, Some(stamp)));
    }

    #[test]
    fn others_say_nothing() {
        assert_eq!(Stamp::read(b""), None);
        assert_eq!(Stamp::read(&[b'x'; 100]), None);
        assert_eq!(Stamp::read(b"tw"), None);
    }
}
