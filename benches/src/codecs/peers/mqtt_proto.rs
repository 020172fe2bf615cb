//! A codec that decodes from a slice.
use super::{Slices, is_some};
use crate::codecs::{Codec, Stream};
use crate::jobs::{Repeat, Run};
use crate::lines::Look;
use bytes::Bytes;
use mqtt_proto::{v3, v5};
use std::hint::black_box;
use tidewire_core::version::Version;

pub(super) struct MqttProto;

impl Codec for MqttProto {
    fn name(&self) -> &'static str {
        "mqtt-proto"
    }

    fn stream(&self, version: Version, _: Look) -> Box<dyn Stream> {
        if version.is_v5() {
            Box::new(Slices::new(|packet: &[u8]| is_some(&v5::Packet::decode(packet))))
        } else {
            Box::new(Slices::new(|packet: &[u8]| is_some(&v3::Packet::decode(packet))))
        }
    }

    /// It makes a buffer for each packet.
    fn encode(&self, version: Version, packet: Bytes, _: usize) -> Box<dyn Run> {
        if version.is_v5() {
            let packet = v5::Packet::decode(&packet).expect("it is valid").expect("it is whole");
            Box::new(Repeat(move || drop(black_box(black_box(&packet).encode()))))
        } else {
            let packet = v3::Packet::decode(&packet).expect("it is valid").expect("it is whole");
            Box::new(Repeat(move || drop(black_box(black_box(&packet).encode()))))
        }
    }
}
