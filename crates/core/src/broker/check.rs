//! What must hold between two calls.
use super::Broker;
use super::base::NONE;
use super::connection::Unread;
use super::connection::answers::Waits;
use super::messages::queue::{Identifiers, Queued};
use super::session::{Busy, Kind, Session};
use super::shards::settle::Waiter;
use crate::qos::QoS;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

impl Broker {
    pub(super) fn check_all(&self) {
        self.after.check();
        self.scratch.check();
        self.actions.check();
        self.timers.check();
        self.messages.check();
        self.check_grants();
        self.check_tickets();
        self.questions.check();
        self.router.check();
        self.retained.check();
        self.sessions.check();
        self.connections.check();
        self.shards.check();
        self.journal.check();
        self.check_connections();
        self.check_room();
        self.check_queues();
        self.groups.check();
        self.check_memberships();
        let left = self.journal.undistributed().keys().any(|id| self.here.is_of_before(*id));
        assert!(!(left && self.shards.has_said_end()), "who is told to forget an id won't get it again");
    }

    fn check_grants(&self) {
        let mut rest = BTreeMap::new();
        for (_, session) in self.sessions.iter() {
            let (sessions, connections) = rest.entry(session.grant).or_insert((0, 0));
            *sessions += 1;
            *connections += u32::from(session.connection != NONE);
        }
        self.grants.check(|place| rest.get(&place).copied().unwrap_or_default());
    }

    fn check_tickets(&self) {
        self.tickets.check(self.journal.durable());
        let waiters = self.shards.settlements.waiters().filter_map(|waiter| match waiter {
            Waiter::Asked(ticket) => Some(*ticket),
            _ => None,
        });
        let awaited: BTreeSet<_> = waiters.chain(self.shards.postponed.tickets()).collect();
        for ticket in self.tickets.are_open() {
            assert!(awaited.contains(&ticket), "somebody is to end {ticket:?}");
        }
    }

    fn check_connections(&self) {
        let touched: Vec<_> = self.actions.touched().collect();
        for (index, connection) in self.connections.iter() {
            let id = self.connections.id(index);
            let session = connection.session;
            if session != NONE {
                assert_eq!(self.sessions[session].connection, index, "they belong to each other");
            }
            let here = touched.iter().filter(|t| **t == id).count();
            assert!(here <= 1, "announced at most once");
            assert_eq!(here == 1, connection.is_listed(), "who is to be announced stands in the list");
            if let Some(busy) = connection.busy.as_deref() {
                let durable = self.journal.durable();
                busy.answers.check();
                let stuck = busy.answers.first().is_some_and(|first| first.is_ready(durable));
                assert!(!stuck, "no answer waits for nothing");
                let paused = busy.answers.iter().any(|answer| answer.waits == Waits::Pause);
                let pauses = connection.is_stopped(Unread::PAUSED);
                assert!(!paused || pauses, "an answer waits for the end of a pause that is there");
            }
        }
        for id in self.questions.connections() {
            assert!(self.connections[id.index].is_stopped(Unread::HELD), "who asked is held");
        }
    }

    fn check_queues(&self) {
        let (mut queued, mut in_flight, mut replays) = (0_u64, 0_u64, 0);
        let mut references = BTreeMap::new();
        let mut lists = 0;
        for (_, connection) in self.connections.iter() {
            queued += connection.busy.as_deref().map_or(0, |busy| busy.early.len() as u64);
        }
        for (index, session) in self.sessions.iter() {
            if session.connection != NONE {
                assert_eq!(self.connections[session.connection].session, index, "they belong to each other");
            }
            let Some(busy) = session.busy.as_deref() else { continue };
            self.check_names(session, busy);
            lists += busy.held().filter(|e| matches!(e.identifiers(), Identifiers::Many(_))).count();
            busy.queue.check(|message| self.messages.store.get(message).size());
            for entry in busy.queue.iter() {
                match entry.what() {
                    Queued::Message(message) => {
                        queued += 1;
                        *references.entry(message.0).or_insert(0) += 1;
                    }
                    Queued::Replay(_) => replays += 1,
                }
            }
            for (entry, ..) in busy.sender.iter() {
                in_flight += 1;
                *references.entry(entry.message_ref().0).or_insert(0) += 1;
            }
            // A message that can go must have been announced, or nobody will ever ask for it.
            if session.connection != NONE && session.kind == Kind::Client {
                self.check_awake(index);
            }
        }
        for (_, group) in self.groups.iter() {
            queued += group.len() as u64;
            for entry in group.waiting().chain(group.out()) {
                *references.entry(entry.message_ref().0).or_insert(0) += 1;
            }
        }
        assert_eq!(lists, self.messages.lists(), "each list of identifiers is held once");
        let ledger = self.messages.books.ledger();
        assert_eq!((queued, in_flight), (ledger.queued, ledger.in_flight), "the books say what there is");
        assert_eq!(replays, self.retained.replays.len(), "each replay stands in one queue");
        let held: BTreeMap<u32, u32> = self.messages.references().map(|(m, refs)| (m.0, refs)).collect();
        assert_eq!(references, held, "each message is kept as often as it is needed");
    }

    fn check_memberships(&self) {
        self.groups.memberships.check();
        assert!(self.messages.answered.is_empty(), "groups know what became of their offers");
        let mut open = BTreeMap::new();
        for (index, session) in self.sessions.iter() {
            let held = session.busy.as_deref().into_iter().flat_map(Busy::held);
            let messages = held.filter(|entry| matches!(entry.what(), Queued::Message(_)));
            for offer in messages.filter_map(|entry| self.messages.offer(entry)) {
                *open.entry(offer.member).or_insert(0) += 1;
            }
            let Some(rare) = session.rare.as_deref() else { continue };
            let closed: BTreeSet<_> = rare.closed.iter().collect();
            assert!(closed.is_empty() || !self.has_room_for_offer(index), "who has room says so");
            for number in &rare.shares {
                let membership = self.groups.memberships.get(*number);
                let here = membership.is_some_and(|m| m.session == index && !m.has_left);
                assert!(here, "each share is one of this session");
                let is_closed = membership.is_some_and(|m| m.is_closed());
                assert_eq!(closed.contains(number), is_closed, "who is to say so is known");
            }
        }
        for (number, membership) in self.groups.memberships.iter() {
            let held = open.remove(&number).unwrap_or_default();
            assert_eq!(held, membership.open, "what was taken of a group and is not answered is counted");
        }
        assert!(open.is_empty(), "what a group has offered is a member's");
    }

    /// The journal means one entry by a name.
    fn check_names(&self, session: &Session, busy: &Busy) {
        if self.journal.is_on() && session.expiry > 0 && session.kind == Kind::Client {
            let mut names = BTreeSet::new();
            let named = busy
                .held()
                .filter(|entry| matches!(entry.what(), Queued::Message(_)) && entry.qos() > QoS::AtMostOnce)
                // The journal knows these as their group's.
                .filter(|entry| self.messages.offer(*entry).is_none());
            for entry in named {
                let is_new = names.insert(self.messages.store.name(entry.message_ref()));
                assert!(is_new, "what the journal may say of an entry is said of no other");
            }
        }
    }

    fn check_awake(&self, session: u32) {
        let s = &self.sessions[session];
        let connection = &self.connections[s.connection];
        let Some(busy) = s.busy.as_deref() else { return };
        let is_awaited = self.journal.is_awaited(busy.awaited, self.connections.id(s.connection));
        assert!(is_awaited || busy.awaited <= self.journal.durable(), "who waits for the journal is woken");
        let waits = !busy.is_clear();
        let quota = busy.sender.has_room(s.receive_maximum);
        // Whatever else it may have stopped for.
        let free =
            busy.bound <= self.journal.durable() && busy.queue.replays() == 0 && busy.sender.may_grow();
        let may = connection.takes_messages() && !connection.has_more();
        if waits && quota && may && (free || !busy.queue.is_stalled()) {
            assert!(connection.is_announced(), "what can go has been announced");
        }
    }

    fn check_room(&self) {
        let waiting: Vec<_> = self.connections.room.waiting().filter(|id| self.connections.is(*id)).collect();
        for id in &waiting {
            assert!(Some(*id) != self.connections.room.turn(), "who is read on does not wait");
        }
        for (index, connection) in self.connections.iter() {
            let id = self.connections.id(index);
            let is_cramped = connection.is_stopped(Unread::CRAMPED);
            assert!(!is_cramped || waiting.contains(&id), "who waits for room stands in the queue");
            assert!(!is_cramped || connection.session != NONE, "only who was let in waits");
        }
        assert!(waiting.is_empty() || self.connections.room.turn().is_some(), "somebody is always read on");
    }
}
