//! A client's codec; it reads what servers do, too.
use super::Buffered;
use crate::codecs::{Client, Codec, Stream, several};
use crate::jobs::{Each, Repeat, Run};
use crate::lines::Look;
use crate::packets::TOPIC;
use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::{Error, v4};
use rumqttc::v5::mqttbytes::{Error as ErrorOf5, v5};
use rumqttc::{MqttState, QoS, Request};
use std::hint::black_box;
use tidewire_core::version::Version;

pub(super) struct Rumqttc;

impl Codec for Rumqttc {
    fn name(&self) -> &'static str {
        "rumqttc"
    }

    fn stream(&self, version: Version, _: Look) -> Box<dyn Stream> {
        if version.is_v5() {
            Box::new(Buffered::new(|buffer: &mut BytesMut| {
                match black_box(&v5::Packet::read(buffer, None)) {
                    Ok(_) => true,
                    Err(ErrorOf5::InsufficientBytes(_)) => false,
                    Err(error) => panic!("{error}"),
                }
            }))
        } else {
            Box::new(Buffered::new(|buffer: &mut BytesMut| {
                match black_box(&v4::Packet::read(buffer, usize::MAX)) {
                    Ok(_) => true,
                    Err(Error::InsufficientBytes(_)) => false,
                    Err(error) => panic!("{error}"),
                }
            }))
        }
    }

    fn encode(&self, version: Version, packet: Bytes, buffers: usize) -> Box<dyn Run> {
        let mut bytes = BytesMut::from(&packet[..]);
        let buffers = several(buffers, || BytesMut::with_capacity(packet.len()));
        if version.is_v5() {
            let packet = v5::Packet::read(&mut bytes, None).expect("it is whole");
            Box::new(Each::new(buffers, move |out| {
                out.clear();
                black_box(&packet).write(out, None).expect("it is small");
                black_box(out);
            }))
        } else {
            let packet = v4::Packet::read(&mut bytes, usize::MAX).expect("it is whole");
            Box::new(Each::new(buffers, move |out| {
                out.clear();
                black_box(&packet).write(out, usize::MAX).expect("it is small");
                black_box(out);
            }))
        }
    }

    fn client(&self) -> Option<&dyn Client> {
        Some(self)
    }
}

impl Client for Rumqttc {
    fn publish(&self, in_flight: u16) -> Box<dyn Run> {
        let mut machine = Machine::new(in_flight);
        Box::new(Repeat(move || {
            machine.publish();
            machine.acknowledge();
        }))
    }
}

/// Of 3.1.1.
struct Machine {
    state: MqttState,
    message: v4::Publish,
    out: BytesMut,
    input: BytesMut,
    oldest: u16,
}

impl Machine {
    /// One of those in flight is still to come.
    fn new(in_flight: u16) -> Self {
        let mut machine = Self {
            state: MqttState::new(u16::MAX, false),
            message: v4::Publish::from_bytes(TOPIC, QoS::AtLeastOnce, Bytes::from_static(&[b'x'; 64])),
            out: BytesMut::new(),
            input: BytesMut::new(),
            oldest: 1,
        };
        (1..in_flight).for_each(|_| machine.publish());
        machine
    }

    fn publish(&mut self) {
        let request = Request::Publish(self.message.clone());
        let packet = self.state.handle_outgoing_packet(request).expect("there is room");
        self.out.clear();
        packet.expect("it goes out at once").write(&mut self.out, usize::MAX).expect("it is small");
        black_box(&self.out);
        self.state.events.clear();
    }

    fn acknowledge(&mut self) {
        let [high, low] = self.oldest.to_be_bytes();
        self.input.extend_from_slice(&[0x40, 2, high, low]);
        let packet = v4::Packet::read(&mut self.input, usize::MAX).expect("it is whole");
        self.state.handle_incoming_packet(packet).expect("it is in flight");
        self.oldest = self.oldest.checked_add(1).unwrap_or(1);
        while let Some(event) = self.state.events.pop_front() {
            black_box(event);
        }
    }
}
