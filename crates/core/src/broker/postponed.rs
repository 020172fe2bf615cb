//! Messages that wait for their place: one with RETAIN goes by way of its owner, and must not pass direct ones on
//! its topic that are still under way.
use super::Broker;
use super::connection::Flags;
use super::incoming::Incoming;
use super::mail::{LANES, Origin};
use super::retain::Kept;
use super::route::Publisher;
use super::settle::Waiter;
use super::store::View;
use crate::Input;
use crate::id::{ConnectionId, Ticket};
use crate::qos::QoS;
use crate::text::Text;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::VecDeque;

/// A message that waits.
pub(super) enum Postponed {
    /// From a socket, which is not read meanwhile.
    Incoming(ConnectionId, Box<Incoming>),
    /// From inside, where nobody can be told to wait.
    Inner(Box<Inner>),
}

/// A will, or what a local subscriber publishes.
pub(super) struct Inner {
    origin: Origin,
    /// Of its session and packet, as the books want it.
    publisher: u32,
    topic: Box<str>,
    message: Kept,
    retain: bool,
    ticket: Option<Ticket>,
}

impl Postponed {
    fn topic(&self) -> Text<'_> {
        let topic = match self {
            Self::Incoming(_, incoming) => &incoming.topic,
            Self::Inner(inner) => &inner.topic,
        };
        Text::known_str(topic)
    }

    fn retain(&self) -> bool {
        match self {
            Self::Incoming(_, incoming) => incoming.retain,
            Self::Inner(inner) => inner.retain,
        }
    }
}

/// Those that wait, in the order in which they came.
pub(super) struct Queue {
    waiting: VecDeque<(usize, Postponed)>,
    /// How many wait on each lane.
    lanes: [u32; LANES],
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), lanes: [0; LANES] }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn push(&mut self, lane: usize, postponed: Postponed) {
        self.lanes[lane] += 1;
        self.waiting.push_back((lane, postponed));
    }

    fn remove(&mut self, at: usize) -> Option<Postponed> {
        let (lane, postponed) = self.waiting.remove(at)?;
        self.lanes[lane] -= 1;
        Some(postponed)
    }
}

impl Broker {
    /// Messages with RETAIN wait until direct ones on their topics have arrived; and what comes behind one that waits
    /// waits as well, or it might wait for ever.
    pub(super) fn has_to_wait(&self, topic: Text<'_>, retain: bool) -> bool {
        (retain && !self.road_is_clear(topic))
            || (!self.postponed.is_empty() && self.postponed.lanes[self.lane(topic)] > 0)
    }

    /// A PUBLISH has to wait, and its socket with it.
    pub(super) fn postpone(&mut self, index: u32, incoming: Box<Incoming>) -> Input {
        let id = self.connections.id(index);
        self.connections[index].flags.set(Flags::HELD);
        self.connections.lane(index).waiting = incoming.held();
        self.postponed.push(self.lane(Text::known_str(&incoming.topic)), Postponed::Incoming(id, incoming));
        Input::Hold
    }

    /// Publishes what did not come from a socket, as soon as it may. Who holds a ticket hears of it.
    pub(super) fn publish_inner(
        &mut self,
        session: u32,
        view: &View<'_>,
        qos: QoS,
        retain: bool,
        ticket: Option<Ticket>,
    ) {
        let publisher = self.publisher_hash(session, 0);
        if self.has_to_wait(view.topic, retain) {
            let (topic, message) = (view.topic.into(), Kept::new(view, qos));
            let inner = Inner { origin: self.origin(session), publisher, topic, message, retain, ticket };
            return self.postponed.push(self.lane(view.topic), Postponed::Inner(Box::new(inner)));
        }
        self.spread_inner(session, publisher, view, qos, retain, ticket);
    }

    fn spread_inner(
        &mut self,
        session: u32,
        publisher: u32,
        view: &View<'_>,
        qos: QoS,
        retain: bool,
        ticket: Option<Ticket>,
    ) {
        let publisher = Publisher { connection: None, session, hash: publisher };
        let routed = self.spread(publisher, view, qos, retain);
        let Some(ticket) = ticket else { return };
        match routed.settlement {
            Some(settlement) => self.settlements.add(settlement, Waiter::Published(ticket, view.id)),
            None => {
                let reason = routed.reason();
                self.event(super::Event::Acknowledged { ticket, message: view.id, reason });
            }
        }
    }

    /// Direct messages have arrived: those that waited for them are taken up, in their order.
    pub(super) fn take_up_postponed(&mut self, now: Instant) {
        // Lanes on which somebody waits still.
        let mut taken = 0_u64;
        let mut at = 0;
        while let Some((lane, postponed)) = self.postponed.waiting.get(at) {
            let gone = match postponed {
                Postponed::Incoming(id, _) => self.connections.get(*id).is_none_or(|c| c.is_ending()),
                Postponed::Inner(_) => false,
            };
            let behind = taken & (1 << lane) != 0;
            if !gone && (behind || (postponed.retain() && !self.road_is_clear(postponed.topic()))) {
                taken |= 1 << lane;
                at += 1;
                continue;
            }
            let Some(postponed) = self.postponed.remove(at).filter(|_| !gone) else { continue };
            match postponed {
                Postponed::Incoming(id, incoming) => {
                    self.connections[id.index].flags.clear(Flags::HELD);
                    self.connections.lane(id.index).waiting = 0;
                    self.accept_incoming(now, id.index, &incoming);
                    self.go_on(now, id, Input::More);
                }
                Postponed::Inner(inner) => self.take_up_inner(&inner),
            }
        }
    }

    fn take_up_inner(&mut self, inner: &Inner) {
        let session = self.publisher(inner.origin);
        let Inner { publisher, topic, message, retain, ticket, .. } = inner;
        let view = message.view(topic);
        self.spread_inner(session, *publisher, &view, message.qos, *retain, *ticket);
    }

    pub(super) fn check_postponed(&self) {
        let first = self.postponed.waiting.front().map(|(_, first)| first);
        assert!(
            first.is_none_or(|p| p.retain() && !self.road_is_clear(p.topic())),
            "nothing waits for a road that is clear"
        );
    }
}
