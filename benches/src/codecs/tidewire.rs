//! Ours.
use super::{Codec, SUBSCRIBERS, Stream, several};
use crate::jobs::{Each, Repeat, Run};
use crate::lines::{FanOut, Look};
use crate::packets::TOPIC;
use bytes::Bytes;
use std::hint::black_box;
use tidewire_core::client::{Action, Client, Config};
use tidewire_core::codec::{Decoder, Item, Limits, Mode, Packet, Payload, PublishHead};
use tidewire_core::message::Publication;
use tidewire_core::output::Output;
use tidewire_core::qos::QoS;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicName;
use tidewire_core::version::{Role, Version};

pub(super) struct Tidewire;

impl Codec for Tidewire {
    fn name(&self) -> &'static str {
        "Tidewire"
    }

    fn stream(&self, version: Version, look: Look) -> Box<dyn Stream> {
        let decoder = Decoder::new(Mode { role: Role::Server, version: Some(version) });
        Box::new(Reader { decoder, limits: Limits::default(), look, buffer: vec![] })
    }

    fn encode(&self, version: Version, packet: Bytes, buffers: usize) -> Box<dyn Run> {
        let (head, payload) = message(version, &packet);
        let buffers = several(buffers, || Vec::with_capacity(packet.len()));
        Box::new(Each::new(buffers, move |out| {
            out.clear();
            black_box(&head).encode(version, u32::MAX, out).expect("it is small");
            out.extend_from_slice(black_box(payload));
            black_box(out);
        }))
    }

    fn fan_out(&self, version: Version, packet: Bytes, payload: FanOut) -> Box<dyn Run> {
        let (head, small) = message(version, &packet);
        let outputs = several(SUBSCRIBERS, Output::default);
        match payload {
            FanOut::Copied => fan_out(outputs, move |out| {
                out.append(|out| {
                    black_box(&head).encode(version, u32::MAX, out).expect("it is small");
                    out.extend_from_slice(black_box(small));
                });
            }),
            FanOut::Shared => {
                let large = Bytes::copy_from_slice(small);
                fan_out(outputs, move |out| {
                    let encoded = out.append(|out| black_box(&head).encode(version, u32::MAX, out));
                    encoded.expect("it is small");
                    out.put_shared(black_box(&large).clone());
                })
            }
        }
    }

    fn client(&self) -> Option<&dyn super::Client> {
        Some(self)
    }
}

impl super::Client for Tidewire {
    fn publish(&self, in_flight: u16) -> Box<dyn Run> {
        let mut pair = Pair::new(in_flight);
        Box::new(Repeat(move || {
            pair.publish();
            pair.acknowledge();
        }))
    }
}

/// Puts something into each output, after a socket has taken all that was there.
struct Outputs<F> {
    outputs: Vec<Output>,
    put: F,
}

fn fan_out(outputs: Vec<Output>, put: impl FnMut(&mut Output) + 'static) -> Box<dyn Run> {
    Box::new(Outputs { outputs, put })
}

impl<F: FnMut(&mut Output)> Run for Outputs<F> {
    fn prepare(&mut self) {
        self.outputs.iter_mut().for_each(|out| out.advance(out.unsent()));
    }

    fn run(&mut self) -> usize {
        self.outputs.iter_mut().for_each(&mut self.put);
        self.outputs.len()
    }
}

struct Reader {
    decoder: Decoder,
    limits: Limits,
    look: Look,
    buffer: Vec<u8>,
}

impl Stream for Reader {
    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
    }

    fn drain(&mut self) -> usize {
        match self.look {
            Look::Decoded => self.decode_all(|_| {}),
            Look::Read => self.decode_all(read),
        }
    }
}

impl Reader {
    #[inline(always)]
    fn decode_all(&mut self, look: impl Fn(&Packet<'_>)) -> usize {
        let mut input = &self.buffer[..];
        let mut count = 0;
        // A connection has one CONNECT, so each needs a decoder of its own.
        let is_connect = self.buffer.first() == Some(&0x10);
        loop {
            if is_connect {
                self.decoder = Decoder::new(Mode { role: Role::Server, version: None });
            }
            // Looked at where it is: to move it would cost more than to decode a PUBACK.
            let next = self.decoder.next(&self.limits, &mut input);
            match black_box(&next) {
                Ok(Some(Item::Packet(packet))) => look(packet),
                Ok(Some(_)) => panic!("no packet is so large"),
                Ok(None) => return count,
                Err(error) => panic!("{error}"),
            }
            count += 1;
        }
    }
}

/// What is only checked when it is decoded.
fn read(packet: &Packet<'_>) {
    match packet {
        Packet::Connect(connect) => {
            each(connect.properties.iter());
            each(connect.will.iter().flat_map(|will| will.properties.iter()));
        }
        Packet::Publish(publish) => each(publish.properties.iter()),
        Packet::Subscribe(subscribe) => each(subscribe.filters.iter()),
        _ => {}
    }
}

fn each<T>(values: impl Iterator<Item = T>) {
    for value in values {
        black_box(value);
    }
}

/// What a broker keeps of a PUBLISH: its head and its payload. It is kept for good.
fn message(version: Version, packet: &Bytes) -> (PublishHead<'static>, &'static [u8]) {
    let mut packet: &'static [u8] = packet.to_vec().leak();
    let decoder = Decoder::new(Mode { role: Role::Server, version: Some(version) });
    let decoder = Box::leak(Box::new(decoder));
    let item = decoder.next(&Limits::default(), &mut packet).expect("it is valid");
    let Some(Item::Packet(Packet::Publish(publish))) = item else { panic!("not a PUBLISH") };
    let Payload::Whole(payload) = publish.payload else { panic!("it is small") };
    let mut properties = vec![];
    publish.properties.travelling(&mut properties);
    let head = PublishHead {
        delivery: publish.delivery,
        retain: publish.retain,
        topic: publish.topic,
        topic_alias: None,
        message_expiry_interval: publish.properties.message_expiry_interval(),
        properties: properties.leak(),
        subscription_identifiers: &[],
        payload_len: payload.len(),
    };
    (head, payload)
}

/// A client and its server, which acknowledges what is oldest.
struct Pair {
    client: Client,
    out: Output,
    publication: Publication,
    oldest: u16,
}

const NOW: Instant = Instant::from_secs(1);

impl Pair {
    /// One of those in flight is still to come. Beyond 16,384 they wait in the outbox.
    fn new(in_flight: u16) -> Self {
        let mut config = Config::default();
        config.in_flight = u16::MAX;
        (config.outbox_messages, config.outbox_bytes) = (usize::MAX, usize::MAX);
        let mut client = Client::new(config, &[0; 32]);
        client.connect(NOW);
        client.handle_open(NOW);
        let topic = TopicName::new(TOPIC).expect("a Topic Name");
        let publication = Publication::new(topic, Bytes::from_static(&[b'x'; 64])).qos(QoS::AtLeastOnce);
        let mut pair = Self { client, out: Output::default(), publication, oldest: 1 };
        pair.act();
        // CONNACK of 5.0.
        let _ = pair.client.handle_bytes(NOW, &[0x20, 3, 0, 0, 0]);
        pair.act();
        (1..in_flight).for_each(|_| pair.publish());
        pair
    }

    fn publish(&mut self) {
        self.client.publish(NOW, self.publication.clone()).expect("there is room");
        self.act();
    }

    fn acknowledge(&mut self) {
        let [high, low] = self.oldest.to_be_bytes();
        let _ = self.client.handle_bytes(NOW, &[0x40, 2, high, low]);
        self.oldest = self.oldest.checked_add(1).unwrap_or(1);
        self.act();
        let event = self.client.poll_event();
        assert!(event.is_some(), "the receipt of what was acknowledged");
        black_box(event);
    }

    /// What an adapter does, with a socket that takes everything.
    fn act(&mut self) {
        while let Some(action) = self.client.poll_action() {
            if action == Action::Transmit {
                self.client.poll_transmit(NOW, usize::MAX, &mut self.out);
                self.out.advance(black_box(&self.out).unsent());
            }
        }
    }
}
