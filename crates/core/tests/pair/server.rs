//! What happens on the server's side, and when nothing goes wrong.
use crate::pair::{Cut, Pair, new_broker, qos, topic_of};
use tidewire_core::message::Publication;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicName;

impl Pair {
    pub(crate) fn server_publishes(&mut self, bits: u8) {
        let number = self.told.len();
        self.told.push(bits);
        let topic = TopicName::new(&topic_of("down", number)).unwrap();
        let publication = Publication::new(topic, number.to_string().into_bytes()).qos(qos(bits));
        self.tell(|| format!("the server publishes m{number} with QoS {bits}"));
        self.broker.publish(self.now, self.witness, &publication).expect("it may");
        self.act();
    }

    /// It forgets everything.
    pub(crate) fn server_restarts(&mut self) {
        self.tell(|| "the server restarts".to_owned());
        self.losses += 1;
        if self.line.is_some() {
            self.cut(Cut::Reset);
        }
        let incarnation = u32::try_from(self.losses + 1).unwrap();
        (self.broker, self.witness) = new_broker(self.now, incarnation);
        self.act();
    }

    pub(crate) fn server_disconnects(&mut self, reason: ReasonCode) {
        if let Some(line) = &self.line {
            let id = line.id;
            self.broker.disconnect(self.now, id, reason);
            self.act();
        }
    }

    /// Lets everything happen, without a fault, until nothing can any more.
    pub(crate) fn settle(&mut self) {
        self.unreachable = false;
        for _ in 0..100_000 {
            self.open();
            let mut busy = self.up(usize::MAX) | self.down(usize::MAX);
            while self.take() {
                busy = true;
            }
            while !self.tokens.is_empty() {
                self.acknowledge(0);
                busy = true;
            }
            if self.persistent {
                self.comes_back();
            }
            if busy || self.wanted {
                continue;
            }
            let open = self.published.iter().any(|p| p.ended.is_none()) || self.requests.values().any(|d| !d);
            let client = self.client.poll_timeout().map(|d| d.at);
            match client.filter(|_| open || !self.has_line()) {
                Some(at) if at.as_micros() < self.now.as_micros() + 200_000_000 => {
                    self.wait(at.saturating_duration_since(self.now));
                }
                _ => return,
            }
        }
        panic!("it never comes to rest");
    }
}
