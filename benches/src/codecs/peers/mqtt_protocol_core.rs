//! A state machine without I/O, and its codec.
use crate::codecs::{Client, Codec, Stream};
use crate::jobs::{Repeat, Run};
use crate::lines::{FanOut, Look};
use crate::packets::TOPIC;
use bytes::Bytes;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{Event, PacketBuildResult, PacketBuilder, PacketData, RawPacket};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, Qos, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::{self, Arc, Connection, role};
use std::collections::VecDeque;
use std::hint::black_box;
use tidewire_core::version::Version;

pub(super) struct MqttProtocolCore;

impl Codec for MqttProtocolCore {
    fn name(&self) -> &'static str {
        "mqtt-protocol-core"
    }

    fn stream(&self, version: Version, _: Look) -> Box<dyn Stream> {
        Box::new(Reader { builder: PacketBuilder::new(), version, buffer: vec![] })
    }

    /// It makes a buffer for each packet.
    fn encode(&self, version: Version, packet: Bytes, _: usize) -> Box<dyn Run> {
        let packet = whole(&packet, version);
        Box::new(Repeat(move || drop(black_box(black_box(&packet).to_continuous_buffer()))))
    }

    /// To slices of what there is already.
    fn fan_out(&self, version: Version, packet: Bytes, _: FanOut) -> Box<dyn Run> {
        let packet = whole(&packet, version);
        Box::new(Repeat(move || drop(black_box(black_box(&packet).to_buffers()))))
    }

    fn client(&self) -> Option<&dyn Client> {
        Some(self)
    }
}

impl Client for MqttProtocolCore {
    fn publish(&self, in_flight: u16) -> Box<dyn Run> {
        let mut machine = Machine::new(in_flight);
        Box::new(Repeat(move || {
            machine.publish();
            machine.acknowledge();
        }))
    }
}

struct Reader {
    builder: PacketBuilder,
    version: Version,
    buffer: Vec<u8>,
}

impl Stream for Reader {
    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
    }

    fn drain(&mut self) -> usize {
        let mut cursor = Cursor::new(&self.buffer[..]);
        let mut count = 0;
        while let PacketBuildResult::Complete(raw) = self.builder.feed(&mut cursor) {
            black_box(&parse(raw, self.version));
            count += 1;
        }
        count
    }
}

fn whole(packet: &[u8], version: Version) -> Packet {
    let PacketBuildResult::Complete(raw) = PacketBuilder::new().feed(&mut Cursor::new(packet)) else {
        panic!("it is whole")
    };
    parse(raw, version)
}

/// As its connection does it.
fn parse(raw: RawPacket, version: Version) -> Packet {
    let of_5 = version.is_v5();
    let flags = raw.flags();
    let parsed = match (raw.packet_type(), raw.data) {
        (3, PacketData::Publish(body)) if of_5 => v5_0::Publish::parse(flags, body).map(|(p, _)| p.into()),
        (3, PacketData::Publish(body)) => v3_1_1::Publish::parse(flags, body).map(|(p, _)| p.into()),
        (1, PacketData::Normal(body)) => v5_0::Connect::parse(&body).map(|(p, _)| p.into()),
        (4, PacketData::Normal(body)) => v3_1_1::Puback::parse(&body).map(|(p, _)| p.into()),
        (8, PacketData::Normal(body)) if of_5 => v5_0::Subscribe::parse(&body).map(|(p, _)| p.into()),
        (8, PacketData::Normal(body)) => v3_1_1::Subscribe::parse(&body).map(|(p, _)| p.into()),
        (other, _) => panic!("no line has packets of type {other}"),
    };
    parsed.expect("it is valid")
}

/// Of 3.1.1, with a session that outlives the connection.
struct Machine {
    connection: Connection<role::Client>,
    payload: Arc<[u8]>,
    in_flight: VecDeque<u16>,
}

impl Machine {
    /// One of those in flight is still to come.
    fn new(in_flight: u16) -> Self {
        let mut connection = Connection::new(mqtt::Version::V3_1_1);
        let connect =
            v3_1_1::Connect::builder().client_id("bench").expect("it is short").clean_session(false);
        let _ = connection.send(connect.build().expect("it is valid").into());
        let _ = connection.recv(&mut Cursor::new(&[0x20, 2, 0, 0]));
        let mut machine = Self { connection, payload: [b'x'; 64].into(), in_flight: VecDeque::new() };
        (1..in_flight).for_each(|_| machine.publish());
        machine
    }

    fn publish(&mut self) {
        let packet_id = self.connection.acquire_packet_id().expect("one is free");
        self.in_flight.push_back(packet_id);
        let publish = v3_1_1::Publish::builder()
            .topic_name(TOPIC)
            .expect("a Topic Name")
            .qos(Qos::AtLeastOnce)
            .payload(self.payload.clone())
            .packet_id(packet_id)
            .build()
            .expect("it is valid");
        let mut went_out = false;
        for event in self.connection.send(publish.into()) {
            if let Event::RequestSendPacket { packet, .. } = event {
                black_box(packet.to_continuous_buffer());
                went_out = true;
            }
        }
        assert!(went_out, "it goes out at once");
    }

    fn acknowledge(&mut self) {
        let oldest = self.in_flight.pop_front().expect("there is one");
        let [high, low] = oldest.to_be_bytes();
        let events = self.connection.recv(&mut Cursor::new(&[0x40, 2, high, low]));
        let is_released = |event: &Event| matches!(event, Event::NotifyPacketIdReleased(id) if *id == oldest);
        assert!(events.iter().any(is_released), "it was in flight");
        black_box(events);
    }
}
