//! A codec of 3.1.1 that borrows what it decodes.
use super::{Slices, is_some};
use crate::codecs::{Codec, Stream, several};
use crate::jobs::{Each, Run};
use crate::lines::Look;
use bytes::Bytes;
use mqttrs::{decode_slice, encode_slice};
use std::hint::black_box;
use tidewire_core::version::Version;

pub(super) struct Mqttrs;

impl Codec for Mqttrs {
    fn name(&self) -> &'static str {
        "mqttrs"
    }

    fn knows(&self, version: Version) -> bool {
        !version.is_v5()
    }

    fn stream(&self, _: Version, _: Look) -> Box<dyn Stream> {
        Box::new(Slices::new(|packet: &[u8]| is_some(&decode_slice(packet))))
    }

    fn encode(&self, _: Version, packet: Bytes, buffers: usize) -> Box<dyn Run> {
        let bytes: &'static [u8] = packet.to_vec().leak();
        let packet = decode_slice(bytes).expect("it is valid").expect("it is whole");
        let buffers = several(buffers, || vec![0; bytes.len()]);
        Box::new(Each::new(buffers, move |out| {
            encode_slice(black_box(&packet), out).expect("it is as long as before");
            black_box(out);
        }))
    }
}
