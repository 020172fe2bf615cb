//! SUBSCRIBE and UNSUBSCRIBE: what waits for an answer, and what is subscribed to.
use super::event::{Cause, Event, Misuse, Stage};
use super::{Client, Phase, Subscription};
use crate::codec::{
    FilterNamesBuf, FiltersBuf, Packet, PropertiesBuf, Property, Suback, Subscribe, SubscriptionOptions,
    Unsubscribe,
};
use crate::delivery::Acknowledged;
use crate::id::{PacketId, Ticket};
use crate::output::Output;
use crate::reason::ReasonCode;
use crate::topic::TopicFilter;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// Requests that may wait for an answer.
const MOST: usize = 4096;
/// Connections that a request may break, or outlive, before it is given up.
const TRIES: u32 = 10;
/// The number of the first request.
const MIDDLE: u32 = 1 << 31;
/// Filters in one SUBSCRIBE that nobody asked for.
const TOGETHER: usize = 64;

#[derive(Clone, Debug)]
enum Asked {
    Subscribe(Box<[Subscription]>, Option<u32>),
    Unsubscribe(Box<[TopicFilter]>),
}

#[derive(Debug)]
struct Request {
    /// `None`: it subscribes again, after the server has lost the session.
    ticket: Option<Ticket>,
    asked: Asked,
    /// On how many connections it was asked.
    sent: u32,
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    open: BTreeMap<u32, Request>,
    /// Requests are numbered upwards from the middle, and what is subscribed to again downwards: it goes first.
    up: u32,
    down: u32,
    /// Those that are to be sent.
    queue: VecDeque<u32>,
    /// What the server has granted.
    subscribed: BTreeMap<Box<str>, (Subscription, Option<u32>)>,
}

impl Requests {
    /// None waits for an answer.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn push(&mut self, ticket: Ticket, asked: Asked) {
        let number = MIDDLE.wrapping_add(self.up);
        self.up = self.up.wrapping_add(1);
        self.open.insert(number, Request { ticket: Some(ticket), asked, sent: 0 });
        self.queue.push_back(number);
    }

    fn push_again(&mut self, asked: Asked) {
        self.down = self.down.wrapping_add(1);
        let number = MIDDLE.wrapping_sub(self.down);
        self.open.insert(number, Request { ticket: None, asked, sent: 0 });
        self.queue.push_front(number);
    }

    /// The connection is gone: whatever was not answered is asked again, in order. What so many connections have not
    /// survived is given up; its ticket, if it has one, is returned.
    pub(super) fn unsent_again(&mut self) -> Vec<Ticket> {
        let hopeless: Vec<u32> = self
            .open
            .iter()
            .filter(|(_, request)| request.sent >= TRIES)
            .map(|(number, _)| *number)
            .collect();
        let given_up = hopeless.iter().filter_map(|number| self.open.remove(number)?.ticket).collect();
        self.queue = self.open.keys().copied().collect();
        given_up
    }

    /// Nothing is subscribed to any more.
    pub(super) fn forget(&mut self) {
        self.subscribed.clear();
    }

    /// The server has forgotten what it granted.
    pub(super) fn resubscribe(&mut self) {
        self.open.retain(|_, request| request.ticket.is_some());
        self.queue.retain(|number| self.open.contains_key(number));
        let mut by_identifier: BTreeMap<Option<u32>, Vec<Subscription>> = BTreeMap::new();
        for (subscription, identifier) in self.subscribed.values() {
            by_identifier.entry(*identifier).or_default().push(subscription.clone());
        }
        for (identifier, subscriptions) in by_identifier {
            for together in subscriptions.chunks(TOGETHER) {
                self.push_again(Asked::Subscribe(together.into(), identifier));
            }
        }
    }

    /// None is wanted any more.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = Ticket> {
        self.queue.clear();
        core::mem::take(&mut self.open).into_values().filter_map(|request| request.ticket)
    }

    pub(super) fn check(&self) {
        assert!(
            self.queue.iter().all(|number| self.open.contains_key(number)),
            "what is to be sent is there"
        );
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
        self.ask(subscriptions.is_empty(), Asked::Subscribe(subscriptions.into(), identifier))
    }

    pub(super) fn ask_unsubscribe(&mut self, filters: &[TopicFilter]) -> Result<Ticket, Misuse> {
        self.ask(filters.is_empty(), Asked::Unsubscribe(filters.into()))
    }

    fn ask(&mut self, nothing: bool, asked: Asked) -> Result<Ticket, Misuse> {
        self.goes_on()?;
        if nothing {
            // [MQTT-3.8.3-2] [MQTT-3.10.3-2]
            return Err(Misuse::NoFilters);
        }
        if self.requests.open.len() >= MOST {
            return Err(Misuse::TooManyRequests);
        }
        let ticket = self.ticket();
        self.requests.push(ticket, asked);
        if self.phase == Phase::Up {
            self.actions.transmit();
        }
        Ok(ticket)
    }

    /// Sends the next one; false if there is none.
    pub(super) fn send_request(&mut self, out: &mut Output) -> bool {
        let Some(number) = self.requests.queue.pop_front() else { return false };
        let Some(request) = self.requests.open.get_mut(&number) else { return true };
        request.sent += 1;
        let packet_id = self.sender.reserve(number);
        let (version, limit) = (self.version, self.link.server.maximum_packet_size);
        let sent = out.append(|out| match &request.asked {
            Asked::Subscribe(subscriptions, identifier) => {
                let mut properties = PropertiesBuf::new();
                if let Some(identifier) = identifier.filter(|_| version.is_v5()) {
                    properties.push(Property::SubscriptionIdentifier(identifier));
                }
                let mut filters = FiltersBuf::new(version);
                for subscription in subscriptions {
                    filters.push(&subscription.filter, of_version(subscription.options, version.is_v5()));
                }
                let (properties, filters) = (properties.as_properties(), filters.as_filters());
                Packet::Subscribe(Subscribe { packet_id, properties, filters }).encode(version, limit, out)
            }
            Asked::Unsubscribe(names) => {
                let mut filters = FilterNamesBuf::new();
                names.iter().for_each(|name| filters.push(name));
                let (properties, filters) = (crate::codec::Properties::default(), filters.as_filters());
                Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters })
                    .encode(version, limit, out)
            }
        });
        if sent.is_err() {
            let _ = self.sender.on_answer(packet_id);
            if let Some(request) = self.requests.open.remove(&number) {
                self.too_large(request);
            }
        }
        true
    }

    /// The server takes no packet of that size. What nobody asked for is asked in smaller ones.
    fn too_large(&mut self, request: Request) {
        self.actions.event();
        if let Some(ticket) = request.ticket {
            return self.inbox.push(Event::Progress(ticket, Stage::Failed(Cause::TooLarge)));
        }
        let Asked::Subscribe(subscriptions, identifier) = request.asked else { return };
        if let [one] = &*subscriptions {
            self.requests.subscribed.remove(one.filter.as_str());
            let reason = ReasonCode::PacketTooLarge;
            return self.inbox.push(Event::SubscriptionLost(one.filter.clone(), reason));
        }
        let (first, second) = subscriptions.split_at(subscriptions.len() / 2);
        for half in [second, first] {
            self.requests.push_again(Asked::Subscribe(half.into(), identifier));
        }
    }

    /// SUBACK or UNSUBACK; false if it is none that the server may send.
    pub(super) fn on_answered(&mut self, answer: &Suback<'_>, subscribes: bool) -> bool {
        let packet_id: PacketId = answer.packet_id;
        let number = match self.sender.on_answer(packet_id) {
            Acknowledged::Done(number) => number,
            Acknowledged::Unknown => return true,
            Acknowledged::Misplaced => return false,
        };
        // It may be an identifier that somebody waits for.
        self.actions.transmit();
        let Some(Request { ticket, asked, .. }) = self.requests.open.remove(&number) else { return true };
        let reason = |byte: &u8| ReasonCode::from_byte(*byte).unwrap_or(ReasonCode::UnspecifiedError);
        let reasons: Box<[ReasonCode]> = match &asked {
            // Before 5.0 UNSUBACK says nothing.
            Asked::Unsubscribe(filters) if !self.version.is_v5() => {
                filters.iter().map(|_| ReasonCode::Success).collect()
            }
            _ => answer.reasons.iter().map(reason).collect(),
        };
        let (right, expected) = match &asked {
            Asked::Subscribe(subscriptions, _) => (subscribes, subscriptions.len()),
            Asked::Unsubscribe(filters) => (!subscribes, filters.len()),
        };
        if !right || reasons.len() != expected {
            if let Some(ticket) = ticket {
                let cause = Cause::Violation(ReasonCode::ProtocolError);
                self.inbox.push(Event::Progress(ticket, Stage::Failed(cause)));
                self.actions.event();
            }
            return false;
        }
        match asked {
            Asked::Subscribe(subscriptions, identifier) => {
                self.on_granted(ticket.is_none(), &subscriptions, identifier, &reasons);
                if let Some(ticket) = ticket {
                    self.inbox.push(Event::Subscribed(ticket, reasons));
                }
            }
            Asked::Unsubscribe(filters) => {
                for (filter, _) in filters.iter().zip(&reasons).filter(|(_, reason)| !reason.is_error()) {
                    self.requests.subscribed.remove(filter.as_str());
                }
                if let Some(ticket) = ticket {
                    self.inbox.push(Event::Unsubscribed(ticket, reasons));
                }
            }
        }
        self.actions.event();
        true
    }

    fn on_granted(
        &mut self,
        again: bool,
        subscriptions: &[Subscription],
        identifier: Option<u32>,
        reasons: &[ReasonCode],
    ) {
        for (subscription, reason) in subscriptions.iter().zip(reasons) {
            let filter = subscription.filter.as_str();
            if !reason.is_error() {
                self.requests.subscribed.insert(filter.into(), (subscription.clone(), identifier));
            } else if again {
                self.requests.subscribed.remove(filter);
                self.inbox.push(Event::SubscriptionLost(subscription.filter.clone(), *reason));
            }
        }
    }
}

/// Before 5.0 there is only the QoS.
fn of_version(options: SubscriptionOptions, v5: bool) -> SubscriptionOptions {
    if v5 { options } else { SubscriptionOptions { qos: options.qos, ..SubscriptionOptions::default() } }
}
