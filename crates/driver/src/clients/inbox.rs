//! From one client's machine to its streams, and back.
use super::command::{Follow, Leaving};
use super::error::{Error, Refusal};
use super::fate::Fate;
use super::listeners::Event;
use super::member::{Member, Waits};
use super::shared::{Charge, Notice};
use super::slot::Slot;
use super::streams::{Given, comes_again};
use super::tickets::Published;
use super::window::Outcome;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use tidewire_core::client::{self, Misuse, Server, Timer, Withdrawn};
use tidewire_core::id::{Ticket, Token};
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicFilter;

/// So long a message waits for room; then what is older, and of QoS 0, makes some.
const PATIENCE: Duration = Duration::from_secs(1);
/// So long nothing more may come before that is told.
const STALLED: Duration = Duration::from_secs(10);

/// What there is for the streams of one client.
#[derive(Default)]
pub(super) struct Inbox {
    /// There was no room for this one; until when it waits for some, if it does not wait for ever.
    next: Option<(client::Message, Option<Instant>)>,
    /// When it is to be told that nothing more can come.
    stalls: Option<Instant>,
    /// That was told, and nothing has come since.
    is_stalled: bool,
}

impl Inbox {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let next = self.next.as_ref().and_then(|(_, until)| *until);
        next.into_iter().chain(self.stalls).min()
    }
}

impl Member {
    /// As many messages as there is room for.
    pub(super) fn give(&mut self, now: Instant) {
        let mut wakers = Vec::new();
        let mut unwanted = Vec::new();
        let shared = Arc::clone(&self.shared);
        let mut guard = shared.state();
        let state = &mut *guard;
        let Some(streams) = &mut state.streams else { return };
        loop {
            let (message, until) = match self.inbox.next.take() {
                Some(next) => next,
                None => match self.client.poll_message(now) {
                    Some(message) => (message, None),
                    None => break,
                },
            };
            let late = until.is_some_and(|until| now >= until);
            match streams.give(now, message, late, &mut state.listeners, &mut wakers) {
                Given::Taken | Given::Held | Given::Unwanted(None) => {}
                Given::Unwanted(Some(token)) => unwanted.push(token),
                Given::NoRoom(message) => {
                    // One of QoS 1 that is late already waits for whoever takes.
                    let until = if late { None } else { until.or(Some(now.after(PATIENCE))) };
                    self.inbox.next = Some((message, until));
                    break;
                }
            }
        }
        streams.is_behind = self.inbox.next.is_some();
        match streams.stalled() {
            None => (self.inbox.stalls, self.inbox.is_stalled) = (None, false),
            Some(_) if self.inbox.is_stalled => {}
            Some(_) => {
                self.inbox.stalls.get_or_insert(now.after(STALLED));
            }
        }
        state.stats = self.client.stats();
        drop(guard);
        for token in unwanted {
            self.answer(now, token, Outcome::Unwanted);
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// It may be time to say that nothing comes.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.give_requests_up(now);
        if self.inbox.stalls.is_none_or(|at| now < at) {
            return;
        }
        (self.inbox.stalls, self.inbox.is_stalled) = (None, true);
        let mut wakers = Vec::new();
        let mut state = self.shared.state();
        let stalled = state.streams.as_ref().and_then(|streams| streams.stalled());
        if let Some(filter) = stalled {
            state.listeners.tell(Event::Stalled { filter }, &mut wakers);
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// To all who listen.
    pub(super) fn announce(&mut self, now: Instant, unfinished: usize, notices: &mut Vec<Notice>) {
        if notices.is_empty() {
            return;
        }
        let mut wakers = Vec::new();
        let mut state = self.shared.state();
        for notice in notices.drain(..) {
            match notice {
                Notice::Connected { session_present, server } => {
                    match &mut state.streams {
                        Some(streams) if session_present => {
                            streams.supersede();
                            self.inbox.next.take_if(|(message, _)| comes_again(message));
                        }
                        Some(streams) => {
                            streams.session_lost();
                            self.inbox.next.iter_mut().for_each(|(message, _)| message.token = None);
                        }
                        None => {}
                    }
                    let server = state.connected(*server, &mut wakers);
                    state.listeners.tell(Event::Connected { server, session_present }, &mut wakers);
                }
                Notice::Disconnected { cause, error } => {
                    state.server = None;
                    let next = self.client.poll_timeout().filter(|due| due.timer == Timer::Reconnect);
                    let retry_in = match next {
                        Some(due) => Some(due.at.saturating_duration_since(now)),
                        None => (!self.client.is_ended()).then_some(Duration::ZERO),
                    };
                    state.listeners.tell(Event::Disconnected { cause, error, retry_in }, &mut wakers);
                }
                Notice::Ended(ended) => {
                    let event = Event::Ended { cause: ended.cause, unfinished };
                    state.listeners.tell(event, &mut wakers);
                    state.end(&ended, unfinished, &mut wakers);
                }
                Notice::SubscriptionLost(filter, reason) => {
                    if let Some(streams) = &mut state.streams {
                        streams.lost(&filter, &Error::Refused(reason.into()), &mut wakers);
                    }
                    self.requests.lost(&filter, reason, &mut wakers);
                    state.listeners.tell(Event::SubscriptionLost { filter, reason }, &mut wakers);
                }
                Notice::Message(_) | Notice::Auth { .. } => {}
            }
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn answer(&mut self, now: Instant, token: Token, outcome: Outcome) {
        let is_v5 = self.client.server().is_some_and(|server| server.version.is_v5());
        match outcome {
            Outcome::Accepted => self.client.acknowledge(token, ReasonCode::Success),
            Outcome::Refused(reason) => self.client.acknowledge(token, reason),
            Outcome::PassedOver => self.client.pass_over(now, token),
            Outcome::Unwanted if is_v5 => {
                self.client.acknowledge(token, ReasonCode::ImplementationSpecificError);
            }
            // It is of a session that ends with the connection: it is gone either way, and this way it does not keep its
            // place in the server's window until then.
            Outcome::Unwanted => self.client.acknowledge(token, ReasonCode::Success),
        }
    }

    /// A connection that is made from now on.
    pub(super) fn reconnect(&mut self, now: Instant, slot: Arc<Slot<Arc<Server>>>) {
        let mut state = self.shared.state();
        state.server = None;
        state.hope_for(slot);
        drop(state);
        self.client.reconnect(now);
    }

    pub(super) fn follow(&mut self, follow: Follow) {
        let identifier = Some(follow.identifier);
        let asked = match self.client.subscribe(&follow.subscriptions, identifier) {
            // This server knows none: its messages are told apart by their topics.
            Err(Misuse::SubscriptionIdentifier) => self.client.subscribe(&follow.subscriptions, None),
            asked => asked,
        };
        match asked {
            Ok(ticket) => self.tickets.insert(ticket, Waits::Granted(Box::new(follow))),
            Err(misuse) => self.follow_failed(&follow, self.refused(misuse)),
        }
    }

    pub(super) fn follow_failed(&self, follow: &Follow, error: Error) {
        self.ended_here(&self.unfollow(follow));
        follow.slot.put(Err(error));
    }

    /// All are granted, or all end.
    pub(super) fn followed(&mut self, ticket: Ticket, follow: &Follow, reasons: &[ReasonCode]) {
        let refused = reasons.iter().copied().find(|reason| granted(*reason).is_none());
        let asked = || follow.subscriptions.iter().zip(reasons);
        let filters = |is: bool| {
            let those = asked().filter(move |(_, reason)| granted(**reason).is_some() == is);
            those.map(|(asked, _)| asked.filter.clone()).collect::<Vec<_>>()
        };
        let Some(reason) = refused else {
            let state = self.shared.state();
            let streams = state.streams.as_ref().filter(|streams| !streams.is_open(follow.stream));
            // Nobody waits for it any more: it is as if it had not been asked for, in whatever session.
            let unwanted: Vec<_> = streams.map_or_else(Vec::new, |streams| {
                filters(true).into_iter().filter(|filter| !streams.is_followed(filter)).collect()
            });
            drop(state);
            if !unwanted.is_empty() {
                self.leave(Leaving { filters: unwanted, ..Leaving::default() });
            }
            return follow.slot.put(Ok(reasons.iter().copied().filter_map(granted).collect()));
        };
        let unwanted = self.unfollow(follow);
        // What was refused is none that could be ended.
        let (refused, unwanted): (Vec<_>, Vec<_>) =
            unwanted.into_iter().partition(|filter| filters(false).contains(filter));
        self.ended_here(&refused);
        self.leave(Leaving { filters: unwanted, ..Leaving::default() });
        let refusal = Refusal { reason, words: self.words_of(ticket) };
        follow.slot.put(Err(Error::Refused(refusal)));
    }

    /// Its stream does not get what comes for those that it did not have before; gives back those that nobody wants then.
    fn unfollow(&self, follow: &Follow) -> Vec<TopicFilter> {
        let mut state = self.shared.state();
        let Some(streams) = &mut state.streams else { return Vec::new() };
        streams.leave(follow.stream, &follow.added)
    }

    /// There is nothing at the server to be ended.
    fn ended_here(&self, filters: &[TopicFilter]) {
        if let Some(streams) = &mut self.shared.state().streams {
            streams.unsubscribed(filters);
        }
    }

    pub(super) fn leave(&mut self, leaving: Leaving) {
        if leaving.filters.is_empty() {
            return self.left(leaving, &[]);
        }
        match self.client.unsubscribe(&leaving.filters) {
            Ok(ticket) => self.tickets.insert(ticket, Waits::Left(Box::new(leaving))),
            Err(misuse) => self.leaving_failed(leaving, &self.refused(misuse)),
        }
    }

    pub(super) fn leaving_failed(&self, leaving: Leaving, error: &Error) {
        match error {
            // With the client what was to be ended has ended, too.
            Error::Ended(_) | Error::Gone => self.left(leaving, &[]),
            error => leaving.fail(error),
        }
    }

    /// The server sends nothing more for these, but for those that it did not end.
    pub(super) fn left(&self, leaving: Leaving, reasons: &[ReasonCode]) {
        let Leaving { filters, stream, finishes, slot } = leaving;
        let refused = reasons.iter().copied().find(|reason| reason.is_error());
        let stays = |n: usize| reasons.get(n).is_some_and(|reason| reason.is_error());
        let ended: Vec<_> =
            (0..).zip(filters).filter(|(n, _)| !stays(*n)).map(|(_, filter)| filter).collect();
        let mut wakers = Vec::new();
        let mut state = self.shared.state();
        if let Some(streams) = &mut state.streams {
            if let Some(stream) = stream {
                streams.leave(stream, &ended);
            }
            streams.unsubscribed(&ended);
            if let (Some(stream), true, None) = (stream, finishes, refused) {
                streams.finish(stream, &mut wakers);
            }
        }
        drop(state);
        if let Some(slot) = slot {
            slot.put(refused.map_or(Ok(()), |reason| Err(Error::Refused(reason.into()))));
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn withdraw(
        &mut self,
        now: Instant,
        message: &Fate,
        even_if_sent: bool,
        slot: Option<Arc<Slot<Withdrawn>>>,
    ) {
        let ticket = message.ticket().filter(|ticket| even_if_sent || self.client.is_unsent(*ticket));
        let withdrawn = ticket.map_or(Withdrawn::Unknown, |ticket| self.client.withdraw(now, ticket));
        if withdrawn != Withdrawn::Unknown
            && let Some(Waits::Published(Published { place, bytes, .. })) =
                ticket.and_then(|ticket| self.tickets.remove(ticket))
        {
            self.untold.forget(place);
            self.shared.make_free(Charge::of(bytes));
        }
        if let Some(slot) = slot {
            slot.put(Ok(withdrawn));
        }
    }
}

/// The QoS that was granted, unless it was refused.
fn granted(reason: ReasonCode) -> Option<QoS> {
    match reason {
        ReasonCode::Success => Some(QoS::AtMostOnce),
        ReasonCode::GrantedQoS1 => Some(QoS::AtLeastOnce),
        ReasonCode::GrantedQoS2 => Some(QoS::ExactlyOnce),
        _ => None,
    }
}
