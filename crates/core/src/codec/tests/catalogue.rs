//! The catalogue of faults.
use super::support::read;
use crate::codec::catalogue::{CATALOGUE, LIMITS};
use crate::codec::error::CODES;
use crate::codec::{DecodeError, Decoder};
use std::collections::BTreeSet;
use std::string::ToString;

#[test]
fn each_specimen_is_refused_for_its_fault_whole_and_byte_by_byte() {
    for specimen in CATALOGUE {
        for step in [specimen.bytes.len(), 1] {
            let transcript = read(Decoder::new(specimen.mode), &LIMITS, specimen.bytes.chunks(step));
            assert_eq!(transcript.error, Some(specimen.error), "{:x?}", specimen.bytes);
            assert!(transcript.items.is_empty());
        }
        let cut = &specimen.bytes[..specimen.bytes.len() - 1];
        let early = read(Decoder::new(specimen.mode), &LIMITS, [cut]).error;
        assert_eq!(early, None, "{} needs its last byte", specimen.error.code());
    }
}

#[test]
fn each_fault_has_one_name_and_one_specimen() {
    let codes: BTreeSet<_> = CATALOGUE.iter().map(|specimen| specimen.error.code()).collect();
    assert_eq!(codes, CODES.iter().copied().collect());
    assert_eq!((CODES.len(), CATALOGUE.len()), (codes.len(), codes.len()));
    for specimen in CATALOGUE {
        assert_eq!(specimen.error.specimen().bytes, specimen.bytes);
        assert!(specimen.error.reason().is_error() && specimen.error.statement().contains('.'));
        assert!(specimen.remedy.ends_with('.') && !specimen.error.to_string().ends_with('.'));
    }
    assert_eq!(DecodeError::PropertyValue(0x21).code(), "property-value");
    assert_eq!(DecodeError::PropertyValue(0x23).code(), "topic-alias-zero");
    assert_eq!(DecodeError::SharedNoLocal.statement(), "MQTT-3.8.3-4");
    assert_eq!(
        DecodeError::MisplacedProperty(0x0b).to_string(),
        "this packet does not have that property, or not from this side (property 0x0b)"
    );
}
