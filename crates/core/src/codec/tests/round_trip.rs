//! What was encoded is decoded to the same, and encoded to the same bytes.
use super::strategies::{self, Sample};
use super::support::{decoder, packet, read, read_whole};
use crate::codec::{Decoder, EncodeError, Item, Limits};
use proptest::prelude::*;
use std::vec::Vec;

fn any_packet() -> impl Strategy<Value = Sample> {
    prop_oneof![
        1 => strategies::connect(),
        6 => strategies::mode().prop_flat_map(|(version, role)| strategies::packet(version, role)),
    ]
}

fn fresh(sample: &Sample) -> Decoder {
    let is_connect = sample.bytes[0] == 0x10;
    decoder((!is_connect).then_some(sample.version), sample.role)
}

fn reencode(sample: &Sample, limit: u32) -> (Result<(), EncodeError>, Vec<u8>) {
    let mut out = Vec::from(*b"before");
    let mut decoder = fresh(sample);
    let limits = Limits { topic_levels_max: 1000, ..Limits::default() };
    let Ok(Some(Item::Packet(packet))) = decoder.next(&limits, &mut &sample.bytes[..]) else {
        panic!("{sample:?} is not decoded");
    };
    (packet.encode(sample.version, limit, &mut out), out)
}

proptest! {
    #[test]
    fn any_packet_comes_back(sample in any_packet()) {
        let transcript = read(fresh(&sample), &Limits::default(), [&sample.bytes[..]]);
        prop_assert_eq!(transcript.error, None);
        prop_assert_eq!(&transcript.items, core::slice::from_ref(&sample.shown));
        let (encoded, out) = reencode(&sample, u32::MAX);
        prop_assert_eq!(encoded, Ok(()));
        prop_assert_eq!(&out[6..], &sample.bytes[..]);
    }

    #[test]
    fn any_packet_is_held_to_the_limit(sample in any_packet()) {
        let length = u32::try_from(sample.bytes.len()).unwrap();
        prop_assert_eq!(reencode(&sample, length).0, Ok(()));
        let (encoded, out) = reencode(&sample, length - 1);
        prop_assert_eq!(encoded, Err(EncodeError::TooLarge { by: 1 }));
        prop_assert_eq!(&out, b"before");
    }

    /// A packet that ends early is never waited for.
    #[test]
    fn any_packet_cut_anywhere_is_refused_or_another(sample in any_packet()) {
        for end in 1..sample.bytes.len() {
            let transcript = read(fresh(&sample), &Limits::default(), [&sample.bytes[..end]]);
            prop_assert_eq!(transcript.error, None);
            prop_assert!(transcript.items.is_empty());
        }
        let header = 1 + sample.bytes[1..].iter().take_while(|byte| **byte >= 0x80).count() + 1;
        let body = &sample.bytes[header..];
        let version = (sample.bytes[0] != 0x10).then_some(sample.version);
        for end in 0..body.len() {
            let transcript = read_whole(&packet(sample.bytes[0], &body[..end]), version, sample.role);
            prop_assert_eq!(transcript.items.len() + usize::from(transcript.error.is_some()), 1);
        }
    }

    /// Bytes that mean nothing, and packets with one byte changed.
    #[test]
    fn no_bytes_cause_a_panic(
        sample in any_packet(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        noise in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut bytes = sample.bytes.clone();
        *at.get_mut(&mut bytes) = byte;
        bytes.extend(&noise);
        for stream in [&bytes, &noise] {
            let whole = read(fresh(&sample), &Limits::default(), [&stream[..]]);
            let single = read(fresh(&sample), &Limits::default(), stream.chunks(1));
            prop_assert_eq!(whole, single);
        }
    }
}
