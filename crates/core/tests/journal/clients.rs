//! Who publishes and who reads while everything stops and starts again; they keep what they know.
use crate::host::{Got, ack, publish, retained};
use crate::shards::{Cluster, Line};
use std::collections::{BTreeMap, BTreeSet};
use tidewire_core::codec::Packet;
use tidewire_core::qos::QoS;

/// What alice has not heard the end of.
pub(crate) struct Sent {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// PUBREC has come.
    pub(crate) received: bool,
}

/// A publisher that sends again what was not acknowledged.
#[derive(Default)]
pub(crate) struct Alice {
    pub(crate) line: Option<Line>,
    pub(crate) published: u16,
    pub(crate) outgoing: BTreeMap<u16, Sent>,
    pub(crate) acknowledged: Vec<String>,
}

/// A subscriber that keeps to the letter of the specification.
pub(crate) struct Reader {
    pub(crate) name: String,
    pub(crate) line: Option<Line>,
    /// Packet Identifiers of QoS 2 that were not released.
    pub(crate) open: BTreeSet<u16>,
    /// What came live, in order.
    pub(crate) live: Vec<String>,
}

impl Sent {
    /// What alice says of it next.
    fn packet(&self, n: u16, dup: bool) -> Packet<'_> {
        match self {
            Self { received: true, .. } => Packet::Pubrel(ack(n)),
            Self { topic, payload, qos, retain: true, .. } => retained(topic, payload, *qos, n, dup),
            Self { topic, payload, qos, .. } => publish(topic, payload, *qos, n, dup),
        }
    }
}

impl Alice {
    /// Publishes the next.
    pub(crate) fn publish(&mut self, cluster: &mut Cluster, sent: Sent) {
        let Some(line) = self.line else { return };
        self.published += 1;
        cluster.send(line, &sent.packet(self.published, false));
        if sent.qos > QoS::AtMostOnce {
            self.outgoing.insert(self.published, sent);
        }
    }

    /// Comes back, if she is away.
    pub(crate) fn come_back(&mut self, cluster: &mut Cluster) {
        if self.line.is_none() {
            let line = cluster.open("alice");
            self.line = Some(line);
            for (n, sent) in &self.outgoing {
                cluster.send(line, &sent.packet(*n, true));
            }
        }
    }

    pub(crate) fn hear(&mut self, cluster: &mut Cluster, what: &str) {
        let Some(line) = self.line else { return };
        for got in cluster.got(line) {
            match got {
                Got::Puback(n) | Got::Pubcomp(n) => {
                    self.acknowledged.extend(self.outgoing.remove(&n).map(|sent| sent.payload));
                }
                Got::Pubrec(n) => {
                    if let Some(sent) = self.outgoing.get_mut(&n) {
                        sent.received = true;
                    }
                    cluster.send(line, &Packet::Pubrel(ack(n)));
                }
                Got::Connack { present } => {
                    assert!(present || self.published == 0, "{what}: alice's session");
                }
                _ => {}
            }
        }
    }
}

impl Reader {
    /// One that is connected.
    pub(crate) fn new(cluster: &mut Cluster, name: &str) -> Self {
        let line = Some(cluster.open(name));
        Self { name: name.to_owned(), line, open: BTreeSet::new(), live: Vec::new() }
    }

    /// Comes back, if it is away.
    pub(crate) fn come_back(&mut self, cluster: &mut Cluster) {
        self.line.get_or_insert_with(|| cluster.open(&self.name));
    }

    /// Its line breaks, if there is one.
    pub(crate) fn cut(&mut self, cluster: &mut Cluster) {
        if let Some(line) = self.line.take() {
            cluster.cut(line);
        }
    }

    /// Takes what has come, and acknowledges the messages among it, or leaves them unanswered. Whoever has said PUBREC takes
    /// all that comes under that Packet Identifier for the same message, until PUBREL. [MQTT-4.3.3-10]
    pub(crate) fn hear(&mut self, cluster: &mut Cluster, what: &str, answers: bool) {
        let Some(line) = self.line else { return };
        for got in cluster.got(line) {
            match got {
                Got::Publish { payload, qos, id, retain, .. } => {
                    let is_new = qos < QoS::ExactlyOnce || self.open.insert(id);
                    if is_new && !retain {
                        self.live.push(payload);
                    }
                    match qos {
                        _ if !answers => {}
                        QoS::AtMostOnce => {}
                        QoS::AtLeastOnce => cluster.send(line, &Packet::Puback(ack(id))),
                        QoS::ExactlyOnce => cluster.send(line, &Packet::Pubrec(ack(id))),
                    }
                }
                Got::Pubrel(id) => {
                    self.open.remove(&id);
                    cluster.send(line, &Packet::Pubcomp(ack(id)));
                }
                Got::Connack { present } => {
                    assert!(present || self.live.is_empty(), "{what}: the session of {}", self.name);
                }
                _ => {}
            }
        }
    }
}
