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
            Op::Subscribe { filter, qos: bits } => {
                let id = self.next_packet_id();
                history.subs.push(Sub {
                    client: self.index,
                    line,
                    filter,
                    qos: bits,
                    no_local: self.no_local,
                    sent: now,
                    acked: NEVER,
                    unsubscribed: NEVER,
                    unsubacked: NEVER,
                    ending: NEVER,
                    ended: NEVER,
                });
                self.asked.push((id, Asked::Subscribe(history.subs.len() - 1)));
                let mut filters = FiltersBuf::new(Version::V5);
                let options = SubscriptionOptions {
                    qos: qos(bits),
                    no_local: self.no_local,
                    retain_handling: if self.if_new {
                        RetainHandling::SendIfNew
                    } else {
                        RetainHandling::Send
                    },
                    ..SubscriptionOptions::default()
                };
                filters.push(&TopicFilter::new(filter).expect("a filter"), options);
                let properties = Properties::default();
                encode(&Packet::Subscribe(Subscribe {
                    packet_id: packet_id(id),
                    properties,
                    filters: filters.as_filters(),
                }))
            }
            Op::Unsubscribe { filter } => {
                let id = self.next_packet_id();
                for sub in history.subs.iter_mut().filter(|s| s.client == self.index && s.filter == filter) {
                    sub.unsubscribed = sub.unsubscribed.min(now);
                }
                self.asked.push((id, Asked::Unsubscribe(filter, history.subs.len())));
                let mut filters = FilterNamesBuf::new();
                filters.push(&TopicFilter::new(filter).expect("a filter"));
                let properties = Properties::default();
                encode(&Packet::Unsubscribe(Unsubscribe {
                    packet_id: packet_id(id),
                    properties,
                    filters: filters.as_filters(),
                }))
            }
            Op::Publish { topic, qos, retain, empty } => {
                history.pubs.push(Pub {
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
                });
                let message = history.pubs.len() - 1;
                let id = if qos > 0 { self.next_packet_id() } else { 0 };
                if qos > 0 {
                    self.outgoing.push(Outgoing { packet_id: id, message, released: false });
                }
                self.publish(history, message, id, false)
            }
            Op::Disconnect => {
                history.lines[line].goodbye = true;
                let properties = Properties::default();
                encode(&Packet::Disconnect(Disconnect { reason: ReasonCode::Success, properties }))
            }
            Op::Connect { .. } | Op::Await | Op::Welcome | Op::Leave(_) => vec![],
        }
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
