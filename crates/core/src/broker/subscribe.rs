//! SUBSCRIBE and UNSUBSCRIBE.
use super::Broker;
use super::authority::policy::Access;
use super::authority::supported::Supported;
use super::base::NONE;
use super::base::limits::Limit;
use super::base::rules::Rule;
use super::breaches;
use super::connection::answers::Reply;
use super::connection::fault::Fault;
use super::retained::replay::Replay;
use super::router::{NodeId, Options, Replaced, Subscriber};
use super::shards::settle::Waiter;
use crate::codec::{Packet, Properties, RetainHandling, Suback, Subscribe, SubscriptionOptions, Unsubscribe};
use crate::id::{ConnectionId, ShardId};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::topic::{SHARE, filter_of_group, group_of};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU32;

/// How an older spelling of Shared Subscriptions begins, where there was one group for each filter.
const QUEUE: &str = "$queue/";

impl Broker {
    /// [MQTT-3.8.4-1] [MQTT-3.8.4-5] [MQTT-3.8.4-6]
    pub(super) fn on_subscribe(&mut self, index: u32, subscribe: &Subscribe<'_>) -> Result<(), Fault> {
        let session = self.connections[index].session;
        let identifier = subscribe.properties.subscription_identifier().and_then(NonZeroU32::new);
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let mut replays = Vec::new();
        let mut awaited = Awaited::default();
        let most = self.limits.filters_per_packet as usize;
        // Before 5.0 a bridge has no other way to ask for messages as they were published, and for none of its own.
        let is_bridge = self.connections[index].is_bridge();
        let grant = self.grants.grant(self.sessions[session].grant);
        // More is asked for, and accepted. [MQTT-3.2.2-10]
        let maximum_qos =
            grant.map_or(QoS::AtMostOnce, |grant| Supported::by(&self.limits, grant).maximum_qos);
        for (n, (filter, mut options)) in subscribe.filters.iter().enumerate() {
            let filter = &*self.spelled(filter);
            options.no_local |= is_bridge;
            options.retain_as_published |= is_bridge;
            options.qos = options.qos.min(maximum_qos);
            // What is too many is refused one by one: a client that hears so goes on, where one that is closed comes
            // back and asks for the same again.
            let wants = self.retained.index.len() > 0 && options.retain_handling != RetainHandling::DoNotSend;
            let waiting = replays.len()
                + self.sessions[session].busy.as_deref().map_or(0, |f| f.queue.replays() as usize);
            // Who asks again and again and does not read gets no more Retained Messages than it may have subscriptions.
            let verdict = if n < most && !(wants && waiting >= self.limits.subscriptions as usize) {
                self.subscribe_one(session, filter, options, identifier)
            } else {
                Err(ReasonCode::QuotaExceeded)
            };
            reasons.push(match verdict {
                Ok(Subscribed::Alone(node, new)) => {
                    if !self.shards.is_alone() && self.waits_for_interest(new, node) {
                        awaited.filters.push(self.router.filter(node));
                    }
                    let handled = self.rules.obeys(Rule::HandledAsAsked);
                    if wants_retained(options.retain_handling, new || !handled) {
                        replays.push((node, options.qos));
                    }
                    // Granted QoS 0, 1 or 2. [MQTT-3.9.3-1]
                    options.qos.bits()
                }
                // No Retained Messages for a group. (Section 4.8.2)
                Ok(Subscribed::Shared(member)) => {
                    self.await_join(member, &mut awaited);
                    options.qos.bits()
                }
                Err(reason) => reason.byte(),
            });
        }
        if !self.rules.obeys(Rule::VerdictsInOrder) {
            reasons.reverse();
        }
        let suback = Packet::Suback(Suback {
            // [MQTT-2.2.1-6] [MQTT-3.8.4-2]
            packet_id: subscribe.packet_id,
            properties: Properties::default(),
            reasons: &reasons,
        });
        let settlement = self.await_all(&awaited);
        let number = self.answer_settlement(index, &suback, settlement)?;
        for (node, qos) in replays {
            let behind = number.map(|number| (self.connections.id(index), number));
            self.begin_replay(session, node, qos, identifier, behind);
        }
        self.announce(index);
        self.wait_if_window_is_full(index);
        Ok(())
    }

    /// A filter as it is known here: where that is forgiven, `$queue/FILTER` means a group by that name.
    fn spelled<'f>(&self, filter: &'f str) -> Cow<'f, str> {
        match filter.strip_prefix(QUEUE).filter(|_| self.connections.room.takes(true).lenient.queue_filters) {
            Some(rest) => Cow::Owned(format!("{SHARE}{QUEUE}{rest}")),
            None => Cow::Borrowed(filter),
        }
    }

    /// A verdict per filter: inserting consumes it, so that what is refused is never stored. [MQTT-3.8.4-7]
    pub(super) fn subscribe_one(
        &mut self,
        session: u32,
        asked: &str,
        options: SubscriptionOptions,
        identifier: Option<NonZeroU32>,
    ) -> Result<Subscribed, ReasonCode> {
        let group = group_asked(asked)?;
        let filter = group.map_or(asked, filter_of_group);
        let s = &self.sessions[session];
        if !self.grants.may(s.grant, &s.client_id, Access::Subscribe { filter }) {
            self.note_denied(session, Access::Subscribe { filter });
            return Err(ReasonCode::NotAuthorized);
        }
        let who = Subscriber::session(session);
        let known = match group {
            Some(name) => self.membership(session, name).is_some(),
            None => self.router.find(filter).is_some_and(|node| self.router.options(node, who).is_some()),
        };
        let shares = s.rare.as_deref().map_or(0, |rare| rare.shares.len());
        let subscriptions = s.subscriptions.as_ref().map_or(0, |s| s.len()) + shares;
        if !known && subscriptions >= self.limits.subscriptions as usize {
            self.note_limited(session, Limit::subscriptions);
            return Err(ReasonCode::QuotaExceeded);
        }
        let options = Options {
            qos: options.qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            identifier,
        };
        if let Some(name) = group {
            let options = Options { no_local: false, ..options };
            let member = self.join(session, name, options);
            self.pen().subscribed(session, asked, options);
            return Ok(Subscribed::Shared(member));
        }
        // Replacing never removes it in between. [MQTT-3.8.4-3] [MQTT-3.8.4-4]
        if known && !self.rules.obeys(Rule::ReplacedInPlace) {
            self.unsubscribe_one(session, filter);
        }
        let (node, Replaced(replaced)) = self.router.subscribe(filter, who, options);
        if !replaced {
            self.sessions[session].subscriptions.get_or_insert_default().push(node);
            if self.router.subscribers_at(node) == 1 {
                self.shards.tell_interest(filter, true);
            }
        }
        self.pen().subscribed(session, filter, options);
        Ok(Subscribed::Alone(node, !replaced))
    }

    /// A group hears of a member once it is known who waits for that.
    fn await_join(&mut self, member: u64, awaited: &mut Awaited) {
        let Some(membership) = self.groups.memberships.get(member) else { return };
        if membership.shard == self.shards.me() {
            awaited.filters.push(filter_of_group(&membership.name).into());
            self.tell_join(member, NONE);
        } else {
            awaited.joins.push(member);
        }
    }

    /// A settlement for all that is to be awaited, if not everybody knows of it already.
    fn await_all(&mut self, awaited: &Awaited) -> Option<u32> {
        let Awaited { filters, notes, joins } = awaited;
        let filters = filters.iter().map(String::as_str);
        let settlement = self.shards.await_interest(filters, notes, joins.len());
        for member in joins {
            self.tell_join(*member, settlement.unwrap_or(NONE));
        }
        settlement
    }

    /// The same for what a local subscriber has subscribed to.
    pub(super) fn await_subscribed(&mut self, asked: &str, subscribed: Subscribed) -> Option<u32> {
        let mut awaited = Awaited::default();
        match subscribed {
            Subscribed::Alone(..) => awaited.filters.push(asked.into()),
            Subscribed::Shared(member) => self.await_join(member, &mut awaited),
        }
        self.await_all(&awaited)
    }

    /// The same for subscriptions that have ended.
    pub(super) fn await_unsubscribed<'a>(&mut self, filters: impl Iterator<Item = &'a str>) -> Option<u32> {
        let mut awaited = Awaited::default();
        for asked in filters {
            let group = group_of(asked);
            match group.map_or(self.shards.me(), |name| self.shards.home(name)) {
                home if home == self.shards.me() => {
                    awaited.filters.push(group.map_or(asked, filter_of_group).into());
                }
                home => awaited.notes.push((home, self.shards.post.written(home))),
            }
        }
        self.await_all(&awaited)
    }

    /// [MQTT-3.10.4-4] [MQTT-3.10.4-6]
    pub(super) fn on_unsubscribe(&mut self, index: u32, unsubscribe: &Unsubscribe<'_>) -> Result<(), Fault> {
        let session = self.connections[index].session;
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        let mut filters = Vec::new();
        for filter in unsubscribe.filters.iter() {
            let filter = self.spelled(filter);
            let existed = self.unsubscribe_one(session, &filter);
            filters.push(filter);
            let reason = if existed { ReasonCode::Success } else { ReasonCode::NoSubscriptionExisted };
            reasons.push(reason.byte());
        }
        let unsuback = Packet::Unsuback(Suback {
            // [MQTT-2.2.1-6] [MQTT-3.10.4-5]
            packet_id: unsubscribe.packet_id,
            properties: Properties::default(),
            reasons: &reasons,
        });
        let settlement = self.await_unsubscribed(filters.iter().map(|filter| &**filter));
        self.answer_settlement(index, &unsuback, settlement)?;
        self.wait_if_window_is_full(index);
        Ok(())
    }

    /// [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-3]
    pub(super) fn unsubscribe_one(&mut self, session: u32, filter: &str) -> bool {
        if let Some(name) = group_of(filter) {
            let Some(member) = self.membership(session, name) else { return false };
            self.leave_group(session, member);
            self.pen().unsubscribed(session, filter);
            return true;
        }
        let Some(node) = self.router.find(filter) else { return false };
        if self.router.options(node, Subscriber::session(session)).is_none() {
            return false;
        }
        if let Some(list) = self.sessions[session].subscriptions.as_deref_mut() {
            list.remove(node);
        }
        self.unsubscribe_at(node, Subscriber::session(session));
        self.pen().unsubscribed(session, filter);
        true
    }

    /// SUBACK and UNSUBACK wait until every shard knows. Returns the number of the answer if it has to wait; fails if the
    /// client has asked for more than it can be told. [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2]
    fn answer_settlement(
        &mut self,
        index: u32,
        packet: &Packet<'_>,
        settlement: Option<u32>,
    ) -> Result<Option<u32>, Fault> {
        let connection = &self.connections[index];
        let limit = self.sessions[connection.session].maximum_packet_size;
        let mut bytes = Vec::new();
        packet.encode(connection.version(), limit, &mut bytes).map_err(|_| Fault::AnswerTooLarge)?;
        let what = Reply::Encoded(bytes.into());
        Ok(match settlement {
            Some(settlement) => {
                let number = self.answer_later(index, what);
                let id = self.connections.id(index);
                self.shards.settlements.add(settlement, Waiter::Answer(id, number));
                Some(number)
            }
            None => {
                self.answer(index, what);
                self.connections[index].busy.as_deref().and_then(|busy| busy.answers.last())
            }
        })
    }

    /// Retained Messages come behind the SUBACK, at the place of the SUBSCRIBE.
    pub(super) fn begin_replay(
        &mut self,
        session: u32,
        node: NodeId,
        qos: QoS,
        identifier: Option<NonZeroU32>,
        behind: Option<(ConnectionId, u32)>,
    ) {
        if self.retained.index.len() == 0 {
            return;
        }
        let filter = self.router.filter(node);
        let cursor = breaches::cursor(self.rules, self.retained.index.cursor(&filter));
        let place = self.retained.replays.insert(Replay { cursor, qos, identifier, behind });
        let behind = self.rules.obeys(Rule::CursorInPlace);
        self.sessions.busy(session).queue.put_replay(place, behind);
    }
}

/// What came of subscribing to a filter.
#[derive(Clone, Copy)]
pub(super) enum Subscribed {
    /// There; and whether that is new.
    Alone(NodeId, bool),
    /// As a member of a group, under this number.
    Shared(u64),
}

/// What others have to know before a client hears of it.
#[derive(Default)]
struct Awaited {
    /// The interest in these.
    filters: Vec<String>,
    /// These notes.
    notes: Vec<(ShardId, u64)>,
    /// That these join groups on other shards.
    joins: Vec<u64>,
}

/// What the group is called, if a Shared Subscription is asked for. Before 5.0 its form has not been looked at.
fn group_asked(asked: &str) -> Result<Option<&str>, ReasonCode> {
    match group_of(asked) {
        None if asked.starts_with(SHARE) => Err(ReasonCode::TopicFilterInvalid),
        group => Ok(group),
    }
}

/// [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.8.4-4]
fn wants_retained(handling: RetainHandling, new: bool) -> bool {
    match handling {
        RetainHandling::Send => true,
        RetainHandling::SendIfNew => new,
        RetainHandling::DoNotSend => false,
    }
}
