//! What was seen from outside, and when: everything that a checker may know.

/// Counts what happens, over all clients.
pub(crate) type Time = usize;
pub(crate) const NEVER: Time = Time::MAX;

/// A subscription, from its SUBSCRIBE on.
#[derive(Clone, Debug)]
pub(crate) struct Sub {
    pub(crate) client: usize,
    pub(crate) line: usize,
    pub(crate) filter: &'static str,
    pub(crate) qos: u8,
    pub(crate) no_local: bool,
    pub(crate) sent: Time,
    pub(crate) acked: Time,
    /// UNSUBSCRIBE was sent, and its UNSUBACK seen.
    pub(crate) unsubscribed: Time,
    pub(crate) unsubacked: Time,
    /// From here on its session may be over, and from there on it is.
    pub(crate) ending: Time,
    pub(crate) ended: Time,
}

impl Sub {
    pub(crate) fn matches(&self, topic: &str) -> bool {
        tidewire_core::topic::matches(self.filter, topic)
    }

    /// For certain it stood all the time from here to there.
    pub(crate) fn stands(&self, from: Time, to: Time) -> bool {
        self.acked < from && self.unsubscribed > to && self.ending > to
    }

    /// It may have stood at some moment between here and there.
    pub(crate) fn may_stand(&self, from: Time, to: Time) -> bool {
        self.sent < to && self.unsubacked > from && self.ended > from
    }
}

/// A message, from its first PUBLISH on. Its place in the list is its name, and travels with it.
#[derive(Clone, Debug)]
pub(crate) struct Pub {
    pub(crate) client: usize,
    pub(crate) line: usize,
    pub(crate) topic: &'static str,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    /// It has no payload: with RETAIN it clears what was retained.
    pub(crate) empty: bool,
    /// A will, which was "sent" with its CONNECT.
    pub(crate) will: bool,
    pub(crate) sent: Time,
    /// How many connections it was sent on.
    pub(crate) sends: usize,
    /// PUBACK or PUBREC was seen, and said this.
    pub(crate) acked: Time,
    pub(crate) reason: u8,
}

impl Pub {
    pub(crate) fn is_accepted(&self) -> bool {
        self.acked != NEVER && self.reason < 0x80
    }

    /// Its place among the messages of its publisher, which a will is the last of a connection.
    pub(crate) fn rank(&self, message: usize) -> (usize, bool, usize) {
        (self.line, self.will, message)
    }
}

/// A PUBLISH that a client read.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) client: usize,
    pub(crate) line: usize,
    pub(crate) message: usize,
    pub(crate) qos: u8,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
    /// QoS 2, and this Packet Identifier had come before: the application does not see it.
    pub(crate) again: bool,
    pub(crate) at: Time,
}

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// All that it sent arrives, and then its end.
    Fin,
    /// What was not read yet is lost.
    Reset,
}

/// A network connection as its client saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) client: usize,
    pub(crate) clean: bool,
    pub(crate) opened: Time,
    pub(crate) welcomed: Time,
    pub(crate) present: bool,
    /// The Reason Code of a CONNACK that let nobody in, or of a DISCONNECT.
    pub(crate) told: Option<u8>,
    /// Its client ended it.
    pub(crate) left: Time,
    pub(crate) end: Option<End>,
    /// It said goodbye before: nobody is to see its will.
    pub(crate) goodbye: bool,
    /// The server ended it.
    pub(crate) closed: Time,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) now: Time,
    pub(crate) lines: Vec<Seen>,
    pub(crate) subs: Vec<Sub>,
    pub(crate) pubs: Vec<Pub>,
    pub(crate) gots: Vec<Got>,
    /// Each client's Session Expiry Interval is not 0.
    pub(crate) keeps: Vec<bool>,
    /// Clients with so small a Receive Maximum that QoS 0 passes the rest.
    pub(crate) narrow: Vec<usize>,
    /// The first thing that no broker may do, whoever watches.
    pub(crate) fault: Option<String>,
    /// Told line by line, if anybody wants to read it.
    pub(crate) tale: Option<Vec<String>>,
}

impl History {
    pub(crate) fn tick(&mut self) -> Time {
        self.now += 1;
        self.now
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(tale) = &mut self.tale {
            tale.push(format!("{now:4} {}", line()));
        }
    }

    pub(crate) fn fault(&mut self, what: String) {
        self.tell(|| format!("FAULT {what}"));
        self.fault.get_or_insert(what);
    }
}
