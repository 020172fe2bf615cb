//! SUBSCRIBE and UNSUBSCRIBE: what waits for an answer, and what is subscribed to.
//!
//! What is asked for under one ticket goes out in as many packets as it takes, and ends when each of its Topic Filters has
//! its answer: over any number of connections, on each of which only those are asked again that have none.
use super::event::{Cause, Event, Misuse, Stage};
use super::server::Server;
use super::suspect::TRIES;
use super::{Client, Phase, Subscription};
use crate::codec::{
    EncodeError, FilterNamesBuf, FiltersBuf, Packet, Properties, PropertiesBuf, Property, Suback, Subscribe,
    SubscriptionOptions, Unsubscribe,
};
use crate::delivery::Acknowledged;
use crate::id::{PacketId, Ticket};
use crate::output::Output;
use crate::reason::ReasonCode;
use crate::topic::TopicFilter;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

/// Requests that may wait for an answer.
const MOST: usize = 4096;
/// The number of the first request.
const MIDDLE: u32 = 1 << 31;

#[derive(Debug)]
enum Asked {
    Subscribe(Box<[Subscription]>, Option<u32>),
    Unsubscribe(Box<[TopicFilter]>),
}

impl Asked {
    fn len(&self) -> usize {
        match self {
            Self::Subscribe(subscriptions, _) => subscriptions.len(),
            Self::Unsubscribe(filters) => filters.len(),
        }
    }

    /// What a Topic Filter takes of a packet, in bytes.
    fn size(&self, place: usize) -> usize {
        match self {
            Self::Subscribe(subscriptions, _) => 2 + subscriptions[place].filter.as_str().len() + 1,
            Self::Unsubscribe(filters) => 2 + filters[place].as_str().len(),
        }
    }

    /// A packet with these.
    fn encode(
        &self,
        places: &[usize],
        packet_id: PacketId,
        server: &Server,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let (version, limit) = (server.version, server.maximum_packet_size);
        match self {
            Self::Subscribe(subscriptions, identifier) => {
                let mut properties = PropertiesBuf::new();
                // It was asked for before this server has said that it knows none. (Section 3.2.2.3.12)
                let is_known = version.is_v5() && server.subscription_identifiers;
                if let Some(identifier) = identifier.filter(|_| is_known) {
                    let pushed = properties.push(Property::SubscriptionIdentifier(identifier));
                    pushed.expect("`ask_subscribe` refuses one that has no room");
                }
                let mut filters = FiltersBuf::new(version);
                for Subscription { filter, options } in places.iter().map(|place| &subscriptions[*place]) {
                    filters.push(filter, of_version(*options, version.is_v5()));
                }
                let (properties, filters) = (properties.as_properties(), filters.as_filters());
                Packet::Subscribe(Subscribe { packet_id, properties, filters }).encode(version, limit, out)
            }
            Self::Unsubscribe(names) => {
                let mut filters = FilterNamesBuf::new();
                places.iter().for_each(|place| filters.push(&names[*place]));
                let (properties, filters) = (Properties::default(), filters.as_filters());
                Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters })
                    .encode(version, limit, out)
            }
        }
    }
}

/// What was asked for under one ticket.
#[derive(Debug)]
struct Request {
    /// `None`: it subscribes again, after the server has lost the session.
    ticket: Option<Ticket>,
    asked: Asked,
    /// To each Topic Filter.
    answers: Box<[Option<ReasonCode>]>,
    /// From here on none was asked on this connection.
    next: usize,
    /// Packets of this connection that wait for their answer.
    waiting: usize,
    /// Connections in a row that ended while it waited, and brought no answer.
    tries: u32,
}

impl Request {
    /// Those between these two that have no answer.
    fn unanswered(&self, from: usize, to: usize) -> impl Iterator<Item = usize> {
        (from..to).filter(|place| self.answers[*place].is_none())
    }

    fn is_answered(&self) -> bool {
        self.answers.iter().all(Option::is_some)
    }

    /// From there on, those that have no answer are to be asked.
    fn seek(&mut self, from: usize) {
        let all = self.answers.len();
        let next = self.unanswered(from, all).next();
        self.next = next.unwrap_or(all);
    }

    /// Leaves out as many as a packet was too large by; false if one alone is too large.
    fn shorten(&self, places: &mut Vec<usize>, error: &EncodeError) -> bool {
        let mut by = match *error {
            EncodeError::TooLarge { by } => by as usize,
            EncodeError::NotInThisVersion | EncodeError::TopicName(_) => usize::MAX,
        };
        let before = places.len();
        while by > 0 && places.len() > 1 {
            by = by.saturating_sub(places.pop().map_or(0, |last| self.asked.size(last)));
        }
        places.len() < before
    }
}

/// A packet that waits for its answer: those of a request between two places that have none yet.
#[derive(Clone, Copy, Debug)]
struct Part {
    number: u32,
    request: u32,
    from: usize,
    to: usize,
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Boxed: a map has room for several from the first on.
    open: BTreeMap<u32, Box<Request>>,
    /// Requests are numbered upwards from the middle, and what is subscribed to again downwards: it goes first.
    up: u32,
    down: u32,
    /// Those of which something is to be sent.
    queue: VecDeque<u32>,
    /// What was sent on this connection. Answers come in this order, most of the time.
    parts: VecDeque<Part>,
    part: u32,
    /// This connection has brought an answer to somebody.
    useful: bool,
    /// What the server has granted.
    subscribed: BTreeMap<Box<str>, (Subscription, Option<u32>)>,
}

impl Requests {
    /// None waits for an answer.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Was something sent on this connection that has no answer?
    pub(super) fn is_asking(&self) -> bool {
        !self.parts.is_empty()
    }

    fn push(&mut self, ticket: Option<Ticket>, asked: Asked) {
        let answers = vec![None; asked.len()].into();
        let request = Box::new(Request { ticket, asked, answers, next: 0, waiting: 0, tries: 0 });
        if ticket.is_some() {
            let number = MIDDLE.wrapping_add(self.up);
            self.up = self.up.wrapping_add(1);
            self.open.insert(number, request);
            self.queue.push_back(number);
        } else {
            self.down = self.down.wrapping_add(1);
            let number = MIDDLE.wrapping_sub(self.down);
            self.open.insert(number, request);
            self.queue.push_front(number);
        }
    }

    fn remove(&mut self, number: u32) -> Option<Request> {
        self.queue.retain(|queued| *queued != number);
        let request = self.open.remove(&number).map(|request| *request);
        if self.open.is_empty() {
            // A map that once had some keeps room for eleven.
            self.open = BTreeMap::new();
        }
        request
    }

    fn take_part(&mut self, number: u32) -> Option<Part> {
        let at = self.parts.iter().position(|part| part.number == number)?;
        self.parts.remove(at)
    }

    /// The connection is gone: whatever was not answered is asked again, in order. What so many in a row have not
    /// survived is given up, and returned. One that brought answers is held against nobody: it was cut, perhaps.
    fn ask_again(&mut self) -> Vec<Request> {
        let useful = core::mem::take(&mut self.useful);
        self.parts.clear();
        for request in self.open.values_mut() {
            if core::mem::take(&mut request.waiting) > 0 {
                request.tries = if useful { 0 } else { request.tries + 1 };
            }
            request.seek(0);
        }
        let hopeless: Vec<u32> = self
            .open
            .iter()
            .filter(|(_, request)| request.tries >= TRIES)
            .map(|(number, _)| *number)
            .collect();
        let given_up =
            hopeless.iter().filter_map(|number| self.open.remove(number).map(|request| *request)).collect();
        self.queue = self.open.keys().copied().collect();
        given_up
    }

    /// The server has forgotten what it granted. Is it to be asked for again?
    pub(super) fn on_session_lost(&mut self, again: bool) {
        self.open.retain(|_, request| request.ticket.is_some());
        self.queue.retain(|number| self.open.contains_key(number));
        for request in self.open.values_mut() {
            let Asked::Subscribe(subscriptions, _) = &request.asked else { continue };
            // Of these the application does not know yet: they are asked again under their ticket, unless they were given
            // back under another since.
            for (subscription, answer) in subscriptions.iter().zip(&mut request.answers) {
                let filter = subscription.filter.as_str();
                answer.take_if(|reason| !reason.is_error() && self.subscribed.remove(filter).is_some());
            }
            request.seek(0);
        }
        if !again {
            return self.subscribed.clear();
        }
        let mut by_identifier: BTreeMap<Option<u32>, Vec<Subscription>> = BTreeMap::new();
        for (subscription, identifier) in self.subscribed.values() {
            by_identifier.entry(*identifier).or_default().push(subscription.clone());
        }
        for (identifier, subscriptions) in by_identifier {
            self.push(None, Asked::Subscribe(subscriptions.into(), identifier));
        }
    }

    /// None is wanted any more.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = Ticket> {
        self.queue.clear();
        self.parts.clear();
        core::mem::take(&mut self.open).into_values().filter_map(|request| request.ticket)
    }

    pub(super) fn check(&self) {
        assert!(
            self.queue.iter().all(|number| self.open.contains_key(number)),
            "what is to be sent is there"
        );
        for (number, request) in &self.open {
            assert!(!request.is_answered(), "what is answered has ended");
            let asked = self.parts.iter().filter(|part| part.request == *number);
            assert_eq!(asked.clone().count(), request.waiting, "packets are counted");
            let filters: usize = asked.map(|part| request.unanswered(part.from, part.to).count()).sum();
            assert_eq!(filters, request.unanswered(0, request.next).count(), "what was asked is awaited");
            assert_eq!(
                request.next < request.answers.len(),
                self.queue.contains(number),
                "what was not asked is to be"
            );
        }
    }
}

impl Client {
    pub(super) fn ask_subscribe(
        &mut self,
        subscriptions: &[Subscription],
        identifier: Option<u32>,
    ) -> Result<Ticket, Misuse> {
        let on_shared = |s: &Subscription| s.options.no_local && s.filter.share().is_some();
        if subscriptions.iter().any(on_shared) {
            // [MQTT-3.8.3-4]
            return Err(Misuse::SharedNoLocal);
        }
        if identifier.is_some_and(|n| n == 0 || n > 268_435_455) {
            // (Section 3.8.2.1.2)
            return Err(Misuse::SubscriptionIdentifier);
        }
        let (up, v5) = (self.phase == Phase::Up, self.version.is_v5());
        if identifier.is_some() && up && v5 && !self.link.server.subscription_identifiers {
            return Err(Misuse::SubscriptionIdentifier);
        }
        self.ask(Asked::Subscribe(subscriptions.into(), identifier))
    }

    pub(super) fn ask_unsubscribe(&mut self, filters: &[TopicFilter]) -> Result<Ticket, Misuse> {
        self.ask(Asked::Unsubscribe(filters.into()))
    }

    fn ask(&mut self, asked: Asked) -> Result<Ticket, Misuse> {
        self.goes_on()?;
        if asked.len() == 0 {
            // [MQTT-3.8.3-2] [MQTT-3.10.3-2]
            return Err(Misuse::NoFilters);
        }
        if self.requests.open.len() >= MOST {
            return Err(Misuse::TooManyRequests);
        }
        let ticket = self.ticket();
        self.requests.push(Some(ticket), asked);
        self.transmit_if_up();
        Ok(ticket)
    }

    /// Sends the next packet; false if there is none.
    pub(super) fn send_request(&mut self, out: &mut Output) -> bool {
        let Some(number) = self.requests.queue.front().copied() else { return false };
        let Some(request) = self.requests.open.get_mut(&number) else { return false };
        let most = usize::from(self.config.filters_per_packet.max(1));
        let (from, all) = (request.next, request.answers.len());
        let mut places: Vec<usize> = request.unanswered(from, all).take(most).collect();
        self.requests.part = self.requests.part.wrapping_add(1);
        let packet_id = self.sender.reserve(self.requests.part);
        let server = &self.link.server;
        let mut fits = true;
        while fits && let Err(error) = out.append(|out| request.asked.encode(&places, packet_id, server, out))
        {
            fits = request.shorten(&mut places, &error);
        }
        let to = places.last().map_or(all, |last| last + 1);
        let part = Part { number: self.requests.part, request: number, from, to };
        request.seek(part.to);
        if request.next == all {
            self.requests.queue.pop_front();
        }
        if fits {
            request.waiting += 1;
            self.requests.parts.push_back(part);
        } else {
            // No packet that the server takes has room for this one, although it is alone. [MQTT-3.2.2-15]
            let _ = self.sender.on_answer(packet_id);
            self.on_reasons(part, &[ReasonCode::PacketTooLarge]);
        }
        true
    }

    /// SUBACK or UNSUBACK; false if it is none that the server may send.
    pub(super) fn on_answered(&mut self, answer: &Suback<'_>, subscribes: bool) -> bool {
        let packet_id: PacketId = answer.packet_id;
        let part = match self.sender.on_answer(packet_id) {
            Acknowledged::Done(number) => self.requests.take_part(number),
            Acknowledged::Unknown => return true,
            Acknowledged::Misplaced => {
                self.link.misplaced = Some(packet_id);
                return false;
            }
        };
        // It may be an identifier that somebody waits for.
        self.actions.transmit();
        let Some(part) = part else { return true };
        let Some(request) = self.requests.open.get_mut(&part.request) else { return true };
        request.waiting -= 1;
        let expected = request.unanswered(part.from, part.to).count();
        let reason = |byte: &u8| ReasonCode::from_byte(*byte).unwrap_or(ReasonCode::UnspecifiedError);
        let reasons: Vec<ReasonCode> = match request.asked {
            // Before 5.0 UNSUBACK says nothing.
            Asked::Unsubscribe(_) if !self.version.is_v5() => vec![ReasonCode::Success; expected],
            _ => answer.reasons.iter().map(reason).collect(),
        };
        let right = subscribes == matches!(request.asked, Asked::Subscribe(..));
        if !right || reasons.len() != expected {
            if let Some(ticket) = self.requests.remove(part.request).and_then(|request| request.ticket) {
                let cause = Cause::Violation(ReasonCode::ProtocolError);
                self.inbox.push(Event::Progress(ticket, Stage::Failed(cause)));
                self.actions.event();
            }
            return false;
        }
        let ticket = request.ticket;
        self.requests.useful |= ticket.is_some();
        if ticket.is_some() {
            self.explain(ticket, answer.properties);
        }
        self.on_reasons(part, &reasons);
        true
    }

    /// An answer to each Topic Filter of a packet.
    fn on_reasons(&mut self, part: Part, reasons: &[ReasonCode]) {
        let Some(request) = self.requests.open.get_mut(&part.request) else { return };
        let places: Vec<usize> = request.unanswered(part.from, part.to).collect();
        for (place, reason) in places.into_iter().zip(reasons) {
            request.answers[place] = Some(*reason);
            match &request.asked {
                Asked::Subscribe(subscriptions, identifier) => {
                    let subscription = &subscriptions[place];
                    let filter = subscription.filter.as_str();
                    if !reason.is_error() {
                        let granted = (subscription.clone(), *identifier);
                        self.requests.subscribed.insert(filter.into(), granted);
                    } else if request.ticket.is_none() {
                        self.requests.subscribed.remove(filter);
                        self.inbox.push(Event::SubscriptionLost(subscription.filter.clone(), *reason));
                    }
                }
                Asked::Unsubscribe(_) if reason.is_error() => {}
                Asked::Unsubscribe(filters) => {
                    self.requests.subscribed.remove(filters[place].as_str());
                }
            }
        }
        self.actions.event();
        if !request.is_answered() {
            return;
        }
        let Some(Request { ticket: Some(ticket), asked, answers, .. }) = self.requests.remove(part.request)
        else {
            return;
        };
        let answers = answers.into_iter().flatten().collect();
        self.inbox.push(match asked {
            Asked::Subscribe(..) => Event::Subscribed(ticket, answers),
            Asked::Unsubscribe(_) => Event::Unsubscribed(ticket, answers),
        });
    }

    /// The connection is gone, and with it what was asked on it.
    pub(super) fn ask_again(&mut self, cause: Cause) {
        for Request { ticket, asked, answers, .. } in self.requests.ask_again() {
            match (ticket, asked) {
                (Some(ticket), _) => self.inbox.push(Event::Progress(ticket, Stage::Failed(cause))),
                (None, Asked::Subscribe(subscriptions, _)) => {
                    for (Subscription { filter, .. }, _) in
                        subscriptions.into_iter().zip(answers).filter(|(_, answer)| answer.is_none())
                    {
                        self.requests.subscribed.remove(filter.as_str());
                        self.inbox.push(Event::SubscriptionLost(filter, cause.reason()));
                    }
                }
                (None, Asked::Unsubscribe(_)) => {}
            }
        }
    }
}

/// Before 5.0 there is only the QoS.
fn of_version(options: SubscriptionOptions, v5: bool) -> SubscriptionOptions {
    if v5 { options } else { SubscriptionOptions { qos: options.qos, ..SubscriptionOptions::default() } }
}
