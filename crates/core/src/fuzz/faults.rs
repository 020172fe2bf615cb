//! The catalogue of faults: is there anything shorter?
use super::mode_of;
use crate::codec::Decoder;
use crate::codec::catalogue::LIMITS;

/// No stream is shorter than the catalogue's specimen of the fault that it ends with.
///
/// The first byte chooses who reads which version, the rest is what they read.
pub fn faults(input: &[u8]) {
    let [first, stream @ ..] = input else { return };
    let mut decoder = Decoder::new(mode_of(*first));
    let mut rest = stream;
    let error = loop {
        match decoder.next(&LIMITS, &mut rest) {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => break error,
        }
    };
    let specimen = error.specimen();
    let (found, known) = (stream.len(), specimen.bytes.len());
    assert!(found >= known, "{}: {stream:02x?} of {:?} is shorter", error.code(), mode_of(*first));
}
