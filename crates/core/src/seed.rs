//! Numbers from a seed: the same seed, the same numbers.
use core::hash::Hasher;
use siphasher::sip::SipHasher24;

/// Numbers that nobody can guess who does not know the seed.
pub(crate) struct Random {
    key: [u8; 16],
    drawn: u64,
}

impl Random {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&seed[..16]);
        Self { key, drawn: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.drawn += 1;
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&self.drawn.to_le_bytes());
        hasher.finish()
    }
}
