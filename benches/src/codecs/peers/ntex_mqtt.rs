//! The codec of a framework. 9 wants a newer compiler.
use crate::codecs::{Codec, Stream, several};
use crate::jobs::{Run, UseUp};
use crate::lines::Look;
use bytes::Bytes;
use ntex_bytes::{BytePageSize, BytePages, BytesMut};
use ntex_codec::{Decoder, Encoder};
use ntex_mqtt::{v3, v5};
use std::fmt::Debug;
use std::hint::black_box;
use tidewire_core::version::Version;

pub(super) struct NtexMqtt;

impl Codec for NtexMqtt {
    fn name(&self) -> &'static str {
        "ntex-mqtt"
    }

    fn stream(&self, version: Version, _: Look) -> Box<dyn Stream> {
        if version.is_v5() {
            reader(v5::codec::Codec::new(), |item| match item {
                v5::codec::Decoded::Packet(..) => true,
                v5::codec::Decoded::Publish(head, payload, _) => payload.len() == head.payload_size as usize,
                v5::codec::Decoded::PayloadChunk(_, is_last) => *is_last,
            })
        } else {
            reader(v3::codec::Codec::new(), |item| match item {
                v3::codec::Decoded::Packet(..) => true,
                v3::codec::Decoded::Publish(head, payload, _) => payload.len() == head.payload_size as usize,
                v3::codec::Decoded::PayloadChunk(_, is_last) => *is_last,
            })
        }
    }

    fn encode(&self, version: Version, packet: Bytes, buffers: usize) -> Box<dyn Run> {
        let mut bytes = BytesMut::copy_from_slice(&packet);
        if version.is_v5() {
            let codec = v5::codec::Codec::new();
            let Ok(Some(v5::codec::Decoded::Publish(head, payload, _))) = codec.decode(&mut bytes) else {
                panic!("it is a PUBLISH")
            };
            encode(codec, v5::codec::Encoded::Publish(head, Some(payload)), buffers)
        } else {
            let codec = v3::codec::Codec::new();
            let Ok(Some(v3::codec::Decoded::Publish(head, payload, _))) = codec.decode(&mut bytes) else {
                panic!("it is a PUBLISH")
            };
            encode(codec, v3::codec::Encoded::Publish(head, Some(payload)), buffers)
        }
    }
}

struct Reader<C: Decoder> {
    codec: C,
    buffer: BytesMut,
    /// A PUBLISH of which only the beginning is there comes in pieces.
    ends_packet: fn(&C::Item) -> bool,
}

fn reader<C: Decoder + 'static>(codec: C, ends_packet: fn(&C::Item) -> bool) -> Box<dyn Stream> {
    Box::new(Reader { codec, buffer: BytesMut::new(), ends_packet })
}

impl<C: Decoder> Stream for Reader<C> {
    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn drain(&mut self) -> usize {
        let mut count = 0;
        loop {
            match black_box(&self.codec.decode(&mut self.buffer)) {
                Ok(Some(item)) => count += usize::from((self.ends_packet)(item)),
                Ok(None) => return count,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

/// The codec takes packets away.
fn encode<C>(codec: C, packet: C::Item, buffers: usize) -> Box<dyn Run>
where
    C: Encoder<Item: Clone, Error: Debug> + 'static,
{
    let buffers = several(buffers, || BytePages::new(BytePageSize::Size16));
    Box::new(UseUp::new(packet, buffers, move |packet, out| {
        out.clear();
        codec.encodev(packet, out).expect("it is small");
        black_box(out);
    }))
}
