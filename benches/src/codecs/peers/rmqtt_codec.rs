//! The codec of a broker.
use super::{Buffered, is_some};
use crate::codecs::{Codec, Stream, several};
use crate::jobs::{Run, UseUp};
use crate::lines::Look;
use bytes::{Bytes, BytesMut};
use rmqtt_codec::{v3, v5};
use std::hint::black_box;
use tidewire_core::version::Version;
use tokio_util::codec::{Decoder, Encoder};

pub(super) struct RmqttCodec;

impl Codec for RmqttCodec {
    fn name(&self) -> &'static str {
        "rmqtt-codec"
    }

    fn stream(&self, version: Version, _: Look) -> Box<dyn Stream> {
        if version.is_v5() { stream(v5::Codec::new(0, 0)) } else { stream(v3::Codec::new(0)) }
    }

    fn encode(&self, version: Version, packet: Bytes, buffers: usize) -> Box<dyn Run> {
        if version.is_v5() {
            encode(v5::Codec::new(0, 0), &packet, buffers)
        } else {
            encode(v3::Codec::new(0), &packet, buffers)
        }
    }
}

fn stream<D: Decoder<Error: std::fmt::Debug> + 'static>(mut codec: D) -> Box<dyn Stream> {
    Box::new(Buffered::new(move |buffer: &mut BytesMut| is_some(&codec.decode(buffer))))
}

/// The codec takes packets away.
fn encode<C, P>(mut codec: C, packet: &[u8], buffers: usize) -> Box<dyn Run>
where
    C: Decoder<Item = (P, u32), Error: std::fmt::Debug> + Encoder<P, Error: std::fmt::Debug> + 'static,
    P: Clone + 'static,
{
    let length = packet.len();
    let mut bytes = BytesMut::from(packet);
    let (packet, _) = codec.decode(&mut bytes).expect("it is valid").expect("it is whole");
    let buffers = several(buffers, || BytesMut::with_capacity(length));
    Box::new(UseUp::new(packet, buffers, move |packet, out| {
        out.clear();
        codec.encode(packet, out).expect("it is small");
        black_box(out);
    }))
}
