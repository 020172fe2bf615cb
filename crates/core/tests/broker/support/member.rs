//! A client that keeps what it knows from one connection to the next, and answers when it is told to.
use super::{Client, Hello, Shards};
use std::collections::{BTreeSet, VecDeque};

/// A subscriber, and what it owes.
#[derive(Default)]
pub(crate) struct Member {
    pub(crate) client: Option<Client>,
    /// QoS 2 that it has and whose PUBREL has not come.
    begun: BTreeSet<u16>,
    /// What it has to send: PUBACK 4, PUBREC 5, PUBCOMP 7, each with an identifier.
    unanswered: VecDeque<(u8, u16)>,
}

impl Member {
    /// Another connection: what it has not answered it is sent again.
    pub(crate) fn connect(&mut self, s: &mut Shards, hello: &Hello) {
        self.unanswered.clear();
        self.client = Some(s.greet(hello));
    }

    /// Its connection breaks.
    pub(crate) fn cut(&mut self, s: &mut Shards) {
        if let Some(client) = self.client.take() {
            s.cut(client);
        }
    }

    /// The payloads of what has come, as numbers, in order and without what came again.
    pub(crate) fn hear(&mut self, s: &mut Shards) -> Vec<u32> {
        let Some(client) = self.client else { return vec![] };
        let mut came = vec![];
        for line in s.hear(client) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["PUBLISH", _, payload, qos, ..] => {
                    let is_new = qos == "q1" && !line.ends_with("dup");
                    let is_new = is_new || (qos == "q2" && self.begun.insert(identifier(words[4])));
                    self.unanswered.push_back((if qos == "q1" { 4 } else { 5 }, identifier(words[4])));
                    if is_new {
                        came.push(payload.parse().expect("a number"));
                    }
                }
                ["PUBREL", id, ..] => {
                    self.begun.remove(&identifier(id));
                    self.unanswered.push_back((7, identifier(id)));
                }
                _ => {}
            }
        }
        came
    }

    /// Sends the first answer that it owes; false if there is none.
    pub(crate) fn answer(&mut self, s: &mut Shards) -> bool {
        let Some((packet, id)) = self.unanswered.pop_front() else { return false };
        if let Some(client) = self.client {
            s.acknowledge(client, packet, id);
        }
        true
    }
}

/// `7`, or `#7`.
fn identifier(word: &str) -> u16 {
    word.trim_start_matches('#').parse().expect("an identifier")
}

/// A publisher releases what the server has of it with QoS 2.
pub(crate) fn release(s: &mut Shards, publisher: Client) {
    for line in s.hear(publisher) {
        if let Some(id) = line.strip_prefix("PUBREC ").and_then(|rest| rest.split(' ').next()) {
            s.acknowledge(publisher, 6, identifier(id));
        }
    }
}
