//! What a client asks of the server, in bytes.
use super::{Asked, Client, Op, Outgoing, encode, name, packet_id, qos};
use crate::history::{History, NEVER, Pub, Sub};
use tidewire_core::codec::{
    Delivery, Disconnect, FilterNamesBuf, FiltersBuf, Packet, Payload, Properties, PropertiesBuf, Property,
    Publish, RetainHandling, Subscribe, SubscriptionOptions, Unsubscribe,
};
use tidewire_core::reason::ReasonCode;
use tidewire_core::text::Text;
use tidewire_core::topic::TopicFilter;
use tidewire_core::version::Version;

impl Client {
    /// The bytes of what it does, on a connection that is open.
    pub(crate) fn ask(&mut self, history: &mut History, op: Op) -> Vec<u8> {
        let line = self.line.expect("it is connected");
        let now = history.tick();
        history.tell(|| format!("{} {op:?}", self.id));
        match op {
            Op::Subscribe { filter, qos } => {
                let sub = Sub {
                    client: self.index,
                    line,
                    filter,
                    qos,
                    no_local: self.no_local,
                    sent: now,
                    acked: NEVER,
                    unsubscribed: NEVER,
                    unsubacked: NEVER,
                    ending: NEVER,
                    ended: NEVER,
                };
                self.subscribe(history, sub)
            }
            Op::Unsubscribe { filter } => self.unsubscribe(history, filter),
            Op::Publish { topic, qos, retain, empty } => {
                let publication = Pub {
                    client: self.index,
                    line,
                    topic,
                    qos,
                    retain,
                    empty,
                    will: false,
                    sent: now,
                    sends: 0,
                    acked: NEVER,
                    reason: 0,
                };
                self.publish_first(history, publication)
            }
            Op::Disconnect => {
                history.lines[line].goodbye = true;
                let properties = Properties::default();
                encode(&Packet::Disconnect(Disconnect { reason: ReasonCode::Success, properties }))
            }
            Op::Connect { .. } | Op::Await | Op::Welcome | Op::Leave(_) => vec![],
        }
    }

    fn subscribe(&mut self, history: &mut History, sub: Sub) -> Vec<u8> {
        let id = self.next_packet_id();
        let mut filters = FiltersBuf::new(Version::V5);
        let options = SubscriptionOptions {
            qos: qos(sub.qos),
            no_local: sub.no_local,
            retain_handling: if self.if_new { RetainHandling::SendIfNew } else { RetainHandling::Send },
            ..SubscriptionOptions::default()
        };
        filters.push(&TopicFilter::new(sub.filter).expect("a filter"), options);
        history.subs.push(sub);
        self.asked.push((id, Asked::Subscribe(history.subs.len() - 1)));
        encode(&Packet::Subscribe(Subscribe {
            packet_id: packet_id(id),
            properties: Properties::default(),
            filters: filters.as_filters(),
        }))
    }

    fn unsubscribe(&mut self, history: &mut History, filter: &'static str) -> Vec<u8> {
        let id = self.next_packet_id();
        for sub in history.subs.iter_mut().filter(|s| s.client == self.index && s.filter == filter) {
            sub.unsubscribed = sub.unsubscribed.min(history.now);
        }
        self.asked.push((id, Asked::Unsubscribe(filter, history.subs.len())));
        let mut filters = FilterNamesBuf::new();
        filters.push(&TopicFilter::new(filter).expect("a filter"));
        encode(&Packet::Unsubscribe(Unsubscribe {
            packet_id: packet_id(id),
            properties: Properties::default(),
            filters: filters.as_filters(),
        }))
    }

    /// Publishes for the first time.
    fn publish_first(&mut self, history: &mut History, publication: Pub) -> Vec<u8> {
        let qos = publication.qos;
        let message = history.pubs.len();
        history.pubs.push(publication);
        let id = if qos > 0 { self.next_packet_id() } else { 0 };
        if qos > 0 {
            self.outgoing.push(Outgoing { packet_id: id, message, released: false });
        }
        self.publish(history, message, id, false)
    }

    pub(super) fn publish(&mut self, history: &mut History, message: usize, id: u16, dup: bool) -> Vec<u8> {
        let publication = &mut history.pubs[message];
        publication.sends += 1;
        let delivery = match publication.qos {
            0 => Delivery::AtMostOnce,
            1 => Delivery::AtLeastOnce { packet_id: packet_id(id), dup },
            _ => Delivery::ExactlyOnce { packet_id: packet_id(id), dup },
        };
        if id > 0 {
            self.unacknowledged.push_back(id);
        }
        let mut properties = PropertiesBuf::new();
        properties.push(Property::CorrelationData(&name(message))).expect("it can be sent");
        if let Some(seconds) = self.expiry {
            properties.push(Property::MessageExpiryInterval(seconds)).expect("it can be sent");
        }
        let payload: &[u8] = if publication.empty { b"" } else { b"x" };
        encode(&Packet::Publish(Publish {
            delivery,
            retain: publication.retain,
            topic: Text::new(publication.topic).expect("it has no U+0000"),
            properties: properties.as_properties(),
            payload: Payload::Whole(payload),
        }))
    }
}
