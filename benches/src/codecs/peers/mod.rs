//! Other people's codecs, each in its newest version that builds with the compiler at hand.
mod mqtt_proto;
mod mqtt_protocol_core;
mod mqttrs;
mod ntex_mqtt;
mod rmqtt_codec;
mod rumqttc;

use super::{Codec, Stream};
use bytes::BytesMut;
use std::fmt::Debug;
use std::hint::black_box;

pub(super) const ALL: [&dyn Codec; 6] = [
    &rumqttc::Rumqttc,
    &mqtt_protocol_core::MqttProtocolCore,
    &ntex_mqtt::NtexMqtt,
    &rmqtt_codec::RmqttCodec,
    &mqtt_proto::MqttProto,
    &mqttrs::Mqttrs,
];

/// Was there one? It is looked at where it is, as with ours.
fn is_some<T, E: Debug>(next: &Result<Option<T>, E>) -> bool {
    match black_box(next) {
        Ok(packet) => packet.is_some(),
        Err(error) => panic!("{error:?}"),
    }
}

/// For codecs that take packets off the front of a buffer.
struct Buffered<F> {
    buffer: BytesMut,
    next: F,
}

impl<F: FnMut(&mut BytesMut) -> bool> Buffered<F> {
    fn new(next: F) -> Self {
        Self { buffer: BytesMut::new(), next }
    }
}

impl<F: FnMut(&mut BytesMut) -> bool> Stream for Buffered<F> {
    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn drain(&mut self) -> usize {
        let mut count = 0;
        while (self.next)(&mut self.buffer) {
            count += 1;
        }
        count
    }
}

/// For codecs that decode a packet from a slice, and do not say where it ends.
struct Slices<F> {
    buffer: Vec<u8>,
    decode: F,
}

impl<F: FnMut(&[u8]) -> bool> Slices<F> {
    fn new(decode: F) -> Self {
        Self { buffer: vec![], decode }
    }
}

impl<F: FnMut(&[u8]) -> bool> Stream for Slices<F> {
    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn drain(&mut self) -> usize {
        let mut rest = &self.buffer[..];
        let mut count = 0;
        while let Some((packet, after)) = length(rest).and_then(|length| rest.split_at_checked(length)) {
            assert!((self.decode)(packet), "it is whole");
            rest = after;
            count += 1;
        }
        let decoded = self.buffer.len() - rest.len();
        self.buffer.drain(..decoded);
        count
    }
}

/// Of the packet that begins here.
fn length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [_, low @ 0..0x80, ..] => Some(2 + usize::from(*low)),
        [_, low, high, ..] => Some(3 + usize::from(*high) * 128 + usize::from(*low & 0x7f)),
        _ => None,
    }
}
