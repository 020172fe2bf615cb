//! QoS 1 and 2, the sender's half: what is in flight, under which Packet Identifier.
#[cfg(test)]
mod tests;

use crate::id::PacketId;
use crate::qos::QoS;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// One Packet Identifier that is never freed lets the ring of those in use grow; not beyond this.
const SPAN: usize = 16 * 1024;

/// What a message in flight waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Awaits {
    Puback,
    Pubrec,
    /// The receiver has it, or is not to get it any more: PUBREL is due until then. [MQTT-4.3.3-6]
    Pubcomp,
    /// The answer to a packet that is no message, but takes its identifier from the same numbers.
    Answer,
    /// Nothing more: a hole, until all before it are done as well.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
struct InFlight<M> {
    message: M,
    packet_id: u16,
    awaits: Awaits,
    /// It was sent on an earlier connection, perhaps.
    dup: bool,
}

/// What a PUBACK or PUBCOMP did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledged<M> {
    /// This message's delivery is complete.
    Done(M),
    /// No such delivery: nothing changed.
    Unknown,
    /// Another acknowledgement is due for it: nothing changed.
    Misplaced,
}

/// What a PUBREC did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received<M> {
    /// The receiver has the message; send PUBREL. [MQTT-4.3.3-4]
    First(M),
    /// It had said so already; send PUBREL again.
    Again,
    /// It refused the message: the delivery is over. [MQTT-4.4.0-2]
    Refused(M),
    /// No such delivery.
    Unknown,
    /// Another acknowledgement is due for it: nothing changed.
    Misplaced,
}

/// How far a message had come when the other side forgot about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It has an identifier, and never left.
    Bound,
    /// It left; whether it arrived nobody knows.
    Sent,
    /// It arrived.
    Received,
}

/// The next thing to send, or to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent<M> {
    /// With this QoS and DUP. [MQTT-3.3.1-1] [MQTT-4.3.2-2] [MQTT-4.3.3-2]
    Publish { message: M, packet_id: PacketId, qos: QoS, dup: bool },
    /// The message arrived; only the end of the exchange is missing.
    Pubrel { packet_id: PacketId },
}

/// Messages in flight, in the order in which they were bound to their Packet Identifiers.
/// [MQTT-4.3.2-3] [MQTT-4.3.3-3] [MQTT-4.3.3-5]
///
/// The allocator of Packet Identifiers *is* the set in flight: ids are handed out in order, so the ring is
/// indexed by distance, and an id that is in use can't come twice. An entry leaves by its acknowledgement only;
/// a new connection sets a cursor back and sends again what is still here. [MQTT-4.4.0-1]
#[derive(Debug)]
pub(crate) struct Sender<M> {
    ring: VecDeque<InFlight<M>>,
    /// The id that is handed out next.
    next: PacketId,
    /// How much of the ring has been sent on this connection.
    sent: usize,
    /// How many of the ring are no holes.
    open: usize,
    /// How many of those were sent on this connection: what counts against the Receive Maximum.
    unacknowledged: usize,
    /// No more of them may be, whatever the Receive Maximum is.
    window: u16,
}

impl<M> Default for Sender<M> {
    fn default() -> Self {
        Self {
            ring: VecDeque::new(),
            next: PacketId(core::num::NonZeroU16::MIN),
            sent: 0,
            open: 0,
            unacknowledged: 0,
            window: u16::MAX,
        }
    }
}

impl<M: Copy> Sender<M> {
    /// Nothing in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// How many messages are in flight.
    pub(crate) fn len(&self) -> usize {
        self.open
    }

    /// How many were sent on this connection and are not acknowledged.
    #[cfg(test)]
    fn unacknowledged(&self) -> usize {
        self.unacknowledged
    }

    /// May another one be sent, if the Receive Maximum is this? [MQTT-4.9.0-2] [MQTT-4.9.0-1] [MQTT-3.3.4-9]
    pub(crate) fn has_room(&self, receive_maximum: u16) -> bool {
        self.unacknowledged < usize::from(receive_maximum.min(self.window))
    }

    /// May another message be bound to a Packet Identifier? One that is never acknowledged lets the ring grow.
    pub(crate) fn may_bind(&self, receive_maximum: u16) -> bool {
        self.has_room(receive_maximum) && self.may_grow()
    }

    /// May one more of anything have a Packet Identifier?
    pub(crate) fn may_grow(&self) -> bool {
        self.ring.len() < SPAN
    }

    /// Only the Receive Maximum holds from here on.
    #[cfg(feature = "broker")]
    pub(crate) fn open_window(&mut self) {
        self.window = u16::MAX;
    }

    /// Everything bound has been sent on this connection.
    pub(crate) fn all_sent(&self) -> bool {
        self.sent == self.ring.len()
    }

    /// Gives a message the next Packet Identifier. It is the last to be sent.
    /// [MQTT-2.2.1-3] [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1]
    ///
    /// The caller keeps [`span`](Self::span) below 65,535.
    pub(crate) fn bind(&mut self, message: M, qos: QoS) -> PacketId {
        debug_assert!(self.ring.len() < 65_535, "an id is free");
        let packet_id = self.next;
        self.next = packet_id.next();
        let awaits = if qos == QoS::ExactlyOnce { Awaits::Pubrec } else { Awaits::Puback };
        self.ring.push_back(InFlight { message, packet_id: packet_id.get(), awaits, dup: false });
        self.open += 1;
        packet_id
    }

    /// The common case of [`bind`](Self::bind) and [`sent`](Self::sent) in one: all before it have been sent.
    pub(crate) fn bind_sent(&mut self, message: M, qos: QoS) -> PacketId {
        debug_assert!(self.all_sent(), "nothing may be overtaken");
        let packet_id = self.bind(message, qos);
        self.sent();
        packet_id
    }

    /// The identifier that will be bound next.
    pub(crate) fn next_id(&self) -> PacketId {
        self.next
    }

    /// Takes an identifier for a packet that is answered but is no message; the answer frees it.
    pub(crate) fn reserve(&mut self, message: M) -> PacketId {
        debug_assert!(self.ring.len() < 65_535, "an id is free");
        let packet_id = self.next;
        self.next = packet_id.next();
        let sent = self.all_sent();
        let awaits = Awaits::Answer;
        self.ring.push_back(InFlight { message, packet_id: packet_id.get(), awaits, dup: false });
        self.sent += usize::from(sent);
        packet_id
    }

    /// The answer to a packet that took an identifier by [`reserve`](Self::reserve).
    pub(crate) fn on_answer(&mut self, id: PacketId) -> Acknowledged<M> {
        match self.place(id) {
            Some(at) if self.ring[at].awaits == Awaits::Answer => {
                self.ring[at].awaits = Awaits::Nothing;
                let message = self.ring[at].message;
                self.sweep();
                Acknowledged::Done(message)
            }
            Some(at) if self.ring[at].awaits != Awaits::Nothing => Acknowledged::Misplaced,
            _ => Acknowledged::Unknown,
        }
    }

    /// What to send next of what is bound, if anything.
    pub(crate) fn unsent(&mut self) -> Option<Unsent<M>> {
        loop {
            let entry = self.ring.get(self.sent)?;
            let packet_id = PacketId::new(entry.packet_id)?;
            let qos = match entry.awaits {
                Awaits::Nothing | Awaits::Answer => {
                    self.sent += 1;
                    continue;
                }
                Awaits::Pubcomp => return Some(Unsent::Pubrel { packet_id }),
                Awaits::Puback => QoS::AtLeastOnce,
                Awaits::Pubrec => QoS::ExactlyOnce,
            };
            return Some(Unsent::Publish { message: entry.message, packet_id, qos, dup: entry.dup });
        }
    }

    /// What [`unsent`](Self::unsent) told has been handed to the transport.
    pub(crate) fn sent(&mut self) {
        if let Some(entry) = self.ring.get_mut(self.sent) {
            entry.dup = true;
            self.sent += 1;
            self.unacknowledged += 1;
        }
    }

    /// What [`unsent`](Self::unsent) told will not be sent (expired, too large): its id is free again.
    pub(crate) fn give_up(&mut self) {
        if let Some(entry) = self.ring.get_mut(self.sent) {
            entry.awaits = Awaits::Nothing;
            self.sent += 1;
            self.open -= 1;
            self.sweep();
        }
    }

    /// What [`unsent`](Self::unsent) told is not sent again, although it has perhaps arrived. Whoever has a message of
    /// QoS 2 takes all that comes under its identifier for the same one until PUBREL, so that is due now; false if
    /// the identifier can simply be [given up](Self::give_up). [MQTT-4.3.3-10]
    pub(crate) fn release(&mut self) -> bool {
        let sent = self.ring.get_mut(self.sent).filter(|entry| entry.dup && entry.awaits == Awaits::Pubrec);
        sent.map(|entry| entry.awaits = Awaits::Pubcomp).is_some()
    }

    /// From now on another message stands for what is in flight under this identifier.
    pub(crate) fn replace(&mut self, id: PacketId, message: M) {
        if let Some(at) = self.place(id) {
            self.ring[at].message = message;
        }
    }

    /// Gives up messages that were never sent and are not to stay; returns them, in order.
    #[cfg(feature = "broker")]
    pub(crate) fn give_up_unsent(&mut self, mut stays: impl FnMut(M) -> bool) -> Vec<M> {
        let mut gone = Vec::new();
        for entry in self.ring.iter_mut().skip(self.sent) {
            let is_unsent = !entry.dup && matches!(entry.awaits, Awaits::Puback | Awaits::Pubrec);
            if is_unsent && !stays(entry.message) {
                entry.awaits = Awaits::Nothing;
                gone.push(entry.message);
            }
        }
        self.open -= gone.len();
        self.sweep();
        // The cursor does not stand at a hole.
        self.unsent();
        gone
    }

    /// Takes out messages that are not acknowledged: each with its QoS, and whether it was ever sent. Their Packet Identifiers
    /// are free again.
    #[cfg(feature = "broker")]
    pub(crate) fn take_out(&mut self, mut goes: impl FnMut(M, QoS, bool) -> bool) -> Vec<M> {
        let mut gone = Vec::new();
        for (at, entry) in self.ring.iter_mut().enumerate() {
            let (qos, begun) = match entry.awaits {
                Awaits::Puback => (QoS::AtLeastOnce, entry.dup),
                Awaits::Pubrec => (QoS::ExactlyOnce, entry.dup),
                Awaits::Pubcomp => (QoS::ExactlyOnce, true),
                Awaits::Answer | Awaits::Nothing => continue,
            };
            if goes(entry.message, qos, begun) {
                entry.awaits = Awaits::Nothing;
                self.open -= 1;
                self.unacknowledged -= usize::from(at < self.sent);
                gone.push(entry.message);
            }
        }
        self.sweep();
        self.unsent();
        gone
    }

    /// A new connection: every message that is here goes out again, in the same order. Answers won't come any more.
    /// [MQTT-4.6.0-1]
    ///
    /// If there are such messages, `window` of them may be unacknowledged at first, and one more with each that ends: a
    /// line that breaks every few kilobytes has room for acknowledgements then, and not only for what is sent again.
    pub(crate) fn resume(&mut self, window: u16) {
        if self.open > 0 {
            self.window = window;
        }
        self.sent = 0;
        self.unacknowledged = 0;
        if self.open < self.ring.len() {
            for entry in self.ring.iter_mut().filter(|e| e.awaits == Awaits::Answer) {
                entry.awaits = Awaits::Nothing;
            }
            self.sweep();
        }
    }

    /// The other side knows nothing of them any more: all messages that are here, in order, and how far each had
    /// come.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (M, QoS, Progress)> {
        let ring = core::mem::take(&mut self.ring);
        *self = Self { next: self.next, window: self.window, ..Self::default() };
        ring.into_iter().filter_map(|entry| {
            let sent = if entry.dup { Progress::Sent } else { Progress::Bound };
            match entry.awaits {
                Awaits::Puback => Some((entry.message, QoS::AtLeastOnce, sent)),
                Awaits::Pubrec => Some((entry.message, QoS::ExactlyOnce, sent)),
                Awaits::Pubcomp => Some((entry.message, QoS::ExactlyOnce, Progress::Received)),
                Awaits::Answer | Awaits::Nothing => None,
            }
        })
    }

    /// PUBACK.
    pub(crate) fn on_puback(&mut self, id: PacketId) -> Acknowledged<M> {
        self.finish(id, Awaits::Puback)
    }

    /// PUBCOMP.
    pub(crate) fn on_pubcomp(&mut self, id: PacketId) -> Acknowledged<M> {
        self.finish(id, Awaits::Pubcomp)
    }

    /// PUBREC, with a Reason Code below 0x80 or not.
    pub(crate) fn on_pubrec(&mut self, id: PacketId, refused: bool) -> Received<M> {
        let Some(at) = self.place(id) else { return Received::Unknown };
        let entry = &mut self.ring[at];
        let message = entry.message;
        match entry.awaits {
            Awaits::Pubrec if refused => {
                self.end(at);
                Received::Refused(message)
            }
            Awaits::Pubrec => {
                entry.awaits = Awaits::Pubcomp;
                Received::First(message)
            }
            Awaits::Pubcomp => Received::Again,
            Awaits::Puback | Awaits::Answer => Received::Misplaced,
            Awaits::Nothing => Received::Unknown,
        }
    }

    /// Everything in flight, in order; and whether PUBCOMP is all that is missing.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (M, PacketId, QoS, bool)> {
        self.ring.iter().filter_map(|entry| {
            let id = PacketId::new(entry.packet_id)?;
            match entry.awaits {
                Awaits::Puback => Some((entry.message, id, QoS::AtLeastOnce, false)),
                Awaits::Pubrec => Some((entry.message, id, QoS::ExactlyOnce, false)),
                Awaits::Pubcomp => Some((entry.message, id, QoS::ExactlyOnce, true)),
                Awaits::Nothing | Awaits::Answer => None,
            }
        })
    }

    /// The first message that was sent on this connection and has not ended, unless the receiver has it.
    pub(crate) fn oldest_sent(&self) -> Option<(M, PacketId)> {
        let is_open = |entry: &&InFlight<M>| !matches!(entry.awaits, Awaits::Nothing | Awaits::Answer);
        let oldest = self.ring.iter().take(self.sent).find(is_open)?;
        let is_unknown = matches!(oldest.awaits, Awaits::Puback | Awaits::Pubrec);
        PacketId::new(oldest.packet_id).filter(|_| is_unknown).map(|id| (oldest.message, id))
    }

    /// Puts back what a journal says was in flight, in the order of the binding; false if that can't be.
    pub(crate) fn restore(&mut self, message: M, id: PacketId, qos: QoS, released: bool) -> bool {
        if self.ring.is_empty() {
            self.next = id;
        }
        if self.ring.len() + usize::from(self.next.steps_to(id)) >= 65_534 {
            return false;
        }
        while self.next != id {
            let packet_id = self.next.get();
            self.ring.push_back(InFlight { message, packet_id, awaits: Awaits::Nothing, dup: false });
            self.next = self.next.next();
        }
        self.bind(message, qos);
        if let Some(entry) = self.ring.back_mut() {
            entry.dup = true;
            if released {
                entry.awaits = Awaits::Pubcomp;
            }
        }
        true
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { ring: core::mem::take(&mut self.ring), ..Self::default() };
        self.ring.clear();
    }

    /// Gives back memory that a burst needed.
    pub(crate) fn shrink(&mut self, entries: usize) {
        if self.ring.capacity() > entries {
            self.ring.shrink_to(entries);
        }
    }

    pub(crate) fn check(&self) {
        let is_open = |e: &InFlight<M>| !matches!(e.awaits, Awaits::Nothing | Awaits::Answer);
        let open = |ring: &[&InFlight<M>]| ring.iter().filter(|e| is_open(e)).count();
        let all: Vec<_> = self.ring.iter().collect();
        assert!(self.sent <= all.len());
        assert_eq!(self.open, open(&all), "what is open is counted");
        assert_eq!(
            self.unacknowledged,
            open(&all[..self.sent]),
            "the quota is what is in flight, nothing else"
        );
        assert!(all.first().is_none_or(|e| e.awaits != Awaits::Nothing), "no hole in front");
        assert!(
            all.windows(2)
                .all(|w| PacketId::new(w[0].packet_id).map(PacketId::next) == PacketId::new(w[1].packet_id))
        );
    }

    /// In constant time, however many are in flight.
    fn place(&self, id: PacketId) -> Option<usize> {
        let front = PacketId::new(self.ring.front()?.packet_id)?;
        let at = usize::from(front.steps_to(id));
        (at < self.ring.len()).then_some(at)
    }

    fn finish(&mut self, id: PacketId, expected: Awaits) -> Acknowledged<M> {
        match self.place(id) {
            Some(at) if self.ring[at].awaits == expected => {
                let message = self.ring[at].message;
                self.end(at);
                Acknowledged::Done(message)
            }
            Some(at) if self.ring[at].awaits != Awaits::Nothing => Acknowledged::Misplaced,
            _ => Acknowledged::Unknown,
        }
    }

    fn end(&mut self, at: usize) {
        self.ring[at].awaits = Awaits::Nothing;
        self.open -= 1;
        if at < self.sent {
            self.unacknowledged -= 1;
            self.window = self.window.saturating_add(1);
        }
        self.sweep();
    }

    fn sweep(&mut self) {
        while self.ring.front().is_some_and(|e| e.awaits == Awaits::Nothing) {
            self.ring.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
    }
}
